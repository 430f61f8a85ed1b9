"""Strangers at secret addresses: who asks for addresses that do not exist costs little, and cannot shut out those who know theirs.

Duty: `Strangers.asks` says whether an address is known; the question goes to the database for so many unknown ones a minute and no
more. Laws: an address that was known within the last minutes is served whatever happens; what is refused for the number of strangers
is told to come again. Times are of the monotonic clock, in seconds.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto

from django.db import DatabaseError, InterfaceError
from django.http import HttpResponse

PATIENCE = 60  # unknown addresses a minute, in one process
RETRY_AFTER = "60"  # seconds
REMEMBERED = 300.0  # seconds that a known address counts as known without being asked for in a flood
MOST_KNOWN = 1_000


class Known(Enum):
    """The answer."""

    YES = auto()
    NO = auto()
    ASK_LATER = auto()  # too many strangers: nobody is asked


class Strangers:
    """Of one process. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._minute, self._count = 0, 0

    def asks(self, address: str, is_known: Callable[[], bool]) -> Known:
        """``is_known`` asks the database; what it raises is raised."""
        now, key = self._clock(), hashlib.sha256(address.encode("utf-8", "replace")).digest()
        with self._lock:
            if int(now // 60) != self._minute:
                self._minute, self._count = int(now // 60), 0
            is_flood = self._count >= PATIENCE
            is_remembered = self._known.get(key, -REMEMBERED) + REMEMBERED > now
        if is_flood and not is_remembered:
            return Known.ASK_LATER
        found = is_known()
        with self._lock:
            if found:
                self._known[key] = now
                self._known.move_to_end(key)
                if len(self._known) > MOST_KNOWN:
                    self._known.popitem(last=False)
            else:
                self._known.pop(key, None)
                self._count += 1
        return Known.YES if found else Known.NO

    def refusal_of(self, address: str, is_known: Callable[[], bool]) -> HttpResponse | None:
        """What a request at this address is answered before its body is read; None where it may go on."""
        try:
            known = self.asks(address, is_known)
        except (DatabaseError, InterfaceError):
            return come_again(503)
        match known:
            case Known.YES:
                return None
            case Known.NO:
                return HttpResponse(status=403)
            case Known.ASK_LATER:
                return come_again(429)


def come_again(status: int) -> HttpResponse:
    """With the time after which it is worth it (RFC 9110 10.2.3)."""
    return HttpResponse(status=status, headers={"Retry-After": RETRY_AFTER})
