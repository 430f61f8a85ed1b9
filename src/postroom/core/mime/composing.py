"""Composing: mails as bytes. A body is rendered once, headers per recipient; both are spliced on the wire.

Duty: what Postroom sends, built without the standard library's writer (which makes 500 mails a second).
Laws: equal input gives equal bytes, boundaries included; no value can inject a field or a part; lines end in
CRLF and never exceed 998 bytes; everything written here is read back equal by `parsing` and by the standard
library.
Standards: RFC 5322 (fields), RFC 2045-2047 and 2231 (MIME), RFC 2387 (related), RFC 6532 (UTF-8 local parts).
Deviation: identification fields stay on one line up to 998 bytes and are folded between identifiers only
(O-68).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from postroom.core.mime.attachments import DEFAULT_NAME, clean_name
from postroom.core.mime.encoding import (
    HARD_LIMIT,
    SOFT_LIMIT,
    clean,
    encode_base64,
    encode_text,
    mailbox,
    parameter,
    unstructured,
)
from postroom.core.mime.headers import read_parameters
from postroom.core.mime.markup import html_to_text
from postroom.core.mime.parts import mend_content_type
from postroom.core.terms.addresses import Address, normalize_domain


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingAttachment:
    """A file to send: beside the HTML when that shows its ``content_id`` (``cid:``), else behind it."""

    name: str
    content_type: str
    content: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedBody:
    """A body, ready for any number of recipients: its Content fields (each with CRLF) and its bytes."""

    content_headers: bytes
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHeaders:
    """The fields of one mail. ``date`` is aware, identifiers have their brackets, ``extra`` are more fields.

    An extra field that repeats one of ours, or whose name is none, is left out.
    """

    header_from: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    message_id: str
    date: datetime
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


# -- headers ---------------------------------------------------------------------------------------------

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_OURS = frozenset(
    ("from", "to", "cc", "bcc", "reply-to", "subject", "message-id", "date", "in-reply-to", "references",
     "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id",
     "return-path")
)  # fmt: skip


def render_headers(mail: MailHeaders) -> bytes:
    """The header fields with their line ends, without the Content fields and the empty line.

    UTF-8 in local parts alone.
    """
    lines = [f"From: {mailbox(mail.header_from.name, mail.header_from.local, mail.header_from.domain)}\r\n"]
    if mail.to:
        lines.append(_addresses("To", mail.to))
    if mail.cc:
        lines.append(_addresses("Cc", mail.cc))
    if mail.reply_to:
        lines.append(_addresses("Reply-To", mail.reply_to))
    lines.append(f"Subject: {unstructured(mail.subject, 9)}\r\n")
    lines.append(_identifiers("Message-ID", (mail.message_id,)))
    lines.append(f"Date: {format_date(mail.date)}\r\n")
    if mail.in_reply_to:
        lines.append(_identifiers("In-Reply-To", mail.in_reply_to))
    if mail.references:
        lines.append(_identifiers("References", mail.references))
    for name, value in mail.extra:
        if _FIELD_NAME.fullmatch(name) and name.lower() not in _OURS:
            lines.append(f"{name}: {unstructured(value, len(name) + 2)}\r\n")
    lines.append("MIME-Version: 1.0\r\n")
    return "".join(lines).encode("utf-8")


def needs_smtputf8(mail: MailHeaders) -> bool:
    """Whether the header block holds UTF-8 (RFC 6532): a local part, or a domain that has no A-labels."""
    addresses = (mail.header_from, *mail.to, *mail.cc, *mail.reply_to)
    return not all(
        address.local.isascii() and (address.domain.isascii() or normalize_domain(address.domain))
        for address in addresses
    )


def format_date(moment: datetime) -> str:
    """RFC 5322 3.3 in UTC. English whatever the locale."""
    moment = moment.astimezone(UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d}"
        f" {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} +0000"
    )


def _addresses(name: str, addresses: Iterable[Address]) -> str:
    """An address list, folded between mailboxes."""
    pieces = [f"{name}: "]
    room = SOFT_LIMIT - len(name) - 2
    for address in addresses:
        text = mailbox(address.name, address.local, address.domain)
        if len(pieces) > 1:
            folds = len(text) + 3 > room
            pieces.append(",\r\n " if folds else ", ")
            room = SOFT_LIMIT - 1 if folds else room - 2
        pieces.append(text)
        room -= len(text)
    pieces.append("\r\n")
    return "".join(pieces)


_NOT_IN_IDENTIFIER = re.compile(r"[\x00-\x20\x7f-\U0010ffff]")


def _identifiers(name: str, identifiers: Iterable[str]) -> str:
    """Identifiers on one line while it is legal, else folded between them."""
    line = f"{name}:"
    lines = []
    for written in identifiers:
        identifier = _NOT_IN_IDENTIFIER.sub("", written)[: HARD_LIMIT - 20]
        if len(line) + 1 + len(identifier) > HARD_LIMIT:
            lines.append(line)
            line = ""
        line += " " + identifier
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


# -- bodies ----------------------------------------------------------------------------------------------

_LINKED = re.compile(r"""cid:([^\s"'<>)]+)""", re.IGNORECASE)


def render_body(*, text: str = "", html: str = "", attachments: Sequence[OutgoingAttachment] = ()) -> RenderedBody:
    """The body of a mail: text and HTML as alternatives, shown images related to the HTML, files behind them.

    Without ``text`` it is made from the HTML, links as footnotes (O-61).
    """
    shown = set(_LINKED.findall(html)) if attachments else set()
    inline = [attachment for attachment in attachments if attachment.content_id and _bare_id(attachment) in shown]
    others = [attachment for attachment in attachments if attachment not in inline] if inline else attachments
    if html and not text:
        text = html_to_text(html, footnotes=True)
    body = _text_part("plain", text)
    if html:
        shown_html = _text_part("html", html)
        if inline:
            shown_html = _multipart("related", [shown_html, *map(_inline_part, inline)], '; type="text/html"')
        body = _multipart("alternative", [body, shown_html])
    if others:
        body = _multipart("mixed", [body, *map(_attachment_part, others)])
    return body


def splice(headers: bytes, body: RenderedBody) -> tuple[bytes, bytes]:
    """A mail as chunks for the wire.

    Its header block with the empty line, and the body that its recipients share.
    """
    return headers + body.content_headers + b"\r\n", body.body


def _text_part(subtype: str, text: str) -> RenderedBody:
    encoding, data = encode_text(text)
    headers = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return RenderedBody(content_headers=headers.encode("ascii"), body=data)


def _multipart(subtype: str, parts: Sequence[RenderedBody], parameters: str = "") -> RenderedBody:
    chunks = [b"%b\r\n%b" % (part.content_headers, part.body) for part in parts]
    boundary = _boundary(subtype, chunks)
    delimiter = b"\r\n--%b\r\n" % boundary
    body = b"%b%b\r\n--%b--\r\n" % (delimiter[2:], delimiter.join(chunks), boundary)
    headers = f'Content-Type: multipart/{subtype}{parameters};\r\n boundary="{boundary.decode("ascii")}"\r\n'
    return RenderedBody(content_headers=headers.encode("ascii"), body=body)


def _boundary(subtype: str, chunks: Sequence[bytes]) -> bytes:
    """By hash from the content: the same each time; hashed on until it occurs nowhere in the content."""
    digest = sha256(subtype.encode("ascii"))
    for chunk in chunks:
        digest.update(chunk)
    while True:
        boundary = b"=_%b" % digest.hexdigest()[:32].encode("ascii")
        if not any(boundary in chunk for chunk in chunks):
            return boundary
        digest.update(b"+")


def _bare_id(attachment: OutgoingAttachment) -> str:
    return clean(attachment.content_id).strip("<> ")


def _inline_part(attachment: OutgoingAttachment) -> RenderedBody:
    identifier = _NOT_IN_IDENTIFIER.sub("", _bare_id(attachment))[:900]
    return _file_part(attachment, "inline", f"Content-ID: <{identifier}>\r\n")


def _attachment_part(attachment: OutgoingAttachment) -> RenderedBody:
    return _file_part(attachment, "attachment", "")


def _file_part(attachment: OutgoingAttachment, disposition: str, more: str) -> RenderedBody:
    name = clean_name(attachment.name) or DEFAULT_NAME
    content_type, parameters = _typed(attachment)
    encoding, data = "base64", b""
    if content_type.startswith(("message/", "multipart/")):
        if _travels_as_it_is(attachment.content) and content_type == "message/rfc822":
            encoding, data = "7bit", attachment.content
        else:  # RFC 2046 5.2.1 forbids base64 for an attached mail: it travels as a file
            content_type, parameters = "application/octet-stream", ""
    headers = (
        f"Content-Type: {content_type}{parameters}{parameter('name', name)}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n"
        f"Content-Disposition: {disposition}{parameter('filename', name)}\r\n{more}"
    )
    return RenderedBody(content_headers=headers.encode("ascii"), body=data or encode_base64(attachment.content))


def _typed(attachment: OutgoingAttachment) -> tuple[str, str]:
    """The media type and its parameters (``method`` of an invitation); a text in UTF-8 says so."""
    written, given = read_parameters(clean(attachment.content_type))
    content_type = mend_content_type(written) or "application/octet-stream"
    if content_type.startswith("text/") and "charset" not in given and _is_utf8(attachment.content):
        given["charset"] = "utf-8"
    kept = [(key, value) for key, value in given.items() if _TOKEN.fullmatch(key) and key not in ("name", "boundary")]
    return content_type, "".join(parameter(key, value) for key, value in kept)


_TOKEN = re.compile(r"[a-z0-9-]{1,40}")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_NO_LINE_OF_7BIT = re.compile(rb"[\x00\x80-\xff]|\r(?!\n)|(?<!\r)\n|[^\n]{999}")


def _travels_as_it_is(content: bytes) -> bool:
    return bool(content) and _NO_LINE_OF_7BIT.search(content) is None
