"""`postroom logs`: search and watch, over plain and compressed files."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from postroom.adapters.log_files import LogFiles
from postroom.cli import logs
from postroom.core.terms.log_lines import LogQuestion, read_line
from postroom.project.logs import JsonFormatter
from postroom.wiring import ports
from tests.cli.conftest import Command
from tests.flows.arriving import arrive
from tests.people import build_house, write_mail


def line(at: str, message: str, level: str = "INFO", **more: object) -> str:
    return json.dumps({"time": at, "level": level, "logger": "postroom.test", "message": message, **more}) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three days of logs."""
    old = line("2026-11-17T08:00:00+00:00", "the oldest") + line("2026-11-17T09:00:00+00:00", "Refused: 5.7.1", "ERROR")
    (tmp_path / "postroom-2026-11-17.log.gz").write_bytes(gzip.compress(old.encode()))
    (tmp_path / "postroom.log.1").write_text(line("2026-11-18T08:00:00+00:00", "yesterday", mailbox=3))
    (tmp_path / "postroom.log").write_text(
        line("2026-11-19T08:00:00+00:00", "today", "WARNING", message_id="<1@carla.example>") + "no JSON at all\n"
    )
    monkeypatch.setattr(logs, "_ports", lambda: replace(ports(), logbook=LogFiles(tmp_path)))
    return tmp_path


def test_a_text_is_found_in_plain_and_compressed_files(postroom: Command, folder: Path) -> None:
    answer = postroom("logs", "grep", "day")
    assert (answer.code, [one.split()[4] for one in answer.out.splitlines()]) == (0, ["yesterday", "today"])
    assert postroom("logs", "grep", "oldest").out.startswith("2026-11-17 08:00:00.000 INFO    postroom.test the oldest")


def test_nothing_found_is_exit_code_1(postroom: Command, folder: Path) -> None:
    answer = postroom("logs", "grep", "nobody wrote this")
    assert (answer.code, answer.out) == (1, "")


def test_a_pattern_is_a_fixed_text_unless_asked_otherwise(postroom: Command, folder: Path) -> None:
    assert postroom("logs", "grep", r"5\.7\.\d").code == 1
    assert "Refused" in postroom("logs", "grep", "--regex", r"5\.7\.\d").out
    assert postroom("logs", "grep", "refused").code == 1
    assert "Refused" in postroom("logs", "grep", "-i", "refused").out


def test_lines_are_chosen_by_time_level_and_mail(postroom: Command, folder: Path) -> None:
    since = postroom("logs", "grep", "", "--since", "2026-11-18", "--until", "2026-11-18T23:00", "--json")
    messages = [json.loads(one)["message"] for one in since.out.splitlines()]
    assert messages == ["yesterday", "no JSON at all"]
    grave = postroom("logs", "grep", "", "--level", "error", "--json")
    assert json.loads(grave.out.splitlines()[0])["message"] == "Refused: 5.7.1"
    mail = postroom("logs", "grep", "", "--message", "1@carla.example", "--json")
    assert [json.loads(one)["message_id"] for one in mail.out.splitlines()] == ["<1@carla.example>"]


def test_a_bad_question_is_answered_in_plain_words(postroom: Command, folder: Path) -> None:
    for words, said in (
        (("--regex", "(a"), "No regular expression: missing ), unterminated subpattern at character 1: (a"),
        (("x", "--since", "soon"), "--since 'soon': write 2026-11-20"),
        (("x", "--level", "loud"), "--level 'LOUD': there are DEBUG"),
        (("x", "--since", "2026-11-20", "--until", "2026-11-19"), "--until lies before --since"),
        (("x" * 1001,), "longer than 1000 characters"),
    ):
        answer = postroom("logs", "grep", *words)
        assert answer.code == 2
        assert said in answer.err


def test_an_expression_that_takes_too_long_is_given_up(
    postroom: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PATIENCE", 0.2)
    with (folder / "postroom.log").open("a") as file:
        file.write(line("2026-11-19T09:00:00+00:00", "a" * 60 + "!"))
    answer = postroom("logs", "grep", "--regex", "(a+)+$")
    assert answer.code == 2
    assert "needed more than 0.2 s for one line" in answer.err


def test_the_newest_lines_come_from_as_many_files_as_it_needs(postroom: Command, folder: Path) -> None:
    answer = postroom("logs", "tail", "-n", "4", "--json")
    messages = [json.loads(one)["message"] for one in answer.out.splitlines()]
    assert messages == ["Refused: 5.7.1", "yesterday", "today", "no JSON at all"]
    assert [json.loads(one)["message"] for one in postroom("logs", "tail", "-n", "1", "--json").out.splitlines()] == [
        "no JSON at all"
    ]


def test_the_end_of_a_large_file_is_read_without_the_rest(folder: Path) -> None:
    with (folder / "postroom.log").open("a") as file:
        for number in range(5000):
            file.write(line("2026-11-19T09:00:00+00:00", f"line {number} {'ä' * 50}"))
    newest = LogFiles(folder).last(3, LogQuestion())
    assert [one.message.split()[1] for one in newest] == ["4997", "4998", "4999"]
    assert len(LogFiles(folder).last(10_000, LogQuestion())) == 5005


def test_the_newest_lines_since_a_day_need_no_older_files(folder: Path) -> None:
    (folder / "postroom-2026-11-16.log.gz").write_bytes(b"no gzip")
    files = LogFiles(folder)
    found = files.last(100, LogQuestion(since=datetime(2026, 11, 18, 7, tzinfo=UTC)))
    assert [one.message for one in found] == ["yesterday", "today", "no JSON at all"]
    assert files.trouble == ()
    files.last(100, LogQuestion())
    assert "postroom-2026-11-16" in files.trouble[0]


def test_a_question_that_is_over_ends_the_search_also_among_lines_that_nobody_wants(folder: Path) -> None:
    asked = iter([False, False, False, True])
    files = LogFiles(folder)
    found = files.last(100, LogQuestion(level="WARNING", is_over=lambda: next(asked)))
    assert [one.message for one in found] == ["today", "no JSON at all"]
    assert "takes too long" in files.trouble[0]
    with pytest.raises(TimeoutError):
        list(files.lines(LogQuestion(is_over=lambda: True)))


def test_a_damaged_file_is_named_and_the_others_are_read(postroom: Command, folder: Path) -> None:
    whole = (folder / "postroom-2026-11-17.log.gz").read_bytes()
    (folder / "postroom-2026-11-17.log.gz").write_bytes(whole[:-12])
    answer = postroom("logs", "grep", "today")
    assert answer.code == 0
    assert "Not read to its end: postroom-2026-11-17.log.gz" in answer.err


def test_a_line_without_an_end_does_not_fill_the_memory(folder: Path) -> None:
    (folder / "postroom-2026-11-16.log.gz").write_bytes(gzip.compress(b"x" * 5_000_000 + b"\nafter it\n"))
    lines = list(LogFiles(folder).lines(LogQuestion()))
    assert len(lines[0].message) <= 64 * 1024
    assert lines[1].message == "after it"


def test_who_follows_sees_what_comes_also_after_a_rotation(folder: Path) -> None:
    end = time.monotonic() + 90
    done: list[str] = []
    coming = LogFiles(folder).follow(LogQuestion(), is_over=lambda: len(done) >= 3 or time.monotonic() > end)
    steps = iter(["first", "second", "third"])

    def write() -> None:
        with (folder / "postroom.log").open("a") as file:
            file.write(line("2026-11-19T10:00:00+00:00", next(steps)))

    opened = LogFiles(folder).follow(LogQuestion(), is_over=lambda: True)
    assert list(opened) == []  # what was there before is not told
    began = threading.Event()

    def writing() -> None:
        began.wait(90)
        write()
        while len(done) < 1 and time.monotonic() < end:
            pass
        (folder / "postroom.log").rename(folder / "postroom.log.1")
        write()
        while len(done) < 2 and time.monotonic() < end:
            pass
        write()

    writer = threading.Thread(target=writing)
    writer.start()
    original = time.sleep

    def noticing(seconds: float) -> None:
        began.set()  # it has opened the file and waits
        original(min(seconds, 0.01))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("postroom.adapters.log_files.time.sleep", noticing)
        for one in coming:
            done.append(one.message)
    writer.join(90)
    assert done == ["first", "second", "third"]


def test_a_span_is_counted_back_from_now() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert logs._when("--since", "90m", now) == now - timedelta(minutes=90)
    assert logs._when("--since", "2d ago", now) == now - timedelta(days=2)


@pytest.mark.slow
def test_what_commands_write_is_found_by_the_command_itself(tmp_path: Path) -> None:
    """Real processes: one that logs quietly, one that searches, with a secret of the configuration on its way."""
    (tmp_path / "postgres").mkdir()  # so that this is somebody's house
    environment = {
        **os.environ,
        "POSTROOM_DATA_DIR": str(tmp_path),
        "POSTROOM_SERVER_PASSWORD": "correct-horse-battery",
    }
    quiet = (
        "import logging; from postroom.cli.entering import configured; configured();"
        "logging.getLogger('postroom.t').info('with correct-horse-battery', extra={'delivery': 7})"
    )
    done = subprocess.run([sys.executable, "-c", quiet], env=environment, capture_output=True, timeout=120, check=True)
    assert done.stderr == b""  # only warnings are said aloud
    words = [sys.executable, "-m", "postroom", "logs", "grep", "delivery=7", "--json"]
    found = subprocess.run(words, env=environment, capture_output=True, timeout=120, check=True)
    (row,) = [json.loads(one) for one in found.stdout.splitlines()]
    assert (row["level"], row["delivery"], row["message"]) == ("INFO", 7, "with ********")
    assert b"correct-horse" not in (tmp_path / "logs" / "postroom.log").read_bytes()


@pytest.mark.django_db
def test_a_mail_that_was_routed_is_found_by_its_message_id(
    caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    build_house()
    with caplog.at_level(logging.INFO, "postroom"), django_capture_on_commit_callbacks(execute=True):
        inbound = arrive(write_mail(Message_ID="<1234@customer.example>"), "support@in.test")
    (told,) = [one for one in caplog.records if "were routed" in one.message]
    line = read_line(JsonFormatter().format(told).encode())
    assert LogQuestion(message="1234@customer.example").wants(line)
    assert line.fields["inbounds"] == [inbound.pk]
