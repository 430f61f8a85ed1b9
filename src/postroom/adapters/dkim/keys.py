"""Keys for DKIM: made, read, and their public halves as DNS shows them.

Laws: private halves are PEM (PKCS 8) inside a `Secret` and are shown to nobody. RSA has 2048 bits: RFC 8301 3.2 asks for 1024 at
least and recommends 2048, and longer ones do not fit everywhere. Standards: RFC 6376 3.6.1 (p= of RSA), RFC 8463 3 and 4 (Ed25519).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from postroom.core.terms.secret import Secret

RSA, ED25519 = "rsa", "ed25519"
RSA_BITS = 2048
LEAST_RSA_BITS = 1024


def make_key(algorithm: str) -> tuple[Secret, str]:
    """A new private key, and what stands in p= of its DNS record. Raises ValueError for an algorithm that is none."""
    if algorithm not in (RSA, ED25519):
        raise ValueError(f"{algorithm} is no algorithm of DKIM: rsa or ed25519.")
    key = generate_private_key(65537, RSA_BITS) if algorithm == RSA else Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Secret(pem.decode("ascii")), _public(key)


def _public(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    public = key.public_key()
    if isinstance(key, RSAPrivateKey):
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b64encode(raw).decode("ascii")


def open_key(algorithm: str, private: Secret) -> Callable[[bytes], bytes]:
    """What signs bytes with this key. Raises ValueError when it is none of this algorithm; the text does not show it."""
    try:
        key = load_pem_private_key(private.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("This is no private key in PEM.") from None
    match algorithm, key:
        case "rsa", RSAPrivateKey() if key.key_size >= LEAST_RSA_BITS:
            padding, hashing = PKCS1v15(), SHA256()
            return lambda data: key.sign(data, padding, hashing)
        case "ed25519", Ed25519PrivateKey():
            return lambda data: key.sign(sha256(data).digest())  # RFC 8463 3: the hash is what is signed
        case _:
            raise ValueError(f"This private key is none for {algorithm}.")
