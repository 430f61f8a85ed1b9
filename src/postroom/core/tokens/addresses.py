"""Signed sub-addresses: ``bounce+TOKEN@domain`` per delivery and ``catchall+TOKEN@domain`` per message.

A token is one letter for its purpose, the row's number and a truncated MAC, in base32 without padding: letters and digits
only, so that a peer that folds case or quotes oddly does no harm. 64 bits of HMAC-SHA256 over purpose, number and domain-free
context: whoever guesses needs 2^63 mails.
Laws: reading never raises; a token that does not verify is None, never an error. The first key signs, all keys verify
(rotation). Standards: RFC 5233 (sub-addressing); VERP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_MAC_BYTES = 8


class TokenPurpose(StrEnum):
    """What an address is for."""

    BOUNCE = "b"  # number: the delivery whose reports come back here
    REPLY = "r"  # number: the message that is answered


@dataclass(frozen=True, slots=True)
class AddressToken:
    """A genuine token of ours."""

    purpose: TokenPurpose
    number: int


def make_token(keys: Sequence[bytes], purpose: TokenPurpose, number: int) -> str:
    """The text after the plus sign: 15 to 21 characters."""
    body = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return purpose.value + _encode(body + _mac(keys[0], purpose, body))


def read_token(keys: Sequence[bytes], text: str) -> AddressToken | None:
    """The token in ``text`` if one of the keys signed it."""
    try:
        purpose = TokenPurpose(text[:1].lower())
        raw = _decode(text[1:])
    except ValueError:
        return None
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not 1 <= len(body) <= 8:
        return None
    if any(hmac.compare_digest(mac, _mac(key, purpose, body)) for key in keys):
        return AddressToken(purpose, int.from_bytes(body, "big"))
    return None


def derive_key(secret: str) -> bytes:
    """The key for addresses, from the installation's secret: one secret, one key per use."""
    return hmac.digest(secret.encode(), b"postroom signed addresses 1", hashlib.sha256)


def _mac(key: bytes, purpose: TokenPurpose, body: bytes) -> bytes:
    return hmac.digest(key, purpose.value.encode() + body, hashlib.sha256)[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def _decode(text: str) -> bytes:
    if not text.isascii() or not 14 <= len(text) <= 32:
        raise ValueError(text)
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
