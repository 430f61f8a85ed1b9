"""A masked copy of a mail: built as the original, without the addresses in it or without what it says.

Laws: never raises; every text of the copy went through the masker after it was decoded, so nothing hides behind an encoding. Files that are no
text are left out, with a line that says what they were. Names of people become their shapes. Reports of servers keep their words (they decide
the routing); attached mails are masked as mails.
Standards: RFC 5322, RFC 2045-2047, RFC 6532 (the copy is UTF-8).
"""

from __future__ import annotations

import re
from binascii import b2a_base64

from postroom.core.diagnosis.masking import Masker, shape
from postroom.core.mime.headers import read_addresses, read_block
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse
from postroom.core.mime.parts import Part, read_tree
from postroom.core.mime.words import decode_text, decode_words

_PEOPLE = frozenset(
    ("from", "to", "cc", "bcc", "sender", "reply-to", "return-path", "resent-from", "resent-to", "resent-cc", "resent-sender",
     "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "disposition-notification-to", "errors-to")
)  # fmt: skip
_IDS = ("message-id", "in-reply-to", "references", "resent-message-id", "content-id")
_MAILS = frozenset(("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"))
_REPORTS = frozenset(
    ("message/delivery-status", "message/global-delivery-status", "message/disposition-notification",
     "message/global-disposition-notification", "message/feedback-report")
)  # fmt: skip
_STRUCTURE = frozenset(
    ("received", "date", "auto-submitted", "precedence", "authentication-results", "dkim-signature", "received-spf", "list-id", "priority",
     "x-autoreply", "x-auto-response-suppress", "x-loop", "importance", "x-priority", "x-failed-recipients", "feedback-id")
)  # fmt: skip
_ID = re.compile(r"<([^<>\s]{3,998})>")
_DEEPEST = 4
_MARKS = re.compile(r"\s*+(?:(?:re|aw|antw|sv|vs|fwd?|wg|tr|rv)\s*+(?:\[\d{1,3}\]\s*+)?:\s*+)+", re.IGNORECASE)


def learn_mail(masker: Masker, raw: bytes) -> None:
    """What addresses and Message-IDs a mail has: learned before anything is masked, so that all of it is known everywhere."""
    parsed = parse(raw)
    masker.keep_message_ids(_identifiers(parsed))
    for name, value in parsed.headers:
        if name.lower() in _PEOPLE:
            people = read_addresses(value)
            masker.learn(one.spec for one in people)
            masker.learn_called(one.name for one in people)
        if name.lower() not in _IDS:
            masker.learn_text(value)
    masker.learn_words((parsed.subject, parsed.text))
    masker.learn(parsed.delivered_to)
    masker.learn_text(parsed.text)
    for part in parsed.report_parts:
        masker.learn_text(decode_text(part.content)[0])


def masked_mail(raw: bytes, masker: Masker) -> bytes:
    """The copy; the same bytes where nothing is to be masked."""
    return raw if masker.is_idle else _mail(raw, masker, 0)


def _identifiers(parsed: ParsedMail) -> list[str]:
    found = [parsed.message_id, *parsed.in_reply_to, *parsed.references]
    for name, value in parsed.headers:
        if name.lower() in _IDS:
            found += _ID.findall(value)
    return [one for one in found if one]


def _mail(raw: bytes, masker: Masker, depth: int) -> bytes:
    block = read_block(raw, 0, len(raw))
    root, _ = read_tree(raw, block)
    lines = [
        _field(name, _value(name.lower(), value, masker), masker)
        for name, value in block.fields
        if not name.lower().startswith("content-") and name.lower() != "mime-version"
    ]
    head = b"".join([*lines, b"MIME-Version: 1.0\r\n"])
    return head + _part(root, masker, depth, "0")


def _value(name: str, value: str, masker: Masker) -> str:
    if name in _PEOPLE and masker.hides_addresses and value.strip() != "<>" and (people := read_addresses(value)):
        return ", ".join(
            f'"{_safe(shape(one.name))}" <{masker.address(one.spec)}>' if one.name else f"<{masker.address(one.spec)}>"
            for one in people
        )
    value = decode_words(value)
    if name in ("subject", "thread-topic", "comments", "keywords") and masker.hides_bodies:
        marks = _MARKS.match(value)
        begin = marks.end() if marks else 0
        return value[:begin] + shape(value[begin:])
    return masker.text(value) if name in _STRUCTURE or name in _IDS else masker.told(value)


def _safe(name: str) -> str:
    return "".join(" " if char in '"\\<>@' else char for char in name)[:200]


def _part(part: Part, masker: Masker, depth: int, place: str) -> bytes:
    """Its content fields, an empty line, and its content."""
    if part.is_multipart:
        boundary = f"{masker.boundary}.{place}"
        head = _content_type(part, masker, boundary=boundary)
        pieces = [
            b"--" + boundary.encode() + b"\r\n" + _part(child, masker, depth, f"{place}.{number}") + b"\r\n"
            for number, child in enumerate(part.children)
        ]
        return head + b"\r\n" + b"".join(pieces) + b"--" + boundary.encode() + b"--\r\n"
    content = _content(part, masker, depth)
    head = _content_type(part, masker, charset="utf-8" if part.content_type.startswith("text/") else "")
    if part.disposition:
        head += _field(
            "Content-Disposition", _with_parameters(part.disposition, part.disposition_parameters, masker), masker
        )
    if part.content_id:
        head += _field("Content-ID", f"<{masker.text(part.content_id)}>", masker)
    if _is_plain(content):
        return head + b"Content-Transfer-Encoding: 8bit\r\n\r\n" + content
    coded = b2a_base64(content, newline=False)
    lines = b"\r\n".join(coded[at : at + 76] for at in range(0, len(coded), 76))
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + lines


def _content(part: Part, masker: Masker, depth: int) -> bytes:
    data = part.content()[0]
    if part.content_type in _MAILS:
        return _mail(data, masker, depth + 1) if depth < _DEEPEST else _left_out(part, data)
    if part.content_type in _REPORTS:
        return _lines(masker.text(decode_text(data)[0]))
    if not part.content_type.startswith("text/"):
        return _left_out(part, data)
    text = decode_text(data, part.parameters.get("charset", ""))[0]
    return _lines(masker.html(text) if part.content_type == "text/html" else masker.words(text))


def _lines(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode("utf-8", "replace")


def _left_out(part: Part, data: bytes) -> bytes:
    kind = part.content_type if re.fullmatch(r"[a-z0-9.+/-]{3,80}", part.content_type) else "a file"
    return f"[left out when the mail was masked: {kind}, {len(data)} bytes]\r\n".encode()


def _is_plain(content: bytes) -> bool:
    return b"\0" not in content and all(len(line) <= 990 for line in content.split(b"\r\n"))


def _content_type(part: Part, masker: Masker, *, boundary: str = "", charset: str = "") -> bytes:
    parameters = {name: value for name, value in part.parameters.items() if name not in ("boundary", "charset")}
    if charset:
        parameters["charset"] = charset
    if boundary:
        parameters["boundary"] = boundary
    return _field("Content-Type", _with_parameters(part.content_type, parameters, masker), masker)


def _with_parameters(word: str, parameters: dict[str, str], masker: Masker) -> str:
    told = [masker.text(_token(word))]
    for name, value in parameters.items():
        if name in ("name", "filename") and masker.hides_bodies:
            stem, dot, end = value.rpartition(".")
            value = shape(stem if dot else end) + (f".{end}" if dot and len(end) <= 5 else "")
        shown = value if name == "boundary" else masker.text(value)
        told.append(f'{masker.text(_token(name))}="{_quoted(shown)}"')
    return "; ".join(told)


def _token(word: str) -> str:
    return (
        "".join(char for char in word if char.isascii() and char.isprintable() and char not in ' ";=:<>')[:100] or "x"
    )


def _quoted(value: str) -> str:
    return "".join(char for char in value if char.isprintable() and char not in '"\\')[:900]


def _field(name: str, value: str, masker: Masker) -> bytes:
    """A header field, folded at spaces; UTF-8 as it is (RFC 6532)."""
    name = _token(masker.text(name).replace("@", "-at-"))
    lines, length = [f"{name}:"], len(name) + 1
    for word in value.split():
        if length + len(word) > 76 and length > len(name) + 1:
            lines.append("\r\n")
            length = 0
        lines.append(f" {word}")
        length += len(word) + 1
    return ("".join(lines) + "\r\n").encode("utf-8", "replace")
