"""Posting on a record, case by case: how many mails, what stays of them, who is told how, where answers go."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from postroom.adapters.blobs.disk import DiskBlobs
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Channel, MessageKind
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.post_message import post_message, preview_audience
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.records import create_record, follow
from postroom.store.models import (
    Company,
    Contact,
    Delivery,
    Member,
    Message,
    Notification,
    OutgoingMail,
    Parameter,
    Record,
)
from postroom.wiring import ports
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.people import House, add_alias, add_contact, add_member, add_server, build_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def record(house: House) -> Record:
    """Alice's; Customer Carla follows."""
    carla = add_contact("Customer Carla", "carla@customer.example", house.company)
    made = create_record(
        ports(), company_id=house.company.pk, kind="ticket", title="My parcel is late", author=house.alice
    )
    follow(ports(), record_id=made.pk, contact_id=carla.pk, by=house.alice)
    return made


def posted(record: Record, author: Member, **more: object) -> Message:
    return post_message(ports(), record_id=record.pk, author=author, html="<p>Tomorrow!</p>", **more)  # type: ignore[arg-type]


def told(message: Message) -> dict[str, tuple[str, str]]:
    rows = Notification.objects.filter(message=message).values_list("contact__name", "channel", "state")
    return {name: (channel, state) for name, channel, state in rows}


@pytest.mark.case("T-181")
def test_one_follower_gets_one_mail_and_what_stays_of_it_is_the_message(
    house: House, record: Record, tmp_path: Path
) -> None:
    add_server()
    message, clock = posted(record, house.alice), HandClock()
    clock.time = ports().clock.now()
    (ready,) = claim_and_compose(ports_with(clock=clock), "worker", 10, shelf=Shelf()).ready
    outcome = WireOutcome(key=ready.wire.key, phase=Phase.BODY, reply=SmtpReply(250, "", ""))
    record_outcomes(ports_with(clock=clock), "worker", [(ready.ticket, outcome)], shelf=Shelf())
    assert told(message) == {"Customer Carla": ("mail", "sent")}
    assert OutgoingMail.objects.count() == 1  # kept for a while: what was sent can be looked at
    clock.time += timedelta(days=91)
    forget_old_mail(dataclasses.replace(ports_with(clock=clock), blobs=DiskBlobs(tmp_path)))
    assert (OutgoingMail.objects.count(), Delivery.objects.count()) == (0, 0)
    assert told(message) == {"Customer Carla": ("mail", "sent")}


@pytest.mark.case("T-182")
def test_a_colleague_and_a_customer_are_two_mails_of_one_message(house: House, record: Record) -> None:
    follow(ports(), record_id=record.pk, contact_id=house.bob.contact_id, by=house.alice)
    message = posted(record, house.alice)
    mails = OutgoingMail.objects.filter(message=message)
    assert sorted(list(mail.deliveries.values_list("to_address", flat=True)) for mail in mails) == [
        ["bob@box.test"],
        ["carla@customer.example"],
    ]
    assert len({mail.header_message_id for mail in mails}) == 1


@pytest.mark.case("T-184")
def test_what_is_written_is_a_comment_unless_it_is_called_a_note(house: House, record: Record) -> None:
    comment, note = posted(record, house.alice), posted(record, house.alice, kind=MessageKind.NOTE)
    assert (comment.kind, note.kind) == (MessageKind.COMMENT, MessageKind.NOTE)
    assert set(told(comment)) == {"Customer Carla"}
    assert told(note) == {}
    assert OutgoingMail.objects.get().subject == "My parcel is late"


@pytest.mark.case("T-185")
def test_an_archived_follower_is_not_told(house: House, record: Record) -> None:
    Contact.objects.filter(name="Customer Carla").update(is_active=False)
    assert told(posted(record, house.alice)) == {}


@pytest.mark.case("T-193")
def test_the_author_is_not_told_even_when_he_names_himself(house: House, record: Record) -> None:
    message = posted(record, house.alice, extra_contact_ids=[house.alice.contact_id, house.bob.contact_id])
    assert set(told(message)) == {"Customer Carla", "Bob"}


@pytest.mark.case("T-196")
def test_a_contact_is_one_colleague_at_most_and_is_told_once_where_he_reads(house: House, record: Record) -> None:
    dora = add_member(house.company, "Dora", "dora@box.test", channel=Channel.INBOX)
    follow(ports(), record_id=record.pk, contact_id=dora.contact_id, by=house.alice)
    message = posted(record, house.alice, extra_contact_ids=[dora.contact_id])
    assert told(message)["Dora"] == ("inbox", "sent")
    assert not Delivery.objects.filter(notification__contact=dora.contact).exists()
    with transaction.atomic(), pytest.raises(IntegrityError):
        Member.objects.create(user=house.bob.user, contact=dora.contact, company=house.company)


@pytest.mark.case("T-197")
def test_an_outside_person_who_follows_notes_hears_of_none(house: House, record: Record) -> None:
    follow(ports(), record_id=record.pk, contact_id=house.bob.contact_id, by=house.alice)
    record.followers.update(notes=True)
    assert set(told(posted(record, house.alice, kind="note"))) == {"Bob"}


@pytest.mark.case("T-199")
@pytest.mark.parametrize(
    ("owns_alias", "has_domain", "expected"),
    [
        (True, True, "Mail Works My parcel is late <parcel@in.test>"),
        (False, True, "Mail Works My parcel is late <catchall@in.test>"),
        (False, False, "Alice <alice@box.test>"),
    ],
)
def test_answers_go_to_the_records_alias_else_to_the_catchall_else_to_the_author(
    house: House, record: Record, owns_alias: bool, has_domain: bool, expected: str
) -> None:
    Parameter.objects.create(key="mail.reply.signed", value="0")
    if owns_alias:
        add_alias(house.company, house.domain, "parcel", house.ticket, owner_record=record)
    if not has_domain:
        Company.objects.update(alias_domain=None)
        house.domain.retired_at = ports().clock.now()
        house.domain.save()
    posted(record, house.alice)
    mail = OutgoingMail.objects.get()
    name = f"{mail.reply_to_name} " if mail.reply_to_name else ""
    assert f"{name}<{mail.reply_to_address}>" == expected


@pytest.mark.case("T-199", "T-200")
def test_a_signed_reply_address_is_short_enough_and_leads_to_the_record(house: House, record: Record) -> None:
    Record.objects.filter(pk=record.pk).update(title="A title that goes on " * 10)
    posted(record, house.alice)
    mail = OutgoingMail.objects.get()
    assert mail.reply_to_address.startswith("catchall+r")
    assert len(f"{mail.reply_to_name} <{mail.reply_to_address}>") <= 68


def test_notes_leave_by_mail_only_where_the_parameter_lets_them(house: House, record: Record) -> None:
    follow(ports(), record_id=record.pk, contact_id=house.bob.contact_id, by=house.alice)
    assert told(posted(record, house.alice, kind="note")) == {"Bob": ("mail", "ready")}
    Parameter.objects.create(key="mail.note.by_mail", value="0")
    shown = preview_audience(ports(), record_id=record.pk, author=house.alice, kind="note")
    assert [member.channel for member in shown] == [Channel.INBOX]
    assert told(posted(record, house.alice, kind="note")) == {"Bob": ("inbox", "sent")}
    assert told(posted(record, house.alice))["Bob"] == ("mail", "ready")
