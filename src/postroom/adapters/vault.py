"""Secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256) under keys that live outside the database.

Laws: the first key seals, all open (rotation); nothing here is logged. The keys are derived from the installation's secret keys,
as they stand at each use.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

from cryptography.fernet import Fernet, InvalidToken

from postroom.core.terms.secret import Secret


class FernetVault:
    """``keys``: the installation's secret keys, the present one first, former ones after it."""

    def __init__(self, keys: Callable[[], tuple[Secret, ...]]) -> None:
        self._keys = keys
        self._of: tuple[Secret, ...] = ()
        self._fernets: tuple[Fernet, ...] = ()

    def seal(self, value: str) -> bytes:
        return self._now()[0].encrypt(value.encode()) if value else b""

    def open(self, sealed: bytes) -> Secret:
        """Raises ValueError when no key opens it."""
        if not sealed:
            return Secret("")
        for fernet in self._now():
            if (value := _opened(fernet, sealed)) is not None:
                return Secret(value.decode())
        raise ValueError(
            "This password was sealed with another secret key: enter it again, or restore data_dir/secret_key."
        )

    def key_of(self, sealed: bytes) -> int | None:
        """Which key opens it: 0 is the present one, None: none of them."""
        return next((place for place, one in enumerate(self._now()) if _opened(one, sealed) is not None), None)

    def reseal(self, sealed: bytes) -> bytes:
        """The same value under the present key. Raises ValueError as `open`."""
        return self.seal(self.open(sealed).reveal())

    def _now(self) -> tuple[Fernet, ...]:
        keys = self._keys()
        if keys != self._of:
            self._fernets = tuple(Fernet(_derive(key)) for key in keys)
            self._of = keys
        return self._fernets


def _opened(fernet: Fernet, sealed: bytes) -> bytes | None:
    try:
        return fernet.decrypt(sealed)
    except InvalidToken:
        return None


def _derive(secret: Secret) -> bytes:
    digest = hmac.digest(secret.reveal().encode(), b"postroom vault 1", hashlib.sha256)
    return base64.urlsafe_b64encode(digest)
