"""The wire journal: what was written is read, whoever died; what cannot be written is said beforehand."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.adapters.journal import (
    JournalInUseError,
    JournalWriteError,
    WireJournalFile,
    find_dead_journals,
    read_journal,
    recovering,
)
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

ACCEPTED = SmtpReply(250, "2.0.0", "Ok: queued as 4XyZ")


def outcome(
    key: int, reply: SmtpReply | None = ACCEPTED, *, phase: Phase = Phase.BODY, trouble: str = ""
) -> WireOutcome:
    return WireOutcome(key=key, phase=phase, reply=reply, trouble=trouble, connection="mx.example:25#3", duration=0.25)


def test_what_was_noted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.journal"
    accepted = outcome(2)
    refused = outcome(3, SmtpReply(550, "5.1.1", "no such user\nnot here"), phase=Phase.RCPT)
    lost = outcome(4, None, trouble="the server closed the connection")
    journal = WireJournalFile(path)
    for key in (1, 2, 4):
        journal.started(key)
    for each in (accepted, refused, lost):
        journal.finished(each)
    contents = read_journal(path)
    assert contents.started == {1}
    assert contents.finished == {2: accepted, 3: refused, 4: lost}
    assert contents.damaged == 0
    journal.close()


fields = st.text(st.characters(codec="utf-8") | st.sampled_from("\t\n\r\\\0\x1f\u2028é€😀"), max_size=200)


@given(
    key=st.integers(min_value=-(2**63), max_value=2**63),
    fate=st.tuples(st.sampled_from(list(Phase)), st.none() | st.integers(min_value=0, max_value=599)),
    texts=st.tuples(fields, fields, fields, fields, fields),
    refusals=st.lists(st.tuples(fields, fields.map(lambda text: SmtpReply(550, "5.1.1", text[:100]))), max_size=3),
)
@settings(deadline=None)
def test_any_outcome_is_read_as_it_was_noted(
    tmp_path_factory: pytest.TempPathFactory,
    key: int,
    fate: tuple[Phase, int | None],
    texts: tuple[str, str, str, str, str],
    refusals: list[tuple[str, SmtpReply]],
) -> None:
    path = tmp_path_factory.mktemp("any") / "one.journal"
    phase, code = fate
    enhanced, text, trouble, connection, tls = texts
    noted = WireOutcome(
        key=key,
        phase=phase,
        reply=None if code is None else SmtpReply(code, enhanced, text),
        trouble=trouble,
        connection=connection,
        tls=tls,
        refusals=tuple(refusals),
    )
    journal = WireJournalFile(path)
    journal.finished(noted)
    assert read_journal(path).finished == {key: noted}
    journal.close()


def test_long_texts_are_cut_and_not_refused(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    many = tuple((f"bob{number}@reader.example", SmtpReply(550, "5.1.1", "😀" * 5000)) for number in range(5000))
    journal.started(1)
    long = "😀" * 100_000
    journal.finished(
        WireOutcome(
            key=1,
            phase=Phase.BODY,
            reply=SmtpReply(554, long, long),
            trouble=long,
            connection=long,
            tls=long,
            refusals=many,
        )
    )
    read = read_journal(journal.path).finished[1]
    assert read.reply is not None
    assert read.reply.text == "😀" * 1000
    assert read.refusals[0][0] == "bob0@reader.example"
    assert len(read.refusals) < 5000
    assert journal._end < 65_536, "it fits where room was kept for it"
    journal.close()


def test_the_last_record_of_a_mail_counts(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.started(1)
    journal.finished(outcome(1, SmtpReply(451, "", "later")))
    journal.started(1)
    assert read_journal(journal.path).started == {1}
    assert read_journal(journal.path).finished == {}
    journal.close()


@pytest.mark.parametrize("lost", range(2, 60, 7))
def test_a_torn_last_record_is_skipped_and_counted(tmp_path: Path, lost: int) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.started(1)
    journal.started(2)
    journal.finished(outcome(1))
    os.ftruncate(journal._fd, journal._end - lost)
    contents = read_journal(journal.path)
    assert contents.started == {1, 2}, "its outcome is lost, so it is unknown"
    assert contents.damaged == 1
    os.close(journal._fd)


def test_a_record_lost_in_the_middle_costs_no_other(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    for key in range(1, 4):
        journal.finished(outcome(key))
    length = journal._end // 3
    os.pwrite(journal._fd, b"\0" * 30, length + 10)
    contents = read_journal(journal.path)
    assert set(contents.finished) == {1, 3}
    assert contents.damaged == 1
    journal.close()


@given(garbage=st.binary(max_size=300))
def test_a_file_of_anything_can_be_read(tmp_path_factory: pytest.TempPathFactory, garbage: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "one.journal"
    path.write_bytes(garbage)
    contents = read_journal(path)
    assert not contents.started
    assert not contents.finished


def test_what_is_committed_is_forgotten_and_what_is_not_stays(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    for key in range(1, 30_001):
        journal.started(key)
        journal.finished(outcome(key))
    journal.started(50_000)
    before = journal.path.stat()
    journal.forget_committed(range(1, 30_000))
    contents = read_journal(journal.path)
    assert contents.started == {50_000}
    assert set(contents.finished) == {30_000}
    assert journal.path.stat().st_size < before.st_size
    assert journal.path.stat().st_ino != before.st_ino
    journal.finished(outcome(50_000))
    journal.started(50_001)
    assert read_journal(journal.path).started == {50_001}
    assert set(read_journal(journal.path).finished) == {30_000, 50_000}
    assert [each.name for each in tmp_path.iterdir()] == ["one.journal"]
    assert find_dead_journals(tmp_path) == [], "the new file is locked as the old one was"
    journal.close()


def test_what_is_committed_is_not_told_again_even_before_the_file_is_rewritten(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    for key in range(3000):
        journal.started(key)
        journal.finished(outcome(key))
    before = journal.path.stat().st_ino
    journal.forget_committed(range(2999))
    journal.started(0)
    contents = read_journal(journal.path)
    assert contents.started == {0}, "a later attempt is another matter"
    assert set(contents.finished) == {2999}
    assert contents.damaged == 0
    assert journal.path.stat().st_ino == before
    journal.close()


def test_a_mail_in_flight_is_not_forgotten(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.finished(outcome(1, SmtpReply(451, "", "later")))
    journal.started(1)
    journal.forget_committed([1])
    journal.close()
    assert read_journal(journal.path).started == {1}


def test_a_journal_with_nothing_to_tell_leaves_no_file(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.started(1)
    journal.finished(outcome(1))
    journal.forget_committed([1])
    journal.close()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.started(1)
    with pytest.raises(FileExistsError):
        WireJournalFile(tmp_path / "one.journal")
    journal.close()
    with pytest.raises(FileExistsError):
        WireJournalFile(tmp_path / "one.journal")
    assert read_journal(journal.path).started == {1}
    assert [each.name for each in tmp_path.iterdir()] == ["one.journal"]


def test_the_living_are_not_recovered_and_the_dead_are_once(tmp_path: Path) -> None:
    living = WireJournalFile(tmp_path / "living.journal")
    dead = WireJournalFile(tmp_path / "dead.journal")
    dead.started(7)
    dead.close()
    (tmp_path / "dead.journalxyz.new").touch()
    assert find_dead_journals(tmp_path) == [tmp_path / "dead.journal"]
    with pytest.raises(JournalInUseError), recovering(living.path):
        pass
    with recovering(dead.path) as contents:
        assert contents.started == {7}
        assert find_dead_journals(tmp_path) == [], "somebody recovers it"
        with pytest.raises(JournalInUseError), recovering(dead.path):
            pass
    assert find_dead_journals(tmp_path) == []
    assert [each.name for each in tmp_path.iterdir()] == ["living.journal"]
    with pytest.raises(FileNotFoundError), recovering(dead.path):
        pass
    living.close()


def test_a_journal_that_moved_has_room_for_the_outcomes_of_all_that_is_on_the_wire(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    for key in range(100):
        journal.started(key)
    journal._rewrite()
    refused = tuple(
        (f"reader{number}@{'x' * 200}.example", SmtpReply(550, "5.1.1", "\x7f" * 99)) for number in range(40)
    )
    largest = [WireOutcome(key=key, phase=Phase.BODY, reply=ACCEPTED, refusals=refused) for key in range(100)]
    room = journal.path.stat().st_size
    for one in largest:
        journal.finished(one)
    assert journal._end <= room, "nothing was written beyond what is reserved"
    assert room >= 100 * 65_536
    journal.close()


def test_a_journal_that_moved_while_it_was_looked_at_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner rewrites it: the old file's lock is free for a moment, and another file has its name."""
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.started(1)
    lock = fcntl.flock

    def after_the_move(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        journal._rewrite()
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", after_the_move)
    assert find_dead_journals(tmp_path) == []
    monkeypatch.setattr(fcntl, "flock", after_the_move)
    with pytest.raises(JournalInUseError), recovering(journal.path):
        pass
    assert read_journal(journal.path).started == {1}
    journal.close()


def test_a_recovery_that_fails_keeps_the_journal(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    journal.started(1)
    journal.close()
    with pytest.raises(ZeroDivisionError), recovering(journal.path):
        raise ZeroDivisionError
    assert find_dead_journals(tmp_path) == [journal.path]


@pytest.mark.slow
def test_syncing_from_a_thread_while_the_file_changes_is_safe(tmp_path: Path) -> None:
    journal = WireJournalFile(tmp_path / "one.journal")
    done = threading.Event()
    failures: list[Exception] = []

    def syncing() -> None:
        while not done.is_set():
            try:
                journal.sync()
            except Exception as failure:
                failures.append(failure)
                return

    thread = threading.Thread(target=syncing)
    thread.start()
    for key in range(100_000):
        journal.finished(outcome(key))
        journal.forget_committed([key])
    done.set()
    thread.join()
    assert failures == []
    journal.close()


FILLING = """
import resource, sys
from pathlib import Path
from postroom.adapters.journal import JournalWriteError, WireJournalFile
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
journal = WireJournalFile(Path(sys.argv[1]))
started = 0
try:
    while started < 10_000:
        journal.started(started)
        started += 1
except JournalWriteError as error:
    print(error.errno, error.strerror)
for key in range(started):
    reply = SmtpReply(554, "5.0.0", "\\N{GRINNING FACE}" * 1000)
    journal.finished(WireOutcome(key=key, phase=Phase.BODY, reply=reply))
print(started)
"""


@pytest.mark.parametrize(("limit", "expected"), [(500_000, 0), (1_048_576, 15), (2_100_000, 31)])
def test_a_full_disk_is_told_by_the_start_and_never_by_the_outcome(tmp_path: Path, limit: int, expected: int) -> None:
    path = tmp_path / "one.journal"
    result = subprocess.run(
        [sys.executable, "-c", FILLING, str(path), str(limit)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told, started = result.stdout.splitlines()
    assert "one.journal cannot be written: File too large" in told
    assert int(started) == expected
    contents = read_journal(path) if expected else None
    assert contents is None or (len(contents.finished) == expected and not contents.started)


def test_a_journal_whose_folder_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WireJournalFile(tmp_path / "gone" / "one.journal")


def test_the_error_of_a_journal_is_an_error_of_the_system() -> None:
    assert issubclass(JournalWriteError, OSError)
