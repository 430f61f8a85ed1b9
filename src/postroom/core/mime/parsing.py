"""Parsing: from the raw bytes of a mail to what it says.

Duty: `parse` reads everything, `parse_headers` the header block alone (for the door, which decides before it
stores).
Laws: never raises, whatever the bytes are; says with `Defect` codes where it had to guess; the work is linear
in the size of the mail and bounded by the budgets of `headers` (block, fields, addresses) and `parts` (depth,
number of parts).
Standards: RFC 5322, RFC 2045-2049, RFC 2231, RFC 3676, RFC 6522, RFC 6532.
"""

from __future__ import annotations

from datetime import datetime

from postroom.core.mime.bodies import sort_parts
from postroom.core.mime.contents import MAX_REPLY_SOURCE, Contents, read_contents
from postroom.core.mime.defects import Defect
from postroom.core.mime.headers import HeaderBlock, read_addresses, read_block, read_date, read_parameters
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parts import mend_content_type, read_tree
from postroom.core.mime.words import decode_text, decode_words
from postroom.core.terms.addresses import Address, normalize
from postroom.core.terms.message_ids import read_message_ids

_DELIVERY_FIELDS = frozenset(("delivered-to", "x-original-to", "envelope-to", "x-envelope-to"))
_READ = _DELIVERY_FIELDS | frozenset(
    ("from", "sender", "reply-to", "to", "cc", "resent-to", "resent-cc", "date", "message-id", "in-reply-to",
     "references", "return-path")
)  # fmt: skip


def parse(raw: bytes) -> ParsedMail:
    """What a mail says: headers, bodies, attachments, report parts.

    Line ends may be CRLF, LF or a mixture.
    """
    try:
        return _parse(raw)
    except Exception:  # the last resort of the law: a fault of ours must not cost the mail
        return ParsedMail(text=decode_text(raw[:MAX_REPLY_SOURCE])[0], defects=(Defect.PARSER_FAULT.value,))


def parse_headers(raw: bytes) -> ParsedMail:
    """What the header block says.

    Bodies, attachments and report parts stay empty. ``raw`` may end after the headers.
    """
    try:
        block = _top_block(raw)[1]
        return _described(block, read_parameters(block.first("content-type")))
    except Exception:
        return ParsedMail(defects=(Defect.PARSER_FAULT.value,))


def _parse(raw: bytes) -> ParsedMail:
    raw, block = _top_block(raw)
    root, defects = read_tree(raw, block)
    contents = read_contents(sort_parts(root), block)
    contents.defects = (*defects, *contents.defects)
    return _described(block, (root.declared_type, root.parameters), contents)


def _top_block(raw: bytes) -> tuple[bytes, HeaderBlock]:
    """The header block of a whole mail.

    Bare carriage returns, leading empty lines and a mailbox's From line are mended.
    """
    defects: tuple[str, ...] = ()
    if b"\n" not in raw and b"\r" in raw:
        raw = raw.replace(b"\r", b"\n")
        defects = (Defect.BARE_CR,)
    start = 0
    if raw[:1] in (b"\r", b"\n", b" ", b"\t", b"\xef"):
        start = len(raw) - len(raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))
        if not raw.strip():
            return raw, HeaderBlock([], len(raw), (Defect.EMPTY_MESSAGE,))
    block = read_block(raw, start, len(raw))
    if not raw:
        defects = (Defect.EMPTY_MESSAGE,)
    block.defects = defects + block.defects
    return raw, block


_NOTHING = Contents()


def _described(block: HeaderBlock, content: tuple[str, dict[str, str]], contents: Contents = _NOTHING) -> ParsedMail:
    """The mail with this header block, this declared content type with its parameters, and these contents."""
    headers: list[tuple[str, str]] = []
    subject: str | None = None
    values: dict[str, list[str]] = {}  # as written, of the fields that are taken apart below
    for name, value in block.fields:
        key = name.lower()
        if key in _READ:
            values.setdefault(key, []).append(value)
        # RFC 2047 5: no encoded words where structure is read, and a peer chooses its own name in Received
        decoded = decode_words(value) if "=?" in value and key != "received" else value
        headers.append((name, decoded))
        if key == "subject" and subject is None:
            subject = decoded.strip(" ")
    found = [*block.defects, *contents.defects]
    message_id = _message_id(values, found)
    header_from = _addresses(values, "from", found)
    sender = _addresses(values, "sender", found)
    if not header_from and not sender:
        found.append(Defect.MISSING_FROM)
    return ParsedMail(
        headers=tuple(headers),
        message_id=message_id,
        subject=subject or "",
        date=_date(values, found),
        header_from=header_from,
        sender=sender[0] if sender else None,
        reply_to=_addresses(values, "reply-to", found),
        to=_addresses(values, "to", found),
        cc=_addresses(values, "cc", found),
        resent_to=_addresses(values, "resent-to", found) + _addresses(values, "resent-cc", found),
        delivered_to=_delivered_to(block) if not _DELIVERY_FIELDS.isdisjoint(values) else (),
        return_path=_return_path(values),
        in_reply_to=read_message_ids(_first(values, "in-reply-to")) if "in-reply-to" in values else (),
        references=read_message_ids(" ".join(values["references"])) if "references" in values else (),
        content_type=mend_content_type(content[0]) or "text/plain",
        content_params=content[1],
        text=contents.text,
        html=contents.html,
        reply_text=contents.reply_text,
        attachments=contents.attachments,
        report_parts=contents.report_parts,
        invitations=contents.invitations,
        forwarded=contents.forwarded,
        is_signed=contents.is_signed,
        is_encrypted=contents.is_encrypted,
        signatures=contents.signatures,
        defects=tuple(dict.fromkeys(map(str, found))) if found else (),
    )


def _first(values: dict[str, list[str]], name: str) -> str:
    found = values.get(name)
    return found[0] if found else ""


def _message_id(values: dict[str, list[str]], defects: list[str]) -> str:
    written = _first(values, "message-id")
    ids = read_message_ids(written)
    if ids:
        return ids[0]
    word = "".join(written.split()).strip("<>")
    defects.append(Defect.BAD_MESSAGE_ID if word else Defect.MISSING_MESSAGE_ID)
    return f"<{word}>" if 0 < len(word) <= 900 else ""


def _date(values: dict[str, list[str]], defects: list[str]) -> datetime | None:
    written = _first(values, "date")
    moment = read_date(written) if written else None
    if moment is None and "date" in values:
        defects.append(Defect.BAD_DATE)
    return moment


def _addresses(values: dict[str, list[str]], name: str, defects: list[str]) -> tuple[Address, ...]:
    """The mailboxes of all fields of this name: a second To is wrong but not empty."""
    written = values.get(name)
    if written is None:
        return ()
    if len(written) == 1:
        found = read_addresses(written[0])
    else:
        found = tuple(address for value in written for address in read_addresses(value))
    if not found and any("@" in value for value in written):
        defects.append(Defect.BAD_ADDRESS)
    return found


def _delivered_to(block: HeaderBlock) -> tuple[str, ...]:
    """Where the hops delivered: hops write at the top, so the order of the fields is nearest first."""
    written = (value for name, value in block.fields if name.lower() in _DELIVERY_FIELDS)
    forms = (address.normal for value in written for address in read_addresses(value))
    return tuple(dict.fromkeys(form for form in forms if form))


def _return_path(values: dict[str, list[str]]) -> str | None:
    """The null reverse-path is ``""``; what is no address is no path, lest a mail be taken for a report."""
    if "return-path" not in values:
        return None
    written = _first(values, "return-path")
    path = written.strip("<> ")
    return normalize(path) or next((one.normal for one in read_addresses(written)), "") or None if path else ""
