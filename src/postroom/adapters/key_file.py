"""The installation's secret keys, where they lie: in a file of ours, or fixed by the configuration.

Laws: the file is replaced as a whole and is on the disk before anybody uses what it says; only its owner reads it. A process that
runs sees a change at its next use (a `stat` tells), so that keys change without a restart. Nothing here is logged.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import overload

from postroom.core.terms.key_file import KeyFileContent, mark_of, read_key_file
from postroom.core.terms.secret import Secret

Keys = tuple[Secret, ...]


class KeyFile:
    """Keys in ``path``, which is there. Every method raises OSError, and ValueError for a damaged file."""

    is_ours = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (0, 0, 0)
        self._content = KeyFileContent((), "")

    @property
    def place(self) -> str:
        return str(self._path)

    def keys(self) -> Keys:
        """The present one first."""
        return self._read().keys

    def mark(self) -> str:
        """The name of the installation in its mails."""
        return self._read().mark

    def count(self) -> int:
        return len(self.keys())

    def add(self) -> None:
        """A new key in front."""
        with self._alone():
            content = self._read()
            self._replace(KeyFileContent((Secret(secrets.token_hex(32)), *content.keys), content.mark))

    def forget_former(self) -> None:
        """The present key stays alone."""
        with self._alone():
            content = self._read()
            self._replace(KeyFileContent(content.keys[:1], content.mark))

    def _read(self) -> KeyFileContent:
        found = self._path.stat()
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._content = read_key_file(self._path.read_text(encoding="ascii"))
            self._stamp = stamp
        return self._content

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes it meanwhile."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)

    def _replace(self, content: KeyFileContent) -> None:
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.unlink(missing_ok=True)  # of somebody who died
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            owner = self._path.stat()
            if os.geteuid() == 0:  # whoever runs Postroom reads it, too
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(str(content))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


class FixedKeys:
    """Keys that the configuration names: whoever wrote them there changes them."""

    is_ours = False
    place = "secret_key and former_secret_keys of the configuration"

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def keys(self) -> Keys:
        return self._keys

    def mark(self) -> str:
        return mark_of(self._keys[-1].reveal())

    def count(self) -> int:
        return len(self._keys)

    def add(self) -> None:
        raise PermissionError(f"The keys are fixed: {self.place}")

    def forget_former(self) -> None:
        raise PermissionError(f"The keys are fixed: {self.place}")


class DerivedKeys(Sequence[bytes]):
    """A key of its own for one use, derived from each secret key as it stands now."""

    def __init__(self, keys: Callable[[], Keys], derive: Callable[[str], bytes]) -> None:
        self._keys = keys
        self._derive = derive
        self._of: Keys = ()
        self._derived: tuple[bytes, ...] = ()

    def now(self) -> tuple[bytes, ...]:
        """As they stand."""
        keys = self._keys()
        if keys != self._of:
            self._derived = tuple(self._derive(key.reveal()) for key in keys)
            self._of = keys
        return self._derived

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[bytes, ...]: ...
    def __getitem__(self, place: int | slice) -> bytes | tuple[bytes, ...]:
        return self.now()[place]

    def __len__(self) -> int:
        return len(self.now())

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.now())

    def __repr__(self) -> str:
        return "DerivedKeys(********)"
