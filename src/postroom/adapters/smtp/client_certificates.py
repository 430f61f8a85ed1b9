"""Certificates with which we say who we are: read, checked, and given to TLS.

Laws: a private key lies on no disk in clear. Python's ssl reads keys from files alone, so the file holds the key encrypted
with a password of the moment, and is gone when it was read. What is wrong is a ValueError in plain words.
Standards: RFC 8446 4.4.2, RFC 7468 (PEM), RFC 5958 (PKCS #8).
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from postroom.core.terms.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What a pair shows. ``key`` is PEM without a passphrase, to be sealed."""

    subject: str
    expires_at: datetime
    key: Secret


def read_client_certificate(certificate: str, key: Secret, passphrase: Secret) -> ClientCertificate:
    """Raises ValueError for what is no certificate, no key, or not its key."""
    chain = _certificates(certificate)
    private = _private_key(key, passphrase)
    mine, its = private.public_key(), chain[0].public_key()
    if _spelt(mine) != _spelt(its):
        raise ValueError(
            "the key does not belong to the certificate (the certificate of the key comes first in the file)"
        )
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ClientCertificate(
        subject=chain[0].subject.rfc4514_string(),
        expires_at=chain[0].not_valid_after_utc,
        key=Secret(text.decode("ascii")),
    )


def load_client_certificate(context: ssl.SSLContext, certificate: str, key: Secret) -> None:
    """Show this certificate when the server asks for one. Raises ValueError."""
    _certificates(certificate)
    private = _private_key(key, Secret(""))
    password = secrets.token_hex(16)
    sealed = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "client.pem")
        path.touch(mode=0o600)
        path.write_bytes(sealed + b"\n" + certificate.encode())
        try:
            context.load_cert_chain(path, password=password)
        except ssl.SSLError as error:
            raise ValueError(f"TLS does not take it: {error.reason or error}") from error


def _certificates(text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise ValueError("there is no certificate in PEM (-----BEGIN CERTIFICATE-----)") from error


def _private_key(key: Secret, passphrase: Secret) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(key.reveal().encode(), passphrase.reveal().encode() or None)
    except TypeError as error:  # one was given and not needed, or needed and not given
        if passphrase:
            return _private_key(key, Secret(""))
        raise ValueError("the key is protected with a passphrase: enter it as the password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("there is no private key in PEM that can be read with this passphrase") from error


def _spelt(key: object) -> bytes:
    spell = getattr(key, "public_bytes")  # noqa: B009 - every public key has it, their union does not say so
    return bytes(spell(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
