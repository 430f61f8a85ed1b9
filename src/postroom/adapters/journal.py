"""The wire journal: which mails of this process went over the wire, and what became of them.

Laws: one `started` record before the content of a mail, one `finished` record after its outcome, each a
single write: the records survive the death of the process (not of the machine: see `sync`). Room on the
disk is reserved ahead: a full disk is told by `started`, before the wire is used, and the record of an
outcome always finds its place. The owner holds an exclusive lock as long as it lives, so a journal whose
lock can be taken is a dead one's. What the database has committed is forgotten (`forget_committed`), so the
file stays small.

Form: a record is one line: eight hex digits of the CRC-32 of the rest, a space, then fields parted by tabs:
``S key`` (started), ``C key key …`` (committed), ``P key id`` (under which a provider knows the mail whose end
follows) or ``F key phase code enhanced duration connection tls trouble text`` (finished), with four fields more for
each refused recipient. A field with a backslash or an
unprintable character is written in Python's ``unicode_escape``. Reserved room is NUL bytes. A record that
was torn or lost is skipped and counted.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

SUFFIX = ".journal"
_DRAFT = ".new"

_STEP = 1_048_576  # bytes reserved at a time
_LONGEST_TEXT = 1_000  # characters of a reply's text or a trouble
_LONGEST_NAME = 300
_LONGEST_REFUSALS = 8_000  # characters, all of them together
_ROOM_FOR_AN_OUTCOME = 65_536  # bytes; holds every record, see `_finish_record`
_REWRITE_AT = 2 * 1_048_576  # bytes
_KEYS_A_RECORD = 1_000


class JournalInUseError(Exception):
    """Somebody holds the lock: the owner lives, or another recovers it."""


class JournalWriteError(OSError):
    """The journal cannot take a record (disk full, quota, size limit): nothing may be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalContents:
    """``started``: content began and no outcome is known. ``damaged``: records that could not be read."""

    started: frozenset[int]
    finished: Mapping[int, WireOutcome]
    damaged: int = 0


class WireJournalFile:
    """Implements `WireJournal` on a new file at ``path``. For one thread; `sync` for any.

    Raises `FileExistsError` when there is a journal at ``path``: a dead one is recovered, not written over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: dict[int, bytes] = {}  # of each mail that the database does not know of yet: the last record
        self._in_flight: set[int] = set()
        self._swapping = threading.Lock()
        self._fd, draft = _locked_draft(path)
        self._end = 0
        self._reserved = 0
        try:
            os.link(draft, path)
        except OSError:
            os.close(self._fd)
            raise
        finally:
            draft.unlink()

    def started(self, key: int) -> None:
        """Raises `JournalWriteError` when there is no room for this record and the outcomes to come."""
        record = _start_record(key)
        self._reserve(len(record) + _ROOM_FOR_AN_OUTCOME)
        self._write(record)
        self._in_flight.add(key)
        self._pending[key] = record

    def finished(self, outcome: WireOutcome) -> None:
        """Raises `JournalWriteError` only for a mail that was never started: the others have their room."""
        record = _finish_record(outcome)
        if outcome.key in self._in_flight:
            self._in_flight.remove(outcome.key)
        else:
            self._reserve(len(record))
        self._write(record)
        self._pending[outcome.key] = record

    def forget_committed(self, keys: Iterable[int]) -> None:
        """The database knows the outcomes of these mails.

        Whoever never calls this keeps all records, in memory too. Now and then what is left moves to a new,
        short file in the old one's place.
        """
        known = [key for key in keys if key not in self._in_flight and self._pending.pop(key, None) is not None]
        with contextlib.suppress(JournalWriteError):  # then it is told again, and known already: harmless
            for at in range(0, len(known), _KEYS_A_RECORD):
                record = _commit_record(known[at : at + _KEYS_A_RECORD])
                self._reserve(len(record))
                self._write(record)
        if self._end > _REWRITE_AT and self._end > 2 * sum(map(len, self._pending.values())):
            self._rewrite()

    def sync(self) -> None:
        """Flush to the disk, against the death of the machine. Slow: call it from a thread, now and then."""
        with self._swapping:
            fd = os.dup(self._fd)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Gives up the lock. A journal with nothing to tell goes; another stays for recovery."""
        if self._fd < 0:
            return
        if not self._pending:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1

    def _write(self, record: bytes) -> None:
        try:
            written = os.pwrite(self._fd, record, self._end)
        except OSError as error:
            raise self._failure(error) from error
        if written != len(record):  # the next record covers what was written of this one
            raise self._failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._end += written

    def _reserve(self, more: int) -> None:
        """Room for ``more`` bytes, beside what the mails in flight will need."""
        needed = self._end + more + _ROOM_FOR_AN_OUTCOME * len(self._in_flight)
        if needed <= self._reserved:
            return
        room = _whole_steps(needed)
        try:
            os.posix_fallocate(self._fd, 0, room)
        except OSError as error:
            raise self._failure(error) from error
        self._reserved = room

    def _failure(self, error: OSError) -> JournalWriteError:
        text = f"the wire journal {self.path} cannot be written: {error.strerror}"
        return JournalWriteError(error.errno, text)

    def _rewrite(self) -> None:
        """A new file under the old name, locked before anybody sees it. If that fails, the old one stays."""
        records = b"".join(self._pending.values())
        fd, draft = _locked_draft(self.path)
        room = _whole_steps(len(records) + _STEP + _ROOM_FOR_AN_OUTCOME * len(self._in_flight))
        try:
            os.posix_fallocate(fd, 0, room)
            _write_all(fd, records)
            draft.replace(self.path)
        except OSError:
            os.close(fd)
            draft.unlink(missing_ok=True)
            return
        with self._swapping:
            os.close(self._fd)
            self._fd, self._end, self._reserved = fd, len(records), room


def read_journal(path: Path) -> JournalContents:
    """What the journal tells, of a living owner too. The last record of a mail counts."""
    started: set[int] = set()
    finished: dict[int, WireOutcome] = {}
    damaged = 0
    ids: dict[int, str] = {}
    for line in path.read_bytes().split(b"\n"):
        if not line.strip(b"\0"):
            continue
        match _read_record(line.strip(b"\0")):
            case tuple() as named:
                ids[named[0]] = named[1]
            case WireOutcome() as outcome:
                message_id = ids.pop(outcome.key, "")
                finished[outcome.key] = replace(outcome, provider_message_id=message_id) if message_id else outcome
                started.discard(outcome.key)
            case int() as key:
                started.add(key)
                finished.pop(key, None)
            case list() as committed:
                for key in committed:
                    finished.pop(key, None)
            case None:
                damaged += 1
    return JournalContents(started=frozenset(started), finished=finished, damaged=damaged)


def find_dead_journals(directory: Path) -> list[Path]:
    """Journals whose owner is gone, by name. Somebody else may find them too: take them by `recovering`."""
    return [path for path in sorted(directory.glob(f"*{SUFFIX}")) if _is_dead(path)]


@contextlib.contextmanager
def recovering(path: Path) -> Iterator[JournalContents]:
    """A dead journal's contents, locked against others; left without an exception, the journal is removed.

    Before applying an outcome ask whether the database knows it already: a journal may lag behind.
    Raises `JournalInUseError`, and `FileNotFoundError` when somebody was quicker.
    """
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        _lock(fd, path)
        if not _is_same_file(fd, path):
            raise JournalInUseError(f"{path} was replaced")
        yield read_journal(path)
        path.unlink()
        for draft in path.parent.glob(f"{glob.escape(path.name)}*{_DRAFT}"):
            draft.unlink(missing_ok=True)
    finally:
        os.close(fd)


def _is_dead(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _lock(fd, path)
        return _is_same_file(fd, path)  # else its owner has just moved to a new file
    except JournalInUseError:
        return False
    finally:
        os.close(fd)


def _is_same_file(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _locked_draft(path: Path) -> tuple[int, Path]:
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=_DRAFT)
    _lock(fd, path)
    return fd, Path(name)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise JournalInUseError(f"{path} is in use") from error


def _whole_steps(size: int) -> int:
    return -(-size // _STEP) * _STEP


def _write_all(fd: int, data: bytes) -> None:
    at = 0
    while at < len(data):
        at += os.pwrite(fd, data[at:], at)


def _start_record(key: int) -> bytes:
    payload = b"S\t%d" % key
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def _commit_record(keys: list[int]) -> bytes:
    payload = b"C\t%b" % "\t".join(map(str, keys)).encode()
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def _finish_record(outcome: WireOutcome) -> bytes:
    """At most some 60,000 bytes (texts are cut, an escaped character takes ten), usually a hundred."""
    reply = outcome.reply
    code, enhanced, text = ("", "", "") if reply is None else (reply.code, reply.enhanced, reply.text)
    connection, tls, trouble, refusals = outcome.connection, outcome.tls, outcome.trouble, ""
    whole = f"{enhanced}{connection}{tls}{trouble}{text}"
    if len(whole) > _LONGEST_NAME or not _is_plain(whole) or outcome.refusals:
        enhanced, connection, tls = (_field(each, _LONGEST_NAME) for each in (enhanced, connection, tls))
        trouble, text = _field(trouble, _LONGEST_TEXT), _field(text, _LONGEST_TEXT)
        refusals = "\t".join(_refusal_fields(outcome.refusals))
    payload = (
        f"F\t{outcome.key}\t{outcome.phase}\t{code}\t{enhanced}\t{outcome.duration:.6f}"
        f"\t{connection}\t{tls}\t{trouble}\t{text}\t{refusals}"
    ).encode()
    record = b"%08x %b\n" % (zlib.crc32(payload), payload)
    return _provider_record(outcome) + record if outcome.provider_message_id else record


def _provider_record(outcome: WireOutcome) -> bytes:
    payload = f"P\t{outcome.key}\t{_field(outcome.provider_message_id, _LONGEST_NAME)}".encode()
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def _refusal_fields(refusals: tuple[tuple[str, SmtpReply], ...]) -> Iterator[str]:
    left = _LONGEST_REFUSALS
    for address, reply in refusals:
        enhanced, text = _field(reply.enhanced, 20), _field(reply.text, 100)
        fields = f"{_field(address, 320)}\t{reply.code}\t{enhanced}\t{text}"
        left -= len(fields)
        if left < 0:
            return
        yield fields


def _is_plain(text: str) -> bool:
    return text.isprintable() and "\\" not in text


def _field(text: str, longest: int) -> str:
    text = text[:longest]
    return text if _is_plain(text) else text.encode("unicode_escape").decode("ascii")


def _text(field: str) -> str:
    return field.encode("ascii").decode("unicode_escape") if "\\" in field else field


_Record = int | WireOutcome | list[int] | tuple[int, str]


def _read_record(line: bytes) -> _Record | None:
    """The key of a start, an outcome, the keys of a commit, a key with a provider's id, or None for what cannot be trusted."""
    checksum, _, payload = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(payload):
        return None
    try:
        return _record(payload.decode().split("\t"))
    except ValueError:
        return None


def _record(fields: list[str]) -> _Record | None:
    match fields:
        case ["C", *keys]:
            return list(map(int, keys))
        case ["S", key]:
            return int(key)
        case ["P", key, provider_message_id]:
            return int(key), _text(provider_message_id)
        case ["F", key, phase, code, enhanced, duration, connection, tls, trouble, text, *refusals]:
            return WireOutcome(
                key=int(key),
                phase=Phase(phase),
                reply=SmtpReply(int(code), _text(enhanced), _text(text)) if code else None,
                trouble=_text(trouble),
                connection=_text(connection),
                tls=_text(tls),
                duration=float(duration),
                refusals=tuple(_read_refusals(refusals)),
            )
        case _:
            return None


def _read_refusals(fields: list[str]) -> Iterator[tuple[str, SmtpReply]]:
    quads = iter(fields)
    for address, code, enhanced, text in zip(quads, quads, quads, quads, strict=False):
        yield _text(address), SmtpReply(int(code), _text(enhanced), _text(text))
