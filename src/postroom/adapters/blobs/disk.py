"""Blobs on disk, under their SHA-256.

Laws: a blob appears whole or not at all (written aside, synced, linked); what is there is never written again;
`put` returns only after the bytes and their name are durable. To put what is there counts as using it, and what was used lately
is not deleted: whoever puts a blob and names it in a row within `delete`'s span of grace never finds it gone. `delete` takes the
name away first and looks at the time then, so that a `put` of the same bytes in that moment either is seen or writes them anew.
A process that dies in between leaves the blob readable.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from postroom.core.terms.storage import Room

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRAFT = ".new-"
_LEAVING = ".leaving-"


class DiskBlobs:
    """``directory`` is made when missing; two levels of folders keep each one small."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if self._is_used_again(path):
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=path.parent, prefix=_DRAFT)
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
        path = self._path(sha256)
        for place in (path, self._leaving(path), path):  # it may be leaving, and be taken back
            with suppress(FileNotFoundError):
                return place.read_bytes()
        raise KeyError(sha256)

    def delete(self, sha256: str, *, unused_since: datetime) -> bool:
        if not _DIGEST.fullmatch(sha256):
            return False
        path = self._path(sha256)
        leaving = self._leaving(path)
        with suppress(FileNotFoundError):
            path.rename(leaving)
        try:
            with leaving.open("rb") as file:  # a network file system tells the truth of a file that is opened
                used_at = os.fstat(file.fileno()).st_mtime
            if used_at >= unused_since.timestamp():
                leaving.rename(path)
                return False
            leaving.unlink()
        except FileNotFoundError:  # it was not there, or somebody else was quicker
            return False
        return True

    def names(self, prefix: str) -> list[str]:
        found: set[str] = set()
        for folder in (self._directory / prefix[:2]).glob("*"):
            with suppress(FileNotFoundError, NotADirectoryError):
                found.update(name.removeprefix(_LEAVING) for name in os.listdir(folder))
        return sorted(filter(_DIGEST.fullmatch, found))

    def forget_drafts(self, prefix: str, *, unused_since: datetime) -> int:
        gone = 0
        for draft in (self._directory / prefix[:2]).glob(f"*/{_DRAFT}*"):
            with suppress(FileNotFoundError):
                if draft.stat().st_mtime < unused_since.timestamp():
                    draft.unlink()
                    gone += 1
        return gone

    def room(self) -> Room:
        """Free is what is free for who is not root."""
        place = str(self._directory)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            found = os.statvfs(self._directory)
            handle, draft = tempfile.mkstemp(dir=self._directory, prefix=_DRAFT)
            os.close(handle)
            Path(draft).unlink()
        except OSError as error:
            return Room(place=place, free=0, trouble=error.strerror or type(error).__name__)
        return Room(place=place, free=found.f_bavail * found.f_frsize)

    def _is_used_again(self, path: Path) -> bool:
        """Whether it is there, and then it was used now. Looked at twice: who deletes it takes the name away before he looks at the time."""
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        return path.exists()

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest[2:4] / digest

    @staticmethod
    def _leaving(path: Path) -> Path:
        return path.with_name(_LEAVING + path.name)

    @staticmethod
    def _sync(folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
