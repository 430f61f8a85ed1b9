"""The file in which an installation keeps its secret keys: what stands in it.

A key a line, 64 hexadecimal digits, the present one first, former ones after it. The last line may be ``mark=`` and the name
under which the installation knows its own mails again, so that it stays the same when keys change. Laws: pure; what is damaged
raises ValueError, which does not show it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from postroom.core.terms.secret import Secret

_KEY = re.compile(r"[0-9a-f]{64}")
_MARK = re.compile(r"mark=([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class KeyFileContent:
    """``keys``: one at least, the present one first."""

    keys: tuple[Secret, ...]
    mark: str

    def __str__(self) -> str:
        """As it stands in the file. For the file alone."""
        return "".join(f"{line}\n" for line in (*(key.reveal() for key in self.keys), f"mark={self.mark}"))


def read_key_file(text: str) -> KeyFileContent:
    """Raises ValueError."""
    lines = text.split()
    marks = [found[1] for line in lines if (found := _MARK.fullmatch(line))]
    keys = [line for line in lines if _KEY.fullmatch(line)]
    if not keys or len(marks) > 1 or len(keys) + len(marks) != len(lines):
        raise ValueError("This is no file of secret keys: 64 hexadecimal digits a line.")
    return KeyFileContent(tuple(map(Secret, keys)), marks[0] if marks else mark_of(keys[-1]))


def mark_of(secret: str) -> str:
    """By which mails name the installation with this (its first) key."""
    return sha256(b"postroom mark 1" + secret.encode()).hexdigest()[:16]
