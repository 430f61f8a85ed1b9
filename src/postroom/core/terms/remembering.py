"""What was worked out of a text is remembered, within limits.

Law: strangers write these texts, so what is long is worked out each time and never kept: a number of entries alone is no limit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")


def remembered(*, most: int, longest: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """For a pure function of one text: its last ``most`` answers, to texts of at most ``longest`` characters."""

    def decorate(work: Callable[[str], T]) -> Callable[[str], T]:
        kept = lru_cache(maxsize=most)(work)

        @wraps(work)
        def answer(text: str) -> T:
            return kept(text) if len(text) <= longest else work(text)

        return answer

    return decorate
