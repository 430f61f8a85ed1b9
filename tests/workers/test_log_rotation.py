"""The files of logs: one rotation a day, however many write; nothing is lost, also when somebody is killed in the middle."""

from __future__ import annotations

import gzip
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path

import pytest

from postroom.adapters.log_files import LogFiles
from postroom.core.terms.log_lines import MASK, LogQuestion, in_order
from postroom.core.terms.secret import Secret
from postroom.project.logs import DailyFile, JsonFormatter, Stderr, pack

MORNING = datetime(2026, 11, 19, 8, tzinfo=UTC).timestamp()
DAY = 86_400.0

WRITER = """
import logging, sys, time
from postroom.project.logs import DailyFile, JsonFormatter
folder, name, began, speed, count = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
number = 0
def clock():
    if not speed:
        return {morning} + 86400 * (number >= count // 2)
    return {morning} + (time.monotonic() - began) * speed
handler = DailyFile(folder, 100_000, clock)
handler.setFormatter(JsonFormatter())
for number in range(count):
    handler.handle(logging.makeLogRecord({{"name": "t", "levelname": "INFO", "msg": f"{{name}} {{number}}"}}))
    sys.stdout.write(f"{{number}}\\n")
    sys.stdout.flush()
handler.close()
"""


class Clock:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handler(tmp_path: Path, clock: Clock) -> Iterator[DailyFile]:
    made = DailyFile(tmp_path, 30, clock)
    made.setFormatter(JsonFormatter(["correct-horse-battery"]))
    yield made
    made.close()


def say(handler: DailyFile, text: str, **extra: object) -> None:
    handler.handle(logging.makeLogRecord({"name": "postroom.t", "levelname": "INFO", "msg": text, **extra}))


def texts(folder: Path) -> list[str]:
    return [one.message for one in LogFiles(folder).lines(LogQuestion()) if "begins" not in one.message]


def test_todays_and_yesterdays_log_are_plain_and_older_ones_are_dated_and_compressed(
    tmp_path: Path, handler: DailyFile, clock: Clock
) -> None:
    for day in ("first", "second", "third", "fourth"):
        say(handler, f"of the {day} day")
        clock.now += DAY
    handler.close()
    pack(tmp_path, date(2026, 11, 22), 30)
    assert in_order(os.listdir(tmp_path)) == [
        "postroom-2026-11-19.log.gz",
        "postroom-2026-11-20.log.gz",
        "postroom.log.1",
        "postroom.log",
    ]
    assert texts(tmp_path) == ["of the first day", "of the second day", "of the third day", "of the fourth day"]
    assert b"of the first day" in gzip.decompress((tmp_path / "postroom-2026-11-19.log.gz").read_bytes())


def test_the_day_turns_at_five_and_not_at_midnight(tmp_path: Path, handler: DailyFile, clock: Clock) -> None:
    say(handler, "in the morning")
    clock.now = datetime(2026, 11, 20, 4, 59, 59, tzinfo=UTC).timestamp()
    say(handler, "in the night")
    assert not (tmp_path / "postroom.log.1").exists()
    clock.now += 1
    say(handler, "at five")
    assert "in the night" in (tmp_path / "postroom.log.1").read_text()
    assert "at five" in (tmp_path / "postroom.log").read_text()


def test_what_is_older_than_the_days_that_are_kept_goes(tmp_path: Path, handler: DailyFile, clock: Clock) -> None:
    for number in range(6):
        say(handler, f"day {number}")
        clock.now += DAY
    handler.close()
    pack(tmp_path, date(2026, 11, 24), 3)
    assert texts(tmp_path) == ["day 3", "day 4", "day 5"]


def test_a_clock_that_was_set_back_turns_nothing(tmp_path: Path, handler: DailyFile, clock: Clock) -> None:
    say(handler, "today")
    clock.now -= 3 * DAY
    say(handler, "three days ago")
    clock.now += 3 * DAY
    say(handler, "today again")
    assert in_order(os.listdir(tmp_path)) == ["postroom.log"]
    assert texts(tmp_path) == ["today", "three days ago", "today again"]


def test_a_second_process_goes_on_with_the_file_of_the_day(tmp_path: Path, handler: DailyFile, clock: Clock) -> None:
    say(handler, "one")
    other = DailyFile(tmp_path, 3, clock)
    other.setFormatter(JsonFormatter())
    say(other, "two")
    clock.now += DAY
    say(other, "three")
    say(handler, "four")  # its file was moved away under its hand
    other.close()
    assert "one" in (tmp_path / "postroom.log.1").read_text()
    assert [json.loads(one)["message"] for one in (tmp_path / "postroom.log").read_text().splitlines()][1:] == [
        "three",
        "four",
    ]


def test_a_compression_that_was_killed_is_done_again_and_nothing_is_told_twice(tmp_path: Path) -> None:
    row = json.dumps({"time": "2026-11-10T08:00:00+00:00", "level": "INFO", "logger": "t", "message": "once"}) + "\n"
    (tmp_path / "postroom-2026-11-10.log").write_text(row)
    (tmp_path / "postroom-2026-11-10.log.gz.part").write_bytes(b"half")
    (tmp_path / "postroom-2026-11-11.log").write_text(row)
    (tmp_path / "postroom-2026-11-11.log.gz").write_bytes(gzip.compress(row.encode()))  # killed before the last step
    assert texts(tmp_path) == ["once", "once"]
    pack(tmp_path, date(2026, 11, 12), 30)
    assert sorted(os.listdir(tmp_path)) == [".packing", "postroom-2026-11-10.log.gz", "postroom-2026-11-11.log.gz"]
    assert texts(tmp_path) == ["once", "once"]


def test_lines_are_objects_with_known_fields_and_without_secrets(tmp_path: Path, handler: DailyFile) -> None:
    say(handler, "sent", delivery=12, message_id="<1@postroom.example>", server="relay")
    say(handler, "with correct-horse-battery", password="hunter2", held=Secret("hunter2"), deep={"api_key": "hunter2"})
    try:
        raise ValueError("Bearer hunter2hunter2")
    except ValueError:
        say(handler, "broken", exc_info=sys.exc_info())
    whole = (tmp_path / "postroom.log").read_text()
    rows = [json.loads(one) for one in whole.splitlines()][1:]
    assert {"time", "level", "logger", "message"} <= rows[0].keys()
    assert (rows[0]["delivery"], rows[0]["message_id"], rows[0]["server"]) == (12, "<1@postroom.example>", "relay")
    assert "hunter2" not in whole
    assert "correct-horse" not in whole
    assert rows[1]["password"] == rows[1]["held"] == rows[1]["deep"]["api_key"] == MASK
    assert "ValueError" in rows[2]["error"]


def test_stderr_is_looked_for_at_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    told, closed = StringIO(), StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    handler = Stderr()
    monkeypatch.setattr(sys, "stderr", told)
    closed.close()
    handler.handle(logging.makeLogRecord({"levelname": "WARNING", "msg": "here"}))
    assert told.getvalue() == "here\n"


def test_the_logs_are_for_their_owner_alone(tmp_path: Path, handler: DailyFile) -> None:
    say(handler, "a line")
    assert (tmp_path / "postroom.log").stat().st_mode & 0o077 == 0


def test_a_directory_that_cannot_be_written_hinders_nobody(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    made = DailyFile(tmp_path / "file", 3, clock)
    say(made, "a line")
    assert "Logging error" in capsys.readouterr().err


def test_a_child_of_a_fork_writes_beside_its_parent(tmp_path: Path, handler: DailyFile, clock: Clock) -> None:
    say(handler, "parent")
    child = os.fork()
    if not child:
        clock.now += DAY
        say(handler, "child")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    clock.now += DAY
    say(handler, "parent again")
    assert texts(tmp_path) == ["parent", "child", "parent again"]


def _writers(folder: Path, names: list[str], *, speed: float, count: int) -> list[subprocess.Popen[bytes]]:
    began = str(time.monotonic())
    script = WRITER.format(morning=MORNING)
    return [
        subprocess.Popen(
            [sys.executable, "-c", script, str(folder), name, began, str(speed), str(count)], stdout=subprocess.PIPE
        )
        for name in names
    ]


@pytest.mark.slow
def test_several_processes_turn_the_day_once_and_lose_nothing(tmp_path: Path) -> None:
    """The first half of what each writes falls on one day, the second on the next; none waits for the others."""
    writers = _writers(tmp_path, ["Alice", "Bob", "Charlie"], speed=0, count=6000)
    for one in writers:
        one.communicate(timeout=120)
    counts = Counter(texts(tmp_path))
    assert len(counts) == 3 * 6000
    assert set(counts.values()) == {1}
    for name in in_order(os.listdir(tmp_path)):
        headings = [one for one in LogFiles(tmp_path)._raw_lines(name) if b" begins" in one]
        assert len(headings) == 1, name  # each file was begun once
    assert in_order(os.listdir(tmp_path)) == ["postroom.log.1", "postroom.log"]


@pytest.mark.slow
def test_processes_that_are_killed_at_any_moment_lose_nothing_that_they_wrote(tmp_path: Path) -> None:
    """Days pass in tenths of seconds, so that most are killed while files are moved or compressed."""
    written: set[str] = set()
    for round_ in range(3):
        names = [f"{name}{round_}" for name in ("Alice", "Bob", "Charlie")]
        writers = _writers(tmp_path, names, speed=DAY * 10, count=1_000_000)
        for name, one in zip(names, writers, strict=True):
            assert one.stdout is not None
            said = [one.stdout.readline() for _ in range(1500)]
            one.send_signal(signal.SIGKILL)
            rest = one.stdout.read().rpartition(b"\n")[0].split(b"\n")
            one.wait(60)
            one.stdout.close()
            written |= {f"{name} {int(number)}" for number in (*said, *rest) if number.strip()}
    pack(tmp_path, date(2027, 1, 1), 100_000)
    counts = Counter(texts(tmp_path))
    assert len(in_order(os.listdir(tmp_path))) > 3  # days did pass
    assert written <= counts.keys()
    assert set(counts.values()) == {1}
