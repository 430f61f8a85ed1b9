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
