"""A clock that is an hour wrong, or is put back, delays and loses no mail that comes in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.ports import Ports
from postroom.flows.route_message import route_waiting
from postroom.store.models import InboundMessage
from postroom.store.queries.unproven import take_unproven
from postroom.wiring import ports
from tests.flows.outgoing_mails import HandClock
from tests.people import build_house, write_mail

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def real(clock: HandClock) -> Ports:
    build_house()
    return replace(ports(), clock=clock)


def arrive(real: Ports, *, door: Door = Door.SMTP) -> int:
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    return accept_message(real, Arrival(door=door, raw=write_mail(), envelope=envelope))


@pytest.mark.parametrize("door", [Door.SMTP, Door.LMTP])
@pytest.mark.parametrize("shift", [-HOUR, HOUR])
def test_what_came_before_the_clock_was_set_is_routed_at_once(
    real: Ports, clock: HandClock, door: Door, shift: timedelta
) -> None:
    number = arrive(real, door=door)
    clock.time += shift
    while route_waiting(real):
        pass
    assert InboundMessage.objects.get(pk=number).state == InboundState.ROUTED


def test_a_lease_still_holds_and_one_of_another_time_does_not(real: Ports, clock: HandClock) -> None:
    number = arrive(real, door=Door.LMTP)
    now = clock.now()
    assert [one.id for one in take_unproven(now, now + timedelta(seconds=10), 10)] == [number]
    assert not take_unproven(now, now + timedelta(seconds=10), 10)
    clock.time -= HOUR
    assert [one.id for one in take_unproven(clock.now(), clock.now() + timedelta(seconds=10), 10)] == [number]


def test_what_failed_waits_for_its_time_all_the_same(real: Ports, clock: HandClock) -> None:
    number = arrive(real)
    InboundMessage.objects.update(attempt_count=1, due_at=clock.now() + timedelta(seconds=30))
    assert route_waiting(real) == 0
    clock.time += timedelta(seconds=31)
    assert route_waiting(real) == 1
    assert InboundMessage.objects.get(pk=number).state == InboundState.ROUTED
