"""Two companies in one house write to each other and to the same customer: every answer finds its own record, and nobody is two."""

from __future__ import annotations

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.post_message import post_message
from postroom.flows.route_message import route_waiting
from postroom.store.models import (
    AliasDomain,
    Company,
    InboundMessage,
    LetterboxMail,
    Member,
    Message,
    OutgoingServer,
    Record,
)
from postroom.wiring import ports
from tests.people import House, add_alias, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db
CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    OutgoingServer.objects.create(name="Letterbox", transport="letterbox")
    return build_house()


@pytest.fixture
def dora(house: House) -> Member:
    """She works for the other company, at its own domain."""
    domain = AliasDomain.objects.create(name="other.test", plus_addresses_arrive=True)
    company = Company.objects.create(name="Other Works", alias_domain=domain)
    add_alias(company, domain, "help", house.ticket)
    return add_member(company, "Dora", "dora@other-box.test")


def arrive(raw: bytes, *recipients: str, sender: str = CARLA) -> InboundMessage:
    envelope = Envelope(mail_from=sender, rcpt_to=recipients)
    number = accept_message(ports(), Arrival(door=Door.SMTP, raw=raw, envelope=envelope))
    while route_waiting(ports()):
        pass
    return InboundMessage.objects.get(pk=number)


def reply_address(reader: str) -> str:
    """Of the last mail that this reader got."""
    claim_and_compose(ports(), "w1", 100, shelf=Shelf())
    letter = LetterboxMail.objects.filter(to_address=reader).order_by("-id")[0]
    return parse(bytes(letter.raw)).reply_to[0].spec


def test_an_answer_to_both_companies_is_heard_by_both(house: House, dora: Member) -> None:
    arrive(write_mail(), "support@in.test")
    first = Record.objects.get()
    post_message(ports(), record_id=first.pk, author=house.alice, html="<p>Ask Other Works</p>", to_customer=True)
    to = reply_address(CARLA)
    answer = write_mail(to=f"{to}, help@other.test", subject="Re: x", Message_ID="<2@customer.example>")
    assert arrive(answer, to, "help@other.test").state == InboundState.ROUTED
    assert Message.objects.filter(record=first, message_id="<2@customer.example>").count() == 1
    (other,) = Record.objects.exclude(pk=first.pk)
    assert other.company_id == dora.company_id
    assert Message.objects.filter(record=other, message_id="<2@customer.example>").count() == 1


def test_who_works_for_the_other_company_is_no_colleague_here(house: House, dora: Member) -> None:
    """She asks as a customer; her answer lands where she asked, under the name that she has there."""
    ask = write_mail(sender="Dora <dora@other-box.test>", subject="Our lamps")
    arrive(ask, "support@in.test", sender="dora@other-box.test")
    record = Record.objects.get()
    assert record.company_id == house.company.pk
    post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Soon</p>", to_customer=True)
    to = reply_address("dora@other-box.test")
    assert to.endswith("@in.test")
    answer = write_mail(
        sender="Dora <dora@other-box.test>", to=to, subject="Re: Our lamps", Message_ID="<3@other.test>"
    )
    arrive(answer, to, sender="dora@other-box.test")
    message = Message.objects.order_by("-id")[0]
    assert (message.record_id, message.kind, message.company_id) == (record.pk, "comment", house.company.pk)
    assert Record.objects.count() == 1


def test_what_one_company_writes_to_the_others_address_starts_there_and_comes_back_to_its_own_record(
    house: House, dora: Member
) -> None:
    arrive(write_mail(), "support@in.test")
    first = Record.objects.get()
    post_message(ports(), record_id=first.pk, author=house.alice, html="<p>Hello</p>", to_customer=True)
    forwarded = write_mail(
        to="help@other.test", subject="Fwd: parcel", In_Reply_To=str(Message.objects.order_by("-id")[0].message_id)
    )
    arrive(forwarded, "help@other.test")
    (other,) = Record.objects.exclude(pk=first.pk)
    assert other.company_id == dora.company_id
    post_message(ports(), record_id=other.pk, author=dora, html="<p>We are on it</p>", to_customer=True)
    to = reply_address(CARLA)
    assert to.endswith("@other.test")
    arrive(write_mail(to=to, subject="Re: Fwd: parcel", Message_ID="<4@customer.example>"), to)
    assert Message.objects.get(message_id="<4@customer.example>").record_id == other.pk
    assert not Message.objects.filter(record=first, message_id="<4@customer.example>").exists()
