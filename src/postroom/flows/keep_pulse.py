"""Keeps the pulse: folds what was counted into hours, samples how late the queue is, forgets what is old.

Run as a scheduled action, so by one at a time on all machines together.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from postroom.flows.ports import Ports
from postroom.store import pulse

FOLDED_AT_ONCE = 50_000
HOURS_KEPT = timedelta(days=400)
SAMPLES_KEPT = timedelta(days=8)
CHANGES_KEPT = timedelta(days=30)


def keep_pulse(ports: Ports, is_over: Callable[[], bool] = lambda: False) -> str:
    """What it did, in a line for people."""
    now = ports.clock.now()
    age = pulse.sample(now)
    folded = 0
    while some := pulse.fold(FOLDED_AT_ONCE):
        folded += some
        if some < FOLDED_AT_ONCE or is_over():
            break
    pulse.forget(hours_before=now - HOURS_KEPT, samples_before=now - SAMPLES_KEPT, changes_before=now - CHANGES_KEPT)
    return f"{folded} counts folded; the queue is {age} s late"
