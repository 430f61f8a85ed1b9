"""`kill -9` while mail comes in: what was answered with 250 is there, and nothing is there twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from time import perf_counter

import pytest
from django.db import connection

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.settings import set_parameter
from postroom.store.models import Delivery, InboundMessage, Message, Notification, RawMail, Record
from postroom.wiring import ports
from tests.e2e.installation import DEADLINE, Worker, installed
from tests.e2e.stubborn_senders import StubbornSenders
from tests.laboratory.ports import Port
from tests.laboratory.waiting import wait_until
from tests.people import House, build_house, write_mail

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(1800)]

CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    """With the loop breaker off: Carla writes a lot today."""
    house = build_house()
    set_parameter(ports(), "mail.gateway.loop.threshold", "0", member=house.alice)
    return house


@pytest.fixture
def doors() -> Iterator[tuple[Port, Port]]:
    found = Port(), Port()
    yield found
    for port in found:
        port.release()


def mails(count: int, to: str) -> dict[str, bytes]:
    """By Message-ID."""
    ids = [f"<{number}@customer.example>" for number in range(count)]
    return {one: write_mail(to=to, subject=f"Parcel {one}", Message_ID=one) for one in ids}


def all_is_routed() -> bool:
    return not InboundMessage.objects.filter(state=InboundState.RECEIVED).exists()


def test_what_a_killed_door_had_answered_is_stored_and_nothing_is_routed_twice(
    house: House, doors: tuple[Port, Port]
) -> None:
    dice = random.Random(20260303)
    began = perf_counter()
    smtp, lmtp = doors
    senders = StubbornSenders(port=int(smtp), mails=mails(2000, "sales@in.test"), recipient="sales@in.test")
    moments = sorted(dice.sample(range(1, 1950), 6))
    with installed("door", "router", smtp=smtp, lmtp=lmtp) as postroom:
        door = postroom.worker("door")
        with senders.at_work():
            for moment in moments:
                wait_until(_answered(senders, moment), f"{moment} mails were answered", 400)
                door.crash()
                door.start()
                postroom.wait_for_doors()
            wait_until(senders.all_answered, "every mail was answered", 900)
        wait_until(all_is_routed, "all is routed", 900)

    assert not senders.refusals
    rows = list(InboundMessage.objects.values_list("message_id", "state"))
    states = Counter(state for _, state in rows)
    assert {message_id for message_id, _ in rows} == set(senders.answered) == set(senders.mails)
    assert states == Counter(
        {InboundState.ROUTED: 2000} | ({InboundState.DISCARDED: len(rows) - 2000} if len(rows) > 2000 else {})
    )
    assert RawMail.objects.count() == len(rows)
    assert Record.objects.count() == Message.objects.count() == 2000
    assert Message.objects.values("message_id").distinct().count() == 2000
    print(
        f"2,000 mails, 6 kills: {senders.tries} tries, {len(rows) - 2000} came twice, {perf_counter() - began:.1f} s in all"
    )


def test_a_router_killed_in_the_middle_loses_nothing_and_does_nothing_twice(
    house: House, doors: tuple[Port, Port]
) -> None:
    dice = random.Random(20260304)
    began = perf_counter()
    smtp, lmtp = doors
    envelope = Envelope(mail_from=CARLA, rcpt_to=("support@in.test",))
    for raw in mails(800, "support@in.test").values():
        accept_messages(ports(), [Arrival(door=Door.SMTP, raw=raw, envelope=envelope)])
    kills = 0
    with installed("router", smtp=smtp, lmtp=lmtp) as postroom:
        router = postroom.worker("router")
        for _ in range(5):
            wait_until(_works(router, dice.randrange(1, 30)), "the router is at work, or done", DEADLINE)
            kills += not all_is_routed()
            router.crash()
            router.start()
        wait_until(all_is_routed, "all is routed", 900)

    assert kills, "it was killed in the middle"
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.ROUTED}
    assert Record.objects.count() == Message.objects.count() == 800
    assert Message.objects.values("message_id").distinct().count() == 800
    assert Notification.objects.count() == Delivery.objects.count() == 1600, "Alice and Bob, once each"
    print(f"800 mails, {kills} kills in the middle: {perf_counter() - began:.1f} s in all")


def _answered(senders: StubbornSenders, count: int) -> Callable[[], bool]:
    return lambda: len(senders.answered) >= count


_IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""


def _works(router: Worker, often: int) -> Callable[[], bool]:
    """True when the router was seen inside a transaction this often, or nothing is left to do."""
    seen = 0

    def look() -> bool:
        nonlocal seen
        assert router.lives, router.log()
        with connection.cursor() as cursor:
            cursor.execute(_IN_TRANSACTION)
            row = cursor.fetchone()
        seen += bool(row and row[0])
        return seen >= often or all_is_routed()

    return look
