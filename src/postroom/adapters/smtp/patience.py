"""How long a connection waits for its peer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Patience:
    """One timer, moved only when it would ring too late: cheap enough to be set at every reply."""

    __slots__ = ("_deadline", "_ended", "_loop", "_rings_at", "_timer", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
        self._loop = loop
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._deadline = 0.0
        self.seconds = 0.0

    def wait(self, seconds: float) -> None:
        """``ended`` is called in so many seconds, unless this is called again before."""
        self.seconds = seconds
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._deadline < self._rings_at:
            self._set()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.stop()
        self._rings_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline - self._loop.time() > 0.001:
            self._set()
        else:
            self._ended()
