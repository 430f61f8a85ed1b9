"""A server program as a child of the test: a private directory, private ports, a clean end.

Laws: `stop` leaves neither processes nor files. If the test process itself dies, even by SIGKILL, a small
guard (a shell that waits for the end of a pipe) ends the server and removes its directory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.laboratory.ports import Port
from tests.laboratory.waiting import Overdue, wait_until

STARTS = 4  # tries with new ports before a start counts as failed
READY_AFTER = 60.0  # seconds a server has to answer; it needs less than one, on an idle machine
GONE_AFTER = 60.0  # seconds until what was killed is gone
GUARD = """
read -r word
[ "$word" = done ] && exit 0
kill -CONT "-$1" 2>/dev/null; kill -TERM "-$1" 2>/dev/null; sleep 1; kill -KILL "-$1" 2>/dev/null
[ -n "$2" ] && rm -rf -- "$2"
"""


class DidNotStart(RuntimeError):  # noqa: N818
    """The server program ended, or never answered; the text has its last words."""


class Daemon(ABC):
    """A program in the foreground, leader of its own process group."""

    name = "daemon"

    def __init__(self) -> None:
        self.directory = Path()
        self.ports: dict[str, Port] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    # What a kind of server must say

    @abstractmethod
    def port_names(self) -> Sequence[str]:
        """The names of the ports that it listens on."""

    @abstractmethod
    def prepare(self) -> None:
        """Write its configuration into ``self.directory``, with ``self.ports``."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The program with its arguments; it must stay in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers, and is really this server."""

    def last_words(self) -> str:
        """What it printed and logged, for error messages."""
        return "\n".join(self._tail(path) for path in sorted(self.directory.glob("*.log")))

    # Life and death

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers. After `crash` or `halt` it has the same ports and files as before."""
        if self.ports:
            self._launch()
            return
        for attempt in range(1, STARTS + 1):
            try:
                self._settle()
                self._launch()
            except DidNotStart:
                self.stop()
                if attempt == STARTS:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                return

    def halt(self) -> None:
        """An orderly end that keeps files and ports: connections are refused until `start`."""
        self._end(signal.SIGTERM)

    def crash(self) -> None:
        """``kill -9`` for all its processes at once; files and ports are kept."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze all its processes: the system still accepts connections, nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it and remove all that it had. Harmless when nothing runs."""
        self._end(signal.SIGTERM)
        for port in self.ports.values():
            port.release()
        self.ports = {}
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = Path()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def port(self, name: str) -> int:
        """The number of one of its ports."""
        return self.ports[name].number

    # How

    def _settle(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name[:4]}-", dir=short_temporary_folder()))
        self.directory.chmod(0o755)
        self.ports = {name: Port() for name in self.port_names()}
        self.prepare()

    def _launch(self) -> None:
        with (self.directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                cwd="/",
                start_new_session=True,
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, "guard", str(self._process.pid), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        try:
            wait_until(lambda: not self.is_running or self.is_ready(), f"{self.name} answers", READY_AFTER)
        except Overdue as error:
            words = self.last_words()
            self._end(signal.SIGKILL)
            raise DidNotStart(f"{self.name} does not answer:\n{words}") from error
        if not self.is_running:
            words = self.last_words()
            self._end(signal.SIGKILL)
            raise DidNotStart(f"{self.name} ended at once:\n{words}")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._signal(how)
            self._signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._signal(signal.SIGKILL)
            self._process.wait(GONE_AFTER)
            wait_until(lambda: not self._group_lives(), f"all processes of {self.name} are gone", GONE_AFTER)
            self._process = None
        self._dismiss_guard()

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.communicate(b"done\n", timeout=GONE_AFTER)
            self._guard = None

    def _signal(self, which: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, which)

    def _group_lives(self) -> bool:
        assert self._process is not None
        return bool(group_members(self._process.pid))

    @staticmethod
    def _tail(path: Path) -> str:
        return f"--- {path.name}\n" + path.read_text(encoding="utf-8", errors="replace")[-4000:]


def group_members(group: int) -> list[int]:
    """The living processes of a process group; the dead that wait for their parent's glance do not count."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


def short_temporary_folder() -> str:
    """Unix sockets below it must have paths of at most 107 bytes."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= 40 else "/tmp"


def find_program(name: str) -> str:
    """The full path of a program, also where an ordinary user's PATH does not look; ``""`` when absent."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"))
    return shutil.which(name, path=path) or ""
