"""Small mails for tests: fields and parts without the noise."""

from __future__ import annotations

HEAD = (
    b"From: Bob <bob@customer.example>\r\nTo: support@example.com\r\nSubject: Bike\r\n"
    b"Message-ID: <1@customer.example>\r\nDate: Tue, 2 Jan 2024 15:04:05 +0000\r\nMIME-Version: 1.0\r\n"
)


def mail(content_type: str = "text/plain", body: bytes | str = b"Hi\r\n", **fields: str) -> bytes:
    """A mail with this Content-Type and body; further fields by name with underscores."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    data = body.encode() if isinstance(body, str) else body
    return HEAD + f"Content-Type: {content_type}\r\n{more}\r\n".encode() + data


def part(content_type: str, body: bytes | str = b"Hi", **fields: str) -> bytes:
    """A part for `multipart`."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    data = body.encode() if isinstance(body, str) else body
    return f"Content-Type: {content_type}\r\n{more}\r\n".encode() + data


def joined(boundary: str, *parts: bytes) -> bytes:
    """Parts between delimiters, closed."""
    delimiter = f"--{boundary}".encode()
    return b"".join(delimiter + b"\r\n" + one + b"\r\n" for one in parts) + delimiter + b"--\r\n"


def multipart(subtype: str, *parts: bytes, boundary: str = "b1", parameters: str = "") -> bytes:
    """A whole mail of parts."""
    return mail(f'multipart/{subtype}; boundary="{boundary}"{parameters}', joined(boundary, *parts))


def nested(subtype: str, *parts: bytes, boundary: str = "b2") -> bytes:
    """A multipart as a part."""
    return part(f"multipart/{subtype}; boundary={boundary}", joined(boundary, *parts))


TEXT = part("text/plain; charset=utf-8", "The text")
HTML = part("text/html; charset=utf-8", "<p>The HTML</p>")
PNG = b"\x89PNG\r\n\x1a\n"
IMAGE = part("image/png; name=a.png", "iVBORw0KGgo=", Content_Transfer_Encoding="base64", Content_ID="<img1@x>")
