"""One value of DER (X.690), as public keys in DNS are wrapped in it (RFC 6376 3.6.1): enough to look at a key, not a reader of certificates."""

from __future__ import annotations

SEQUENCE, INTEGER, BIT_STRING = 0x30, 0x02, 0x03


def read_value(raw: bytes, tag: int) -> tuple[bytes, bytes]:
    """The first value and what follows it. Raises ValueError, IndexError."""
    if raw[0] != tag:
        raise ValueError("this is no such value")
    start, length = 2, raw[1]
    if length & 0x80:
        start = 2 + (length & 0x7F)
        length = int.from_bytes(raw[2:start], "big")
    if start + length > len(raw):
        raise ValueError("the value is cut")
    return raw[start : start + length], raw[start + length :]
