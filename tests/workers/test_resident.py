"""Residents on a real PostgreSQL: woken by NOTIFY, patient in outages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from postroom.workers import resident
from postroom.workers.resident import Resident
from postroom.workers.stopping import Stop
from postroom.workers.wakeups import Wakeups
from tests.laboratory.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

CHANNEL = "postroom_test"


class Pile:
    """Waiting work, in memory; counts how often somebody looked."""

    def __init__(self) -> None:
        self.waiting = 0
        self.done = 0
        self.looks = 0
        self.trouble: Exception | None = None

    def drain(self) -> int:
        self.looks += 1
        if self.trouble:
            raise self.trouble
        taken = min(self.waiting, 10)
        self.waiting -= taken
        self.done += taken
        return taken


@contextmanager
def residing(drain: Callable[[], int]) -> Iterator[Resident]:
    stop = Stop()
    one = Resident("test", drain, channel=CHANNEL, stop=stop)
    thread = threading.Thread(target=one.run)
    thread.start()
    try:
        yield one
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
        stop.close()


def notify() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def listeners() -> list[int]:
    """The processes of PostgreSQL that listen on our channel."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE query = %s AND state = 'idle' AND datname = current_database()",
            [f'LISTEN "{CHANNEL}"'],
        )
        return [row[0] for row in cursor.fetchall()]


def kill_listeners() -> None:
    with connection.cursor() as cursor:
        for process in listeners():
            cursor.execute("SELECT pg_terminate_backend(%s)", [process])


def test_all_that_waits_is_drained_batch_by_batch() -> None:
    pile = Pile()
    pile.waiting = 95
    with residing(pile.drain):
        wait_until(lambda: pile.done == 95, "all is done")
    assert pile.looks >= 10


def test_a_call_wakes_it_long_before_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "SWEEP", 3600.0)
    pile = Pile()
    with residing(pile.drain):
        wait_until(listeners, "it listens")
        looks = pile.looks
        wait_until(lambda: pile.looks == looks, "it sleeps")
        began = time.monotonic()
        pile.waiting = 5
        notify()
        wait_until(lambda: pile.done == 5, "it woke up")
        print(f"woken after {1000 * (time.monotonic() - began):.1f} ms")


def test_what_nobody_called_for_is_found_by_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "SWEEP", 0.05)
    pile = Pile()
    with residing(pile.drain):
        wait_until(listeners, "it listens")
        pile.waiting = 5
        wait_until(lambda: pile.done == 5, "it looked by itself")


@pytest.mark.slow
def test_a_lost_connection_is_renewed_and_calls_are_heard_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resident, "SWEEP", 3600.0)
    pile = Pile()
    with residing(pile.drain):
        wait_until(listeners, "it listens")
        old = listeners()
        pile_looks = pile.looks
        kill_listeners()
        wait_until(lambda: set(listeners()) - set(old), "it listens again")
        wait_until(lambda: pile.looks > pile_looks, "it looked for what it did not hear")
        pile.waiting = 5
        notify()
        wait_until(lambda: pile.done == 5, "it woke up")
    messages = [record.getMessage() for record in caplog.records if record.name == "postroom.workers.wakeups"]
    assert messages[0].startswith("not listening on postroom_test: ")
    assert messages[1:] == ["listening on postroom_test again"]


@pytest.mark.slow
def test_an_outage_is_waited_for_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    pile = Pile()
    pile.trouble = OperationalError("connection refused")
    with residing(pile.drain):
        wait_until(lambda: pile.looks >= 4, "it tried again and again")
        pile.waiting = 5
        pile.trouble = None
        wait_until(lambda: pile.done == 5, "it went on")
    assert [record.getMessage() for record in caplog.records if record.name == "postroom.workers.outages"] == [
        "test: waits for the database: connection refused",
        "test: works again",
    ]


def test_a_bug_is_told_each_time_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    pile = Pile()
    pile.trouble = ZeroDivisionError("a bug")
    with residing(pile.drain):
        wait_until(lambda: pile.looks >= 3, "it tried again")
        pile.trouble = None
        pile.waiting = 1
        wait_until(lambda: pile.done == 1, "it went on")
    assert caplog.text.count("ZeroDivisionError: a bug") >= 3


def test_it_stops_at_once_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "SWEEP", 3600.0)
    with residing(Pile().drain):
        wait_until(listeners, "it listens")
    wait_until(lambda: not listeners(), "its connection is gone")


def test_who_cannot_connect_still_stops_at_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from postroom.workers import wakeups

    def refuse() -> None:
        raise OSError("no route")

    monkeypatch.setattr(wakeups, "_own_connection", refuse)
    stop = Stop()
    ear = Wakeups(CHANNEL)
    assert not ear.wait(stop, 0.01)
    assert not ear.wait(stop, 0.01)
    stop.set()
    assert not ear.wait(stop, 60)
    assert caplog.text.count("no route") == 1
    with caplog.at_level(logging.WARNING):
        ear.close()
    stop.close()
