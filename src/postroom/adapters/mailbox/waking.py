"""Ending a wait from another thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Waker:
    """A bell that is heard in the wait that is going on, or else at the beginning of the next one.

    Its sockets exist only during a wait, so that a session that is not waiting holds nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung = False
        self._far_end: socket.socket | None = None

    def ring(self) -> None:
        """From any thread; never blocks, harmless when repeated."""
        with self._lock:
            self._rung = True
            if self._far_end is not None:
                with contextlib.suppress(OSError):  # full: it has been rung often enough
                    self._far_end.send(b"!")

    def take(self) -> bool:
        """Whether the bell was rung; it is silent afterwards."""
        with self._lock:
            rung, self._rung = self._rung, False
            return rung

    @property
    def is_rung(self) -> bool:
        with self._lock:
            return self._rung

    @contextmanager
    def listening(self) -> Iterator[socket.socket]:
        """A socket that becomes readable when the bell rings, or at once when it has been rung."""
        near, far = socket.socketpair()
        far.setblocking(False)
        with near, far:
            with self._lock:
                self._far_end = far
                if self._rung:
                    far.send(b"!")
            try:
                yield near
            finally:
                with self._lock:
                    self._far_end = None

    def wait(self, seconds: float) -> bool:
        """Sleeps until the bell rings, for at most ``seconds``; whether it rang."""
        with self.listening() as bell:
            bell.settimeout(max(seconds, 0.001))
            with contextlib.suppress(TimeoutError):
                bell.recv(1)
        return self.is_rung
