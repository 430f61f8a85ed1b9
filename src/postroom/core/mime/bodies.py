"""Bodies: which parts of a mail are its text and its HTML, and which are not.

Duty: to sort the leaves of the tree into bodies, attachments and report parts (I-17..I-20).
Laws: nothing readable is lost: a part is a body, an attachment, a report part, or the lesser of two
alternatives. An attached mail (message/rfc822) is never walked into (W-26). Of a multipart/report only the
first text is a body.
Standards: RFC 2046 5.1 (mixed, alternative), RFC 2387 (related), RFC 3676 (format=flowed), RFC 6522 (report).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from html import escape

from postroom.core.mime.defects import Defect
from postroom.core.mime.embedded import cut_out
from postroom.core.mime.enriched import read_enriched
from postroom.core.mime.headers import read_block
from postroom.core.mime.markup import html_to_text, text_to_html
from postroom.core.mime.parts import Part, read_tree
from postroom.core.mime.smime import signed_content
from postroom.core.mime.words import charset_of, decode_text

__all__ = ["Sorted", "html_to_text", "sort_parts", "text_to_html", "unflow"]

MAX_BODY = 10_000_000  # bytes of one body as sent; a longer one is cut, and is an attachment as well

MAX_TRANSLATED = 500_000  # characters of bodies that are translated between their two forms
MAX_FLOWED_LINES = 200_000

_ENRICHED = frozenset(("text/enriched", "text/richtext"))
_BODY_TYPES = frozenset(("text/plain", "text/html")) | _ENRICHED
_SIGNATURES = frozenset(("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"))
MAX_ENVELOPES = 4  # one in another
_SMIME = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_LESSER_ALTERNATIVES = frozenset(("text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext"))
_REPORT_TYPES = frozenset(
    (
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/rfc822",
        "text/rfc822-headers",
    )
)


@dataclass(slots=True)
class Block:
    """A stretch of body in its two forms; ``None`` where the sender did not write that form."""

    text: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Sorted:
    """The leaves by their use, in order."""

    blocks: list[Block] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)
    report_parts: list[Part] = field(default_factory=list)
    calendars: list[Part] = field(default_factory=list)
    signatures: list[Part] = field(default_factory=list)
    is_report: bool = False
    is_signed: bool = False
    is_encrypted: bool = False
    envelopes: int = 0  # of S/MIME, that were opened
    defects: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The plain body. Blocks that were written in HTML alone are translated, unless all of them were."""
        texts = [block.text for block in self.blocks]
        if len(texts) == 1:
            return texts[0] or ""
        if all(text is None for text in texts):
            return ""
        return _joined(self._as_text())

    def html(self) -> str:
        """The HTML body. Blocks that were written in text alone are translated, unless all of them were."""
        htmls = [block.html for block in self.blocks]
        if len(htmls) == 1:
            return htmls[0] or ""
        if all(html is None for html in htmls):
            return ""
        return "<br>\n".join(self._as_html())

    def _as_text(self) -> Iterator[str]:
        left = MAX_TRANSLATED
        for block in self.blocks:
            if block.text is not None:
                yield block.text
            elif left > 0:
                html = block.html or ""
                left -= len(html)
                yield html_to_text(html)
            elif Defect.OVERSIZE not in self.defects:
                self.defects.append(Defect.OVERSIZE)

    def _as_html(self) -> Iterator[str]:
        left = MAX_TRANSLATED
        for block in self.blocks:
            if block.html is not None:
                yield block.html
            else:
                text = block.text or ""
                left -= len(text)
                yield text_to_html(text) if left > 0 else f"<pre>{escape(text)}</pre>"


def _joined(texts: Iterable[str]) -> str:
    return "\n".join(text if text.endswith("\n") else text + "\n" for text in texts if text.strip())


def sort_parts(root: Part) -> Sorted:
    """Every leaf below ``root`` in its place."""
    result = Sorted(is_report=root.content_type == "multipart/report")
    if root.is_multipart or root.content_type in _SMIME:
        result.blocks = _walk(root, result, in_report=False) or _named_body(result)
    elif _is_sole_body(root):
        result.blocks = [_read_body(root, result)]
    else:
        _set_aside(root, result, in_report=False)
    return result


def _named_body(result: Sorted) -> list[Block]:
    """The first part, a text that is named but not called an attachment, when nothing else is a body."""
    first = result.attachments[0] if result.attachments else None
    if first is None or first.content_type not in ("text/plain", "text/html") or first.disposition == "attachment":
        return []
    del result.attachments[0]
    return [_read_body(first, result)]


def _is_sole_body(root: Part) -> bool:
    """A mail of one part is its body whatever it is named, unless it says that it is an attachment."""
    if root.content_type.startswith("multipart/"):
        return False
    return root.content_type in _BODY_TYPES and root.disposition != "attachment"


def _walk(part: Part, result: Sorted, *, in_report: bool) -> list[Block]:
    if not part.is_multipart:
        return _leaf(part, result, in_report=in_report)
    match part.content_type:
        case "multipart/alternative":
            return _one_of(part, result, in_report=in_report)
        case "multipart/related":
            return _related(part, result, in_report=in_report)
        case "multipart/report":
            return _report(part, result)
        case "multipart/signed":
            result.is_signed = True
        case "multipart/encrypted":
            result.is_encrypted = True
        case _:
            pass
    return [block for child in part.children for block in _walk(child, result, in_report=in_report)]


def _leaf(part: Part, result: Sorted, *, in_report: bool) -> list[Block]:
    if _is_body(part):
        return [_read_body(part, result)]
    if (within := _signed_within(part, result)) is not None:
        return _walk(within, result, in_report=in_report)
    _set_aside(part, result, in_report=in_report)
    return []


def _report(part: Part, result: Sorted) -> list[Block]:
    """The first readable part is the body.

    Texts behind it are what some systems return in place of message/rfc822.
    """
    blocks: list[Block] = []
    for child in part.children:
        if blocks and _is_body(child):
            result.report_parts.append(child)
        else:
            blocks += _walk(child, result, in_report=True)
    return blocks[:1]


def _one_of(part: Part, result: Sorted, *, in_report: bool) -> list[Block]:
    """Alternatives: the first text and the last HTML are two forms of one block."""
    forms = [_walk(child, result, in_report=in_report) for child in part.children if not _is_lesser(child, part)]
    text = next((_texts(blocks) for blocks in forms if any(block.text is not None for block in blocks)), None)
    html = next(
        (_htmls(blocks) for blocks in reversed(forms) if any(block.html is not None for block in blocks)),
        None,
    )
    return [Block(text, html)] if text is not None or html is not None else []


def _is_lesser(part: Part, alternatives: Part) -> bool:
    """Whether a part is a form that nobody needs beside the others."""
    if part.content_type not in _LESSER_ALTERNATIVES:
        return False
    return any(other.content_type not in _LESSER_ALTERNATIVES for other in alternatives.children)


def _texts(blocks: list[Block]) -> str:
    return Sorted(blocks=blocks).text()


def _htmls(blocks: list[Block]) -> str:
    return Sorted(blocks=blocks).html()


def _related(part: Part, result: Sorted, *, in_report: bool) -> list[Block]:
    """The root and what it shows.

    Named or identified parts beside it are attachments even when they are texts.
    """
    start = part.parameters.get("start", "").strip("<> ")
    root = next((child for child in part.children if start and child.content_id == start), part.children[0])
    blocks: list[Block] = []
    for child in part.children:
        if child is not root and child.content_id and not child.is_multipart:
            _set_aside(child, result, in_report=in_report)
        else:
            blocks += _walk(child, result, in_report=in_report)
    if len(blocks) == 2 and {blocks[0].html is None, blocks[1].html is None} == {True, False}:
        return [
            Block(
                _texts([b for b in blocks if b.html is None]),
                _htmls([b for b in blocks if b.html is not None]),
            )
        ]
    return blocks


def _is_body(part: Part) -> bool:
    """A text without a name and not called an attachment (I-17)."""
    if part.content_type not in _BODY_TYPES or part.disposition == "attachment":
        return False
    return not ("filename" in part.disposition_parameters or "name" in part.parameters)


def _set_aside(part: Part, result: Sorted, *, in_report: bool) -> None:
    if part.content_type in _REPORT_TYPES or part.content_type.startswith("message/global"):
        result.report_parts.append(part)
        if in_report:
            return
    elif part.content_type in _SIGNATURES:
        result.is_signed = True
        result.signatures.append(part)
        return
    elif part.content_type in _SMIME:
        _note_smime(part, result)
    elif part.content_type == "text/calendar":
        result.calendars.append(part)
    result.attachments.append(part)


def _signed_within(part: Part, result: Sorted) -> Part | None:
    """The mail in an S/MIME envelope that is not encrypted, in the envelope's place; the envelope is kept with the signatures."""
    if part.content_type not in _SMIME or result.envelopes >= MAX_ENVELOPES:
        return None
    content = signed_content(part.content()[0])
    if content is None:
        return None
    result.envelopes += 1
    result.is_signed = True
    result.signatures.append(part)
    within, defects = read_tree(content, read_block(content, 0, len(content)))
    result.defects += defects
    return within


def _note_smime(part: Part, result: Sorted) -> None:
    """What an S/MIME envelope says that it is (RFC 8551 3.2.2); without a word it is encrypted, the usual kind."""
    kind = part.parameters.get("smime-type", "").lower()
    if kind == "signed-data":
        result.is_signed = True
    elif kind in ("", "enveloped-data", "authenveloped-data"):
        result.is_encrypted = True


def _read_body(part: Part, result: Sorted) -> Block:
    if part.end - part.start > MAX_BODY:
        result.defects.append(Defect.OVERSIZE)
        result.attachments.append(part)
        data, in_order = replace(part, end=part.start + MAX_BODY).content()[0], True
    else:
        data, in_order = part.content()
    if not in_order:
        result.defects.append(Defect.BAD_TRANSFER_ENCODING)
    charset = part.parameters.get("charset", "")
    is_html = part.content_type == "text/html"
    if is_html and not charset_of(charset):
        charset = _charset_in_html(data) or charset
    elif not is_html:
        data, files = cut_out(data)
        result.attachments += files
    text, defects = decode_text(data, charset)
    result.defects += defects
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if is_html:
        return Block(html=text)
    if part.content_type in _ENRICHED:
        return Block(text=read_enriched(text[:MAX_TRANSLATED]) + text[MAX_TRANSLATED:])
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return Block(text=text)


_META = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{2,40})", re.IGNORECASE)


def _charset_in_html(data: bytes) -> str:
    """The charset that a page names in itself.

    ``<meta charset>`` or an XML declaration. It is no UTF-16: we could read it.
    """
    found = _META.search(data, 0, 2048)
    name = found[1].decode("ascii") if found else ""
    return "" if "utf_16" in charset_of(name) or "utf_32" in charset_of(name) else name


def unflow(text: str, *, delete_space: bool) -> str:
    """format=flowed (RFC 3676).

    Soft line breaks are joined, space-stuffing is removed, quotation marks stay.
    """
    lines: list[str] = []
    flowing_depth = -1  # of the paragraph that the next line may continue
    written = text.split("\n", MAX_FLOWED_LINES)
    rest = written.pop() if len(written) > MAX_FLOWED_LINES else None  # what is longer stays as it is
    for raw_line in written:
        line = raw_line.lstrip(">")
        depth = len(raw_line) - len(line)
        if line[:1] == " ":
            line = line[1:]
        flows = line[-1:] == " " and line != "-- "
        if depth == flowing_depth and line != "-- ":
            lines.append(line[:-1] if flows and delete_space else line)
        else:
            if lines:
                lines.append("\n")
            lines.append(f"{'>' * depth} " if depth and line else ">" * depth)
            lines.append(line[:-1] if flows and delete_space else line)
        flowing_depth = depth if flows else -1
    return "".join(lines if rest is None else [*lines, "\n", rest])
