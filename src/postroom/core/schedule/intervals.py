"""Intervals and missed runs. Pure; times are aware UTC.

Laws: a run that was missed (nobody ran, or the run before it took long) is made up for once, not once for each miss; the
beat is kept: what runs daily at 05:00 does so also after a day off.
"""

from __future__ import annotations

from datetime import datetime, timedelta

RETRY_FIRST = timedelta(minutes=1)


def next_run(planned: datetime, interval: timedelta, now: datetime) -> datetime:
    """The first time of the beat ``planned + n * interval`` after ``now``."""
    if planned > now:
        return planned
    missed = (now - planned) // interval
    return planned + (missed + 1) * interval


def retry_after_failure(planned_next: datetime, failure_count: int, interval: timedelta, now: datetime) -> datetime:
    """After ``failure_count`` failures in a row (1 or more): sooner than the beat, with growing pauses, never later."""
    pause: timedelta = min(RETRY_FIRST * 4 ** min(failure_count - 1, 10), interval)
    return min(planned_next, now + pause)


def is_late(planned: datetime, interval: timedelta, now: datetime) -> bool:
    """Due for longer than its interval, or than an hour if that is less (but five minutes at least)."""
    return now - planned > max(min(interval, timedelta(hours=1)), timedelta(minutes=5))
