"""Public keys as DNS shows them (RFC 6376 3.6, RFC 8463 4), and the check of one signature with one of them.

Laws: never raises but `KeyTrouble`; a key that cannot be used is a reason, not a fault. RSA below 1024 bits does not count
(RFC 8301 3.2), above 8192 it costs too much.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postroom.core.senders.results import Result
from postroom.core.senders.tag_lists import TagListError, read_tags, without_blanks
from postroom.core.terms.der import INTEGER, SEQUENCE, read_value

LEAST_RSA_BITS, MOST_RSA_BITS = 1024, 8192
LONGEST_RECORD = 8192


class KeyTrouble(Exception):  # noqa: N818 (an answer about a key, not a fault)
    """No usable key; ``result`` says what that makes of the signature."""

    def __init__(self, text: str, result: Result = Result.PERMERROR) -> None:
        super().__init__(text)
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """``is_for_subdomains``: whether i= may name one (t=s forbids it)."""

    key: RSAPublicKey | Ed25519PublicKey
    is_for_subdomains: bool

    def verifies(self, signature: bytes, data: bytes) -> bool:
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, sha256(data).digest())
            else:
                self.key.verify(signature, data, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


@lru_cache(maxsize=2048)
def read_key(record: str, algorithm: str) -> PublicKey:
    """The key in a TXT record, for ``rsa-sha256`` or ``ed25519-sha256``. Raises `KeyTrouble`."""
    if len(record) > LONGEST_RECORD:
        raise KeyTrouble("the key record is too long")
    try:
        tags = read_tags(record)
    except TagListError:
        raise KeyTrouble("the key record cannot be read") from None
    kind = tags.get("k", "rsa").lower()
    hashes = [one.strip() for one in tags.get("h", "sha256").lower().split(":")]
    services = [one.strip() for one in tags.get("s", "*").lower().split(":")]
    flags = [one.strip() for one in tags.get("t", "").lower().split(":")]
    if tags.get("v", "DKIM1") != "DKIM1" or kind != algorithm.partition("-")[0]:
        raise KeyTrouble("the key is for another algorithm")
    if "sha256" not in hashes or not {"*", "email"}.intersection(services):
        raise KeyTrouble("the key is not for mail")
    material = without_blanks(tags.get("p", ""))
    if not material:
        raise KeyTrouble("the key was withdrawn" if "p" in tags else "the key record has no key")
    return PublicKey(key=_load(kind, material), is_for_subdomains="s" not in flags)


def _load(kind: str, material: str) -> RSAPublicKey | Ed25519PublicKey:
    try:
        raw = b64decode(material, validate=True)
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(raw)
        key = load_der_public_key(raw) if _is_wrapped(raw) else _bare_rsa(raw)
    except (binascii.Error, ValueError, UnsupportedAlgorithm, IndexError, TypeError):
        raise KeyTrouble("the key cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyTrouble("the key is for another algorithm")
    if key.key_size < LEAST_RSA_BITS:
        raise KeyTrouble(f"the key has {key.key_size} bits, too few to count", Result.POLICY)
    if key.key_size > MOST_RSA_BITS:
        raise KeyTrouble(f"the key has {key.key_size} bits, too many", Result.POLICY)
    return key


def _is_wrapped(raw: bytes) -> bool:
    """SubjectPublicKeyInfo begins with a sequence in a sequence, a bare RSAPublicKey with a number (RFC 6376 3.6.1)."""
    inner = 2 + (raw[1] & 0x7F if raw[1] & 0x80 else 0)
    return raw[inner] == 0x30


def _bare_rsa(raw: bytes) -> RSAPublicKey:
    rest = read_value(raw, SEQUENCE)[0]
    modulus, rest = read_value(rest, INTEGER)
    exponent, _ = read_value(rest, INTEGER)
    return RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()
