"""Blobs on disk, under their SHA-256.

Laws: a blob appears whole or not at all (written aside, synced, linked); what is there is never written again;
`put` returns only after the bytes and their name are durable.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")


class DiskBlobs:
    """``directory`` is made when missing; two levels of folders keep each one small."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(aside).replace(path)
        except OSError:
            Path(aside).unlink(missing_ok=True)
            raise
        self._sync(path.parent)
        return digest

    def get(self, sha256: str) -> bytes:
        if not _DIGEST.fullmatch(sha256):
            raise KeyError(sha256)
        try:
            return self._path(sha256).read_bytes()
        except FileNotFoundError:
            raise KeyError(sha256) from None

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest[2:4] / digest

    @staticmethod
    def _sync(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
