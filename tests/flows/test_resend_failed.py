"""The red envelope: resend, with better addresses, and ignore; the record's pages and the author hear of each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Role
from postroom.flows.access import NotAllowed
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.records import create_record, follow
from postroom.flows.settle_failures import ignore_failed, resend_failed
from postroom.store.models import (
    AuditEvent,
    Company,
    Contact,
    Delivery,
    Member,
    Message,
    Notification,
    OutgoingServer,
    Record,
)
from tests.flows.listening import heard_until_now
from tests.flows.outgoing_mails import HandClock, a_company, a_server, ports_with
from tests.people import add_contact, add_kind, add_member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    a_server()
    return ports_with(clock=clock)


@pytest.fixture
def alice() -> Member:
    return add_member(a_company(), "Alice", "alice@northwind.example", role=Role.ADMINISTRATOR)


@pytest.fixture
def record(ports: Ports, alice: Member) -> Record:
    """Carla, Dana and Piet follow it; Piet has no address."""
    add_kind("ticket", "Ticket")
    record = create_record(ports, company_id=alice.company_id, kind="ticket", title="Poster", author=alice)
    for name, address in (("Carla", "carla@customer.example"), ("Dana", "dana@customer.example"), ("Piet", "")):
        contact = add_contact(name, address, alice.company)
        follow(ports, record_id=record.pk, contact_id=contact.pk, by=alice)
    return record


@pytest.fixture
def heard() -> Iterator[Callable[[], set[str]]]:
    """What open pages were told since the last look."""
    settings = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: settings[name] for name in names if settings.get(name)}, autocommit=True) as ear:
        ear.execute("LISTEN postroom_live")
        yield lambda: heard_until_now(ear)


def sent_round(ports: Ports, *refused: str, breaks: bool = False) -> set[str]:
    """A deliverer's round: who was tried. Those refused are told 550; with ``breaks`` the server cannot be reached."""
    batch = claim_and_compose(ports, "worker", 50, shelf=Shelf())
    outcomes = []
    for ready in batch.ready:
        (address,) = ready.wire.envelope.rcpt_to
        if breaks:
            outcome = WireOutcome(
                key=ready.ticket.delivery_id, phase=Phase.CONNECT, reply=None, trouble="connection refused"
            )
        elif address in refused:
            outcome = WireOutcome(
                key=ready.ticket.delivery_id, phase=Phase.RCPT, reply=SmtpReply(550, "5.1.1", "No such user")
            )
        else:
            outcome = WireOutcome(key=ready.ticket.delivery_id, phase=Phase.BODY, reply=SmtpReply(250, "2.0.0", "Ok"))
        outcomes.append((ready.ticket, outcome))
    record_outcomes(ports, "worker", outcomes)
    return {ready.wire.envelope.rcpt_to[0] for ready in batch.ready}


def states(message: Message) -> dict[str, str]:
    return dict(message.notifications.values_list("contact__name", "state"))


def addresses(message: Message) -> dict[int, str]:
    return dict(message.notifications.values_list("pk", "contact__address"))


def test_t_202_a_broken_connection_then_resend_then_a_better_address(
    ports: Ports, record: Record, alice: Member, clock: HandClock, heard: Callable[[], set[str]]
) -> None:
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>")
    rows = set(message.notifications.values_list("pk", flat=True))
    Delivery.objects.update(deadline_at=clock.now() + timedelta(minutes=1))
    sent_round(ports, breaks=True)
    clock.pass_by(minutes=2)
    OutgoingServer.objects.update(broken_until=None)
    Delivery.objects.filter(state="queued").update(due_at=clock.now(), waits_for=None)
    sent_round(ports, breaks=True)
    assert states(message) == {"Carla": "exception", "Dana": "exception", "Piet": "exception"}
    assert heard() >= {f"record:{record.pk}", f"queue:{record.company_id}"}

    OutgoingServer.objects.update(broken_until=None, trouble="")
    wanted = addresses(message)
    piet = Notification.objects.get(message=message, contact__name="Piet")
    wanted[piet.pk] = "piet@wrong.example"
    assert resend_failed(ports, message_id=message.pk, author=alice, retry=wanted) == 3
    assert set(states(message).values()) == {"ready"}
    assert heard() >= {f"record:{record.pk}"}
    assert len(sent_round(ports, "piet@wrong.example")) == 3
    assert states(message) == {"Carla": "sent", "Dana": "sent", "Piet": "exception"}
    assert heard() >= {f"record:{record.pk}"}

    resend_failed(ports, message_id=message.pk, author=alice, retry={piet.pk: "piet@customer.example"})
    assert sent_round(ports) == {"piet@customer.example"}
    assert set(states(message).values()) == {"sent"}
    assert Contact.objects.get(name="Piet").address == "piet@customer.example"
    assert set(message.notifications.values_list("pk", flat=True)) == rows
    assert heard() >= {f"record:{record.pk}"}


def test_t_203_a_row_that_is_off_is_cancelled_and_the_others_are_tried_again(
    ports: Ports, record: Record, alice: Member
) -> None:
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>")
    sent_round(ports, "carla@customer.example", "dana@customer.example")
    carla = Notification.objects.get(message=message, contact__name="Carla")
    resend_failed(ports, message_id=message.pk, author=alice, retry={carla.pk: carla.contact.address})
    assert states(message) == {"Carla": "ready", "Dana": "canceled", "Piet": "canceled"}
    assert sent_round(ports) == {"carla@customer.example"}
    assert states(message)["Carla"] == "sent"


def test_who_has_no_address_is_a_failure_of_its_own_kind_and_does_not_hold_up_the_others(
    ports: Ports, record: Record, alice: Member
) -> None:
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>")
    assert sent_round(ports) == {"carla@customer.example", "dana@customer.example"}
    piet = Notification.objects.get(message=message, contact__name="Piet")
    assert (piet.state, piet.failure_type) == ("exception", "mail_email_missing")
    assert Delivery.objects.get(notification=piet).state == "failed"


def test_ignored_failures_turn_the_envelope_white_and_stay_on_record(
    ports: Ports, record: Record, alice: Member
) -> None:
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>")
    sent_round(ports, "carla@customer.example")
    assert ignore_failed(ports, message_id=message.pk, author=alice) == 2
    carla = Notification.objects.get(message=message, contact__name="Carla")
    assert (carla.state, carla.failure_reason) == ("canceled", "The server said: 550 5.1.1 No such user")
    assert sent_round(ports) == set()


def test_the_address_of_who_works_for_other_companies_too_is_corrected_by_no_administrator_of_one(
    ports: Ports, record: Record, alice: Member
) -> None:
    bob = add_member(alice.company, "Bob", "bob@northwind.example")
    bob.companies.set([alice.company, Company.objects.create(name="Elsewhere")])
    Contact.objects.filter(pk=bob.contact_id).update(company=None)
    follow(ports, record_id=record.pk, contact_id=bob.contact_id, by=alice)
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>")
    sent_round(ports, "bob@northwind.example")
    failed = Notification.objects.get(message=message, contact=bob.contact)
    alice = Member.objects.get(pk=alice.pk)  # a member's companies are known for one request
    retry = {failed.pk: "bob@attacker.example"}
    for once in ((), (failed.pk,)):
        with pytest.raises(NotAllowed):
            resend_failed(ports, message_id=message.pk, author=alice, retry=retry, this_time_only=once)
    assert Contact.objects.get(pk=bob.contact_id).normal == "bob@northwind.example"
    bob.companies.set([alice.company])
    resend_failed(ports, message_id=message.pk, author=alice, retry={failed.pk: "bob@new.example"})
    assert Contact.objects.get(pk=bob.contact_id).normal == "bob@new.example"
    assert AuditEvent.objects.get(what="member_changed").detail == {
        "address": "bob@northwind.example → bob@new.example"
    }
