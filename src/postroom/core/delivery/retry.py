"""When something is tried again: a mail that met a temporary trouble, a server that does not work.

Laws: pure; dice are an argument (``jitter``, at least 0 and less than 1), so that a thousand mails refused together do not
come back together. Standards: RFC 5321 4.5.4.1 (retries), with shorter first pauses for greylisting.
"""

from __future__ import annotations

from datetime import datetime, timedelta

PAUSES = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240)
)  # the last one again and again
SPREAD = 0.25  # of a pause, added by dice
OPENINGS = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 600, 900))


def next_attempt(attempt_count: int, now: datetime, jitter: float) -> datetime:
    """After ``attempt_count`` attempts, this one included."""
    pause = PAUSES[min(max(attempt_count, 1), len(PAUSES)) - 1]
    return now + pause * (1 + SPREAD * jitter)


def circuit_open_until(trouble_count: int, now: datetime) -> datetime:
    """How long nothing is given to a server after its ``trouble_count``-th trouble in a row."""
    return now + OPENINGS[min(max(trouble_count, 1), len(OPENINGS)) - 1]
