"""What the composer says will happen is what happens: who hears of a message, how, and why; for many houses made by dice."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.db import transaction

from postroom.core.terms.reasons import reasons_as_json
from postroom.core.terms.states import Channel, MessageKind, Role
from postroom.flows.foresee_delivery import foresee_delivery
from postroom.flows.foresee_message import foresee_message
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.records import create_record, follow
from postroom.flows.suggest_recipients import suggest_recipients
from postroom.store.models import (
    Contact,
    Follower,
    Member,
    Message,
    MessageBody,
    Notification,
    OutgoingServer,
    Parameter,
    Record,
    SendingGate,
)
from tests.flows.outgoing_mails import HandClock, a_company, a_server, ports_with
from tests.people import add_contact, add_member

pytestmark = pytest.mark.django_db

ADDRESSES = [
    "new@nowhere.example",
    '"Dora, D." <dora@customer.example>',
    "CARLA@customer.example",
    "no address",
    "bob@northwind.example",
]


class _EnoughError(Exception):
    """Takes back what a trial wrote."""


@pytest.fixture
def ports() -> Ports:
    a_server()
    return ports_with(clock=HandClock())


@pytest.fixture
def alice() -> Member:
    return add_member(a_company(), "Alice", "alice@northwind.example", role=Role.ADMINISTRATOR)


@pytest.fixture
def record(ports: Ports, alice: Member) -> Record:
    return create_record(ports, company_id=alice.company_id, kind="ticket", title="Poster", author=alice)


def a_crowd(alice: Member) -> list[Contact]:
    """Colleagues of all kinds, outside people with and without an address, somebody of another company."""
    company = alice.company
    bob = add_member(company, "Bob", "bob@northwind.example", channel=Channel.INBOX)
    charlie = add_member(company, "Charlie", "charlie@northwind.example")
    carla = add_contact("Customer Carla", "carla@customer.example", company)
    mute = add_contact("Mute", "", company)
    gone = add_contact("Gone", "gone@customer.example", company)
    Contact.objects.filter(pk=gone.pk).update(is_active=False)
    stranger = add_contact("Stranger", "s@else.example", a_company("Other", "other.example"))
    return [alice.contact, bob.contact, charlie.contact, carla, mute, gone, stranger]


@pytest.mark.slow
def test_the_preview_is_what_happens(ports: Ports, alice: Member, record: Record) -> None:
    crowd = a_crowd(alice)
    dice = random.Random(20)
    seen_kinds, told = set(), 0
    for _ in range(60):
        try:
            with transaction.atomic():
                told += one_trial(ports, alice, record, crowd, dice, seen_kinds)
                raise _EnoughError
        except _EnoughError:
            pass
    assert seen_kinds == set(MessageKind) - {MessageKind.SYSTEM}
    assert told > 60, "the dice made houses in which somebody is told"


def one_trial(
    ports: Ports, alice: Member, record: Record, crowd: list[Contact], dice: random.Random, kinds: set[MessageKind]
) -> int:
    Follower.objects.filter(record=record).delete()
    for one in dice.sample(crowd, dice.randrange(len(crowd))):
        flags = {name: dice.random() < 0.6 for name in ("comments", "notes", "changes")}
        Follower.objects.create(record=record, contact=one, **flags)
    if dice.random() < 0.3:
        Parameter.objects.update_or_create(key="mail.note.by_mail", defaults={"value": "0"})
    record.contact = dice.choice([None, crowd[3], crowd[4]])
    record.contact_address = dice.choice(["", "carla@customer.example", "unknown@customer.example"])
    record.save()
    kind = dice.choice([MessageKind.COMMENT, MessageKind.NOTE])
    kinds.add(kind)
    numbers = [one.pk for one in crowd] + [987654]
    asked: dict[str, Any] = {
        "kind": kind,
        "extra_contact_ids": dice.sample(numbers, dice.randrange(4)),
        "mentioned_contact_ids": dice.sample(numbers, dice.randrange(4)),
        "addresses": dice.sample(ADDRESSES, dice.randrange(4)),
        "to_customer": dice.random() < 0.5,
    }
    foreseen = foresee_message(ports, record_id=record.pk, author=alice, **asked)
    message = post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>", **asked)
    rows = Notification.objects.filter(message=message).select_related("contact")
    assert sorted(
        (one.candidate.normal, one.channel, one.needs_mail, str(reasons_as_json(one.reasons)))
        for one in foreseen.people
    ) == sorted((row.contact.normal, Channel(row.channel), row.state == "ready", str(row.reasons)) for row in rows), (
        asked
    )
    assert foreseen.by_mail == sum(row.state == "ready" for row in rows)
    if kind is MessageKind.NOTE:
        assert all(one.candidate.is_colleague for one in foreseen.people)
    return len(foreseen.people)


def test_a_mentioned_colleague_hears_of_a_note_without_following(ports: Ports, alice: Member, record: Record) -> None:
    bob = add_member(alice.company, "Bob", "bob@northwind.example")
    carla = add_contact("Customer Carla", "carla@customer.example", alice.company)
    message = post_message(
        ports,
        record_id=record.pk,
        author=alice,
        html="<p>x</p>",
        kind="note",
        mentioned_contact_ids=[bob.contact_id, carla.pk],
        addresses=["carla@customer.example", "new@customer.example"],
    )
    told = Notification.objects.get(message=message)
    assert (told.contact_id, told.reasons[0]["code"]) == (bob.contact_id, "audience.mentioned")
    assert not Contact.objects.filter(normal="new@customer.example").exists(), "a note makes no contacts"
    assert not Follower.objects.filter(record=record, contact=bob.contact).exists()


def test_a_note_says_who_is_left_out_and_why(ports: Ports, alice: Member, record: Record) -> None:
    carla = add_contact("Customer Carla", "carla@customer.example", alice.company)
    follow(ports, record_id=record.pk, contact_id=carla.pk, by=alice)
    found = foresee_message(ports, record_id=record.pk, author=alice, kind=MessageKind.NOTE)
    assert [(one.name, why.code) for one, why in found.left_out] == [("Customer Carla", "audience.outside")]


def test_an_unknown_address_becomes_a_contact_when_it_is_written_to(
    ports: Ports, alice: Member, record: Record
) -> None:
    old = Message.objects.create(
        company=alice.company, record=record, author_address="dora@customer.example", posted_at=ports.clock.now()
    )
    post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>", addresses=["Dora <Dora@customer.example>"])
    dora = Contact.objects.get(normal="dora@customer.example")
    assert (dora.name, dora.company_id) == ("Dora", alice.company_id)
    old.refresh_from_db()
    assert old.author_id == dora.pk, "older messages of hers have an author now"


def came_in(record: Record, ports: Ports, addressed: dict[str, list[list[str]]], **more: Any) -> None:
    from postroom.store.models import InboundMessage

    inbound = InboundMessage.objects.create(
        company=record.company,
        received_at=ports.clock.now(),
        door="smtp",
        state="routed",
        due_at=ports.clock.now(),
        size=1,
    )
    message = Message.objects.create(
        company=record.company, record=record, inbound=inbound, posted_at=ports.clock.now(), **more
    )
    MessageBody.objects.create(message=message, addressed=addressed)


def test_people_of_the_last_mail_are_suggested_but_not_ourselves_and_no_followers(
    ports: Ports, alice: Member, record: Record
) -> None:
    bob = add_member(alice.company, "Bob", "bob@northwind.example")
    follow(ports, record_id=record.pk, contact_id=bob.contact_id, by=alice)
    record.responsible = charlie = add_member(alice.company, "Charlie", "charlie@northwind.example")
    record.contact_name, record.contact_address = "Carla", "carla@customer.example"
    record.save()
    came_in(record, ports, {"to": [["Old", "old@customer.example"]], "cc": []})
    came_in(
        record,
        ports,
        {
            "to": [["Help", "help@northwind.example"], ["Bob", "bob@northwind.example"]],
            "cc": [
                ["Dora", "dora@customer.example"],
                ["", "Carla@customer.example"],
                ["Alice", "alice@northwind.example"],
            ],
        },
    )
    came_in(record, ports, {"to": [["Mallory", "mallory@else.example"]], "cc": []}, is_unverified=True)
    found = suggest_recipients(ports, record=Record.objects.get(pk=record.pk), member=alice)
    assert [(one.name, one.contact_id, one.is_customer) for one in found] == [
        ("Carla", None, True),
        ("Charlie", charlie.contact_id, False),
        ("Dora", None, False),
    ]
    assert found[2].full == "Dora <dora@customer.example>"


def test_a_full_day_is_told_before_it_is_sent(ports: Ports, alice: Member, record: Record) -> None:
    server = OutgoingServer.objects.get()
    record = Record.objects.select_related("company").get(pk=record.pk)
    assert foresee_delivery(ports, record=record, author=alice, mails=3) is None
    OutgoingServer.objects.update(daily_limit=5)
    day = ports.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    gate = SendingGate.objects.create(server_number=server.pk, destination="", span="day", window_at=day, used=3)
    found = foresee_delivery(ports, record=record, author=alice, mails=3)
    assert found is not None
    assert (found.code, found.facts["left"]) == ("foresee.few_left", "2")
    SendingGate.objects.filter(pk=gate.pk).update(used=5)
    full = foresee_delivery(ports, record=record, author=alice, mails=1)
    assert full is not None
    assert full.code == "wait.daily_limit"
    assert foresee_delivery(ports, record=record, author=alice, mails=0) is None
    a_server(name="Second")
    assert foresee_delivery(ports, record=record, author=alice, mails=1) is None, "another one takes over"
