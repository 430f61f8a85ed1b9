"""Connections that a pool lends to requests: given back before a request waits for the network, and few requests may wait at once.

Laws: whoever waits for a stranger's server holds no connection, so that nobody is kept out of the house by those who wait; a connection with a
transaction, or one that is set up for somebody (`kept`), stays. Where there is no pool (workers, commands), nothing happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 32  # requests of this process that wait for the network
PATIENCE = 2.0  # seconds that one more waits for a place
_places = threading.BoundedSemaphore(AT_ONCE)


class _Here(threading.local):
    """What this thread is at."""

    is_request = False
    has_place = False
    kept = 0


_here = _Here()


class ManyWait(Exception):  # noqa: N818 (an answer, not a fault)
    """So many requests wait for the network that this one shall come again."""


@contextmanager
def answering() -> Iterator[None]:
    """Around all that one thread does for a request: a place among those who wait is free again at its end."""
    _here.is_request = True
    try:
        yield
    finally:
        _here.is_request = False
        if _here.has_place:
            _here.has_place = False
            _places.release()


@contextmanager
def kept() -> Iterator[None]:
    """Within it this thread's connection stays, whatever it waits for."""
    _here.kept += 1
    try:
        yield
    finally:
        _here.kept -= 1


def give_back() -> None:
    """This thread's connections go back to the pools that lent them; the next query borrows anew."""
    if _here.kept:
        return
    for one in connections.all(initialized_only=True):
        if one.settings_dict["OPTIONS"].get("pool") and not one.in_atomic_block:
            one.close()


def before_waiting() -> None:
    """Right before the network is asked, for seconds. Raises `ManyWait` in a request, where too many wait already."""
    give_back()
    if _here.is_request and not _here.has_place:
        if not _places.acquire(timeout=PATIENCE):
            raise ManyWait("Many requests wait for other servers just now: try again in a moment.")
        _here.has_place = True


def waits(ask: Callable[P, T]) -> Callable[P, T]:
    """A pipe into the network: whoever asks through it holds no connection meanwhile. It raises `ManyWait`, too."""

    @wraps(ask)
    def asked(*args: P.args, **named: P.kwargs) -> T:
        before_waiting()
        return ask(*args, **named)

    return asked
