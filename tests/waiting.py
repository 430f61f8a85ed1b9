"""Waiting for what a process, a thread or a server does in its own time: for a condition, never for a
time."""

from __future__ import annotations

import time
from collections.abc import Callable

HANGS_AFTER = 60.0  # seconds; busy machines are slow, broken programs are slower


def wait_until(condition: Callable[[], object], *, what: str = "", seconds: float = HANGS_AFTER) -> None:
    """Return as soon as the condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"after {seconds} s still not so: {what or condition}"
        time.sleep(0.005)
