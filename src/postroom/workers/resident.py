"""The life of a resident that drains a table of waiting work: the router, and whoever works like it.

Laws: it drains until nothing is left, then waits for a call or for a second, whichever comes first (the second finds what
became due and what was called while nobody heard). An outage of the database costs waiting, never the process; it is told
once, when it begins, and once when it ends. A bug is told each time, and the pauses between its repetitions grow.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import close_old_connections, connections

from postroom.workers.outages import OUTAGES, Outage
from postroom.workers.stopping import Stop
from postroom.workers.wakeups import Wakeups

logger = logging.getLogger(__name__)

SWEEP = 1.0  # seconds
GATHER = 0.1  # seconds
FIRST_PAUSE, LONGEST_OUTAGE_PAUSE, LONGEST_BUG_PAUSE = 0.1, 3.0, 30.0


class Resident:
    """``drain`` does a batch of the work that waits and returns how much it took; 0 when nothing waits.

    After a batch of fewer than ``few`` it waits `GATHER` for more to come: ten small batches cost more than a large one.
    ``sign`` is called at each turn: that it works (`workers.signs`).
    """

    def __init__(
        self,
        name: str,
        drain: Callable[[], int],
        *,
        channel: str,
        stop: Stop,
        few: int = 0,
        sign: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._drain = drain
        self._stop = stop
        self._few = few
        self._sign = sign
        self._wakeups = Wakeups(channel)
        self._pause = 0.0
        self._outage = Outage(name)

    def run(self) -> None:
        """Until ``stop`` is set; the batch under way is finished."""
        try:
            while not self._stop.is_set():
                self._sign()
                if (done := self._try()) and not self._stop.is_set():
                    if done < self._few:
                        self._stop.wait(GATHER)
                    continue
                if self._pause:
                    self._stop.wait(self._pause)
                else:
                    self._wakeups.wait(self._stop, SWEEP)
        finally:
            self._wakeups.close()
            connections.close_all()

    def _try(self) -> int:
        """How much was done; 0 also in trouble, and then there is a pause to make."""
        try:
            close_old_connections()
            done = self._drain()
        except OUTAGES as error:
            self._outage.goes_on(error)
            self._grow_pause(LONGEST_OUTAGE_PAUSE)
            return 0
        except Exception:
            logger.exception("%s: failed", self.name)
            self._grow_pause(LONGEST_BUG_PAUSE)
            return 0
        self._outage.is_over()
        self._pause = 0.0
        return done

    def _grow_pause(self, longest: float) -> None:
        self._pause = min(max(FIRST_PAUSE, 2 * self._pause), longest)
