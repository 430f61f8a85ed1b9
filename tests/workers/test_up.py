"""`postroom up`, whole: it starts, takes mail, heals itself, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.laboratory.daemon import group_members
from tests.laboratory.ports import LOOPBACK, Port
from tests.laboratory.waiting import wait_until

pytestmark = pytest.mark.slow

ROLES = ("web", "door", "router", "deliverer", "scheduler", "watcher")
PATIENCE = 240.0  # seconds; six Pythons start at once, on a machine that may be busy


class Installation:
    """A Postroom of its own in a folder, and what its supervisor says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: Port() for name in ("WEB", "SMTP", "LMTP")}
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Its ports stay reserved while it listens on them, so that nobody else takes one in between."""
        self.lines = []
        environment = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "postroom", "up"],
            cwd=self.folder,
            env={
                **environment,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "POSTROOM_DATA_DIR": str(self.folder / "data"),
                **{f"POSTROOM_{name}_PORT": str(port) for name, port in self.ports.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        listener = threading.Thread(target=self._listen, args=[self.process], daemon=True)
        listener.start()
        wait_until(lambda: self.says("Ready after") or self.is_over(), self.story(), PATIENCE)
        if self.is_over():
            listener.join(PATIENCE)  # its last words
        assert self.says("Ready after"), self.story()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            self.lines.extend(lines)

    def release(self) -> None:
        for port in self.ports.values():
            port.release()

    def is_over(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def says(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def story(self) -> str:
        return "it is ready:\n" + "".join(self.lines)

    def processes(self, role: str) -> list[int]:
        """All that were started in this role, the last one last."""
        return [int(found[1]) for line in self.lines if (found := re.match(rf"{role}: process (\d+)$", line))]

    def port(self, name: str) -> int:
        return int(self.ports[name])

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    one = Installation(folder)
    try:
        one.start()
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait(60)
        for role in ROLES:
            for process in one.processes(role):
                with suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
        one.release()


def everybody(one: Installation) -> list[int]:
    return [member for role in ROLES for leader in one.processes(role) for member in group_members(leader)]


def answers(one: Installation) -> int:
    """The status of the first page."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{one.port('WEB')}/", timeout=60) as page:
            return int(page.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_starts_takes_mail_heals_itself_and_leaves_nothing_behind(short_dir: Path) -> None:
    with installation(short_dir) as one:
        assert answers(one) == 200
        assert one.says(f"SMTP: {LOOPBACK}:{one.port('SMTP')}")
        assert one.says(f"LMTP: {LOOPBACK}:{one.port('LMTP')}")
        with smtplib.SMTP(LOOPBACK, one.port("SMTP"), timeout=60) as client:
            assert (
                client.sendmail("carla@customer.example", ["postmaster"], b"Subject: Hello\r\n\r\nAnybody there?\r\n")
                == {}
            )

        for role in ("router", "web", "door"):
            os.kill(one.processes(role)[-1], signal.SIGKILL)
        for role in ("router", "web", "door"):
            wait_until(lambda: len(one.processes(role)) >= 2, f"{role} is started again", PATIENCE)  # noqa: B023
        wait_until(lambda: answers(one) == 200, "the pages are back", PATIENCE)

        assert one.end() == 0
        assert one.says("Stopped.")
        assert everybody(one) == []
        assert not (short_dir / "data" / "postgres" / "socket" / ".s.PGSQL.5432").exists(), "the database is stopped"


def test_when_the_supervisor_is_killed_nobody_outlives_it_and_the_next_one_starts(short_dir: Path) -> None:
    with installation(short_dir) as one:
        assert one.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: everybody(one) == [], "all are gone", PATIENCE)
        one.start()
        assert answers(one) == 200
        assert one.end(signal.SIGINT) == 0


def test_a_port_that_is_taken_is_told_before_anything_starts(short_dir: Path) -> None:
    with installation(short_dir) as one:
        second = Installation(short_dir.parent / f"{short_dir.name}-2")
        second.folder.mkdir()
        second.ports["SMTP"].release()
        second.ports["SMTP"] = one.ports["SMTP"]
        with pytest.raises(AssertionError, match="POSTROOM_SMTP_PORT"):
            second.start()
        assert second.process is not None
        assert second.process.wait(60) != 0
        assert second.processes("door") == []
        second.release()


def test_a_second_one_on_the_same_data_is_told_so_whatever_its_ports(short_dir: Path) -> None:
    with installation(short_dir) as one:
        assert one.process is not None
        second = Installation(short_dir)
        with pytest.raises(AssertionError, match=f"already .process {one.process.pid}."):
            second.start()
        assert second.process is not None
        assert second.process.wait(60) == 1
        assert second.processes("deliverer") == []
        second.release()
        assert answers(one) == 200
