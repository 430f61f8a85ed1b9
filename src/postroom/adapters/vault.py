"""Secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256) under keys that live outside the database.

Laws: the first key seals, all open (rotation); nothing here is logged. The key is derived from the installation's secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from postroom.core.terms.secret import Secret


class FernetVault:
    """``secrets``: the installation's secret first, former ones after it."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._fernet = MultiFernet([Fernet(_derive(secret)) for secret in secrets])

    def seal(self, value: str) -> bytes:
        return self._fernet.encrypt(value.encode()) if value else b""

    def open(self, sealed: bytes) -> Secret:
        if not sealed:
            return Secret("")
        try:
            return Secret(self._fernet.decrypt(sealed).decode())
        except InvalidToken:
            raise ValueError(
                "This password was sealed with another secret key: enter it again, or restore data_dir/secret_key."
            ) from None


def _derive(secret: Secret) -> bytes:
    digest = hmac.digest(secret.reveal().encode(), b"postroom vault 1", hashlib.sha256)
    return base64.urlsafe_b64encode(digest)
