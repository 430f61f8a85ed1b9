"""An Outlook file as a mail: what it holds, written as a mail, so that the one parser of the house reads it.

Duty: runs as a process of its own (`python -m`), the file on standard input, a line of JSON and the mail on standard output. Laws: it bounds
its own memory and time before it opens anything: a file may claim any structure. It writes what is there and invents nothing: what Outlook
did not keep is missing, and the first line says so. Standards: [MS-OXMSG], [MS-CFB], [MS-OXPROPS].
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC
from typing import TYPE_CHECKING

from postroom.core.mailtest.outlook import MAGIC
from postroom.core.mime.composing import OutgoingAttachment, format_date, render_body
from postroom.core.mime.words import storable

if TYPE_CHECKING:
    from oxmsg import Message

MEMORY = 768 * 1024 * 1024  # bytes of address space
SECONDS = 20  # of the processor
MOST_ATTACHMENTS = 200
MOST_BYTES = 60 * 1024 * 1024  # of bodies and attachments together
MOST_HEADER = 256 * 1024  # characters

_TRANSPORT_HEADERS, _MESSAGE_ID, _SMTP_ADDRESS, _RECIPIENT_TYPE = 0x007D, 0x1035, 0x39FE, 0x0C15
_SENT_AS_SMTP, _SENDER_SMTP, _SENDER_ADDRESS, _SENDER_NAME = 0x5D02, 0x5D01, 0x0C1F, 0x0C1A
_HTML = 0x1013
_CONTENT = re.compile(r"(?:content-[a-z-]+|mime-version)[ \t]*:", re.IGNORECASE)
_FIELD = re.compile(r"[!-9;-~]{1,76}[ \t]*:")
_KINDS = {1: "To", 2: "Cc"}


class NotReadable(Exception):  # noqa: N818 - an answer, not a fault
    """It is no such file, or too large: the end of a code ``piece.outlook.…``."""


def main() -> None:
    """From standard input to standard output."""
    _bound()
    raw = sys.stdin.buffer.read()
    try:
        has_header, mail = rebuild(raw)
    except NotReadable as why:
        _answer({"trouble": str(why)})
    except MemoryError:
        _answer({"trouble": "holds_more"})
    except Exception as error:  # whatever the library meets in a stranger's file
        _answer({"trouble": "damaged", "error": type(error).__name__})
    else:
        _answer({"trouble": "", "has_header": has_header}, mail)


def _answer(head: dict[str, object], mail: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + mail)


def _bound() -> None:
    """Before anything is opened. Where the system knows no such limits, the waiting parent alone ends it."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def rebuild(raw: bytes) -> tuple[bool, bytes]:
    """Whether the header of the wire was in it, and the mail. Raises `NotReadable`, and whatever damaged files make the library raise."""
    from oxmsg import Message  # noqa: PLC0415 - the budget stands before it

    if not raw.startswith(MAGIC):
        raise NotReadable("no_such")
    message = Message.load(raw)
    text, html = message.body or "", _html(message)
    if len(text) + len(html) > MOST_BYTES:
        raise NotReadable("holds_more")
    transport = message.properties.str_prop_value(_TRANSPORT_HEADERS) or ""
    header = list(_kept(transport[:MOST_HEADER])) if transport.strip() else list(_own_header(message))
    body = render_body(text=text, html=html, attachments=tuple(_attachments(message)))
    lines = "".join(f"{storable(line)}\r\n" for line in header).encode("utf-8", "replace")
    return bool(transport.strip()), b"%sMIME-Version: 1.0\r\n%s\r\n%s" % (lines, body.content_headers, body.body)


def _html(message: Message) -> str:
    """The HTML, in the charset that the file names or in one that fits."""
    try:
        return message.html_body or ""
    except (UnicodeError, LookupError):
        found: bytes = message.properties.binary_prop_value(_HTML) or b""
        return found.decode("utf-8", "replace")


def _kept(transport: str) -> Iterator[str]:
    """The lines of the wire's header, but for those that describe a body which is written anew."""
    is_kept = False
    for line in re.split(r"\r?\n|\r", transport):
        if line[:1] in (" ", "\t"):
            if is_kept and line.strip():
                yield line
            continue
        is_kept = _FIELD.match(line) is not None and _CONTENT.match(line) is None
        if is_kept:
            yield line


def _own_header(message: Message) -> Iterator[str]:
    """From the properties: a draft, or what lies in Sent."""
    properties = message.properties

    def text(number: int) -> str:
        return " ".join((properties.str_prop_value(number) or "").split())

    address = text(_SENDER_SMTP) or text(_SENT_AS_SMTP) or text(_SENDER_ADDRESS)
    if "@" in address:
        name = text(_SENDER_NAME)
        yield f"From: {_quoted(name)}<{address}>"
    for kind, people in _recipients(message).items():
        yield f"{kind}: {', '.join(people)}"
    if message.subject:
        yield f"Subject: {' '.join(message.subject.split())}"
    if (sent := message.sent_date) is not None:
        yield f"Date: {format_date(sent if sent.tzinfo else sent.replace(tzinfo=UTC))}"
    if identifier := text(_MESSAGE_ID):
        yield f"Message-ID: {identifier}"


def _recipients(message: Message) -> dict[str, list[str]]:
    people: dict[str, list[str]] = {}
    for one in message.recipients[:1000]:
        kind = _KINDS.get(one.properties.int_prop_value(_RECIPIENT_TYPE) or 1)
        address = one.properties.str_prop_value(_SMTP_ADDRESS) or one.email_address or ""
        if kind and "@" in address:
            people.setdefault(kind, []).append(
                f"{_quoted(' '.join((one.name or '').split()))}<{''.join(address.split())}>"
            )
    return people


def _quoted(name: str) -> str:
    safe = name.replace("\\", "").replace('"', "")
    return f'"{safe}" ' if safe else ""


def _attachments(message: Message) -> Iterator[OutgoingAttachment]:
    left = MOST_BYTES
    for one in message.attachments[:MOST_ATTACHMENTS]:
        try:
            content = one.file_bytes or b""
            name = one.file_name or "attachment"
            kind = one.mime_type or "application/octet-stream"
        except (KeyError, UnicodeError):
            continue  # a mail within the mail, or a link to a file elsewhere: there are no bytes
        left -= len(content)
        if left < 0:
            raise NotReadable("holds_more")
        yield OutgoingAttachment(name=name, content_type=kind, content=content)


if __name__ == "__main__":
    main()
