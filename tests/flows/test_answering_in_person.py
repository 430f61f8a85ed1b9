"""A colleague answers from his mail program, behind a mail server that says nothing about senders: how he proves himself, and who does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.routing.authenticity import Proof
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState, MessageKind
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.explain_routing import explain_inbound
from postroom.flows.post_message import post_message
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.store.models import InboundMessage, LetterboxMail, Mailbox, Message, OutgoingServer, Record
from postroom.wiring import ports
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db

SIGNED_IN = b"Received: from laptop (unknown [198.51.100.20])\r\n\tby mail.house.test (Postfix) with ESMTPSA id 2\r\n"
STRANGER = b"Received: from evil.example (unknown [203.0.113.9])\r\n\tby mail.house.test (Postfix) with ESMTPS id 3\r\n"
OURS = b"Received: from mail.house.test ([127.0.0.1])\r\n\tby door.test (Postroom) with LMTP id 1\r\n"


@dataclass(frozen=True)
class Case:
    """Customer Carla asked; Alice and Bob each got a copy of it by mail."""

    house: House
    record: Record
    reply_to: dict[str, str]  # by reader


@pytest.fixture
def case() -> Case:
    house = build_house()
    OutgoingServer.objects.create(name="Letterbox", transport="letterbox")
    _arrive(write_mail(), "support@in.test", door=Door.SMTP)
    record = Record.objects.get()
    return Case(house=house, record=record, reply_to=_copies())


def _copies() -> dict[str, str]:
    """Where each reader of the last mails shall answer."""
    real = ports()
    claim_and_compose(real, "w1", 100, shelf=Shelf())
    letters = LetterboxMail.objects.order_by("id")
    return {one.to_address: parse(bytes(one.raw)).reply_to[0].spec for one in letters}


def _arrive(raw: bytes, *recipients: str, door: Door = Door.LMTP, mailbox: Mailbox | None = None) -> InboundMessage:
    envelope = Envelope(mail_from="bob@box.test", rcpt_to=recipients) if recipients else None
    arrival = Arrival(door=door, raw=raw, envelope=envelope, mailbox_id=mailbox.pk if mailbox else None)
    number = accept_message(ports(), arrival)
    while route_waiting(ports()):
        pass
    return InboundMessage.objects.get(pk=number)


def _answer(to: str, sender: str = "Bob <bob@box.test>", **headers: str) -> bytes:
    return write_mail(sender=sender, to=to, subject="Re: My parcel is late", text="It left today.", **headers)


def _last() -> Message:
    return Message.objects.order_by("-id")[0]


def test_each_colleague_has_a_reply_address_of_his_own_and_the_customer_a_common_one(case: Case) -> None:
    assert set(case.reply_to) == {"alice@box.test", "bob@box.test"}
    assert len(set(case.reply_to.values())) == 2
    assert all(address.startswith("catchall+p") for address in case.reply_to.values())
    post_message(ports(), record_id=case.record.pk, author=case.house.alice, html="<p>Soon</p>", to_customer=True)
    assert _copies()["carla@customer.example"].startswith("catchall+r")


def test_a_colleague_who_signed_in_at_the_mail_server_answers_as_himself(case: Case) -> None:
    to = case.reply_to["bob@box.test"]
    row = _arrive(OURS + SIGNED_IN + _answer(to), to)
    assert Proof(row.authentication["proof"]) is Proof.UNPROVEN  # nothing of the standards proves it
    message = _last()
    assert (message.author.name if message.author else "", message.is_unverified) == ("Bob", False)
    assert message.record_id == case.record.pk
    told = explain_inbound(ports(), row.pk, member=None).sentences
    assert any(
        "was given to nobody else, and mail.house.test took it from somebody who had signed in" in t for t in told
    )


@pytest.mark.parametrize(
    ("trace", "sender"),
    [
        (OURS + STRANGER, "Bob <bob@box.test>"),  # the address was shown to somebody outside
        (OURS + STRANGER + SIGNED_IN, "Bob <bob@box.test>"),  # who writes our server's field below
        (OURS, "Bob <bob@box.test>"),
        (OURS + SIGNED_IN, "Alice <alice@box.test>"),  # a colleague under another one's name
        (OURS + SIGNED_IN, "Bob <bob@box.test>, Alice <alice@box.test>"),
    ],
)
def test_any_two_of_the_three_are_not_enough(case: Case, trace: bytes, sender: str) -> None:
    to = case.reply_to["bob@box.test"]
    row = _arrive(trace + _answer(to, sender), to)
    message = _last()
    assert (row.state, message.author, message.is_unverified) == (InboundState.ROUTED, None, True)


def test_an_address_that_all_readers_share_proves_nobody(case: Case) -> None:
    post_message(ports(), record_id=case.record.pk, author=case.house.alice, html="<p>Soon</p>", to_customer=True)
    to = _copies()["carla@customer.example"]
    _arrive(OURS + SIGNED_IN + _answer(to), to)
    assert _last().is_unverified


def test_a_mailbox_proves_it_by_a_server_that_is_named_with_it_and_says_whom_to_name(case: Case) -> None:
    mailbox = Mailbox.objects.create(company=case.house.company, name="Box", host="imap.house.test", username="box")
    to = case.reply_to["bob@box.test"]
    delivered = b"Received: from mail.house.test by mail.house.test with LMTP id 4\r\n"
    first = _arrive(delivered + SIGNED_IN + _answer(to), door=Door.IMAP, mailbox=mailbox)
    assert _last().is_unverified
    told = explain_inbound(ports(), first.pk, member=None).sentences
    assert any("name mail.house.test among the servers whose word on senders counts" in one for one in told)
    mailbox.authserv_ids = "mail.house.test"
    mailbox.save()
    _arrive(delivered + SIGNED_IN + _answer(to), door=Door.IMAP, mailbox=mailbox)
    message = _last()
    assert (message.author.name if message.author else "", message.is_unverified) == ("Bob", False)


def test_a_note_can_be_answered_so_and_stays_a_note(case: Case) -> None:
    set_parameter(ports(), "mail.note.by_mail", "1", member=None)
    LetterboxMail.objects.all().delete()
    post_message(
        ports(), record_id=case.record.pk, author=case.house.alice, html="<p>Refund?</p>", kind=MessageKind.NOTE,
        extra_contact_ids=[case.house.bob.contact_id],
    )  # fmt: skip
    to = _copies()["bob@box.test"]
    assert _arrive(OURS + STRANGER + _answer(to), to).state == InboundState.HELD
    assert _arrive(OURS + SIGNED_IN + _answer(to), to).state == InboundState.ROUTED
    message = _last()
    assert (message.kind, message.author.name if message.author else "") == (MessageKind.NOTE, "Bob")
