"""Waiting for a condition with a deadline: the only way in which tests wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


class Overdue(AssertionError):  # noqa: N818
    """What a test waited for did not happen in time."""


def wait_until(condition: Callable[[], Found], what: str, deadline: float = 60.0) -> Found:
    """The first true answer of ``condition``, asked again and again for at most ``deadline`` seconds.

    ``what`` completes the sentence "waited in vain until ...". Raises `Overdue`.
    """
    end = time.monotonic() + deadline
    pause = 0.002
    while True:
        if found := condition():
            return found
        if time.monotonic() >= end:
            raise Overdue(f"waited {deadline:g} s in vain until {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
