"""The folder of the embedded PostgreSQL: what lies in it, who may enter it, how a server is launched on it.

Laws:
- Only the caller, root and the account that owns the files get in: no network, a socket in a private folder,
  and `peer` authentication on top.
- As root PostgreSQL runs under a system account. Our folder may lie below others that this account must not
  enter (a home of mode 0700): on Linux it is given the folder as an open descriptor (`/proc/self/fd/N`),
  elsewhere it must be able to reach it. No parent is ever opened to anyone.
- Root writes only into folders of its own, never into those of PostgreSQL's account.
- A half-made cluster is never started: it gets its name when it is complete.

    <data directory>/postgres/      the caller's, 0700 (0711 under root)
        cluster/                    PostgreSQL's files, its account's
        socket/                     its account's; where the path is too long for a socket: /tmp/postroom-HASH
        pg_hba.conf pg_ident.conf   who gets in, written at each start
        postgres.log postgres.log.1
        *.lock                      see `database`
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from postroom.workers.postgres_program import (
    ENVIRONMENT,
    MAJOR_VERSION,
    Account,
    DatabaseTrouble,
    account_for,
    programs_for,
)
from postroom.workers.postgres_settings import settings_for, this_machine

PORT: Final = 5432  # names the socket; nothing listens on a network
USER: Final = "postroom"  # may create databases and see statistics, and is no superuser
ADMINISTRATOR: Final = "postgres"

SOCKET_PATH_LIMIT: Final = 103  # bytes on macOS; Linux has 107
SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
SHORT_PLACE: Final = "/tmp"  # noqa: S108  (TMPDIR differs between a service and a shell; the owner is checked)

# The shell leaves PostgreSQL to itself at once (nobody has to reap it) and writes its number to the output.
LAUNCHER: Final = 'exec "$@" >&2 & echo $!'

LOG_LIMIT: Final = 1 << 20  # bytes, looked at when a server starts
LOG_TAIL: Final = 3000

CURES: Final = {
    "No space left on device": "Free some space on this disk and try again; nothing committed is lost.",
    "could not map anonymous shared memory": "Give this machine or container more memory.",
    "could not create shared memory segment": "Raise this machine's limits of shared memory (kernel.shmmax).",
    "Read-only file system": "Choose a POSTROOM_DATA_DIR that can be written to.",
    "Permission denied": "Let PostgreSQL's account reach POSTROOM_DATA_DIR, or choose another one.",
}


def socket_dir_for(base: Path) -> Path:
    """The folder of the socket: ours, or a short private one where ours is too long for one. Computes
    only."""
    folder = base / "socket"
    too_long = len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_PATH_LIMIT
    if too_long or "," in str(folder):  # libpq takes a comma for a list of hosts
        return Path(SHORT_PLACE, f"postroom-{hashlib.sha256(os.fsencode(base)).hexdigest()[:16]}")
    return folder


def works_in(process: int, cluster: Path) -> bool:
    """Whether this process is a PostgreSQL at work on the cluster, and not a later bearer of its number."""
    if sys.platform == "linux":
        try:
            return os.path.samefile(f"/proc/{process}/cwd", cluster)
        except OSError:
            return False
    else:
        answer = subprocess.run(
            ["ps", "-o", "comm=", "-p", str(process)], check=False, capture_output=True, text=True, timeout=10
        )
        return "postgres" in answer.stdout


class PostgresCluster:
    """The folder `<data directory>/postgres`, and launching a server on it. Holds no state, takes no lock."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.cluster = base / "cluster"
        self.log = base / "postgres.log"
        self.socket_dir = socket_dir_for(base)

    def prepare(self) -> None:
        """Make the folder, and make sure that it is ours. Raises `DatabaseTrouble`."""
        try:
            self.base.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.base.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise DatabaseTrouble(
                f"The folder for the database cannot be made: {error}.",
                cure="Choose another POSTROOM_DATA_DIR, or let your account write to this one.",
            ) from error
        facts = self.base.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            raise DatabaseTrouble(
                f"{self.base} belongs to another account, or is no folder.",
                cure="Run this command under the account that made it, or choose another POSTROOM_DATA_DIR.",
            )

    def launch(self, lock: int) -> int:
        """Start a server that from now on holds the descriptor `lock`; its number is noted in that file.

        Creates the cluster where there is none. The caller knows by the lock that no server of ours lives.
        Returns the size that the log had before. Raises `DatabaseTrouble`.
        """
        account = account_for(self.cluster)
        programs = programs_for(account)
        self._require_no_stranger()
        self.base.chmod(0o711 if account.is_other else 0o700)
        self._write_access_rules(account)
        self._make_socket_dir(account)
        with self._open_log() as log, _reached(self.base, account) as (base, descriptors):
            size = os.fstat(log).st_size
            if not self.cluster.exists():
                self._create(programs / "initdb", account, base, descriptors, log)
            self._require_version()
            self._forget_the_dead()
            os.ftruncate(lock, 0)
            _run(
                ["/bin/sh", "-c", LAUNCHER, "sh", *self._server_command(programs / "postgres", base)],
                account=account,
                descriptors=(*descriptors, lock),
                output=lock,
                errors=log,
            )
        return size

    def trouble(self, what: str, *, log_from: int = 0) -> DatabaseTrouble:
        """What happened, the end of the server's log (from this byte on), and the cure that it suggests."""
        said = ""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(log_from, self.log.stat().st_size - LOG_TAIL))
            said = log.read().decode(errors="replace").strip()
        cures = (cure for sign, cure in CURES.items() if sign in said)
        return DatabaseTrouble(f"{what}\n{said}".strip(), cure=next(cures, f"Its log is {self.log}."))

    def _require_no_stranger(self) -> None:
        """A PostgreSQL that does not hold our lock, but works on our files, must not be run over."""
        with suppress(OSError, ValueError, IndexError):
            number = int((self.cluster / "postmaster.pid").read_text(encoding="utf-8").split()[0])
            if works_in(number, self.cluster):
                raise DatabaseTrouble(
                    f"A PostgreSQL that Postroom did not start (process {number}) works on {self.cluster}.",
                    cure=f"Stop it (kill -INT {number}) and try again.",
                )

    def _write_access_rules(self, account: Account) -> None:
        names = sorted({account.name, _name(os.geteuid()), _name(0)})
        entries = (f'postroom "{name}" {role}\n' for name in names for role in (USER, ADMINISTRATOR))
        rules = {"pg_hba.conf": "local all all peer map=postroom\n", "pg_ident.conf": "".join(entries)}
        for file, text in rules.items():
            draft = self.base / f"{file}.new"
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o644)
            draft.replace(self.base / file)

    def _make_socket_dir(self, account: Account) -> None:
        with suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
        facts = self.socket_dir.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (account.uid, os.geteuid()):
            raise DatabaseTrouble(
                f"{self.socket_dir}, meant for the database's socket, belongs to somebody else.",
                cure="Remove it, or choose a POSTROOM_DATA_DIR with a shorter path.",
            )
        if facts.st_uid != account.uid:
            os.chown(self.socket_dir, account.uid, account.gid, follow_symlinks=False)

    @contextmanager
    def _open_log(self) -> Iterator[int]:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_name(f"{self.log.name}.1"))
        log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def _create(self, initdb: Path, account: Account, base: str, descriptors: tuple[int, ...], log: int) -> None:
        draft = self.base / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        os.chown(draft, account.uid, account.gid)
        size = os.fstat(log).st_size
        command = [
            *(str(initdb), "-D", f"{base}/cluster.new", "--username", ADMINISTRATOR, "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--auth-local=peer", "--auth-host=reject", "--no-instructions"),
        ]
        if _run(command, account=account, descriptors=descriptors, output=log, errors=log) != 0:
            raise self.trouble("The database could not be created.", log_from=size)
        draft.rename(self.cluster)

    def _require_version(self) -> None:
        try:
            version = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        except OSError as error:
            raise DatabaseTrouble(
                f"{self.cluster} is not a database: {error}.",
                cure="Restore it from a backup, or move it away for an empty one.",
            ) from error
        if version != str(MAJOR_VERSION):
            raise DatabaseTrouble(
                f"The database in {self.cluster} was made by PostgreSQL {version}; this is {MAJOR_VERSION}.",
                cure=f"Dump it with PostgreSQL {version}, move the folder away, and restore the dump.",
            )

    def _forget_the_dead(self) -> None:
        """A killed server's process number: PostgreSQL would believe it if somebody else bears it now."""
        for leftover in (self.cluster / "postmaster.pid", self.socket_dir / f"{SOCKET_NAME}.lock"):
            leftover.unlink(missing_ok=True)

    def _server_command(self, postgres: Path, base: str) -> list[str]:
        socket_dir = f"{base}/socket" if self.socket_dir.parent == self.base else str(self.socket_dir)
        quoted = socket_dir.replace('"', '""')  # the parameter is a list
        settings = settings_for(this_machine(self.base)) | {
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            "port": str(PORT),
            "hba_file": f"{base}/pg_hba.conf",
            "ident_file": f"{base}/pg_ident.conf",
            "postroom.directory": str(self.base),  # so that `ps` tells which server this is
        }
        assignments = (f"{name}={value}" for name, value in settings.items())
        return [
            str(postgres),
            "-D",
            f"{base}/cluster",
            *(part for each in assignments for part in ("-c", each)),
        ]


@contextmanager
def _reached(base: Path, account: Account) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The folder as the account can name it, and the descriptors that it must inherit for that."""
    if account.is_other and sys.platform == "linux":
        descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}", (descriptor,)
        finally:
            os.close(descriptor)
    else:
        yield str(base), ()


def _run(command: list[str], *, account: Account, descriptors: tuple[int, ...], output: int, errors: int) -> int:
    """Run a program of PostgreSQL in a session of its own. Returns its exit status."""
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            pass_fds=descriptors,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            umask=0o077,
            timeout=300,
            **account.identity,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DatabaseTrouble(
            f"PostgreSQL cannot be run as {account.name}: {error}.",
            cure="Run this as an ordinary user, or set POSTROOM_DATABASE_URL to a server of your own.",
        ) from error
    return done.returncode


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "root"
