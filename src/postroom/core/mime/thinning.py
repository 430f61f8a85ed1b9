"""Thinning: a mail that is too large for its server, made again with links in place of its largest files.

Duty: which files leave the mail, and the body without them.
Laws: pure; the largest files go first, and no more of them than must; pictures that the HTML shows go last, and are shown from their
links; words and the other files stay as they are. The body was made by `composing`, so `parsing` reads it back equal.
Standards: as `composing`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from postroom.core.mime.composing import OutgoingAttachment, RenderedBody, render_body
from postroom.core.mime.parsed import Attachment
from postroom.core.mime.parsing import parse

_LINE = 78  # bytes of 57 in base64, with CRLF
_PART = 500  # bytes of a part's header fields and boundary, more or less
_LINK = 600  # bytes that a link adds to text and HTML, more or less


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFile:
    """Where a file of the mail is to be had instead."""

    sha256: str
    name: str
    size: int  # bytes
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenApart:
    """A body as it was before it was rendered."""

    text: str
    html: str
    files: tuple[Attachment, ...]


def take_apart(body: RenderedBody) -> TakenApart:
    """What a body of ours consists of."""
    parsed = parse(b"MIME-Version: 1.0\r\n" + body.content_headers + b"\r\n" + body.body)
    return TakenApart(text=parsed.text, html=parsed.html, files=parsed.attachments)


def choose_files(mail: TakenApart, *, size: int, limit: int, linkable: frozenset[str]) -> tuple[Attachment, ...]:
    """The files to link so that a mail of ``size`` bytes has ``limit`` at most: the largest first, then shown pictures.

    Empty when all of them together would not suffice. ``linkable`` are the SHA-256 of files that can be had by a link.
    """
    candidates = sorted(
        (file for file in mail.files if file.sha256 in linkable), key=lambda file: (file.is_inline, -file.size)
    )
    chosen: list[Attachment] = []
    for file in candidates:
        chosen.append(file)
        size += _LINK - wire_size(file.size)
        if size <= limit:
            return tuple(chosen)
    return ()


def wire_size(size: int) -> int:
    """Bytes that a file of ``size`` bytes has in a mail: base64 with its line ends."""
    return -(-size // 57) * _LINE + _PART


def thinned(mail: TakenApart, links: Sequence[LinkedFile], *, title: str, until: str) -> RenderedBody:
    """The mail without the linked files. ``title`` stands above the links, ``until`` says behind each how long it works."""
    by_digest = {link.sha256: link for link in links}
    html = mail.html
    for file in mail.files:
        if file.is_inline and file.content_id and (link := by_digest.get(file.sha256)):
            html = html.replace(f"cid:{file.content_id}", escape(link.url))
    listed = [link for link in links if not _is_shown(mail, link)]
    kept = [
        OutgoingAttachment(
            name=file.name, content_type=file.content_type, content=file.content, content_id=file.content_id
        )
        for file in mail.files
        if file.sha256 not in by_digest
    ]
    return render_body(
        text=mail.text + _as_text(listed, title, until),
        html=_with_list(html, _as_html(listed, title, until)) if html else "",
        attachments=kept,
    )


def _is_shown(mail: TakenApart, link: LinkedFile) -> bool:
    return all(file.is_inline for file in mail.files if file.sha256 == link.sha256)


def _as_text(links: Sequence[LinkedFile], title: str, until: str) -> str:
    if not links:
        return ""
    lines = [f"- {link.name} ({spoken_size(link.size)}), {until}\n  {link.url}" for link in links]
    return "\n\n" + title + "\n" + "\n".join(lines) + "\n"


def _as_html(links: Sequence[LinkedFile], title: str, until: str) -> str:
    if not links:
        return ""
    rows = "".join(
        f'<p style="margin:6px 0"><a href="{escape(link.url)}">{escape(link.name)}</a>'
        f' <span style="color:#616e7c">{spoken_size(link.size)}, {escape(until)}</span></p>'
        for link in links
    )
    return (
        '<div style="margin-top:20px;padding:10px 14px;border:1px solid #d9dee3;border-radius:8px;'
        f'font-family:Helvetica,Arial,sans-serif;font-size:13px"><b>{escape(title)}</b>{rows}</div>'
    )


def _with_list(html: str, block: str) -> str:
    """Before the end of the document, where there is one."""
    ends = [match.start() for match in _END_OF_BODY.finditer(html)]
    return html[: ends[-1]] + block + html[ends[-1] :] if ends else html + block


_END_OF_BODY = re.compile(r"</body\b", re.IGNORECASE)


def spoken_size(size: int) -> str:
    """``350 kB``, ``4.2 MB``."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} kB"
    return f"{size / 1_000_000:.1f} MB"
