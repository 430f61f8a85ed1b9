"""Retry, send now, cancel."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from postroom.core.terms.states import DeliveryState
from postroom.flows.access import NotAllowed
from postroom.flows.ports import Ports
from postroom.flows.queue import cancel, retry, send_now
from postroom.flows.settings import save_server
from postroom.store.models import Company, Contact, Delivery, Member, Message, Notification
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, ports_with

pytestmark = pytest.mark.django_db

STATES = [state.value for state in DeliveryState]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def one_of_each(company: Company, clock: HandClock) -> dict[str, int]:
    mail = a_mail(company, at=clock.now())
    later = clock.now() + timedelta(hours=1)
    rows = {
        state: deliveries(mail, f"{state}@reader.example", at=clock.now(), state=state, due_at=later)[0]
        for state in STATES
    }
    return {state: row.pk for state, row in rows.items()}


def a_member(company: Company, role: str) -> Member:
    user = get_user_model().objects.create_user(role)
    return Member.objects.create(user=user, contact=Contact.objects.create(name=role), company=company, role=role)


def test_retry_takes_what_has_ended_without_success_but_not_what_may_have_arrived(
    ports: Ports, clock: HandClock
) -> None:
    rows = one_of_each(a_company(), clock)
    Delivery.objects.update(attempt_count=7, deadline_at=clock.now(), failure_reason="no")
    changed = retry(ports, list(rows.values()), member=None)
    expected = {"deferred", "failed", "cancelled", "bounced"}
    assert set(changed.done) == {rows[state] for state in expected}
    assert {state for state, number in rows.items() if number in changed.refused} == set(STATES) - expected
    assert all(str(reason) for reason in changed.refused.values())
    assert changed.refused[rows["unknown"]].code == "queue.unknown"
    row = Delivery.objects.get(pk=rows["failed"])
    assert (row.state, row.due_at, row.attempt_count, row.failure_reason) == ("queued", clock.now(), 0, "")
    assert row.deadline_at == clock.now() + timedelta(days=5)


@pytest.mark.parametrize("act", [send_now, cancel])
def test_only_what_waits_can_be_hurried_or_cancelled(ports: Ports, clock: HandClock, act) -> None:  # type: ignore[no-untyped-def]
    rows = one_of_each(a_company(), clock)
    changed = act(ports, list(rows.values()), member=None)
    assert set(changed.done) == {rows["queued"], rows["deferred"]}
    assert len(changed.refused) == len(STATES) - 2


def test_send_now_overtakes_all_that_waits(ports: Ports, clock: HandClock) -> None:
    rows = one_of_each(a_company(), clock)
    send_now(ports, [rows["queued"]], member=None)
    row = Delivery.objects.get(pk=rows["queued"])
    assert (row.lane, row.due_at) == (0, clock.now())


def test_who_cancels_sees_it_in_the_chatter(ports: Ports, clock: HandClock) -> None:
    company = a_company()
    rows = one_of_each(company, clock)
    message = Message.objects.create(company=company, posted_at=clock.now())
    notification = Notification.objects.create(
        company=company, message=message, contact=Contact.objects.create(name="Bob")
    )
    Delivery.objects.filter(pk=rows["queued"]).update(notification=notification)
    cancel(ports, [rows["queued"]], member=None)
    notification.refresh_from_db()
    assert notification.state == "canceled"
    retry(ports, [rows["queued"]], member=None)
    notification.refresh_from_db()
    assert notification.state == "ready"


@pytest.mark.case("T-146")
def test_nobody_acts_on_the_mail_of_another_company(ports: Ports, clock: HandClock) -> None:
    mine, other = a_company(), a_company("Other", "other.example")
    manager = a_member(mine, "manager")
    rows = one_of_each(other, clock)
    changed = cancel(ports, [rows["queued"], 987654], member=manager)
    assert changed.done == ()
    assert {reason.code for reason in changed.refused.values()} == {"queue.gone"}


def test_agents_leave_the_queue_alone(ports: Ports, clock: HandClock) -> None:
    company = a_company()
    rows = one_of_each(company, clock)
    with pytest.raises(NotAllowed):
        retry(ports, [rows["failed"]], member=a_member(company, "agent"))


def test_what_waits_for_servers_looks_again_when_one_is_changed(ports: Ports, clock: HandClock) -> None:
    server = a_server(paused_at=clock.now(), broken_until=clock.now() + timedelta(minutes=9))
    rows = one_of_each(a_company(), clock)
    Delivery.objects.filter(pk=rows["queued"]).update(waits_for={"code": "wait.paused", "facts": {}})
    Delivery.objects.filter(pk=rows["deferred"]).update(waits_for={"code": "wait.transient", "facts": {}})
    save_server(ports, {"id": server.pk, "paused_at": None}, member=None)
    assert Delivery.objects.get(pk=rows["queued"]).due_at == clock.now()
    assert Delivery.objects.get(pk=rows["deferred"]).due_at > clock.now()
    server.refresh_from_db()
    assert server.broken_until is None
