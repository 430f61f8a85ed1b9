"""Writing reports as servers write them: a delivery report (RFC 3464 in RFC 6522) and a feedback report (RFC 5965).

For the Letterbox, where the outside person's server answers; and the measure of our own reader, which must understand them.
Laws: pure; lines end with CRLF; nothing that is passed in can begin a field of its own.
"""

from __future__ import annotations

from datetime import datetime

from postroom.core.mime.composing import format_date
from postroom.core.terms.smtp_replies import SmtpReply


def write_delivery_report(
    *, original: bytes, recipient: str, report_to: str, reply: SmtpReply, mta: str, unique: str, now: datetime
) -> bytes:
    """A failure of one recipient, with the header of the original. ``unique`` is random hex."""
    status = reply.enhanced or ("5.0.0" if reply.is_permanent else "4.0.0")
    words = (
        f"This is the mail system at {_line(mta)}.\r\n\r\n"
        f"Your mail could not be delivered to {_line(recipient)}:\r\n\r\n    {_line(str(reply))}\r\n"
    )
    fields = (
        f"Reporting-MTA: dns; {_line(mta)}\r\nArrival-Date: {format_date(now)}\r\n\r\n"
        f"Final-Recipient: rfc822; {_line(recipient)}\r\nAction: failed\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {_line(str(reply))}\r\n"
    )
    head = _head("Undelivered Mail Returned to Sender", mta, report_to, unique, now, auto="auto-replied")
    parts = (
        ("text/plain; charset=us-ascii", words.encode("utf-8", "replace")),
        ("message/delivery-status", fields.encode("utf-8", "replace")),
        ("text/rfc822-headers", _header_of(original)),
    )
    return _report(head, "delivery-status", unique, parts)


def write_feedback_report(
    *, original: bytes, recipient: str, report_to: str, mta: str, unique: str, now: datetime
) -> bytes:
    """A complaint: the recipient called the mail unwanted."""
    words = f"{_line(recipient)} marked this mail as unwanted.\r\n"
    fields = (
        "Feedback-Type: abuse\r\nUser-Agent: Postroom-Letterbox/1\r\nVersion: 1\r\n"
        f"Original-Mail-From: <{_line(report_to)}>\r\nOriginal-Rcpt-To: <{_line(recipient)}>\r\nArrival-Date: {format_date(now)}\r\n"
    )
    head = _head("Complaint about a mail", mta, report_to, unique, now, auto="auto-generated")
    parts = (
        ("text/plain; charset=us-ascii", words.encode("utf-8", "replace")),
        ("message/feedback-report", fields.encode("utf-8", "replace")),
        ("message/rfc822", original),
    )
    return _report(head, "feedback-report", unique, parts)


def _head(subject: str, mta: str, to: str, unique: str, now: datetime, *, auto: str) -> str:
    return (
        f"From: Mail Delivery System <MAILER-DAEMON@{_line(mta)}>\r\nTo: {_line(to)}\r\nSubject: {subject}\r\n"
        f"Date: {format_date(now)}\r\nMessage-ID: <{unique}@{_line(mta)}>\r\nAuto-Submitted: {auto}\r\nMIME-Version: 1.0\r\n"
    )


def _report(head: str, kind: str, unique: str, parts: tuple[tuple[str, bytes], ...]) -> bytes:
    boundary = f"report-{unique}"
    written = [f'{head}Content-Type: multipart/report; report-type={kind}; boundary="{boundary}"\r\n\r\n'.encode()]
    for content_type, content in parts:
        written.append(f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n")
    written.append(f"--{boundary}--\r\n".encode())
    return b"".join(written)


def _header_of(original: bytes) -> bytes:
    return original.partition(b"\r\n\r\n")[0] + b"\r\n"


def _line(text: str) -> str:
    return " ".join(text.split())
