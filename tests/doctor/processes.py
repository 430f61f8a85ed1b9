"""Processes of a running installation, beside the doctor: they can be frozen, woken and killed, and time can go by for their signs of life.

Laws: they are real (`postroom worker ROLE`, on the database of the test) and write by themselves; what they gave is seen through a connection
of its own, outside the test's transaction, and removed at the end.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from tests.e2e.installation import DEADLINE, Worker
from tests.laboratory.waiting import wait_until
from tests.workers.children import environment

Eye = psycopg.Connection[tuple[Any, ...]]


@dataclass(slots=True)
class Process:
    """One worker, and its sign of life."""

    worker: Worker
    eye: Eye

    @property
    def pid(self) -> int:
        assert self.worker.process is not None
        return self.worker.process.pid

    def freeze(self) -> None:
        """Until `wake`: it is there, and does nothing. Returns when the system has stopped it."""
        os.kill(self.pid, signal.SIGSTOP)
        pid, status = os.waitpid(self.pid, os.WUNTRACED)
        assert (pid, os.WIFSTOPPED(status)) == (self.pid, True)

    def wake(self) -> None:
        """Returns when it has given a sign."""
        before = self.seen_at()
        os.kill(self.pid, signal.SIGCONT)
        wait_until(lambda: self.seen_at() > before, "it gave a sign again", DEADLINE)

    def kill(self) -> None:
        """Returns when the database knows that it is gone."""
        assert self.worker.process is not None
        self.worker.process.kill()
        self.worker.process.wait(60)
        wait_until(lambda: not self.is_connected(), "its connections are gone", DEADLINE)

    def was_seen(self, *, ago: float, steady_for: float = 0) -> None:
        """So many seconds ago, and without a gap for so long."""
        self.eye.execute(
            "UPDATE postroom_signoflife SET seen_at = clock_timestamp() - make_interval(secs => %s),"
            " steady_since = clock_timestamp() - make_interval(secs => %s) WHERE pid = %s",
            [ago, max(ago, steady_for), self.pid],
        )

    def seen_at(self) -> Any:
        found = self.eye.execute("SELECT seen_at FROM postroom_signoflife WHERE pid = %s", [self.pid]).fetchone()
        assert found is not None
        return found[0]

    def has_given(self) -> bool:
        assert self.worker.lives, self.worker.log()
        return bool(self.eye.execute("SELECT 1 FROM postroom_signoflife WHERE pid = %s", [self.pid]).fetchone())

    def is_connected(self) -> bool:
        like = f"postroom {self.worker.role} {self.pid}@%"
        sql = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE %s AND datname = current_database()"
        return bool(self.eye.execute(sql, [like]).fetchone())


@contextmanager
def at_work(*roles: str) -> Iterator[list[Process]]:
    """A process for each of these; all have given a sign."""
    with tempfile.TemporaryDirectory(dir=os.environ["POSTROOM_DATA_DIR"]) as folder, _eye() as eye:
        made = [
            Process(Worker(role, environment(), Path(folder) / f"{number}.log"), eye)
            for number, role in enumerate(roles)
        ]
        try:
            for one in made:
                one.worker.start()
            for one in made:
                wait_until(one.has_given, f"the {one.worker.role} gave a sign", DEADLINE)
            yield made
        finally:
            for one in made:
                one.worker.crash()  # a frozen one hears nothing else
            eye.execute("DELETE FROM postroom_signoflife")


@contextmanager
def _eye() -> Iterator[Eye]:
    settings = connection.get_connection_params()
    wanted = {name: settings[name] for name in ("dbname", "user", "password", "host", "port") if settings.get(name)}
    with psycopg.connect(**wanted, autocommit=True) as eye:
        yield eye
