"""Signs of life in their table: one row a process, cheap to write, and none of the dead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from postroom.store.models import SignOfLife
from postroom.store.queries.doctor import connected_roles
from postroom.store.signs import clear_signs, give_sign, read_signs, take_back_sign

pytestmark = pytest.mark.django_db

NAME = "postroom router 11@here"


@contextmanager
def connected(name: str) -> Iterator[None]:
    settings = connection.get_connection_params()
    wanted = {key: settings[key] for key in ("dbname", "user", "password", "host", "port") if settings.get(key)}
    with psycopg.connect(**wanted, application_name=name):
        yield


def give(name: str = NAME, pid: int = 11) -> None:
    give_sign(name, role="router", machine="here", pid=pid)


def backdate(seconds: float) -> None:
    """Every row."""
    for row in SignOfLife.objects.all():
        row.seen_at -= timedelta(seconds=seconds)
        row.steady_since -= timedelta(seconds=seconds)
        row.save()


def test_a_process_has_one_row_whatever_it_gives() -> None:
    give()
    first = SignOfLife.objects.get()
    give()
    second = SignOfLife.objects.get()
    assert second.seen_at > first.seen_at
    assert second.steady_since == first.steady_since
    assert (second.role, second.machine, second.pid) == ("router", "here", 11)


def test_after_a_gap_it_is_steady_from_now_on() -> None:
    give()
    backdate(44)
    before = SignOfLife.objects.get().steady_since
    give()
    assert SignOfLife.objects.get().steady_since == before
    backdate(46)
    give()
    found = SignOfLife.objects.get()
    assert found.steady_since == found.seen_at


def test_only_who_is_connected_is_read() -> None:
    give()
    give("postroom router 12@here", pid=12)
    with connected(NAME):
        signs, now = read_signs()
    assert [one.pid for one in signs] == [11]
    assert now >= signs[0].seen_at


def test_the_dead_are_cleared_and_nobody_else() -> None:
    for number in (11, 12, 13):
        give(f"postroom router {number}@here", pid=number)
    backdate(91)
    give("postroom router 13@here", pid=13)  # is not connected any more, and was a moment ago
    with connected(NAME):
        clear_signs()
    assert set(SignOfLife.objects.values_list("pid", flat=True)) == {11, 13}


def test_who_ends_in_order_is_missed_by_nobody() -> None:
    give()
    take_back_sign(NAME)
    take_back_sign(NAME)
    assert not SignOfLife.objects.exists()


def test_a_process_with_several_connections_is_one() -> None:
    with connected(NAME), connected(NAME), connected("postroom router 12@here"), connected("postroom shell"):
        assert connected_roles() == {"router": 2}


def test_a_sign_flushes_no_disk_and_touches_no_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relpersistence, reloptions::text FROM pg_class WHERE oid = 'postroom_signoflife'::regclass"
        )
        assert cursor.fetchone() == ("u", "{fillfactor=50}")
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'postroom_signoflife'")
        assert all("(name" in definition for (definition,) in cursor.fetchall())
