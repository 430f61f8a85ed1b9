"""Who hangs: processes that are there and give no sign of life, while others do.

Laws: pure. Nobody hangs on the word of a clock alone: somebody else must have given signs without a gap all that time, so the database could be
written to. When it could not, or when the whole machine slept, everybody's signs have a gap, and nobody is accused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SIGN_EVERY = 15.0  # seconds
SILENT_AFTER = timedelta(seconds=90)
FRESH = timedelta(seconds=45)  # a witness was seen so lately


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """The last one of a process that is connected. ``steady_since``: from when on its signs came without a gap."""

    role: str
    machine: str
    pid: int
    steady_since: datetime
    seen_at: datetime


def silent(signs: Sequence[Sign], now: datetime) -> tuple[Sign, ...]:
    """Those that hang, the longest first. ``now`` by the clock that stamped the signs."""
    is_witnessed = any(now - one.seen_at <= FRESH and now - one.steady_since >= SILENT_AFTER for one in signs)
    if not is_witnessed:
        return ()
    return tuple(sorted((one for one in signs if now - one.seen_at > SILENT_AFTER), key=lambda one: one.seen_at))
