"""The mails of the bench: text and HTML, 4 KB as they travel."""

from __future__ import annotations

_SENTENCES = (
    "Thank you for your order of twelve framed prints, which left our workshop this morning.",
    "The parcel should reach you within three working days; the carrier will announce the hour.",
    "If a frame arrives damaged, keep the packaging and answer this message with a photograph.",
    "You will find the invoice in your account, together with the certificates of the paper mill.",
    "We would be glad to hear how the prints look on your walls.",
)
_PARAGRAPHS = 3

TEXT = "\n\n".join(" ".join(_SENTENCES) for _ in range(_PARAGRAPHS))
HTML = "".join(f"<p>{' '.join(_SENTENCES)}</p>" for _ in range(_PARAGRAPHS))
SUBJECT = "Your order of twelve framed prints"
_BOUNDARY = "=_bench_of_postroom"


def _body() -> bytes:
    parts = (("plain", TEXT.replace("\n", "\r\n")), ("html", HTML.replace("<p>", "\r\n<p>")))
    texts = "".join(
        f"--{_BOUNDARY}\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{_folded(text)}\r\n" for kind, text in parts
    )
    return f"{texts}--{_BOUNDARY}--\r\n".encode("ascii")


def _folded(text: str) -> str:
    """Lines of a sentence each: SMTP allows 998 bytes."""
    return text.replace(". ", ".\r\n")


BODY = _body()


def mail(number: int, *, to: str) -> bytes:
    """A whole mail with CRLF line ends, from a customer of its own."""
    head = (
        f"From: Customer {number} <customer{number}@customers.test>\r\n"
        f"To: <{to}>\r\n"
        f"Subject: {SUBJECT}, number {number}\r\n"
        "Date: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}.bench@customers.test>\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"\r\n'
        "\r\n"
    )
    return head.encode("ascii") + BODY


def delivery_report(number: int, *, returned_to: str, recipient: str) -> bytes:
    """A server's report that the mail to ``recipient`` came to nothing (RFC 3464)."""
    words = f"This is the mail system at customers.test.\r\n\r\nYour mail to {recipient} could not be delivered.\r\n"
    fields = (
        "Reporting-MTA: dns; customers.test\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        f"Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: no such user here\r\n"
    )
    original = f"From: Alice <alice@orders.test>\r\nTo: {recipient}\r\nSubject: {SUBJECT}\r\n"
    parts = (("text/plain", words), ("message/delivery-status", fields), ("text/rfc822-headers", original))
    head = (
        f"From: Mail Delivery System <MAILER-DAEMON@customers.test>\r\nTo: {returned_to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}.report@customers.test>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{_BOUNDARY}"\r\n\r\n'
    )
    body = "".join(f"--{_BOUNDARY}\r\nContent-Type: {kind}\r\n\r\n{text}\r\n" for kind, text in parts)
    return f"{head}{body}--{_BOUNDARY}--\r\n".encode("ascii")
