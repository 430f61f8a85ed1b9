"""Mail that waits for a server: parked once, woken when the gate opens, and never in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from procrastinate.contrib.django.models import ProcrastinateJob

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.gates import Gate
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows import wake_queue as waking
from postroom.flows.access import NotAllowed
from postroom.flows.deliver_mail import ReadyMail, Shelf, claim_and_compose
from postroom.flows.guard_installation import set_capturing
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.settings import pause_server, resume_server, save_server
from postroom.flows.wake_queue import PROBES, wake_parked, wake_queue, wake_rest
from postroom.store.models import Company, Contact, Delivery, Installation, Member, OutgoingServer, SettingChange
from postroom.store.queries.pages_queue import delivery
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with

pytestmark = pytest.mark.django_db

WORKER = "worker-1"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def company() -> Company:
    return a_company()


def some_mail(company: Company, clock: HandClock, count: int, **more: object) -> list[Delivery]:
    return deliveries(a_mail(company, at=clock.now()), *numbered(count), at=clock.now(), **more)


def claimed(ports: Ports, busy: tuple[int, ...] = ()) -> tuple[ReadyMail, ...]:
    """What is due: the urgent ones, which come alone, and the others."""
    first = claim_and_compose(ports, WORKER, 1000, shelf=Shelf(), busy=busy)
    return first.ready + claim_and_compose(ports, WORKER, 1000, shelf=Shelf(), busy=busy).ready


def due(clock: HandClock) -> int:
    return Delivery.objects.filter(state="queued", due_at__lte=clock.now()).count()


def troubled(ports: Ports, *mails: ReadyMail) -> None:
    outcomes = [
        (one.ticket, WireOutcome(key=one.ticket.delivery_id, phase=Phase.CONNECT, reply=None, trouble="refused"))
        for one in mails
    ]
    record_outcomes(ports, WORKER, outcomes, shelf=Shelf())


def taken(ports: Ports, *mails: ReadyMail) -> None:
    reply = SmtpReply(250, "", "taken")
    outcomes = [(one.ticket, WireOutcome(key=one.ticket.delivery_id, phase=Phase.BODY, reply=reply)) for one in mails]
    record_outcomes(ports, WORKER, outcomes, shelf=Shelf())


def test_what_waits_for_a_paused_server_is_put_off_once_until_somebody_resumes_it(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    server = a_server()
    pause_server(ports, server.pk, member=None)
    rows = some_mail(company, clock, 20)
    assert claimed(ports) == ()
    for _ in range(50):
        clock.pass_by(minutes=7)
        assert wake_parked(ports, {}).woken == 0
        assert claim_and_compose(ports, WORKER, 1000, shelf=Shelf()).taken == 0
    fact = delivery(Delivery.objects.all(), rows[0].pk, now=clock.now())
    assert fact is not None
    assert (fact.row.gate, [cure.code for cure in fact.cures]) == (Gate.PAUSED, ["cure.resume"])
    assert fact.row.held_since == rows[0].created_at
    resume_server(ports, server.pk, member=None)
    assert len(claimed(ports)) == 20
    assert [change.after["paused_at"] for change in SettingChange.objects.order_by("pk")] == [str(rows[0].due_at), None]


def test_parked_mail_is_given_up_at_its_deadline(ports: Ports, clock: HandClock, company: Company) -> None:
    a_server(paused_at=clock.now())
    some_mail(company, clock, 2)
    claimed(ports)
    clock.pass_by(days=5)
    assert claimed(ports) == ()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"failed"}


def test_only_administrators_pause_and_resume(ports: Ports, company: Company) -> None:
    server = a_server(company=company)
    user = get_user_model().objects.create_user("bob")
    contact = Contact.objects.create(name="Bob")
    bob = Member.objects.create(user=user, contact=contact, company=company, role="manager")
    for act in (pause_server, resume_server):
        with pytest.raises(NotAllowed):
            act(ports, server.pk, member=bob)
    OutgoingServer.objects.get(paused_at=None)


def test_a_server_in_trouble_is_asked_with_a_handful_and_then_all_may_come(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    server = a_server()
    some_mail(company, clock, 60)
    troubled(ports, *claimed(ports))
    assert claimed(ports) == ()  # parked
    assert (due(clock), wake_parked(ports, {}).woken) == (0, 0)
    clock.pass_by(seconds=31)
    assert wake_parked(ports, {}).woken == PROBES
    began = Delivery.objects.filter(due_at=clock.now())[0].held_since
    troubled(ports, *claimed(ports))
    assert claimed(ports) == ()
    assert set(Delivery.objects.values_list("held_since", flat=True)) == {began}  # the same gate all the time
    clock.pass_by(minutes=2)
    assert wake_parked(ports, {}).woken == PROBES
    taken(ports, *claimed(ports))
    server.refresh_from_db()
    assert server.broken_until is None
    assert wake_parked(ports, {}).woken == 55
    assert len(claimed(ports)) == 55


def test_a_paused_server_is_known_to_those_who_hold_mail_for_it(ports: Ports, clock: HandClock) -> None:
    paused, archived = a_server(paused_at=clock.now()), a_server(is_active=False)
    a_server()
    assert wake_parked(ports, {}).paused == {paused.pk, archived.pk}


def test_a_server_that_works_again_takes_over_what_waits_for_another(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    first = a_server(priority=1)
    a_server(2526, priority=2, paused_at=clock.now())
    some_mail(company, clock, 10)
    OutgoingServer.objects.filter(pk=first.pk).update(paused_at=clock.now())
    claimed(ports)
    assert set(Delivery.objects.values_list("server_id", flat=True)) == {first.pk}
    second = OutgoingServer.objects.get(priority=2)
    resume_server(ports, second.pk, member=None)
    assert {ready.ticket.server_id for ready in claimed(ports)} == {second.pk}


def test_a_busy_server_gets_urgent_mail_only_and_the_rest_when_there_is_room(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    slow = a_server(from_filter="northwind.example")
    other = a_server(2526, name="Other", from_filter="guest.example")
    some_mail(company, clock, 30, lane=2)
    urgent = some_mail(company, clock, 1, lane=0)[0]
    guest = a_mail(a_company("Guest", "guest.example"), at=clock.now(), from_address="gus@guest.example")
    deliveries(guest, *numbered(4), at=clock.now())
    ready = claimed(ports, busy=(slow.pk,))
    assert [one.ticket.delivery_id for one in ready if one.ticket.server_id == slow.pk] == [urgent.pk]
    assert len([one for one in ready if one.ticket.server_id == other.pk]) == 4
    assert claim_and_compose(ports, WORKER, 1000, shelf=Shelf()).taken == 0  # not again and again
    assert wake_parked(ports, {slow.pk: 0}).woken == 0
    assert wake_parked(ports, {slow.pk: 7}).woken == 7
    assert len(claimed(ports)) == 7


def test_without_a_server_mail_is_parked_until_there_is_one(ports: Ports, clock: HandClock, company: Company) -> None:
    some_mail(company, clock, 3)
    claimed(ports)
    clock.pass_by(hours=3)
    assert claim_and_compose(ports, WORKER, 1000, shelf=Shelf()).taken == 0
    values = {"name": "Relay", "host": "127.0.0.1", "port": 2525, "encryption": "none"}
    save_server(ports, values, member=None)
    assert len(claimed(ports)) == 3


def test_the_configured_server_takes_what_found_none(clock: HandClock, company: Company) -> None:
    some_mail(company, clock, 3)
    assert claimed(ports_with(clock=clock)) == ()
    ports = ports_with(clock=clock, server_host="relay.example")  # it was configured, and all was started again
    assert wake_parked(ports, {}).woken == 3
    assert len(claimed(ports)) == 3


def test_who_switches_capture_mode_on_gets_what_found_no_server(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    some_mail(company, clock, 3)
    claimed(ports)
    Installation.objects.create(identity="here", confirmed_at=clock.now())
    set_capturing(ports, True, member=None)
    claimed(ports)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waking, "AT_ONCE", 10)


@pytest.mark.usefixtures("small_portions")
def test_many_are_woken_in_portions_the_urgent_first_and_the_rest_in_the_background(
    ports: Ports, clock: HandClock, company: Company
) -> None:
    server = a_server(paused_at=clock.now())
    some_mail(company, clock, 30, lane=2)
    urgent = some_mail(company, clock, 4, lane=0)
    claimed(ports)
    resume_server(ports, server.pk, member=None)
    assert due(clock) == 10
    assert Delivery.objects.filter(pk__in=[row.pk for row in urgent], due_at=clock.now()).count() == 4
    (job,) = ProcrastinateJob.objects.filter(task_name="wake_queue")
    OutgoingServer.objects.filter(pk=server.pk).update(paused_at=clock.now())
    clock.pass_by(seconds=1)
    claimed(ports)  # parked again meanwhile: the job leaves these alone, and so it ends
    assert wake_rest(ports, **job.args) == 24
    assert due(clock) == 24


def test_waking_asks_as_much_for_many_as_for_few(ports: Ports, clock: HandClock, company: Company) -> None:
    server = a_server(paused_at=clock.now())

    def queries(count: int) -> int:
        some_mail(company, clock, count)
        claimed(ports)
        with CaptureQueriesContext(connection) as captured:
            assert wake_queue(ports) >= count
        return len(captured)

    assert queries(1) == queries(300)
    claimed(ports)
    OutgoingServer.objects.filter(pk=server.pk).update(paused_at=None)
    with CaptureQueriesContext(connection) as captured:
        assert wake_parked(ports, {}).woken == 301
    assert len(captured) <= 5


def test_looking_for_parked_mail_reads_its_index_alone(ports: Ports, clock: HandClock, company: Company) -> None:
    """However much waits for other reasons."""
    server = a_server()
    reason = {"code": "wait.per_minute", "facts": {}}
    later = clock.now() + timedelta(hours=1)
    some_mail(company, clock, 3000, due_at=later, waits_for=reason, server_id=server.pk)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE postroom_delivery")
    parked = waking._parked(clock.now()).filter(server_id=server.pk, waits_for__code__in=waking.OF_A_SERVER)
    assert "delivery_parked" in parked.order_by("lane", "due_at", "id")[:5].explain()
