"""What one bad day of a mailbox is, and what must come of it: the vocabulary of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from postroom.core.terms.mailboxes import TroubleKind
from tests.workers.mailbox_days.servers import Faults, Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Of the bad fetch. ``taken`` of three mails; ``kind`` of the trouble, None: none; ``says``: words of it."""

    taken: int = 3
    kind: TroubleKind | None = None
    says: str = ""
    again: str = "at its interval"
    is_warning: bool = False  # taken, but not marked there
    raises: str = ""  # trouble of ours that has no place in the row: database, lease


SOON, LATER = "in 10 s, then 20, 40 … 900", "in 2 min, then 4, 8 … 60"


def fine(taken: int = 3) -> Expected:
    """As if nothing had been."""
    return Expected(taken=taken)


def lost(says: str, taken: int = 0, kind: TroubleKind = TroubleKind.CONNECT) -> Expected:
    """Trouble that passes: tried again soon."""
    return Expected(taken=taken, kind=kind, says=says, again=SOON)


def login(says: str, kind: TroubleKind = TroubleKind.LOGIN) -> Expected:
    """Trouble of the login: tried again with care, for providers lock accounts out."""
    return Expected(taken=0, kind=kind, says=says, again=LATER)


def unmarked(says: str) -> Expected:
    """All is taken; what was to happen there comes later, with the reconciliation."""
    return Expected(kind=TroubleKind.FOLDER, says=says, is_warning=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """``faults`` by phase. ``mailbox``: columns of its row. ``after``: something that happens before the server is mended."""

    name: str
    expected: Expected
    faults: Callable[[], Faults] = dict
    server: Mapping[str, Any] = field(default_factory=dict)
    mailbox: Mapping[str, Any] = field(default_factory=dict)
    is_pop3: bool = False
    is_closed: bool = False  # nobody listens
    ours: str = ""  # what breaks on our side, see `living`
    after: Callable[[Folder], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Days that have something in common."""

    title: str
    days: tuple[Day, ...]
