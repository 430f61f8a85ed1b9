"""Pipes that are laid when they are first used: naming a socket imports no library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Late:
    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        pipe = self._make()
        self.__dict__.update({each: getattr(pipe, each) for each in dir(pipe) if not each.startswith("_")})
        return getattr(pipe, name)


def late(make: Callable[[], T]) -> T:
    """What ``make`` will make, as if it were there."""
    return cast("T", _Late(make))
