"""A terminal with a person at it: a program runs in a session of its own, sees a real terminal, and is typed at.

    with Terminal([sys.executable, "-m", "postroom", "setup"], environment) as terminal:
        terminal.sees("Mail address")
        terminal.types("support@box.test")

Laws: nothing is typed before the screen shows what is waited for; a password only while the terminal shows nothing of what is typed. What is
started here is ended by its process number, also when the test fails; the screen then is part of the failure.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.laboratory.waiting import Overdue, wait_until

DEADLINE = 120.0  # seconds for what takes a few on an idle machine
# Whoever opens it first has it as the terminal of the session. Tests may run where Ctrl-C is ignored, and children would inherit that.
_OPEN_IT = """
import os, signal, sys
os.open(os.ttyname(0), os.O_RDWR)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """``screen``: all that was shown so far, with its control sequences."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, columns: int = 160) -> None:
        self.screen = ""
        self._seen = 0
        self._ours, self._theirs = pty.openpty()
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OPEN_IT, *words],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
        os.close(self._ours)
        os.close(self._theirs)

    def sees(self, words: str) -> None:
        """Until these are shown, after those that were seen before."""
        until = time.monotonic() + DEADLINE
        while words not in self.screen[self._seen :]:
            if time.monotonic() > until or (self._process.poll() is not None and not self._read(0.0)):
                raise Overdue(f"{words!r} is not shown: {self.screen}")
            self._read(0.2)
        self._seen = self.screen.index(words, self._seen) + len(words)

    def types(self, words: str) -> None:
        """And Enter."""
        os.write(self._ours, f"{words}\n".encode())

    def types_hidden(self, words: str) -> None:
        """As `types`, once the terminal shows nothing of it."""
        wait_until(self._is_hidden, "the terminal hides what is typed", DEADLINE)
        self.types(words)

    def breaks_off(self, *, hidden: bool = False) -> None:
        """Ctrl-C. ``hidden``: while a password is asked for."""
        if hidden:
            wait_until(self._is_hidden, "the terminal hides what is typed", DEADLINE)
        os.write(self._ours, b"\x03")

    def ends(self) -> int:
        """The exit code, once it is over."""
        until = time.monotonic() + DEADLINE
        while self._process.poll() is None:
            if time.monotonic() > until:
                raise Overdue(f"it does not end: {self.screen}")
            self._read(0.2)
        while self._read(0.0):
            pass
        return self._process.returncode

    def shows_what_is_typed(self) -> bool:
        return not self._is_hidden()

    def _is_hidden(self) -> bool:
        return not termios.tcgetattr(self._theirs)[3] & termios.ECHO

    def _read(self, seconds: float) -> bool:
        """Whether something came."""
        readable, _, _ = select.select([self._ours], [], [], seconds)
        if not readable:
            return False
        with contextlib.suppress(OSError):
            self.screen += os.read(self._ours, 65536).decode("utf-8", "replace")
            return True
        return False
