"""The log's names, days, lines, and what lines must not say."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from postroom.core.terms.log_lines import (
    MASK,
    LogQuestion,
    expired,
    in_order,
    log_day,
    may_hold,
    read_line,
    without_secrets,
)


def test_a_day_begins_at_five_in_utc() -> None:
    assert log_day(datetime(2026, 11, 20, 4, 59, 59, tzinfo=UTC)) == date(2026, 11, 19)
    assert log_day(datetime(2026, 11, 20, 5, 0, tzinfo=UTC)) == date(2026, 11, 20)


def test_files_stand_in_the_order_of_their_lines() -> None:
    names = ["postroom.log", "x.log", "postroom-2026-11-19.log.gz", "postroom.log.1", "postroom-2026-11-18.1.log.gz"]
    names += ["postroom-2026-11-18.log.gz", "postroom-2026-13-01.log", ".lock"]
    assert in_order(names) == [
        "postroom-2026-11-18.log.gz",
        "postroom-2026-11-18.1.log.gz",
        "postroom-2026-11-19.log.gz",
        "postroom.log.1",
        "postroom.log",
    ]


def test_what_is_being_compressed_is_read_once() -> None:
    assert in_order(["postroom-2026-11-19.log.gz", "postroom-2026-11-19.log"]) == ["postroom-2026-11-19.log"]


def test_only_what_is_old_enough_expires() -> None:
    names = ["postroom-2026-11-01.log.gz", "postroom-2026-11-10.log.gz", "postroom.log.1", "postroom.log"]
    assert expired(names, date(2026, 11, 11), 10) == ["postroom-2026-11-01.log.gz"]


def test_a_file_of_another_day_is_passed_over() -> None:
    name = "postroom-2026-11-10.log.gz"
    assert may_hold(name, datetime(2026, 11, 11, 4, tzinfo=UTC), None)
    assert not may_hold(name, datetime(2026, 11, 12, tzinfo=UTC), None)
    assert not may_hold(name, None, datetime(2026, 11, 10, 4, tzinfo=UTC))


@given(st.binary(max_size=300))
def test_reading_a_line_never_raises(raw: bytes) -> None:
    line = read_line(raw)
    assert LogQuestion(matches=lambda text: "x" in text).wants(line) in (True, False)


def test_a_line_is_found_by_time_level_and_message_id() -> None:
    row = {"time": "2026-11-20T10:00:00.000+00:00", "level": "WARNING", "logger": "postroom.x", "message": "late"}
    line = read_line(json.dumps({**row, "message_id": "<1@carla.example>", "delivery": 7}).encode())
    assert line.text == "2026-11-20 10:00:00.000 WARNING postroom.x late  message_id=<1@carla.example> delivery=7"
    assert LogQuestion(message="1@carla.example").wants(line)
    assert not LogQuestion(message="2@carla.example").wants(line)
    assert LogQuestion(level="INFO").wants(line)
    assert not LogQuestion(level="ERROR").wants(line)
    assert not LogQuestion(since=datetime(2026, 11, 20, 11, tzinfo=UTC)).wants(line)
    assert not LogQuestion(until=datetime(2026, 11, 20, 9, tzinfo=UTC)).wants(line)


def test_what_looks_like_a_secret_is_masked() -> None:
    for text in (
        "login with password=hunter2hunter2 failed",
        '{"client_secret": "hunter2hunter2"}',
        "AUTH PLAIN hunter2hunter2==",
        "Authorization: Bearer hunter2hunter2",
        "postgresql://postroom:hunter2hunter2@db.example/postroom",
        "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----",
        "PASSWD = hunter2hunter2",
        "pa\u017f\u017fword=hunter2hunter2",  # to an expression that ignores the case a long s is an s
        "Api-\u212aey: hunter2hunter2",
        "refresh_TOKEN=hunter2hunter2",
        "my_passphrase: hunter2hunter2",
        "bAsic hunter2hunter2",
        "AUTHENTICATE PLAIN hunter2hunter2==",
    ):
        told = without_secrets(text)
        assert "hunter2" not in told, told
        assert MASK in told


def test_what_is_known_to_be_secret_is_masked_wherever_it_stands() -> None:
    assert without_secrets("tell correct-horse twice", ["correct-horse"]) == f"tell {MASK} twice"
