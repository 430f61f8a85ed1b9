"""Trials by fire: real deliverers send 2,000 mails into a sink that forgets nothing, and in the middle something breaks.

    python -m tests.e2e.kill_trials --trials 200                          kill -9 of one of three workers
    python -m tests.e2e.kill_trials --trials 5 --kind disk-full           the journal's disk is full, then it is not
    python -m tests.e2e.kill_trials --trials 1 --kind sink-paused --pause 60

Duty: an installation of its own (database, data directory, ports), used again and again, with other dice each time; a table at the
end, and exit code 1 when one trial broke a promise. `test_kill_trials.py` runs a few of them with the suite.
Laws: the promises are read from outside. The sink's file says what arrived, the database what we believe. Lost: neither sent nor
unknown. Twice: the same Message-ID for the same recipient, noted twice by the sink. Unknown: at most the connections that the
killed worker had open at that moment, counted by the kernel. Only processes that were started here are touched.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from postroom.cli.benching.ground import Ground, prepared_ground
from postroom.workers.database import EmbeddedDatabase
from tests.laboratory.counting import Behaviour
from tests.laboratory.sink import CountingSinkProcess
from tests.laboratory.waiting import wait_until

WORKERS, MAILS, CONNECTIONS = 3, 2000, 10  # connections: of each worker
PATIENCE = 300.0
DISK = 12 << 20  # bytes of the journal's disk, where it is a small one
OWN_MOUNTS = "KILL_TRIALS_OWN_MOUNTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one. ``moment``: mails at the sink when it broke; ``open``: connections that the break cut."""

    kind: str
    moment: int
    open: int
    sent: int
    unknown: int
    unknown_arrived: int
    lost: int
    twice: int
    seconds: float

    @property
    def is_kept(self) -> bool:
        """Whether all promises were."""
        return not self.lost and not self.twice and self.unknown <= self.open


@dataclass(slots=True)
class Crew:
    """The deliverers."""

    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def hire(self) -> None:
        while len(self.processes) < WORKERS:
            with self.log.open("ab") as log:
                command = [sys.executable, "-m", "postroom", "worker", "deliverer"]
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            self.processes.append(process)

    def kill_one(self, which: int, port: int) -> int:
        """``kill -9``; how many connections to this port it had. It is frozen for a moment, so that the count is true."""
        victim = self.processes.pop(which)
        victim.send_signal(signal.SIGSTOP)
        count = open_connections(victim.pid, port)
        victim.kill()
        victim.wait(PATIENCE)
        return count

    def require_alive(self) -> None:
        for process in self.processes:
            if process.poll() is not None:
                raise AssertionError(f"a worker ended with code {process.returncode}:\n{self.log.read_text()[-3000:]}")

    def dismiss(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()


def open_connections(pid: int, port: int) -> int:
    """Established TCP connections of this process to this port of ours, as the kernel sees them."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(entry))
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        is_to_port = fields[2].endswith(f":{port:04X}")
        count += is_to_port and fields[3] == "01" and f"socket:[{fields[9]}]" in sockets
    return count


@dataclass(slots=True)
class Laboratory:
    """One installation and its sink, for many trials."""

    ground: Ground
    sink: CountingSinkProcess
    crew: Crew
    dice: random.Random
    pause: float  # seconds that the sink is stopped
    is_patient: bool  # waits for circuits to close by themselves, where others press Retry
    _read: int = 0  # of the ledger

    # -- a run

    def run(self, kind: str) -> Trial:
        self.clear()
        self.crew.hire()
        began = time.monotonic()
        moment, cut = KINDS[kind](self)
        self.crew.hire()
        wait_until(self.is_over, "nothing waits any more", PATIENCE)
        return self.account(kind, moment, cut, time.monotonic() - began)

    def clear(self) -> None:
        from django.db import connection

        from postroom.store.models import OutgoingServer

        self._read = self.sink.ledger.stat().st_size
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE postroom_outgoingmail, postroom_attempt CASCADE")
        OutgoingServer.objects.update(broken_until=None, trouble="", trouble_count=0)

    def fill(self) -> None:
        """2,000 deliveries of 40 mails, and the call."""
        from django.db import connection, transaction

        from postroom.store.models import Company
        from postroom.wiring import ports
        from tests.flows.outgoing_mails import a_mail, deliveries, numbered

        now = ports().clock.now()
        company = Company.objects.get(name="Northwind")
        with transaction.atomic():
            for part in range(40):
                mail = a_mail(company, at=now, header_message_id=f"<{self.dice.getrandbits(64)}@northwind.example>")
                deliveries(mail, *numbered(MAILS)[part::40], at=now, deadline_at=now + timedelta(days=5))
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('postroom_outgoing', '')")

    def arrived(self) -> list[tuple[str, str]]:
        """Message-ID and recipient of each mail that this trial's sink took."""
        with self.sink.ledger.open("rb") as ledger:
            ledger.seek(self._read)
            lines = [line.split(b"\t") for line in ledger.read().split(b"\n")[:-1]]
        return [(fields[2].decode(), fields[1].decode()) for fields in lines]

    def wait_for(self, count: int) -> None:
        """Until so many arrived, looking sharply."""
        deadline = time.monotonic() + PATIENCE
        while len(self.arrived()) < count:
            self.crew.require_alive()
            if time.monotonic() > deadline:
                raise AssertionError(f"{count} mails did not arrive:\n{self.crew.log.read_text()[-3000:]}")

    def is_over(self) -> bool:
        from postroom.store.models import Delivery

        self.crew.require_alive()
        if not self.is_patient:
            self.press_retry()
        return not Delivery.objects.filter(state__in=["queued", "deferred", "sending"]).exists()

    def press_retry(self) -> None:
        """What a person would do who knows that the trouble is over."""
        from django.utils.timezone import now

        from postroom.store.models import Delivery, OutgoingServer

        OutgoingServer.objects.filter(broken_until__isnull=False).update(broken_until=None)
        Delivery.objects.filter(state__in=["queued", "deferred"], due_at__gt=now()).update(due_at=now())

    def account(self, kind: str, moment: int, cut: int, seconds: float) -> Trial:
        from postroom.store.models import Attempt, Delivery

        rows = Delivery.objects.values_list("mail__header_message_id", "to_address", "state")
        states = {(message_id, address): state for message_id, address, state in rows}
        assert len(states) == MAILS
        arrived = Counter(self.arrived())
        sent = {key for key, state in states.items() if state == "sent"}
        unknown = {key for key, state in states.items() if state == "unknown"}
        assert Attempt.objects.filter(state="sent").count() == len(sent), "each has the attempt that sent it"
        return Trial(
            kind=kind,
            moment=moment,
            open=cut,
            sent=len(sent),
            unknown=len(unknown),
            unknown_arrived=len(unknown & arrived.keys()),
            lost=len(states.keys() - sent - unknown) + len(sent - arrived.keys()),
            twice=sum(1 for count in arrived.values() if count > 1) + len(arrived.keys() - sent - unknown),
            seconds=seconds,
        )

    def all_connections(self) -> int:
        return sum(open_connections(process.pid, self.sink.smtp_port) for process in self.crew.processes)

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """The journal's disk has no byte left; where no small disk could be mounted, no journal may grow."""
        folder = self.ground.folder / "data" / "journal"
        if not folder.is_mount():
            with _limited(self.crew.processes, folder):
                yield
            return
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (65536, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\1" * size)
        try:
            yield
        finally:
            filler.unlink()


@contextlib.contextmanager
def _limited(processes: Sequence[subprocess.Popen[bytes]], folder: Path) -> Iterator[None]:
    """What is reserved may be written, and nothing beyond: as on a full disk."""
    import resource

    size = max((path.stat().st_size for path in folder.glob("*.journal")), default=0)
    for process in processes:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for process in processes:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


# -- what breaks: each returns how many mails had arrived, and how many connections it cut


def kill_a_worker(lab: Laboratory) -> tuple[int, int]:
    mark, which = lab.dice.randrange(0, MAILS), lab.dice.randrange(WORKERS)
    lab.fill()
    lab.wait_for(mark)
    time.sleep(lab.dice.random() * 0.02)
    cut = lab.crew.kill_one(which, lab.sink.smtp_port)
    return len(lab.arrived()), cut


def kill_all_workers(lab: Laboratory) -> tuple[int, int]:
    """As the machine's memory killer might. Nobody is left to read the journals until the next ones come."""
    mark = lab.dice.randrange(0, MAILS)
    lab.fill()
    lab.wait_for(mark)
    cut = sum(lab.crew.kill_one(0, lab.sink.smtp_port) for _ in range(WORKERS))
    return len(lab.arrived()), cut


def kill_a_worker_and_postgresql(lab: Laboratory) -> tuple[int, int]:
    """The outcomes that the worker knew are in its journal alone."""
    database = _with_database_in_the_middle(lab)
    _kill_server(lab)
    cut = lab.crew.kill_one(lab.dice.randrange(WORKERS), lab.sink.smtp_port)
    moment, _ = _again(lab, database)
    return moment, cut


def restart_postgresql(lab: Laboratory) -> tuple[int, int]:
    """In order: connections are broken, transactions roll back."""
    database = _with_database_in_the_middle(lab)
    database.stop()
    return _again(lab, database)


def kill_postgresql(lab: Laboratory) -> tuple[int, int]:
    database = _with_database_in_the_middle(lab)
    _kill_server(lab)
    return _again(lab, database)


def _kill_server(lab: Laboratory) -> None:
    number = int((lab.ground.folder / "data" / "postgres" / "server.lock").read_text())
    os.kill(number, signal.SIGKILL)


def _with_database_in_the_middle(lab: Laboratory) -> EmbeddedDatabase:
    mark = lab.dice.randrange(1, MAILS - 200)
    lab.fill()
    lab.wait_for(mark)
    return EmbeddedDatabase(lab.ground.folder / "data")


def _again(lab: Laboratory, database: EmbeddedDatabase) -> tuple[int, int]:
    from django.db import connection

    moment = len(lab.arrived())
    time.sleep(0.2 + lab.dice.random())
    connection.close()
    database.start()
    database.leave()
    return moment, 0


def fill_the_disk(lab: Laboratory) -> tuple[int, int]:
    """Full before the first mail, then room, then full in the middle, then room."""
    lab.crew.dismiss()
    with lab.full_disk():  # the draft of a journal needs no room
        lab.crew.hire()
    told = lab.crew.log.read_text().count("sends nothing")
    wait_until(lambda: lab.crew.log.read_text().count(": ready") >= WORKERS, "the workers are there", PATIENCE)
    with lab.full_disk():
        lab.fill()
        wait_until(lambda: lab.crew.log.read_text().count("sends nothing") > told, "they say that they stop", PATIENCE)
        time.sleep(0.5)
        assert not lab.arrived(), "what cannot be noted must not be sent"
    mark = lab.dice.randrange(1, MAILS - 200)
    lab.wait_for(mark)
    with lab.full_disk():
        moment = len(lab.arrived())
        time.sleep(0.5)
    return moment, 0


def pause_the_sink(lab: Laboratory) -> tuple[int, int]:
    mark = lab.dice.randrange(1, MAILS - 200)
    lab.fill()
    lab.wait_for(mark)
    lab.sink.pause()
    moment = len(lab.arrived())
    time.sleep(lab.pause)
    lab.sink.resume()
    return moment, 0


def kill_the_sink(lab: Laboratory) -> tuple[int, int]:
    mark = lab.dice.randrange(1, MAILS - 200)
    lab.fill()
    lab.wait_for(mark)
    lab.sink.pause()
    cut = lab.all_connections()
    lab.sink.crash()
    moment = len(lab.arrived())
    time.sleep(lab.dice.random())
    lab.sink.start()
    return moment, cut


KINDS: dict[str, Callable[[Laboratory], tuple[int, int]]] = {
    "kill": kill_a_worker,
    "kill-all": kill_all_workers,
    "kill-both": kill_a_worker_and_postgresql,
    "postgres-stop": restart_postgresql,
    "postgres-kill": kill_postgresql,
    "disk-full": fill_the_disk,
    "sink-paused": pause_the_sink,
    "sink-killed": kill_the_sink,
}


# -- the whole


@contextlib.contextmanager
def laboratory(seed: int, *, pause: float, is_patient: bool, small_disk: bool) -> Iterator[Laboratory]:
    settings = {"DELIVERERS": str(WORKERS), "LOG_LEVEL": "INFO", "SERVER_HOST": ""}
    with prepared_ground(settings) as ground, CountingSinkProcess(Behaviour(reply_delay=0.005)) as sink:
        from tests.flows.outgoing_mails import a_company, a_server

        folder = ground.folder / "data" / "journal"
        folder.mkdir(exist_ok=True)
        if small_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], check=True)
        a_company()
        a_server(sink.smtp_port, max_connections=CONNECTIONS * WORKERS)
        crew = Crew(ground.folder / "deliverers.log")
        crew.log.touch()
        try:
            yield Laboratory(ground, sink, crew, random.Random(seed), pause, is_patient)
        finally:
            crew.dismiss()
            if small_disk:
                subprocess.run(["umount", folder], check=True)


def table(trials: Sequence[Trial]) -> Table:
    """One line a kind: sums, and the most that was seen."""
    found = Table(title=f"{len(trials)} trials, {MAILS:,} mails and {WORKERS} workers each")
    for heading in ("what breaks", "trials", "mails", "lost", "twice", "unknown", "of these arrived"):
        found.add_column(heading, justify="left" if heading == "what breaks" else "right")
    for heading in ("most at once / open then", "kept", "s each"):
        found.add_column(heading, justify="right")
    for kind in KINDS:
        mine = [trial for trial in trials if trial.kind == kind]
        if not mine:
            continue
        worst = max(mine, key=lambda trial: (trial.unknown, -trial.open))
        found.add_row(
            kind,
            str(len(mine)),
            f"{MAILS * len(mine):,}",
            str(sum(trial.lost for trial in mine)),
            str(sum(trial.twice for trial in mine)),
            str(sum(trial.unknown for trial in mine)),
            str(sum(trial.unknown_arrived for trial in mine)),
            f"{worst.unknown} / {worst.open}",
            f"{sum(trial.is_kept for trial in mine)}/{len(mine)}",
            f"{statistics.median(trial.seconds for trial in mine):.1f}",
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5, help="of each kind")
    parser.add_argument("--kind", action="append", choices=[*KINDS, "all"], help="again for more; kill unless said")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--pause", type=float, default=2.0, help="seconds that the sink is stopped")
    parser.add_argument("--patient", action="store_true", help="wait for circuits and pauses instead of pressing Retry")
    parser.add_argument("--json", action="store_true", help="a line a trial, for programs")
    told = parser.parse_args(arguments)
    kinds = [kind for word in told.kind or ["kill"] for kind in (KINDS if word == "all" else [word])]
    small_disk = "disk-full" in kinds and OWN_MOUNTS in os.environ
    if "disk-full" in kinds and not small_disk and _may_mount():
        command = [sys.executable, "-m", "tests.e2e.kill_trials", *(sys.argv[1:] if arguments is None else arguments)]
        return subprocess.run(
            ["unshare", "--mount", *command], env=os.environ | {OWN_MOUNTS: "1"}, check=False
        ).returncode
    trials = []
    console = Console(stderr=True)
    with (
        laboratory(told.seed, pause=told.pause, is_patient=told.patient, small_disk=small_disk) as lab,
        Progress(console=console, disable=told.json) as progress,
    ):
        line = progress.add_task(f"seed {told.seed}", total=len(kinds) * told.trials)
        for kind in kinds:
            for _ in range(told.trials):
                trial = lab.run(kind)
                trials.append(trial)
                progress.advance(line)
                if told.json:
                    print(json.dumps(asdict(trial)), flush=True)
                if not trial.is_kept:
                    progress.console.print(f"BROKEN {trial}")
    if not told.json:
        Console(width=120).print(table(trials))
    return 0 if all(trial.is_kept for trial in trials) else 1


def _may_mount() -> bool:
    """In a namespace of our own, so that nothing can stay behind."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    raise SystemExit(main())
