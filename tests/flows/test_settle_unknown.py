"""Unknown outcomes: a person decides, once, and it is on the record who decided what."""

from __future__ import annotations

import pytest

from postroom.core.terms.states import Role
from postroom.flows.access import NotAllowed
from postroom.flows.ports import Ports
from postroom.flows.settle_unknown import Decision, resolve_unknown
from postroom.store.models import Delivery, Member, Message, Notification, OutgoingContent, Resolution
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, deliveries, ports_with
from tests.people import add_contact, add_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def alice() -> Member:
    return add_member(a_company(), "Alice", "alice@northwind.example", role=Role.MANAGER)


@pytest.fixture
def unknown(alice: Member, clock: HandClock) -> Delivery:
    """To Carla, sent by a machine that is gone; the chatter shows it as failed."""
    message = Message.objects.create(company=alice.company, posted_at=clock.now())
    carla = add_contact("Customer Carla", "carla@customer.example")
    told = Notification.objects.create(
        company=alice.company, message=message, contact=carla, state="exception", failure_type="unknown"
    )
    mail = a_mail(alice.company, at=clock.now(), message=message)
    more = {"state": "unknown", "notification": told, "claimed_by": "gone", "attempt_count": 1, "lane": 2}
    (row,) = deliveries(mail, "carla@customer.example", at=clock.now(), **more)
    return row


def told() -> tuple[str, str]:
    row = Notification.objects.get()
    return row.state, row.failure_type


def test_what_arrived_is_sent_and_the_record_says_who_noted_it(ports: Ports, unknown: Delivery, alice: Member) -> None:
    assert resolve_unknown(ports, [unknown.pk], Decision.ARRIVED, member=alice).done == (unknown.pk,)
    unknown.refresh_from_db()
    assert (unknown.state, unknown.failure_reason, unknown.claimed_by) == ("sent", "", "")
    assert told() == ("sent", "")
    noted = Resolution.objects.get()
    assert (noted.delivery_id, noted.decision, noted.user, noted.who) == (unknown.pk, "arrived", alice.user, "Alice")


def test_sent_again_is_a_new_delivery_in_the_old_lane_and_the_old_one_keeps_its_history(
    ports: Ports, unknown: Delivery, alice: Member, clock: HandClock
) -> None:
    resolve_unknown(ports, [unknown.pk], Decision.AGAIN, member=alice)
    unknown.refresh_from_db()
    assert (unknown.state, unknown.attempt_count) == ("cancelled", 1)
    assert "Alice had it sent again" in unknown.failure_reason
    fresh = Delivery.objects.get(state="queued")
    assert (fresh.mail_id, fresh.to_address, fresh.lane, fresh.due_at) == (
        unknown.mail_id,
        unknown.to_address,
        2,
        clock.now(),
    )
    assert fresh.notification_id == unknown.notification_id
    assert Resolution.objects.get().sent_again_as == fresh
    assert told() == ("ready", "")


def test_given_up_has_failed_and_stays_red(ports: Ports, unknown: Delivery) -> None:
    resolve_unknown(ports, [unknown.pk], Decision.GIVEN_UP, member=None)
    unknown.refresh_from_db()
    assert unknown.state == "failed"
    assert "The command line gave it up" in unknown.failure_reason
    assert told() == ("exception", "unknown")
    assert Resolution.objects.get().who == ""


@pytest.mark.parametrize("decision", Decision)
def test_it_is_decided_once(ports: Ports, unknown: Delivery, decision: Decision) -> None:
    resolve_unknown(ports, [unknown.pk], Decision.ARRIVED, member=None)
    changed = resolve_unknown(ports, [unknown.pk, 987654], decision, member=None)
    assert changed.done == ()
    assert {number: reason.code for number, reason in changed.refused.items()} == {
        unknown.pk: "queue.not_unknown",
        987654: "queue.gone",
    }
    assert Delivery.objects.count() == 1


def test_a_mail_whose_text_is_gone_is_not_sent_again(ports: Ports, unknown: Delivery) -> None:
    OutgoingContent.objects.all().delete()
    changed = resolve_unknown(ports, [unknown.pk], Decision.AGAIN, member=None)
    assert changed.refused[unknown.pk].code == "queue.no_content"
    unknown.refresh_from_db()
    assert unknown.state == "unknown"


def test_a_failure_that_somebody_ignored_stays_ignored(ports: Ports, unknown: Delivery) -> None:
    Notification.objects.update(state="canceled")
    resolve_unknown(ports, [unknown.pk], Decision.GIVEN_UP, member=None)
    assert Notification.objects.get().state == "canceled"


def test_agents_and_other_companies_decide_nothing(ports: Ports, unknown: Delivery, alice: Member) -> None:
    agent = add_member(alice.company, "Bob", "bob@northwind.example")
    with pytest.raises(NotAllowed):
        resolve_unknown(ports, [unknown.pk], Decision.ARRIVED, member=agent)
    stranger = add_member(a_company("Other", "other.example"), "Mallory", "m@other.example", role=Role.MANAGER)
    changed = resolve_unknown(ports, [unknown.pk], Decision.ARRIVED, member=stranger)
    assert changed.refused[unknown.pk].code == "queue.gone"
    unknown.refresh_from_db()
    assert unknown.state == "unknown"
