"""Signed sub-addresses: ``bounce+TOKEN@domain`` per delivery, ``catchall+TOKEN@domain`` per message, and personal ones per
message and reader.

A token is one letter for its purpose, the row's number and a truncated MAC, in base32 without padding: letters and digits
only, so that a peer that folds case or quotes oddly does no harm. 64 bits of HMAC-SHA256 over purpose, number and domain-free
context: whoever guesses needs 2^63 mails. A personal token bears a seal beside it: 32 bits more, over the reader's address. Whoever
knows the token of one reader needs 2^31 mails to guess the seal of another.
Laws: reading never raises; a token that does not verify is None, never an error. The first key signs, all keys verify
(rotation). Standards: RFC 5233 (sub-addressing); VERP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from postroom.core.terms.addresses import Address

_MAC_BYTES = 8
_SEAL_BYTES = 4
_PERSONAL = "p"  # the letter of reply tokens that one reader alone was given
_NOBODY = bytes(_SEAL_BYTES)


class TokenPurpose(StrEnum):
    """What an address is for."""

    BOUNCE = "b"  # number: the delivery whose reports come back here
    REPLY = "r"  # number: the message that is answered


@dataclass(frozen=True, slots=True)
class AddressToken:
    """A genuine token of ours."""

    purpose: TokenPurpose
    number: int
    seal: bytes = b""  # of a personal one, else empty: see `is_sealed_for`


def make_token(keys: Sequence[bytes], purpose: TokenPurpose, number: int) -> str:
    """The text after the plus sign: 15 to 21 characters."""
    body = _body(number)
    return purpose.value + _encode(body + _mac(keys[0], purpose.value, body))


def make_personal_token(keys: Sequence[bytes], number: int, reader: str = "") -> str:
    """A reply token that only ``reader`` (a normalised address) is given: 22 to 33 characters, as many for everybody.

    Without a reader it is nobody's: a place for his, that leads to the message and proves nothing.
    """
    body = _body(number)
    seal = _seal(keys[0], body, reader) if reader else _NOBODY
    return _PERSONAL + _encode(body + _mac(keys[0], _PERSONAL, body) + seal)


def read_token(keys: Sequence[bytes], text: str) -> AddressToken | None:
    """The token in ``text`` if one of the keys signed it."""
    letter = text[:1].lower()
    is_personal = letter == _PERSONAL
    try:
        purpose = TokenPurpose.REPLY if is_personal else TokenPurpose(letter)
        raw = _decode(text[1:])
    except ValueError:
        return None
    seal = raw[-_SEAL_BYTES:] if is_personal else b""
    signed = raw[: len(raw) - len(seal)]
    body, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
    if not 1 <= len(body) <= 8:
        return None
    if any(hmac.compare_digest(mac, _mac(key, letter, body)) for key in keys):
        return AddressToken(purpose, int.from_bytes(body, "big"), seal)
    return None


def is_sealed_for(keys: Sequence[bytes], token: AddressToken, reader: str) -> bool:
    """Whether this token was given to ``reader`` (a normalised address) and to nobody else."""
    if not token.seal or not reader:
        return False
    body = _body(token.number)
    return any(hmac.compare_digest(token.seal, _seal(key, body, reader)) for key in keys)


def personal_reply_to(keys: Sequence[bytes], addresses: tuple[Address, ...], reader: str) -> tuple[Address, ...]:
    """These reply addresses for this reader: personal ones become his own, all others stay as they are."""
    if not any(f"+{_PERSONAL}" in one.local for one in addresses):
        return addresses
    return tuple(_personal(keys, one, reader) for one in addresses)


def _personal(keys: Sequence[bytes], address: Address, reader: str) -> Address:
    base, _, detail = address.local.partition("+")
    token = read_token(keys, detail) if detail[:1] == _PERSONAL else None
    if token is None or not token.seal:
        return address
    return replace(address, local=f"{base}+{make_personal_token(keys, token.number, reader)}")


def derive_key(secret: str) -> bytes:
    """The key for addresses, from the installation's secret: one secret, one key per use."""
    return hmac.digest(secret.encode(), b"postroom signed addresses 1", hashlib.sha256)


def _body(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


def _mac(key: bytes, letter: str, body: bytes) -> bytes:
    return hmac.digest(key, letter.encode() + body, hashlib.sha256)[:_MAC_BYTES]


def _seal(key: bytes, body: bytes, reader: str) -> bytes:
    """Never that of nobody."""
    seal = hmac.digest(
        key, b"seal" + len(body).to_bytes(1, "big") + body + reader.encode("utf-8", "replace"), hashlib.sha256
    )
    return seal[:_SEAL_BYTES] if seal[:_SEAL_BYTES] != _NOBODY else seal[_SEAL_BYTES : 2 * _SEAL_BYTES]


def _encode(raw: bytes) -> str:
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()


def _decode(text: str) -> bytes:
    if not text.isascii() or not 14 <= len(text) <= 32:
        raise ValueError(text)
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
