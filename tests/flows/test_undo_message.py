"""Taking back what was written on the page: only its author, only in time, only while none of it has left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.core.terms.states import Channel, Role
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.post_message import NewFile, post_message
from postroom.flows.queue import send_now
from postroom.flows.records import create_record, follow
from postroom.flows.undo_message import TakenBack, TooLate, undo_message
from postroom.store.models import Delivery, Follower, Member, Message, Notification, OutgoingMail, Parameter, Record
from tests.flows.outgoing_mails import HandClock, a_company, a_server, ports_with
from tests.people import add_contact, add_member

pytestmark = pytest.mark.django_db


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
    """Carla follows it by mail, Bob in the app."""
    bob = add_member(alice.company, "Bob", "bob@northwind.example", channel=Channel.INBOX)
    carla = add_contact("Customer Carla", "carla@customer.example", alice.company)
    record = create_record(ports, company_id=alice.company_id, kind="ticket", title="Poster", author=alice)
    for contact in (bob.contact, carla):
        follow(ports, record_id=record.pk, contact_id=contact.pk, by=alice)
    return record


def written(ports: Ports, record: Record, author: Member, **more: object) -> Message:
    text = "<p>Dear Carla, <b>sorry</b></p>"
    return post_message(ports, record_id=record.pk, author=author, html=text, may_be_undone=True, **more)  # type: ignore[arg-type]


def claimed(ports: Ports) -> int:
    return claim_and_compose(ports, "worker", 10, shelf=Shelf()).taken


def why_not(found: TakenBack | TooLate) -> str:
    assert isinstance(found, TooLate)
    return found.reason.code


def test_its_mail_waits_until_the_time_is_over_and_then_leaves(
    ports: Ports, record: Record, alice: Member, clock: HandClock
) -> None:
    message = written(ports, record, alice)
    assert message.undo_until == clock.now() + timedelta(seconds=10)
    assert Delivery.objects.get().due_at == message.undo_until
    clock.pass_by(seconds=9.9)
    assert claimed(ports) == 0
    clock.pass_by(seconds=0.1)
    assert claimed(ports) == 1


def test_what_is_taken_back_leaves_nothing_and_gives_its_words_back(
    ports: Ports, record: Record, alice: Member
) -> None:
    file = NewFile(name="plan.pdf", content_type="application/pdf", content=b"%PDF")
    message = written(ports, record, alice, attachments=[file])
    assert Notification.objects.count() == 2
    found = undo_message(ports, message_id=message.pk, author=alice)
    assert found == TakenBack(
        record_id=record.pk,
        kind="comment",
        html="<p>Dear Carla, <b>sorry</b></p>",
        text="Dear Carla, sorry",
        file_names=["plan.pdf"],
    )
    for table in (Message, Notification, Delivery, OutgoingMail):
        assert not table.objects.exists(), table


def test_when_the_time_is_over_it_stays(ports: Ports, record: Record, alice: Member, clock: HandClock) -> None:
    message = written(ports, record, alice)
    clock.pass_by(seconds=10)
    assert why_not(undo_message(ports, message_id=message.pk, author=alice)) == "undo.too_late"
    assert Delivery.objects.get().state == "queued"


def test_what_a_deliverer_took_stays(ports: Ports, record: Record, alice: Member) -> None:
    message = written(ports, record, alice)
    send_now(ports, [Delivery.objects.get().pk], member=alice)
    assert claimed(ports) == 1
    assert why_not(undo_message(ports, message_id=message.pk, author=alice)) == "undo.on_the_way"
    assert Message.objects.filter(pk=message.pk).exists()


def test_only_its_author_takes_it_back(ports: Ports, record: Record, alice: Member) -> None:
    charlie = add_member(alice.company, "Charlie", "charlie@northwind.example", role=Role.ADMINISTRATOR)
    message = written(ports, record, alice)
    assert why_not(undo_message(ports, message_id=message.pk, author=charlie)) == "undo.not_author"
    stranger = add_member(a_company("Other", "other.example"), "Mallory", "m@other.example", role=Role.ADMINISTRATOR)
    with pytest.raises(Message.DoesNotExist):
        undo_message(ports, message_id=message.pk, author=stranger)


def test_programs_and_answers_leave_at_once(ports: Ports, record: Record, alice: Member, clock: HandClock) -> None:
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>")
    assert message.undo_until is None
    assert Delivery.objects.get().due_at == clock.now()
    assert why_not(undo_message(ports, message_id=message.pk, author=alice)) == "undo.too_late"


def test_zero_seconds_switch_it_off(ports: Ports, record: Record, alice: Member, clock: HandClock) -> None:
    Parameter.objects.create(key="mail.undo.seconds", value="0")
    assert written(ports, record, alice).undo_until is None
    assert Delivery.objects.get().due_at == clock.now()


def test_what_is_written_on_the_page_has_a_text_for_searching_and_for_programs(
    ports: Ports, record: Record, alice: Member
) -> None:
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>Two &lt; three</p><p>lamps</p>")
    assert message.body.text.split() == ["Two", "<", "three", "lamps"]


def following(record: Record) -> set[str]:
    return set(Follower.objects.filter(record=record).values_list("contact__name", flat=True))


def test_who_follows_because_of_it_follows_no_more(ports: Ports, record: Record, alice: Member) -> None:
    dora = add_contact("Dora", "dora@customer.example", alice.company)
    Record.objects.filter(pk=record.pk).update(contact=dora)
    charlie = add_member(alice.company, "Charlie", "charlie@northwind.example")
    before = following(record)
    message = written(ports, record, charlie, to_customer=True)
    assert following(record) == before | {"Charlie", "Dora"}
    undo_message(ports, message_id=message.pk, author=charlie)
    assert following(record) == before


def test_who_was_added_by_hand_or_written_to_again_stays(ports: Ports, record: Record, alice: Member) -> None:
    dora = add_contact("Dora", "dora@customer.example", alice.company)
    Record.objects.filter(pk=record.pk).update(contact=dora)
    charlie = add_member(alice.company, "Charlie", "charlie@northwind.example")
    first = written(ports, record, charlie, to_customer=True)
    written(ports, record, charlie)
    follow(ports, record_id=record.pk, contact_id=dora.pk, by=alice)
    undo_message(ports, message_id=first.pk, author=charlie)
    assert following(record) >= {"Charlie", "Dora"}
