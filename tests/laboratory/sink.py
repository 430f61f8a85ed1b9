"""Servers that take mail and deliver nothing: Postfix's smtp-sink for speed, `CountingSink` for proofs."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.laboratory import counting
from tests.laboratory.counting import AcceptedMail, Behaviour, Ledger, read_ledger
from tests.laboratory.daemon import Daemon, find_program
from tests.laboratory.ports import LOOPBACK, Port, greeting
from tests.laboratory.waiting import wait_until


class SmtpSink(Daemon):
    """``smtp-sink`` of Postfix: the yardstick for speed. ``options`` are its own, such as ``("-w", "1")``.

    Counting costs it a little, so it is off unless asked for.
    """

    name = "smtp-sink"

    def __init__(self, *, options: Sequence[str] = (), count: bool = False, backlog: int = 512) -> None:
        super().__init__()
        self.options = (*options, "-c") if count else tuple(options)
        self.backlog = backlog

    @property
    def smtp_port(self) -> int:
        return self.port("smtp")

    def count(self) -> int:
        """Mails taken so far; only with ``count=True``."""
        found = re.findall(r"mesg=(\d+)", (self.directory / "console.log").read_text()[-400:])
        return int(found[-1]) if found else 0

    def port_names(self) -> Sequence[str]:
        return ("smtp",)

    def prepare(self) -> None:
        """It has no configuration."""

    def command(self) -> Sequence[str]:
        as_nobody = ("-u", "nobody") if os.geteuid() == 0 else ()
        program = find_program("smtp-sink")
        return (program, "-4", *as_nobody, *self.options, f"{LOOPBACK}:{self.smtp_port}", str(self.backlog))

    def is_ready(self) -> bool:
        return greeting(self.smtp_port).startswith("220")


class _Accounts:
    """Reading what a counting sink accepted, and waiting for it."""

    ledger: Path

    def accepted(self) -> list[AcceptedMail]:
        """Every mail that was answered with 250, in order."""
        return list(read_ledger(self.ledger))

    def wait_for(self, count: int, deadline: float = 60.0) -> list[AcceptedMail]:
        """The accepted mails as soon as there are ``count``."""

        def enough() -> list[AcceptedMail]:
            mails = self.accepted()
            return mails if len(mails) >= count else []

        return wait_until(enough, f"the sink has accepted {count} mails", deadline)


class CountingSink(_Accounts):
    """The counting server in a thread of the test."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self._thread = threading.Thread(target=self._run, name="counting-sink", daemon=True)
        self._listens = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._told: asyncio.Event
        self._port = Port()

    @property
    def smtp_port(self) -> int:
        return self._port.number

    def __enter__(self) -> Self:
        descriptor, name = tempfile.mkstemp(prefix="sink-", suffix=".ledger")
        os.close(descriptor)
        self.ledger = Path(name)
        self._thread.start()
        if not self._listens.wait(60):
            raise RuntimeError("the counting sink does not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._told.set)
        self._thread.join(60)
        self._port.release()
        self.ledger.unlink()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=counting.fastest_loop()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        ledger = Ledger(self.ledger)
        server = await counting.listen(self.smtp_port, ledger, self.behaviour)
        self._listens.set()
        await self._told.wait()
        server.close()
        ledger.close()


class CountingSinkProcess(_Accounts, Daemon):
    """The same as a process of its own: for speed, and so that `pause`, `crash` and `start` work on it.

    With ``ledger`` several sinks can share one file, which then belongs to the caller.
    """

    name = "counting-sink"

    def __init__(self, behaviour: Behaviour | None = None, *, ledger: Path | None = None) -> None:
        super().__init__()
        self.behaviour = behaviour or Behaviour()
        self._given_ledger = ledger

    @property
    def smtp_port(self) -> int:
        return self.port("smtp")

    @property
    def ledger(self) -> Path:  # type: ignore[override]
        return self._given_ledger or self.directory / "ledger"

    def port_names(self) -> Sequence[str]:
        return ("smtp",)

    def prepare(self) -> None:
        self.ledger.touch()

    def command(self) -> Sequence[str]:
        program = (sys.executable, "-P", str(Path(counting.__file__)))
        told = (
            "--port",
            str(self.smtp_port),
            "--ledger",
            str(self.ledger),
            "--behaviour",
            self.behaviour.as_json(),
        )
        return (*program, *told)

    def is_ready(self) -> bool:
        return greeting(self.smtp_port).startswith("220")
