"""The clerk in the scheduler: posts scheduled messages at their date, and those that came due while nobody was there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from postroom.flows.run_scheduled_action import run_action
from postroom.flows.scheduled_messages import Words, schedule_message
from postroom.store.models import Delivery, Follower, Member, Message, Record, ScheduledMessage
from postroom.wiring import ports as wired_ports
from postroom.workers import scheduler
from postroom.workers.stopping import Stop
from tests.laboratory.waiting import wait_until
from tests.people import House, build_house

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def record(house: House) -> Record:
    now = wired_ports().clock.now()
    made = Record.objects.create(company=house.company, kind=house.ticket, title="Fair", created_at=now, updated_at=now)
    Follower.objects.create(record=made, contact=house.bob.contact)
    return made


@contextmanager
def schedulers(count: int) -> Iterator[None]:
    """As many as on so many machines."""
    stops = [Stop() for _ in range(count)]
    threads = [threading.Thread(target=scheduler.run, args=(stop,)) for stop in stops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for stop in stops:
            stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        for stop in stops:
            stop.close()


def later(record: Record, author: Member, seconds: float) -> ScheduledMessage:
    ports = wired_ports()
    at = ports.clock.now() + timedelta(seconds=seconds)
    return schedule_message(ports, record_id=record.pk, author=author, words=Words(html="<p>Now</p>"), at=at)


def test_a_message_is_posted_at_its_date_by_one_of_two_schedulers(house: House, record: Record) -> None:
    with schedulers(2):
        row = later(record, house.alice, 2.0)
        wait_until(Message.objects.exists, "the message is posted", 60)
    message = Message.objects.get()
    print(f"posted {(message.posted_at - row.scheduled_at).total_seconds():.3f} s after its date")
    assert message.posted_at >= row.scheduled_at
    assert not ScheduledMessage.objects.exists()
    assert Delivery.objects.count() == 1


def test_what_came_due_while_nobody_was_there_is_posted_after_the_start(house: House, record: Record) -> None:
    row = later(record, house.alice, 3600)
    ScheduledMessage.objects.update(scheduled_at=row.created_at - timedelta(hours=5))
    with schedulers(1):
        wait_until(Message.objects.exists, "the message is posted", 60)
    assert not ScheduledMessage.objects.exists()


def test_the_scheduled_action_posts_what_was_missed(house: House, record: Record) -> None:
    later(record, house.alice, 3600)
    ScheduledMessage.objects.update(scheduled_at=wired_ports().clock.now() - timedelta(hours=1))
    scheduler.ensure_actions(wired_ports())
    done = run_action(wired_ports(), "scheduled_messages")
    assert done is not None
    assert (done.is_failed, done.result) == (False, "1 scheduled messages settled")
    assert Message.objects.count() == 1
