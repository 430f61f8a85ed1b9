"""`postroom up`: everything on this machine, as one group of processes.

Duty: start the embedded database and bring its tables up to date, start a process for each role, start again what dies,
say when all of it answers, and end all of it.
Laws: a process that keeps dying is started more and more rarely, and never given up. Of a process that died nothing is
left (its whole group is killed). No process outlives us, however we die (`stopping.die_with_supervisor`). A second
signal ends patience. A data directory has one supervisor: a second one would double its staff unseen.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.core.management import call_command
from django.db import connection, connections

from postroom.core.terms.configuration import Configuration
from postroom.workers.database import DatabaseTrouble, EmbeddedDatabase, running_database
from postroom.workers.roles import command_of, staff_for
from postroom.workers.stopping import PARENT, Stop

logger = logging.getLogger(__name__)

LOOK_EVERY = 0.2  # seconds
DATABASE_LOOK_EVERY = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
HEALTHY_AFTER = 60.0  # who lived this long starts with the first pause again
END_PATIENCE = 25.0  # a door finishes the mails that are under way
MIGRATION_LOCK = 0x706F7374_6D696772  # "postmigr"

Say = Callable[[str], None]


class PortTaken(Exception):  # noqa: N818 - the text is for people
    """Somebody else listens where we want to; the text says where and what to do."""


class AlreadyUp(Exception):  # noqa: N818 - the text is for people
    """Another supervisor works on this data directory; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A process to keep alive."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something of ours answers when it is ready."""

    label: str
    host: str
    port: int


@dataclass(slots=True, eq=False)
class _Child:
    post: Post
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = 0.0
    start_at: float = 0.0


def up(configuration: Configuration, *, say: Say | None = None) -> None:
    """Run everything until SIGTERM or SIGINT. Raises `AlreadyUp`, `DatabaseTrouble`, `PortTaken`."""
    say = say or _print
    stop = Stop()
    stop.on_signals()
    with alone_in(Path(configuration.data_dir)):
        _run_everything(configuration, stop, say)


@contextmanager
def alone_in(data_dir: Path) -> Iterator[None]:
    """Only one at a time has the directory; the lock dies with its holder. Raises `AlreadyUp`, `OSError`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "?"
            raise AlreadyUp(
                f"Postroom runs in {data_dir} already (process {holder}). Stop it first, or run a single process beside it, such as "
                "`postroom worker deliverer`; another installation needs a POSTROOM_DATA_DIR of its own."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def is_up(data_dir: Path) -> bool:
    """Whether somebody holds the directory. A file that nobody can read is nobody's."""
    try:
        with (data_dir / "up.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _run_everything(configuration: Configuration, stop: Stop, say: Say) -> None:
    places = places_of(configuration)
    require_free(*places)
    with _database(configuration) as database:
        bring_tables_up_to_date()
        _check_home(say)
        _tell_first_link(say)
        connections.close_all()
        Supervisor(posts_of(configuration), stop, places=places, database=database, say=say).run()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def posts_of(configuration: Configuration) -> list[Post]:
    """One for each process, numbered where there are several of a role."""
    return [
        Post(name=kind if count == 1 else f"{kind} {number}", command=command_of(kind))
        for kind, count in staff_for(configuration).items()
        for number in range(1, count + 1)
    ]


def _check_home(say: Say) -> None:
    """A copied database begins locked, and says so."""
    from postroom.flows.guard_installation import check_home  # noqa: PLC0415 (tables need a set-up Django)
    from postroom.wiring import ports  # noqa: PLC0415

    home = check_home(ports())
    if home.is_locked:
        say(
            f"This database was confirmed for {home.confirmed} and now runs at {home.found}. All mail goes to the Letterbox "
            "and nothing is fetched until you say `postroom confirm-home`."
        )


def _tell_first_link(say: Say) -> None:
    """Where the first administrator begins, as long as nobody is there."""
    from postroom.flows.welcome import first_link  # noqa: PLC0415 (tables need a set-up Django)
    from postroom.wiring import ports  # noqa: PLC0415

    link = first_link(ports())
    if link:
        say(
            f"Nobody is here yet. Begin at this address (for a week, once; `postroom welcome` prints it again):\n  {link}"
        )


def places_of(configuration: Configuration) -> list[Place]:
    """The ports of this installation."""
    return [
        Place(label="Pages", host=configuration.web_host, port=configuration.web_port),
        Place(label="SMTP", host=configuration.smtp_host, port=configuration.smtp_port),
        Place(label="LMTP", host=configuration.lmtp_host, port=configuration.lmtp_port),
    ]


def require_free(*places: Place) -> None:
    """Raises `PortTaken`, which names all that are. (Ports that doors share could be bound twice; another installation must not share ours.)"""
    taken = [words for place in places if (words := _taken(place))]
    if taken:
        choice = "Stop whatever does, or choose another port with the setting named."
        raise PortTaken(" ".join(taken) + f" {choice}")


def _taken(place: Place) -> str:
    """Why nobody can listen there, in a sentence; empty when it is free."""
    setting = "POSTROOM_" + {"Pages": "WEB"}.get(place.label, place.label) + "_PORT"
    for family, kind, protocol, _, address in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                return f"{place.label}: cannot listen on {place.host} port {place.port} ({error.strerror}; {setting})."
    return ""


@contextmanager
def _database(configuration: Configuration) -> Iterator[EmbeddedDatabase | None]:
    """The embedded one for as long as we live, or None where the user has a server of his own."""
    if configuration.database_url:
        yield None
        return
    with running_database(Path(configuration.data_dir)) as database:
        yield database


def bring_tables_up_to_date() -> None:
    """Migrate; when several machines start at once, one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


@dataclass(slots=True, eq=False)
class Supervisor:
    """Keeps the posts filled until ``stop`` is set. For the main thread: children follow the thread that started them."""

    posts: Sequence[Post]
    stop: Stop
    places: Sequence[Place] = ()
    database: EmbeddedDatabase | None = None
    say: Say = _print
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _children: list[_Child] = field(init=False)
    _silent: list[Place] = field(init=False)
    _database_look_at: float = 0.0

    def run(self) -> None:
        self._children = [_Child(post) for post in self.posts]
        self._silent = list(self.places)
        began = time.monotonic()
        try:
            while not self.stop.is_set():
                self._keep_database()
                for child in self._children:
                    self._keep(child)
                if self._silent and not self._still_silent():
                    self.say(f"Ready after {time.monotonic() - began:.1f} s. Stop with Ctrl-C.")
                self.stop.wait(LOOK_EVERY)
        finally:
            self._end_all()

    # Keeping alive

    def _keep(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                self._start(child)
        elif child.process.poll() is not None:
            self._bury(child, now)

    def _start(self, child: _Child) -> None:
        child.process = subprocess.Popen(
            child.post.command,
            stdin=subprocess.DEVNULL,
            env={**self.environment, PARENT: str(os.getpid())},
            start_new_session=True,  # a Ctrl-C is for us; and its group can be killed as a whole
        )
        child.started_at = time.monotonic()
        self.say(f"{child.post.name}: process {child.process.pid}")

    def _bury(self, child: _Child, now: float) -> None:
        assert child.process is not None  # noqa: S101 - for the type checker
        _kill_group(child.process)
        lived = now - child.started_at
        child.pause = FIRST_PAUSE if lived >= HEALTHY_AFTER else min(max(FIRST_PAUSE, 2 * child.pause), LONGEST_PAUSE)
        child.start_at = now + child.pause
        self.say(
            f"{child.post.name}: process {child.process.pid} ended ({_how(child.process.returncode)}) "
            f"after {lived:.1f} s; started again in {child.pause:.0f} s"
        )
        child.process = None

    def _keep_database(self) -> None:
        """Whoever kills PostgreSQL gets a new one; its recovery is its own."""
        now = time.monotonic()
        if self.database is None or now < self._database_look_at:
            return
        self._database_look_at = now + DATABASE_LOOK_EVERY
        if self.database.is_running():
            return
        self.say("database: does not answer, is started again")
        try:
            self.database.start()
        except DatabaseTrouble as trouble:
            self.say(f"database: {trouble}")

    def _still_silent(self) -> list[Place]:
        """The places that do not answer yet. Each is asked once: a door counts who calls."""
        waiting = []
        for place in self._silent:
            if not answers(place):
                waiting.append(place)
                continue
            scheme = "http://" if place.label == "Pages" else ""
            host = f"[{place.host}]" if ":" in place.host else place.host
            self.say(f"{place.label}: {scheme}{host}:{place.port}")
        self._silent = waiting
        return waiting

    # The end

    def _end_all(self) -> None:
        living = [child.process for child in self._children if child.process is not None]
        for process in living:
            with suppress(ProcessLookupError):
                process.terminate()
        patience = Stop()
        patience.on_signals()  # the second signal
        deadline = time.monotonic() + END_PATIENCE
        while any(process.poll() is None for process in living):
            if time.monotonic() > deadline or patience.wait(0.02):
                break
        for process in living:
            if process.poll() is None:
                self.say(f"process {process.pid} does not end: killed")
            _kill_group(process)
            process.wait()
        patience.close()
        self.say("Stopped.")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def answers(place: Place) -> bool:
    """Whether somebody listens there; half a second at most."""
    try:
        with socket.create_connection((place.host, place.port), timeout=0.5):
            return True
    except OSError:
        return False
