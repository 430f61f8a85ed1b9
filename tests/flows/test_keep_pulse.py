"""The pulse: what is sent, failed, bounced and received is counted with what it counts, folded once, and read by company."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.core.terms.traffic import Traffic
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.keep_pulse import HOURS_KEPT, SAMPLES_KEPT, keep_pulse
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.route_message import route_waiting
from postroom.flows.settle_inbound import route_again
from postroom.store import pulse
from postroom.store.models import Company, Delivery, InboundMessage, QueueSample, TrafficHour, TrafficTally
from postroom.store.queries.pages_pulse import day_of, my_day
from postroom.wiring import ports as wired_ports
from tests.flows.arriving import CARLA, a_report, a_thread, arrive, return_path
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, ports_with
from tests.people import add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    a_server()
    return ports_with(clock=clock)


def a_round(ports: Ports, code: int) -> None:
    """All that is due leaves, and is answered alike."""
    batch = claim_and_compose(ports, "worker", 50, shelf=Shelf())
    outcomes = [
        (one.ticket, WireOutcome(key=one.ticket.delivery_id, phase=Phase.BODY, reply=SmtpReply(code, "", "so")))
        for one in batch.ready
    ]
    record_outcomes(ports, "worker", outcomes)


def totals(ports: Ports, *companies: Company) -> dict[str, int]:
    day = day_of([one.pk for one in companies] or None, ports.clock.now())
    return {one.name: one.total for one in day if one.name != "age"}


def test_what_was_sent_and_what_failed_is_counted_once_before_and_after_folding(ports: Ports, clock: HandClock) -> None:
    north, south = a_company(), a_company("South", "south.example")
    for company, code, count in ((north, 250, 3), (north, 550, 2), (south, 250, 1), (south, 451, 1)):
        to = [f"{code}-{number}@x.example" for number in range(count)]
        deliveries(a_mail(company, at=clock.now()), *to, at=clock.now())
        a_round(ports, code)
    for _ in range(2):
        assert totals(ports) == {"received": 0, "sent": 4, "failed": 2}
        assert totals(ports, north) == {"received": 0, "sent": 3, "failed": 2}
        assert totals(ports, south) == {"received": 0, "sent": 1, "failed": 0}  # deferred is neither
        assert "counts folded" in keep_pulse(ports)
    assert not TrafficTally.objects.exists()
    assert TrafficHour.objects.count() == 3


def test_what_a_worker_may_write_no_more_is_not_counted(ports: Ports, clock: HandClock) -> None:
    (row,) = deliveries(a_mail(a_company(), at=clock.now()), "a@x.example", at=clock.now())
    batch = claim_and_compose(ports, "worker", 50, shelf=Shelf())
    Delivery.objects.filter(pk=row.pk).update(claimed_by="another")
    said = WireOutcome(key=row.pk, phase=Phase.BODY, reply=SmtpReply(250, "", "Ok"))
    record_outcomes(ports, "worker", [(batch.ready[0].ticket, said)])
    assert totals(ports)["sent"] == 0


def test_a_mail_that_comes_in_is_counted_once_and_its_bounce_as_well() -> None:
    house = build_house()
    ports = wired_ports()
    add_contact("Carla", CARLA)
    thread = a_thread(house)
    Delivery.objects.update(state=DeliveryState.SENT)
    before = totals(ports)
    came = arrive(write_mail(subject="A question"), "support@in.test")
    InboundMessage.objects.filter(pk=came.pk).update(state=InboundState.HELD)
    route_again(ports, came.pk, member=None)
    while route_waiting(ports):
        pass
    arrive(a_report(CARLA), return_path(thread.delivery), sender="")
    after = totals(ports)
    assert after["received"] - before["received"] == 2  # the question once, and the report
    assert after["failed"] - before["failed"] == 1
    assert TrafficTally.objects.filter(what=Traffic.BOUNCED).count() == 1


def test_how_late_the_queue_is_is_sampled_by_company_and_hours_that_nobody_saw_say_so(
    ports: Ports, clock: HandClock
) -> None:
    north, south = a_company(), a_company("South", "south.example")
    now = clock.now()
    deliveries(a_mail(north, at=now), "a@x.example", at=now, due_at=now - timedelta(minutes=10))
    deliveries(a_mail(north, at=now), "b@x.example", at=now, due_at=now + timedelta(hours=1), lane=0)
    assert "600 s late" in keep_pulse(ports)
    assert {(one.company_number, one.age_seconds) for one in QueueSample.objects.all()} == {(0, 600), (north.pk, 600)}
    house, mine, theirs = (day_of(cut, now)[-1] for cut in (None, [north.pk], [south.pk]))
    assert (house.last, mine.last, theirs.last) == (600, 600, 0)
    assert [point.value for point in house.points] == [None] * 23 + [600]


def test_a_day_is_one_query_and_what_is_old_is_forgotten(ports: Ports, clock: HandClock) -> None:
    company = a_company()
    now = clock.now()
    for at in (now, now - timedelta(hours=23), now - timedelta(hours=24), now - HOURS_KEPT - timedelta(hours=1)):
        pulse.tally(company.pk, Traffic.SENT, 5, at)
    QueueSample.objects.create(taken_at=now - SAMPLES_KEPT - timedelta(hours=1), age_seconds=1)
    with CaptureQueriesContext(connection) as queries:
        day = {one.name: one for one in day_of(None, now)}
    assert len(queries) == 1
    assert (day["sent"].total, day["sent"].highest, day["sent"].last) == (10, 5, 5)
    keep_pulse(ports)
    keep_pulse(ports)
    assert TrafficHour.objects.count() == 3
    assert not QueueSample.objects.filter(taken_at__lt=now - SAMPLES_KEPT).exists()


def test_an_agents_day_is_what_is_on_the_own_records() -> None:
    house = build_house()
    ports = wired_ports()
    add_contact("Carla", CARLA)
    thread = a_thread(house)
    record = thread.message.record
    assert record is not None
    record.responsible = house.alice
    record.save()
    arrive(write_mail(subject="A stranger's", sender="dana@customer.example"), "support@in.test")
    came, written = my_day(house.alice.pk, house.alice.contact_id, [record.company_id], ports.clock.now())
    assert (came.total, written.total) == (1, 1)
    assert my_day(house.bob.pk, house.bob.contact_id, [record.company_id], ports.clock.now())[0].total == 0
