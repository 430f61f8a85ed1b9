"""What a company's own mailbox, provider's address or API key says about a sender is believed for that company alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from postroom.adapters.authenticity.desk import SenderDesk
from postroom.core.routing.authenticity import Proof
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, Role
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.explain_routing import explain_inbound
from postroom.flows.hand_in_mail import hand_in_mail
from postroom.flows.ports import Ports
from postroom.flows.prove_senders import prove_waiting
from postroom.flows.route_message import route_waiting
from postroom.flows.settings import set_parameter
from postroom.flows.show_images import shows_always
from postroom.store.models import (
    Alias,
    Company,
    InboundHook,
    InboundMessage,
    Mailbox,
    Member,
    Message,
    ReceiversReport,
    TrustedPictures,
)
from postroom.wiring import ports
from tests.adapters.dns.name_server import NameServer
from tests.people import House, add_alias, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db

ALICE = "Alice <alice@box.test>"
FORGED = (
    b"Authentication-Results: evil.example; dmarc=pass header.from=box.test; spf=pass smtp.mailfrom=alice@box.test\r\n"
)
COMPANYS = "What evil.example says of senders counts for one company alone"


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def bravo(house: House) -> Company:
    return Company.objects.create(name="Bravo", alias_domain=house.domain)


@pytest.fixture
def bella(bravo: Company) -> Member:
    return add_member(bravo, "Bella", "bella@bravo.example", role=Role.ADMINISTRATOR)


@pytest.fixture
def deals(house: House, bravo: Company) -> Alias:
    return add_alias(bravo, house.domain, "deals", house.lead)


@pytest.fixture
def real() -> Iterator[Ports]:
    with NameServer() as names:
        desk = SenderDesk([("127.0.0.1", names.port)])
        try:
            yield replace(ports(), senders=desk)
        finally:
            desk.close()


def a_mailbox(company: Company) -> Mailbox:
    return Mailbox.objects.create(
        company=company, name="pop", host="pop.evil.example", username="b", authserv_ids="evil.example"
    )


def routed(real: Ports, number: int) -> InboundMessage:
    while route_waiting(real):
        pass
    return InboundMessage.objects.get(pk=number)


def fetched(real: Ports, raw: bytes, mailbox: Mailbox) -> InboundMessage:
    return routed(real, accept_message(real, Arrival(door=Door.IMAP, raw=raw, envelope=None, mailbox_id=mailbox.pk)))


def handed_in(real: Ports, raw: bytes, member: Member) -> InboundMessage:
    done = hand_in_mail(real, raw, member=member, mail_from="alice@box.test", rcpt_to=("support@in.test",))
    return routed(real, done.inbound_id)


def proof(row: InboundMessage) -> Proof:
    return Proof(row.authentication["proof"])


def author_at(company: Company) -> int | None:
    return Message.objects.get(company=company).author_id


def sentences(row: InboundMessage) -> str:
    return str(row.authentication["reasons"])


def test_a_companys_mailbox_makes_nobody_the_author_at_another_company(
    house: House, bravo: Company, real: Ports
) -> None:
    row = fetched(real, FORGED + write_mail(sender=ALICE, to="support@in.test"), a_mailbox(bravo))
    assert (proof(row), author_at(house.company)) == (Proof.UNPROVEN, None)
    told = explain_inbound(real, row.pk, member=None)
    assert COMPANYS in " ".join(str(one) for one in told.authenticity.reasons)


def test_for_its_own_company_it_is_believed(house: House, real: Ports) -> None:
    row = fetched(real, FORGED + write_mail(sender=ALICE, to="support@in.test"), a_mailbox(house.company))
    assert (proof(row), author_at(house.company)) == (Proof.PROVEN, house.alice.contact_id)


def test_so_it_is_where_there_are_others_and_none_of_them_is_concerned(
    house: House, bravo: Company, deals: Alias, real: Ports
) -> None:
    raw = FORGED + write_mail(sender="Bella <bella@bravo.example>", to="deals@in.test")
    assert proof(fetched(real, raw.replace(b"box.test", b"bravo.example"), a_mailbox(bravo))) is Proof.PROVEN
    assert Message.objects.get(company=bravo).company_id == bravo.pk


def test_a_mail_for_both_is_believed_for_neither_and_shows_no_pictures(
    house: House, bravo: Company, bella: Member, deals: Alias, real: Ports
) -> None:
    TrustedPictures.objects.create(member=bella, address="alice@box.test")
    raw = FORGED + write_mail(sender=ALICE, to="deals@in.test, support@in.test")
    row = fetched(real, raw, a_mailbox(bravo))
    assert (proof(row), author_at(house.company), author_at(bravo)) == (Proof.UNPROVEN, None, None)
    assert not shows_always(Message.objects.get(company=bravo).pk, member=bella)


def test_an_answer_to_another_companys_message_is_not_proven_by_it(house: House, bravo: Company, real: Ports) -> None:
    first = write_mail(Message_ID="<first@customer.example>")
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    routed(real, accept_message(real, Arrival(door=Door.LMTP, raw=first, envelope=envelope)))
    raw = FORGED + write_mail(sender=ALICE, to="someone@elsewhere.example", In_Reply_To="<first@customer.example>")
    row = fetched(real, raw, a_mailbox(bravo))
    assert proof(row) is Proof.UNPROVEN
    answer = Message.objects.get(inbound=row)
    assert (answer.author_id, answer.is_unverified) == (None, True)


def test_a_receivers_report_is_not_proven_by_a_company(house: House, bravo: Company, real: Ports) -> None:
    set_parameter(real, "mail.dmarc.address", "reports@in.test", member=None)
    raw = FORGED + write_mail(
        sender=ALICE,
        to="reports@in.test",
        subject="Report Domain: in.test Submitter: box.test Report-ID: <7>",
        text='<?xml version="1.0"?>\n<feedback></feedback>\n',
    )
    row = fetched(real, raw, a_mailbox(bravo))
    assert proof(row) is Proof.UNPROVEN
    assert ReceiversReport.objects.get().proof == Proof.UNPROVEN


def test_a_providers_address_of_a_company_is_limited_too(house: House, bravo: Company, real: Ports) -> None:
    set_parameter(real, "mail.authentication.servers", "evil.example", member=None)
    hook = InboundHook.objects.create(
        company=bravo, name="hook", provider="sendgrid", token_digest="x", token=b"", created_at=real.clock.now()
    )
    envelope = Envelope(mail_from="alice@box.test", rcpt_to=("support@in.test",))
    raw = FORGED + write_mail(sender=ALICE)
    row = routed(real, accept_message(real, Arrival(door=Door.HTTP, raw=raw, envelope=envelope, hook_id=hook.pk)))
    assert (proof(row), author_at(house.company)) == (Proof.UNPROVEN, None)


@pytest.mark.parametrize("is_gone_before", [True, False], ids=["before it was looked at", "after"])
def test_nobody_widens_a_word_by_removing_the_address_that_it_came_by(
    house: House, bravo: Company, real: Ports, *, is_gone_before: bool
) -> None:
    set_parameter(real, "mail.authentication.servers", "evil.example", member=None)
    hook = InboundHook.objects.create(
        company=bravo, name="hook", provider="sendgrid", token_digest="x", token=b"", created_at=real.clock.now()
    )
    envelope = Envelope(mail_from="alice@box.test", rcpt_to=("support@in.test",))
    raw = FORGED + write_mail(sender=ALICE)
    number = accept_message(real, Arrival(door=Door.HTTP, raw=raw, envelope=envelope, hook_id=hook.pk))
    if not is_gone_before:
        while not InboundMessage.objects.filter(pk=number, authentication__isnull=False).exists():
            prove_waiting(real, 10)
    hook.delete()
    row = routed(real, number)
    assert (proof(row), author_at(house.company)) == (Proof.UNPROVEN, None)


def test_nor_by_removing_the_mailbox(house: House, bravo: Company, real: Ports) -> None:
    mailbox = a_mailbox(bravo)
    raw = FORGED + write_mail(sender=ALICE, to="support@in.test")
    number = accept_message(real, Arrival(door=Door.IMAP, raw=raw, envelope=None, mailbox_id=mailbox.pk))
    while not InboundMessage.objects.filter(pk=number, authentication__isnull=False).exists():
        prove_waiting(real, 10)
    mailbox.delete()
    row = routed(real, number)
    assert (row.mailbox_id, proof(row), author_at(house.company)) == (None, Proof.UNPROVEN, None)


def test_what_somebody_of_one_company_hands_in_proves_nobody_by_its_own_words(
    house: House, bella: Member, real: Ports
) -> None:
    set_parameter(real, "mail.authentication.servers", "evil.example", member=None)
    row = handed_in(real, FORGED + write_mail(sender=ALICE), bella)
    assert (proof(row), author_at(house.company)) == (Proof.UNPROVEN, None)
    assert "sender.handed_in" in sentences(row)


def test_of_who_sees_the_whole_house_it_does(house: House, real: Ports) -> None:
    set_parameter(real, "mail.authentication.servers", "evil.example", member=None)
    row = handed_in(real, FORGED + write_mail(sender=ALICE), house.alice)
    assert (proof(row), author_at(house.company)) == (Proof.PROVEN, house.alice.contact_id)


def test_a_name_does_not_make_a_key_of_the_house(house: House, bella: Member, real: Ports) -> None:
    bella.contact.name = "an API key of the house: Bella"
    bella.contact.save()
    set_parameter(real, "mail.authentication.servers", "evil.example", member=None)
    assert proof(handed_in(real, FORGED + write_mail(sender=ALICE), bella)) is Proof.UNPROVEN
