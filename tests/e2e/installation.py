"""A Postroom as it is installed: its real processes, on the database of the test.

Laws: every role is a process of its own (`python -m postroom worker ROLE`), configured through the environment alone. What is
started here is ended by its process number, also when the test fails; its last words then are part of the failure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.laboratory.ports import Port, greeting
from tests.laboratory.waiting import wait_until
from tests.workers.children import environment

HOSTNAME = "postroom.in.test"
DEADLINE = 240.0  # seconds for things that take one on an idle machine


@dataclass(slots=True)
class Worker:
    """One process in a role. `crash` is ``kill -9``; `start` begins again with the same ports."""

    role: str
    environment: dict[str, str]
    log_file: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroom", "worker", self.role],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )

    def crash(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(60)
            raise AssertionError(f"{self.role} did not end within two minutes of {how.name}:\n{self.log()}") from None


@dataclass(slots=True)
class Installation:
    """The processes of one Postroom and where its doors are."""

    smtp_port: int
    lmtp_port: int
    workers: list[Worker] = field(default_factory=list)

    def worker(self, role: str) -> Worker:
        return next(worker for worker in self.workers if worker.role == role)

    def wait_for_doors(self) -> None:
        """Until both doors answer, and are ours."""
        door = self.worker("door")

        def is_open() -> bool:
            assert door.lives, f"the door ended:\n{door.log()}"
            return all(HOSTNAME in greeting(port) for port in (self.smtp_port, self.lmtp_port))

        wait_until(is_open, "the doors are open", DEADLINE)

    def logs(self) -> str:
        return "\n".join(f"--- {worker.role}\n{worker.log()[-6000:]}" for worker in self.workers)


@contextmanager
def installed(*roles: str, smtp: Port, lmtp: Port, settings: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """These roles at work; ``settings`` are more variables of their environment. At the end all of them still lived."""
    variables = environment(
        POSTROOM_SMTP_PORT=str(smtp),
        POSTROOM_LMTP_PORT=str(lmtp),
        POSTROOM_HOSTNAME=HOSTNAME,
        **(settings or {}),
    )
    installation = Installation(smtp_port=int(smtp), lmtp_port=int(lmtp))
    with tempfile.TemporaryDirectory(dir=os.environ["POSTROOM_DATA_DIR"]) as folder:
        for role in roles:
            installation.workers.append(Worker(role, variables, Path(folder) / f"{role}.log"))
        try:
            for worker in installation.workers:
                worker.start()
            if "door" in roles:
                installation.wait_for_doors()
            yield installation
            for worker in installation.workers:
                assert worker.lives, f"{worker.role} ended:\n{worker.log()}"
        except BaseException as error:
            error.add_note(installation.logs())
            raise
        finally:
            _end_all(installation.workers)


def _end_all(workers: list[Worker]) -> None:
    """Each gets its signal, whatever became of the others."""
    failures = []
    for worker in workers:
        try:
            worker.stop()
        except AssertionError as error:
            failures.append(error)
    if failures:
        raise failures[0]
