"""The ground a bench stands on: a data directory, a database and ports of its own, gone when it ends.

Laws: nothing of the user's installation is read or touched; durability is not switched off; everything is on loopback; all
that was started is ended, and every wait has a deadline.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from postroom.cli.benching.counting import ProcessCost, cost_of_database, costs_of_group
from postroom.cli.telling import give_up

LOOPBACK = "127.0.0.1"
DOMAIN = "bench.test"
START_PATIENCE = 60.0  # seconds
END_PATIENCE = 20.0
LOOK_EVERY = 0.02

Progress = Callable[[int], None]


@dataclass(slots=True)
class Staff:
    """The processes that are measured."""

    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    log: Path = Path(os.devnull)

    def start(self, kind: str, count: int) -> None:
        """``count`` processes of this role, as the supervisor would start them."""
        for _ in range(count):
            with self.log.open("ab") as log:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "postroom", "worker", kind],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        env=os.environ | {"POSTROOM_SUPERVISOR": str(os.getpid())},
                        start_new_session=True,
                    )
                )

    def require_alive(self) -> None:
        """Ends the bench when one of them ended."""
        for process in self.processes:
            if process.poll() is not None:
                said = self.log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
                give_up(f"A process of the bench ended with code {process.returncode}.\n{said}")

    def costs(self) -> list[ProcessCost]:
        """CPU seconds and peak memory so far, one for each."""
        return [costs_of_group(process.pid) for process in self.processes]

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        deadline = time.monotonic() + END_PATIENCE
        for process in self.processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where a bench happens."""

    folder: Path
    staff: Staff

    def cpu_seconds(self) -> float:
        """Of the staff and of all processes of PostgreSQL so far."""
        return sum(one.cpu_seconds for one in (*self.staff.costs(), cost_of_database(self.folder / "data")))

    def wait_until_all_listen(self, workers: int, who: str) -> None:
        """So many of the staff wait for the call of the database."""

        def all_listen() -> bool:
            from django.db import connection

            self.staff.require_alive()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query ILIKE 'listen %%'"
                )
                return int(cursor.fetchone()[0]) >= workers

        wait_until(all_listen, f"the {who} to listen")


@contextmanager
def prepared_ground(settings: Mapping[str, str]) -> Iterator[Ground]:
    """A fresh installation with these settings (names without POSTROOM_); its database runs, its tables are there."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-bench-"))
    folder.chmod(0o711)  # as root, PostgreSQL is another account
    staff = Staff(log=folder / "processes.log")
    signal.signal(signal.SIGTERM, _end)
    try:
        _move_in(folder, settings)
        from postroom.cli.entering import configured, running
        from postroom.workers.supervisor import bring_tables_up_to_date

        with running(configured(makes_house=True, shows_pages=True)):
            bring_tables_up_to_date()
            try:
                yield Ground(folder=folder, staff=staff)
            finally:
                staff.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end(*_: object) -> None:
    """Asked to end, we clean up as always."""
    raise SystemExit(128 + signal.SIGTERM)


def _move_in(folder: Path, settings: Mapping[str, str]) -> None:
    """From here on this process and its children belong to the bench's installation."""
    for name in [name for name in os.environ if name.startswith("POSTROOM_")]:
        del os.environ[name]
    (folder / "postroom.toml").touch()
    mine = {"CONFIG": folder / "postroom.toml", "DATA_DIR": folder / "data", "LOG_LEVEL": "WARNING", **settings}
    os.environ.update({f"POSTROOM_{name}": str(value) for name, value in mine.items()})


def program(name: str) -> str:
    """The path of one of Postfix's test programs; ends the bench where there is none."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        give_up(f"The bench compares with Postfix's {name}, which is not installed. Debian: apt-get install postfix")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_sink(port: int) -> Iterator[None]:
    """Postfix's smtp-sink on this port: takes everything, keeps nothing."""
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = subprocess.Popen(
        [program("smtp-sink"), "-4", *as_nobody, f"{LOOPBACK}:{port}", "512"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(port), "smtp-sink to answer")
        yield
    finally:
        sink.terminate()
        sink.wait()


def answers(port: int) -> bool:
    """Whether an SMTP server greets there."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            return connection.recv(100).startswith(b"220")
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], what: str, *, seconds: float = START_PATIENCE) -> None:
    """Ends the bench when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            give_up(f"The bench waited {seconds:.0f} s for {what}, in vain.")
        time.sleep(LOOK_EVERY)
