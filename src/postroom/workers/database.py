"""The embedded PostgreSQL: a server of our own in `<data directory>/postgres`, started by whoever needs it.

Duty: many commands and residents share one server. The first one in starts it, the last one out stops it, and
whoever is killed in between (kill -9 of a command, of PostgreSQL, of the machine) leaves nothing behind that
the next one could trip over.

Laws: the kernel is the only witness, a process number in a file proves nothing. The server itself holds
`server.lock`, by a descriptor that all its processes inherit; each user holds a share of `users.lock`;
starting and stopping is done under `commands.lock`. All three are `flock`s and die with their holders.
Durability is PostgreSQL's own: after a crash it recovers.

Diagnostics: `DatabaseTrouble`, which says what happened and what to do.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from postroom.workers.postgres_cluster import (
    ADMINISTRATOR,
    PORT,
    USER,
    PostgresCluster,
    socket_dir_for,
    works_in,
)
from postroom.workers.postgres_program import DatabaseTrouble

__all__ = ["Connection", "DatabaseTrouble", "EmbeddedDatabase", "connection_for", "running_database"]

logger = logging.getLogger(__name__)

DATABASE: Final = "postroom"

# Seconds.
START_PATIENCE: Final = 300.0  # recovery after a crash reads up to max_wal_size again
ANSWER_PATIENCE: Final = 30.0  # a server that lives, recovering or not, answers
FAST_STOP_PATIENCE: Final = 60.0
IMMEDIATE_STOP_PATIENCE: Final = 15.0
POLL_INTERVAL: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach the embedded server, running or not."""

    socket_dir: str
    port: int = PORT
    user: str = USER
    dbname: str = DATABASE

    @property
    def url(self) -> str:
        """In libpq's form: the folder of the socket is the parameter `host`."""
        host = quote(self.socket_dir, safe="")
        return f"postgresql://{self.user}@/{self.dbname}?host={host}&port={self.port}"

    def parameters(self) -> dict[str, Any]:
        """Keyword arguments for `psycopg.connect`."""
        return {
            "host": self.socket_dir,
            "port": str(self.port),
            "user": self.user,
            "dbname": self.dbname,
        }


def connection_for(data_dir: Path) -> Connection:
    """Where the server of this data directory is, or will be. Starts, creates and asks nothing."""
    return Connection(socket_dir=str(socket_dir_for(_base(data_dir))))


@contextmanager
def running_database(data_dir: Path) -> Iterator[EmbeddedDatabase]:
    """The server of this data directory, running for as long as the block lasts; the last one out stops it.

    Raises `DatabaseTrouble`.
    """
    with EmbeddedDatabase(data_dir) as database:
        yield database


class EmbeddedDatabase:
    """One user's hand on the server of a data directory. Threads do not share it: each makes its own."""

    def __init__(self, data_dir: Path) -> None:
        self.connection = connection_for(data_dir)
        self._files = PostgresCluster(_base(data_dir))
        self._share: int | None = None  # a descriptor of users.lock, while we are a user

    @property
    def url(self) -> str:
        return self.connection.url

    def connection_parameters(self) -> dict[str, Any]:
        """Keyword arguments for `psycopg.connect`."""
        return self.connection.parameters()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def start(self) -> None:
        """Become a user of the server; start it, create it where needed. Calling it again revives a dead one.

        Raises `DatabaseTrouble`.
        """
        self._files.prepare()
        with self._one_command_at_a_time():
            was_user = self._share is not None
            self._join()
            try:
                self._bring_up_to_use()
            except BaseException:
                if not was_user:
                    self._part()
                raise

    def leave(self) -> None:
        """Be no user any more; the last one stops the server. Raises `DatabaseTrouble` if that fails."""
        if self._share is not None:
            with self._one_command_at_a_time():
                self._part()

    def stop(self) -> None:
        """Stop the server now, whoever uses it: their transactions roll back, their connections break."""
        if self._files.base.exists():
            self._files.prepare()
            with self._one_command_at_a_time():
                self._part()
                self._halt()

    def is_running(self) -> bool:
        """Whether the server takes connections now."""
        return self._ping() == pq.Ping.OK

    def _ping(self) -> pq.Ping:
        return pq.Ping(pq.PGconn.ping(self._conninfo(user=ADMINISTRATOR, dbname="postgres").encode()))

    def _conninfo(self, **changes: str) -> str:
        return make_conninfo("", connect_timeout=10, **(self.connection_parameters() | changes))

    # -- users

    def _join(self) -> None:
        if self._share is None:
            self._share = self._open_lock("users")
            fcntl.flock(self._share, fcntl.LOCK_SH)  # taken exclusively for an instant only, and under commands.lock

    def _part(self) -> None:
        if self._share is not None:
            os.close(self._share)
            self._share = None
        with self._lock("users") as lock:
            if _try_flock(lock, fcntl.LOCK_EX):
                self._halt()

    # -- the server

    def _bring_up_to_use(self) -> None:
        """One that dies while it starts gets a second chance: whoever killed it did not mean the next one."""
        for is_last_chance in (False, True):
            try:
                self._bring_up()
                self._ensure_database()
            except DatabaseTrouble:
                if is_last_chance:
                    raise
            else:
                return

    def _bring_up(self) -> None:
        """Until the server answers; it is launched once no process of an earlier one lives."""
        log_from: int | None = None
        begin = last_word = time.monotonic()
        while (answer := self._ping()) != pq.Ping.OK:
            with self._lock("server") as lock:
                if _try_flock(lock, fcntl.LOCK_EX):
                    if log_from is not None:
                        raise self._files.trouble("PostgreSQL did not start.", log_from=log_from)
                    log_from = self._files.launch(lock)
                    begin = last_word = time.monotonic()
            now = time.monotonic()
            last_word = now if answer == pq.Ping.REJECT else last_word  # it says that it is starting or stopping
            if now - begin > START_PATIENCE or now - last_word > ANSWER_PATIENCE:
                raise self._files.trouble("PostgreSQL lives, but takes no connections.", log_from=log_from or 0)
            time.sleep(POLL_INTERVAL)
        if log_from is not None:
            logger.info("PostgreSQL was started in %s", self._files.base)

    def _halt(self) -> None:
        """Stop the server, if it lives: break its connections, or else as if the machine had lost power."""
        for how, patience in (
            (signal.SIGINT, FAST_STOP_PATIENCE),
            (signal.SIGQUIT, IMMEDIATE_STOP_PATIENCE),
        ):
            if self._server_lives():
                self._signal(how)
            if _wait_for(lambda: not self._server_lives(), seconds=patience):
                return
        raise self._files.trouble("PostgreSQL does not stop.")

    def _server_lives(self) -> bool:
        with self._lock("server") as lock:
            return not _try_flock(lock, fcntl.LOCK_SH)

    def _signal(self, how: signal.Signals) -> None:
        """To the first of the server's processes; if only others are left, they find out by themselves."""
        with suppress(OSError, ValueError):
            number = int((self._files.base / "server.lock").read_text(encoding="ascii"))
            if works_in(number, self._files.cluster):
                os.kill(number, how)

    def _ensure_database(self) -> None:
        """Our role and our database, made by the administrator."""
        try:
            with psycopg.connect(self._conninfo(user=ADMINISTRATOR, dbname="postgres"), autocommit=True) as server:
                if server.execute("SELECT FROM pg_roles WHERE rolname = %s", (USER,)).rowcount == 0:
                    role = sql.SQL("CREATE ROLE {} LOGIN CREATEDB IN ROLE pg_monitor, pg_checkpoint")
                    server.execute(role.format(sql.Identifier(USER)))
                if server.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).rowcount == 0:
                    database = sql.SQL("CREATE DATABASE {} OWNER {}")
                    server.execute(database.format(sql.Identifier(DATABASE), sql.Identifier(USER)))
        except psycopg.OperationalError as error:
            raise self._files.trouble(f"PostgreSQL runs, but does not let us in: {error}") from error

    # -- locks

    @contextmanager
    def _one_command_at_a_time(self) -> Iterator[None]:
        with self._lock("commands") as lock:
            if not _wait_for(lambda: _try_flock(lock, fcntl.LOCK_EX), seconds=START_PATIENCE):
                raise DatabaseTrouble(
                    f"Another command has been starting or stopping the database for {START_PATIENCE:.0f} s.",
                    cure=f"End the one that holds {self._files.base / 'commands.lock'}.",
                )
            yield

    @contextmanager
    def _lock(self, name: str) -> Iterator[int]:
        lock = self._open_lock(name)
        try:
            yield lock
        finally:
            os.close(lock)

    def _open_lock(self, name: str) -> int:
        return os.open(self._files.base / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _base(data_dir: Path) -> Path:
    return data_dir.expanduser().resolve() / "postgres"


def _try_flock(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True
