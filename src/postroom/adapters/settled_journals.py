"""Whose journals were settled a short while ago: a file for each name, empty.

Duty: to catch what a dead worker still claims. A worker may die while the database works on its claim, and the claim is committed
after its journal was read and its deliveries went back: nobody would look at these before their lease is over, and then nobody
could say that they were never sent. So whoever settles a journal leaves the name here, and what turns up under it later goes
back into the queue, too. That is safe: the dead start nothing, and what they had started stood in the journal.
Laws: a name is noted before its journal is removed. Names that are old are forgotten, after one last look.
"""

from __future__ import annotations

import time
from pathlib import Path

KEPT = 900.0  # seconds; a claim that is not committed by then is not committed at all


def remember(folder: Path, name: str) -> None:
    """``name`` is settled. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()


def remembered(folder: Path) -> list[str]:
    """The names, oldest or not."""
    return sorted(path.name for path in folder.glob("*"))


def forget_old(folder: Path, *, kept: float = KEPT) -> None:
    """Those noted more than ``kept`` seconds ago. Two who do this at once do no harm."""
    oldest = time.time() - kept
    for path in folder.glob("*"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
