"""How residents end: asked to by a signal, or because the process that started them is gone.

Laws: a signal interrupts no batch; it ends the wait between two batches, at once. Who was started by the supervisor does
not outlive it, however it dies.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import threading
import time
from contextlib import suppress

PARENT = "POSTROOM_SUPERVISOR"  # the supervisor's process number, in the environment of its children
_PR_SET_PDEATHSIG = 1


class Stop:
    """A flag that wakes whoever waits. `set` may be called from signal handlers and other threads."""

    def __init__(self) -> None:
        self._is_set = False
        self._out, self._in = os.pipe()
        os.set_blocking(self._in, False)

    def on_signals(self) -> None:
        """SIGTERM and SIGINT set it from now on; for the main thread."""
        for which in (signal.SIGTERM, signal.SIGINT):
            signal.signal(which, lambda *_: self.set())

    def set(self) -> None:
        self._is_set = True
        with suppress(BlockingIOError):
            os.write(self._in, b"!")

    def is_set(self) -> bool:
        return self._is_set

    def fileno(self) -> int:
        """Readable once it is set: for `select`."""
        return self._out

    def wait(self, seconds: float) -> bool:
        """Until it is set, at most ``seconds``. Whether it is set."""
        if not self._is_set:
            select.select([self._out], [], [], seconds)
        return self._is_set

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)


def die_with_supervisor() -> None:
    """SIGTERM for us as soon as the supervisor that started us is gone; nothing when none did."""
    if supervisor := int(os.environ.get(PARENT, "0")):
        die_with(supervisor)


def die_with(parent: int) -> None:
    """SIGTERM for us as soon as our parent process, which is ``parent``, is gone."""
    if platform.system() == "Linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGTERM)
        return
    threading.Thread(target=_watch, args=(parent,), name="parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
