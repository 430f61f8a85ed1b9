"""Structured logs: one JSON object a line, with ids and never with contents; and the files that hold them.

Duty: `DailyFile` appends to ``postroom.log`` in the directory of logs. At 05:00 UTC today's log becomes ``postroom.log.1``, that of the day
before gets its date as a name and is compressed, and what is older than the days that are kept goes.
Laws: any number of processes write at once. Who writes holds the lock together with others, who rotates holds it alone, and each looks
before it writes whether the file under its hand is still today's: so there is one rotation, and no line goes into a file that
somebody compresses. Each step of a rotation leaves files that the next who comes can go on with, so that a process may die between any two.
A log that cannot be written hinders nobody: it is said on stderr and the work goes on. Who waits for the lock in vain writes without it.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TextIO

from postroom.core.terms.log_lines import (
    CURRENT,
    LONGEST,
    MASK,
    PREVIOUS,
    dated_name,
    expired,
    is_secret_key,
    log_day,
    old_log,
    read_line,
    without_secrets,
)
from postroom.core.terms.secret import Secret

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PATIENCE = 1.0  # seconds for the lock: it is held for microseconds, unless its holder was stopped
_PACKING_PATIENCE = 5.0  # seconds at the end of a process; what is not done then, the next one does
_LOCK, _PACKING = ".lock", ".packing"


class OneLine(logging.Filter):
    """What strangers can cause as often as they like is a warning in one line: no trace of our code, and nothing of their request."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        record.__dict__.pop("request", None)
        record.msg, record.args = " ".join(record.getMessage().split())[:300], ()
        return True


class JsonFormatter(logging.Formatter):
    """``extra={"delivery": 12}`` becomes a key of the object. ``secrets``: texts that must never be written."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(one for one in secrets if one)

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._told(record.getMessage()),
        }
        extra = {key: value for key, value in vars(record).items() if key not in _PLAIN and key not in row}
        row.update({key: MASK if is_secret_key(key) else self._masked(value) for key, value in extra.items()})
        if record.exc_info:
            row["error"] = self._told(self.formatException(record.exc_info))
        return json.dumps(row, default=lambda value: self._told(str(value)), ensure_ascii=False)

    def _masked(self, value: object) -> object:
        match value:
            case None | bool() | int() | float():
                return value
            case str():
                return self._told(value)
            case list() | tuple() | set() | frozenset():
                return [self._masked(one) for one in value]
            case dict():
                return {str(key): MASK if is_secret_key(str(key)) else self._masked(one) for key, one in value.items()}
            case Secret():
                return MASK
            case _:
                return self._told(str(value))

    def _told(self, text: str) -> str:
        return without_secrets(text, self._secrets)


class PlainFormatter(logging.Formatter):
    """The same for people who read stderr: one line, without what is secret."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__("{asctime} {levelname:7} {name} {message}", style="{")
        self._secrets = tuple(one for one in secrets if one)

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record), self._secrets)


class Stderr(logging.StreamHandler[TextIO]):
    """Looks for stderr at each line: whoever takes its place for a while hears what is said meanwhile, and nobody writes into a closed one."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # a `logging.StreamHandler` would keep the stderr of this moment

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class DailyFile(logging.Handler):
    """``days``: how long an old log is kept; ``clock``: seconds since 1970. Opens nothing before the first line."""

    def __init__(self, directory: str | Path, days: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._directory = Path(directory)
        self._days = days
        self._clock = clock
        self._file = self._gate = -1
        self._day: date | None = None
        self._owner = 0
        self._turn_after = 0.0  # of the monotonic clock: nobody waits twice for a lock whose holder was stopped
        self._packer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(f"{self.format(record)}\n".encode("utf-8", "replace"))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        if self._packer is not None:
            self._packer.join(_PACKING_PATIENCE)
        self._let_go()
        super().close()

    # ---- writing

    def _write(self, line: bytes) -> None:
        if self._owner != os.getpid():  # a child of a fork shares our lock: it needs one of its own
            self._let_go()
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._gate = _open(self._directory / _LOCK)
            self._owner = os.getpid()
        for _ in range(5):
            with self._holding(fcntl.LOCK_SH) as held:
                if not held or self._is_todays() or time.monotonic() < self._turn_after:
                    self._append(line)
                    return
            self._turn()
        self._append(line)

    def _is_todays(self) -> bool:
        """Whether the file under our hand is the one with the name, and of today."""
        if self._file < 0 or self._day != log_day(self._time()):
            return False
        mine, named = os.fstat(self._file), None
        with suppress(FileNotFoundError):
            named = os.stat(self._directory / CURRENT)
        return named is not None and (mine.st_ino, mine.st_dev) == (named.st_ino, named.st_dev)

    def _append(self, line: bytes) -> None:
        if self._file < 0:
            self._file = _open(self._directory / CURRENT)
        while line:
            line = line[os.write(self._file, line) :]

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    @contextmanager
    def _holding(self, how: int) -> Iterator[bool]:
        """Whether it is held; in vain is it waited for only where somebody was stopped with it."""
        end = time.monotonic() + _PATIENCE
        held = False
        while not held:
            try:
                fcntl.flock(self._gate, how | fcntl.LOCK_NB)
                held = True
            except BlockingIOError:
                if time.monotonic() > end:
                    break
                time.sleep(0.001)
        try:
            yield held
        finally:
            if held:
                fcntl.flock(self._gate, fcntl.LOCK_UN)

    # ---- a new day

    def _turn(self) -> None:
        """Today's file, under our hand: made, or the old ones moved away first, if nobody did it yet."""
        today = log_day(self._time())
        with self._holding(fcntl.LOCK_EX) as held:
            if held:
                self._make_place(today)
            else:
                self._turn_after = time.monotonic() + 10 * _PATIENCE
            if self._file >= 0:
                os.close(self._file)
            self._file = _open(self._directory / CURRENT)
            if held and not os.fstat(self._file).st_size:
                self._append(_heading(self._time()))
            self._day = today if held else None
        if _has_work(self._directory, today, self._days) and (self._packer is None or not self._packer.is_alive()):
            self._packer = threading.Thread(
                target=pack, args=(self._directory, today, self._days), name="packs old logs", daemon=True
            )
            self._packer.start()

    def _make_place(self, today: date) -> None:
        """Move yesterday's away, and what was yesterday's before. A log of the future stays: the clock was set back."""
        current, previous = self._directory / CURRENT, self._directory / PREVIOUS
        begun = _day_of(current)
        if begun is None or begun >= today:
            return
        if (older := _day_of(previous)) is not None:
            os.rename(previous, self._directory / _free_name(self._directory, older))
        os.rename(current, previous)

    def _let_go(self) -> None:
        for handle in (self._file, self._gate):
            if handle >= 0:
                with suppress(OSError):
                    os.close(handle)
        self._file = self._gate = -1
        self._day, self._owner = None, 0


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _heading(now: datetime) -> bytes:
    """The first line says which day a file is of: times of files change when they are copied."""
    row = {"time": now.isoformat(timespec="milliseconds"), "level": "INFO", "logger": __name__}
    return (json.dumps(row | {"message": f"the log of {log_day(now).isoformat()} begins"}) + "\n").encode()


def _day_of(path: Path) -> date | None:
    """Of its first line, else of when it was written last; None: there is nothing in it."""
    try:
        with path.open("rb") as file:
            first = file.readline(LONGEST)
            if not first:
                return None
            found = read_line(first).at
            return log_day(found or datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC))
    except FileNotFoundError:
        return None


def _free_name(directory: Path, day: date) -> str:
    number = 0
    while any((directory / f"{dated_name(day, number)}{end}").exists() for end in ("", ".gz", ".gz.part")):
        number += 1
    return dated_name(day, number)


def _has_work(directory: Path, today: date, days: int) -> bool:
    names = os.listdir(directory)
    return bool(expired(names, today, days)) or any(
        one is not None and not one.is_compressed for one in map(old_log, names)
    )


def pack(directory: Path, today: date, days: int) -> None:
    """Compress what has a date and is plain, and delete what is too old. One process at a time; another one leaves it to it.

    The plain file goes only after the compressed one is whole and durable.
    """
    with suppress(OSError):  # a full disk: the next one tries again
        gate = _open(directory / _PACKING)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(gate)
            return
        try:
            for name in expired(os.listdir(directory), today, days):
                (directory / name).unlink(missing_ok=True)
            for name in sorted(os.listdir(directory)):
                one = old_log(name)
                if one is not None and not one.is_compressed:
                    _compress(directory / name)
        finally:
            os.close(gate)


def _compress(plain: Path) -> None:
    draft, packed = plain.with_name(f"{plain.name}.gz.part"), plain.with_name(f"{plain.name}.gz")
    with plain.open("rb") as source, draft.open("wb") as target:
        os.fchmod(target.fileno(), 0o600)
        with gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6) as squeezed:
            shutil.copyfileobj(source, squeezed, 256 * 1024)
        target.flush()
        os.fsync(target.fileno())
    os.replace(draft, packed)
    plain.unlink()
