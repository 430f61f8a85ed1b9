"""What a server may do at every step, and what becomes of the mail: one table, lived through by a real deliverer.

The table is `tests/workers/bad_days/table.py`; `docs/reference/bad-days.md` shows it to people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pytest_django import DjangoDbBlocker

from postroom.workers.database import Connection
from tests.workers.bad_days.expecting import MINUTE, WITH_SERVER, Day
from tests.workers.bad_days.living import Lived, live_through
from tests.workers.bad_days.page import PAGE, page
from tests.workers.bad_days.table import DAYS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("bad days of a server")]


@contextmanager
def a_database_of_its_own(server_url: str, template: str) -> Iterator[None]:
    """Among hundreds of tests that share one, these rows would be in the way."""
    from django.db import connection

    before, name = connection.settings_dict["NAME"], "bad_days"
    with psycopg.connect(server_url, autocommit=True) as server:
        names = sql.Identifier(name), sql.Identifier(template)
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        connection.close()
        connection.settings_dict["NAME"] = name
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = before
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


@pytest.fixture(scope="module")
def lives(
    run_folder: Path,
    embedded_postgresql: Connection,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Lived]:
    """All the days, lived through once."""
    template = (run_folder / "migrated").read_text(encoding="utf-8")
    with django_db_blocker.unblock(), a_database_of_its_own(embedded_postgresql.url, template):
        return live_through(DAYS, tmp_path_factory.mktemp("bad-days"))


def test_there_are_more_than_a_hundred_and_no_two_have_one_name() -> None:
    assert len({day.name for day in DAYS}) == len(DAYS)
    assert len(DAYS) > 100


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_what_becomes_of_the_mail_when_a_server(day: Day, lives: dict[str, Lived]) -> None:
    lived, expected = lives[day.name], day.expected
    row = lived.row
    assert (row.state, row.blame, row.kind) == (expected.state, expected.blame, expected.kind), row.why
    assert _has_words(row.why, expected.says), row.why
    assert row.notification == expected.notification
    assert lived.states == (day.states or {expected.state: 1})
    assert (row.attempts, lived.tried) == ((1, 1) if expected.counts else (0, 0))
    assert _is_tried_again(row.again_in, expected.again, lived.circuit_in), row.again_in
    assert (lived.circuit_in is not None) == expected.circuit_opens


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_and_the_day_after(day: Day, lives: dict[str, Lived]) -> None:
    """The next mail leaves; what was to be tried again was, and what had ended was not."""
    lived = lives[day.name]
    assert lived.next_mail == "sent"
    assert lived.later == ("sent" if day.expected.state == "sent" else day.expected.later)
    assert not lived.circuit_later


def test_the_page_for_people_says_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.workers.bad_days.page writes it anew"


def _has_words(text: str, words: str) -> bool:
    """``*`` in the words stands for what differs from run to run."""
    return re.search(r"\S+".join(map(re.escape, words.split("*"))), text) is not None


def _is_tried_again(seconds: float | None, expected: str, circuit: float | None) -> bool:
    match expected:
        case "":
            return seconds is None
        case str() if expected == MINUTE:
            return seconds is not None and 55 <= seconds < 75
        case str() if expected == WITH_SERVER:
            return seconds is not None and circuit is not None and 25 <= circuit <= min(30, seconds)
        case _:
            raise AssertionError(expected)
