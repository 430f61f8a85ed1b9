"""Reports as the parser would give them."""

from __future__ import annotations

from typing import Any

from postroom.core.mime.parsed import ParsedMail, ReportPart
from postroom.core.terms.addresses import Address, parse_one

DAEMON = "Mail Delivery System <MAILER-DAEMON@mx.example>"
QUOTED = ReportPart(
    content_type="message/rfc822",
    content=b"Return-Path: <bounce+token@ours.example>\r\nMessage-ID:\r\n <our-1@ours.example>\r\nSubject: Hello\r\n\r\nHello",
)


def address(text: str) -> Address:
    found = parse_one(text)
    assert found is not None
    return found


def report(*parts: ReportPart, author: str = DAEMON, to: str = "alice@ours.example", **fields: Any) -> ParsedMail:
    """A mail from a mail server to Alice."""
    headers = (("From", author), *fields.pop("headers", ()))
    given = {"return_path": "", "subject": "Undelivered Mail Returned to Sender"} | fields
    return ParsedMail(headers=headers, header_from=(address(author),), to=(address(to),), report_parts=parts, **given)


def status(text: str, content_type: str = "message/delivery-status") -> ReportPart:
    """A machine-readable part; ``text`` may be indented for the eye."""
    lines = [
        line.strip() if not line.startswith("        |") else " " + line.strip()[1:]
        for line in text.strip().splitlines()
    ]
    return ReportPart(content_type=content_type, content="\r\n".join(lines).encode())


def notice(text: str, **fields: Any) -> ParsedMail:
    """A notice in plain words."""
    return report(text=text, **fields)
