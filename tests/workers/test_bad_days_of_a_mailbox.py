"""What the server of a mailbox may do at every step, and what becomes of the mail: one table, lived through by real fetches.

The table is `tests/workers/mailbox_days/table.py`; `docs/reference/bad-days-of-mailboxes.md` shows it to people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from pytest_django import DjangoDbBlocker

from postroom.workers.database import Connection
from tests.workers.bad_days.peers import AUTHORITY
from tests.workers.mailbox_days.expecting import LATER, SOON, Day
from tests.workers.mailbox_days.living import Lived, live_through
from tests.workers.mailbox_days.page import PAGE, page
from tests.workers.mailbox_days.table import DAYS

# one fixture lives through all the days: two minutes of a quiet machine
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000), pytest.mark.xdist_group("bad days of a mailbox")]


@contextmanager
def a_database_of_its_own(server_url: str, template: str) -> Iterator[None]:
    """Among hundreds of tests that share one, these rows would be in the way."""
    from django.db import connection

    before, name = connection.settings_dict["NAME"], "bad_days_of_mailboxes"
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
) -> Iterator[dict[str, Lived]]:
    """All the days, lived through once."""
    template = (run_folder / "migrated").read_text(encoding="utf-8")
    authority = tmp_path_factory.mktemp("mailbox-days") / "authority.pem"
    authority.write_text(AUTHORITY.pem)
    with (
        django_db_blocker.unblock(),
        a_database_of_its_own(embedded_postgresql.url, template),
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("SSL_CERT_FILE", str(authority))
        yield live_through(DAYS)


def test_there_are_a_hundred_and_no_two_have_one_name() -> None:
    assert len({day.name for day in DAYS}) == len(DAYS)
    assert len(DAYS) >= 100


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_what_becomes_of_a_mailbox_when(day: Day, lives: dict[str, Lived]) -> None:
    lived, expected = lives[day.name], day.expected
    assert lived.raised == expected.raises
    assert lived.taken == expected.taken, lived.done
    assert lived.lost_there == []
    if expected.raises:
        return
    assert lived.done is not None
    assert lived.done.trouble_kind is (None if expected.is_warning else expected.kind), lived.done
    assert expected.says in (lived.done.warning if expected.is_warning else lived.done.trouble)
    assert bool(lived.last_error) == (expected.kind is not None)
    assert lived.error_count == (1 if lived.done.trouble else 0)
    assert lived.pause == {SOON: 10.0, LATER: 120.0}.get(expected.again)


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_nothing_is_lost_and_nothing_comes_twice_after(day: Day, lives: dict[str, Lived]) -> None:
    lived = lives[day.name]
    assert lived.records == dict.fromkeys(lived.wanted, 1)
    assert lived.unmarked == []
    assert lived.last_error_later == ""
    assert not lived.reconciliation.trouble
    assert lived.reconciliation.missing == lived.reconciliation.fetched


def test_the_page_for_people_says_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.workers.mailbox_days.page writes it anew"
