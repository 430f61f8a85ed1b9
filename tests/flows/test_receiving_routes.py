"""Where a mail goes, case by case: aliases, answers, forwards, the catchall, and what nobody takes."""

from __future__ import annotations

import pytest

from postroom.core.terms.parameters import ParameterError
from postroom.core.terms.states import Door, InboundState, MessageKind
from postroom.flows.post_message import post_message
from postroom.flows.settings import set_parameter
from postroom.store.models import Mailbox, Message, MessageIdentifier, Notification, Record, RecordKind
from postroom.wiring import ports
from tests.flows.arriving import CARLA, Thread, a_report, a_thread, answers, arrive, why
from tests.people import House, add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def thread(house: House) -> Thread:
    return a_thread(house)


@pytest.mark.case("T-061")
def test_an_alias_that_matches_by_local_part_takes_mail_to_another_domain_and_others_do_not(house: House) -> None:
    mail = write_mail(to="support@elsewhere.example")
    assert arrive(mail, door=Door.IMAP).state == InboundState.HELD

    house.support.matches_local_part = True
    house.support.save()
    assert arrive(write_mail(to="support@elsewhere.example"), door=Door.IMAP).state == InboundState.ROUTED
    assert Record.objects.get().alias == house.support


@pytest.mark.case("T-062")
@pytest.mark.parametrize("to", ["sales@in.test, support@in.test", "support@in.test, sales@in.test"])
def test_an_answer_to_an_alias_of_another_kind_starts_anew_there_alone(thread: Thread, to: str) -> None:
    inbound = arrive(write_mail(to=to, In_Reply_To=thread.message_id), "sales@in.test", "support@in.test")

    assert inbound.state == InboundState.ROUTED
    assert [(record.kind_id, record.alias.name) for record in Record.objects.exclude(pk=thread.record.pk)] == [
        ("lead", "sales")
    ]
    assert thread.record.messages.count() == 2


@pytest.mark.case("T-064")
def test_a_mail_to_two_aliases_of_two_kinds_makes_a_record_of_each(house: House) -> None:
    arrive(write_mail(to="support@in.test, sales@in.test"), "support@in.test", "sales@in.test")
    assert sorted(Record.objects.values_list("kind_id", flat=True)) == ["lead", "ticket"]


@pytest.mark.case("T-065", "T-067")
@pytest.mark.parametrize(
    ("allowed", "domain", "is_taken"),
    [
        ("", "in.test", True),
        ("", "foreign.example", True),
        ("foreign.example", "foreign.example", True),
        ("foreign.example", "in.test", True),
        ("foreign.example", "third.example", False),
    ],
)
def test_domains_for_which_local_parts_count(house: House, allowed: str, domain: str, is_taken: bool) -> None:
    house.support.matches_local_part = True
    house.support.save()
    set_parameter(ports(), "mail.catchall.domain.allowed", allowed, member=None)
    arrive(write_mail(to=f"support@{domain}"), door=Door.IMAP)
    assert Record.objects.exists() == is_taken


@pytest.mark.case("T-068")
def test_the_list_of_allowed_domains_is_stored_in_one_form() -> None:
    for value in (",", ", ,"):
        with pytest.raises(ParameterError):
            set_parameter(ports(), "mail.catchall.domain.allowed", value, member=None)
    for typed, stored in (("hello.COM, BONJOUR.com", "hello.com,bonjour.com"), ("hello.com,,", "hello.com")):
        assert set_parameter(ports(), "mail.catchall.domain.allowed", typed, member=None) == stored


@pytest.mark.case("T-070")
def test_what_was_written_to_an_alias_and_to_the_bounce_address_makes_no_record(house: House) -> None:
    inbound = arrive(write_mail(to="support@in.test, bounce@in.test"), "support@in.test", "bounce@in.test")
    assert inbound.state == InboundState.DISCARDED
    assert not Record.objects.exists()


@pytest.mark.case("T-071")
def test_a_mail_to_the_catchall_alone_is_refused_and_answered_once_with_the_company(house: House) -> None:
    for subject in ("one", "two"):
        inbound = arrive(write_mail(to="catchall@in.test", subject=subject), "catchall@in.test")
        assert inbound.state == InboundState.REFUSED
    answer = answers()[0]
    assert len(answers()) == 1
    assert (answer.from_address, answer.subject) == ("mailer-daemon@in.test", "Re: one")
    assert answer.null_return_path


@pytest.mark.case("T-073")
def test_a_mail_to_the_catchall_and_to_nobody_is_answered_once(house: House) -> None:
    inbound = arrive(write_mail(to="catchall@in.test, nobody@in.test"), door=Door.IMAP)
    assert inbound.state == InboundState.REFUSED
    assert len(answers()) == 1


@pytest.mark.case("T-074")
def test_a_fetched_mail_for_nobody_is_held_or_refused_as_the_parameter_says(house: House) -> None:
    assert arrive(write_mail(to="nobody@in.test"), door=Door.IMAP).state == InboundState.HELD
    set_parameter(ports(), "mail.gateway.unknown", "refuse", member=None)
    assert arrive(write_mail(to="nobody@in.test"), door=Door.IMAP).state == InboundState.REFUSED
    assert len(answers()) == 1


@pytest.mark.case("T-076")
def test_a_kind_that_is_not_in_use_takes_nothing(house: House) -> None:
    RecordKind.objects.filter(pk="ticket").update(is_active=False)
    assert arrive(write_mail(to="support@in.test"), door=Door.IMAP).state == InboundState.HELD


def test_the_mailbox_makes_records_of_what_no_alias_takes(house: House) -> None:
    box = Mailbox.objects.create(company=house.company, name="Shop", host="h", username="u", fallback_kind=house.lead)
    inbound = arrive(write_mail(to="nobody@in.test"), door=Door.IMAP, mailbox_id=box.pk)
    assert (inbound.state, Record.objects.get().kind_id) == (InboundState.ROUTED, "lead")
    assert why(inbound) == ["fallback.kind"]


@pytest.mark.case("T-077")
def test_a_fetched_answer_finds_its_record_by_reference_whatever_address_it_was_written_to(thread: Thread) -> None:
    inbound = arrive(write_mail(to="wrong@elsewhere.example", In_Reply_To=thread.message_id), door=Door.IMAP)
    assert inbound.state == InboundState.ROUTED
    answer = Message.objects.latest("id")
    assert (answer.record, answer.parent) == (thread.record, thread.message)


def test_at_the_smtp_door_the_recipient_decides_and_a_reference_alone_leads_nowhere(thread: Thread) -> None:
    """Unlike T-077: an unknown recipient is refused in the session, so nothing is dropped."""
    mail = write_mail(to="wrong@in.test", In_Reply_To=thread.message_id)
    assert arrive(mail, "wrong@in.test").state == InboundState.REFUSED
    assert not answers()


@pytest.mark.case("T-079")
def test_a_message_id_that_only_looks_like_one_of_ours_leads_nowhere(thread: Thread) -> None:
    forged = f"<{thread.record.pk}.{thread.message.pk}.postroom@in.test>"
    inbound = arrive(write_mail(to="wrong@elsewhere.example", In_Reply_To=forged), door=Door.IMAP)
    assert inbound.state == InboundState.HELD
    assert thread.record.messages.count() == 2


@pytest.mark.case("T-080")
def test_a_reference_to_the_customers_own_message_id_leads_to_his_record(thread: Thread) -> None:
    arrive(write_mail(to="x@elsewhere.example", References="<question@customer.example>"), door=Door.IMAP)
    assert thread.record.messages.count() == 3


@pytest.mark.case("T-082", "T-083")
@pytest.mark.parametrize(("alias", "stays"), [("sales", False), ("support", True)])
def test_a_reference_with_an_alias_stays_with_its_record_only_where_the_kind_is_the_same(
    thread: Thread, alias: str, stays: bool
) -> None:
    arrive(write_mail(to=f"{alias}@in.test", References=thread.message_id), f"{alias}@in.test")
    assert (thread.record.messages.count() == 3) == stays
    assert Record.objects.count() == (1 if stays else 2)


@pytest.mark.case("T-085")
def test_an_answer_to_a_message_without_a_record_becomes_a_record_by_its_alias(house: House) -> None:
    lone = Message.objects.create(company=house.company, kind=MessageKind.COMMENT, posted_at=ports().clock.now())
    MessageIdentifier.objects.create(message=lone, identifier="<lone@in.test>")
    arrive(write_mail(In_Reply_To="<lone@in.test>"), "support@in.test")
    assert Message.objects.get(record=Record.objects.get()).parent is None


@pytest.mark.case("T-086")
def test_an_answer_to_a_mail_that_asked_for_a_new_discussion_starts_one(house: House, thread: Thread) -> None:
    """Such mails were sent before a migration: their Message-ID says so."""
    asked_anew = "<123.456-openerp-reply_to@host.example>"
    MessageIdentifier.objects.create(message=thread.message, identifier=asked_anew)
    arrive(write_mail(In_Reply_To=asked_anew), "support@in.test")
    assert Record.objects.count() == 2
    assert Message.objects.latest("id").parent is None


@pytest.mark.case("T-088")
def test_the_same_message_id_again_makes_nothing(house: House) -> None:
    mail = write_mail(Message_ID="<once@customer.example>")
    states = [arrive(mail, "support@in.test").state for _ in range(2)]
    assert states == [InboundState.ROUTED, InboundState.DISCARDED]
    assert Message.objects.count() == 1


@pytest.mark.case("T-089", "T-091")
def test_an_answer_to_a_note_is_a_note_and_tells_its_author(house: House, thread: Thread) -> None:
    dora = add_contact("Dora", "dora@partner.example")
    thread.record.followers.create(contact=dora, notes=True)
    note = post_message(
        ports(), record_id=thread.record.pk, author=house.alice, html="<p>hm</p>", kind=MessageKind.NOTE
    )
    known_as = MessageIdentifier.objects.filter(message=note).values_list("identifier", flat=True)[0]
    mail = write_mail(sender="Dora <dora@partner.example>", to="catchall@in.test", In_Reply_To=known_as)
    arrive(mail, "catchall@in.test")  # handed in at home: fetched without proof it would be unverified, and nobody's

    answer = Message.objects.latest("id")
    assert (answer.kind, answer.parent, answer.author) == (MessageKind.NOTE, note, dora)
    assert house.alice.contact_id in Notification.objects.filter(message=answer).values_list("contact_id", flat=True)


@pytest.mark.case("T-092", "T-094")
def test_of_several_references_the_one_that_is_answered_is_the_parent_else_the_newest(
    house: House, thread: Thread
) -> None:
    second = post_message(ports(), record_id=thread.record.pk, author=house.bob, html="<p>Or today.</p>")
    later = MessageIdentifier.objects.filter(message=second).values_list("identifier", flat=True)[0]
    both = f"{later} {thread.message_id}"
    arrive(write_mail(subject="a", References=both), "support@in.test")
    assert Message.objects.latest("id").parent == second
    arrive(write_mail(subject="b", References=both, In_Reply_To=thread.message_id), "support@in.test")
    assert Message.objects.latest("id").parent == thread.message


@pytest.mark.case("T-095")
def test_the_parent_of_an_answer_is_what_it_answers_and_without_a_reference_there_is_no_answer(thread: Thread) -> None:
    arrive(write_mail(Message_ID="<a1@customer.example>", In_Reply_To=thread.message_id), "support@in.test")
    first = Message.objects.latest("id")
    arrive(write_mail(In_Reply_To="<a1@customer.example>", text="And then?\n"), "support@in.test")
    second = Message.objects.latest("id")
    assert (first.parent, second.parent) == (thread.message, first)
    arrive(write_mail(subject="Something else"), "support@in.test")
    assert (Record.objects.count(), Message.objects.latest("id").parent) == (2, None)


# ---- beyond the cases


def test_an_alias_in_cc_beside_the_catchall_is_meant(house: House) -> None:
    """W-14: the refusal to the catchall does not swallow it."""
    mail = write_mail(to="catchall@in.test", Cc="support@in.test")
    assert arrive(mail, door=Door.IMAP).state == InboundState.ROUTED
    assert Record.objects.get().alias == house.support


def test_an_alias_in_bcc_is_found_by_the_envelope(house: House) -> None:
    arrive(write_mail(to="somebody@elsewhere.example"), "support@in.test")
    assert Record.objects.get().alias == house.support


def test_an_answer_to_the_signed_address_with_an_alias_of_another_kind_beside_it_goes_to_both(thread: Thread) -> None:
    mail = write_mail(to=thread.reply_address, Cc="sales@in.test", In_Reply_To=thread.message_id)
    arrive(mail, thread.reply_address, "sales@in.test")
    assert thread.record.messages.count() == 3
    mail = write_mail(to=f"{thread.reply_address}, sales@in.test", text="new\n", In_Reply_To=thread.message_id)
    arrive(mail, thread.reply_address, "sales@in.test")
    assert thread.record.messages.count() == 4
    assert Record.objects.filter(kind_id="lead").count() == 1


def test_sub_addresses_capitals_and_international_domains_mean_the_same_alias(house: House) -> None:
    house.domain.name = "xn--bcher-kva.example"
    house.domain.save()
    for number, address in enumerate(("Support@bücher.example", "SUPPORT+vip@BÜCHER.EXAMPLE")):
        inbound = arrive(write_mail(to="x@elsewhere.example", subject=str(number)), address)
        assert inbound.state == InboundState.ROUTED, inbound.verdict
    assert Record.objects.filter(alias=house.support).count() == 2


def test_mail_with_a_null_sender_to_an_alias_makes_a_record_and_is_never_answered(house: House) -> None:
    assert arrive(write_mail(), "support@in.test", sender="").state == InboundState.ROUTED
    house.support.policy = "known_contacts"
    house.support.save()
    assert arrive(write_mail(subject="again"), "support@in.test", sender="").state == InboundState.REFUSED
    assert not answers()


def test_two_copies_of_a_fetched_mail_go_where_each_copy_was_delivered(house: House) -> None:
    """W-6: one mail, two aliases that only the mailbox's own field names."""
    mail = write_mail(to="undisclosed@elsewhere.example", Message_ID="<bcc@customer.example>")
    for alias in ("support@in.test", "sales@in.test"):
        inbound = arrive(f"X-Original-To: {alias}\r\nDelivered-To: box@in.test\r\n".encode() + mail, door=Door.IMAP)
        assert inbound.state == InboundState.ROUTED
    assert sorted(Record.objects.values_list("kind_id", flat=True)) == ["lead", "ticket"]


@pytest.mark.parametrize("field", ["X-Original-To", "Envelope-To", "X-Envelope-To"])
def test_the_envelopes_recipient_that_a_server_wrote_down_comes_before_the_headers(house: House, field: str) -> None:
    arrive(f"{field}: sales@in.test\r\n".encode() + write_mail(to="support@in.test"), door=Door.IMAP)
    assert [record.alias for record in Record.objects.all()] == [house.sales]


def test_where_the_envelopes_recipient_is_none_of_ours_the_headers_count(house: House) -> None:
    head = b"X-Original-To: shop@provider.example\r\nDelivered-To: shop@provider.example\r\n"
    arrive(head + write_mail(to="support@in.test", Cc="sales@in.test"), door=Door.IMAP)
    assert Record.objects.count() == 2


def test_delivered_to_names_a_recipient_beside_the_headers(house: House) -> None:
    arrive(b"Delivered-To: sales@in.test\r\n" + write_mail(to="support@in.test"), door=Door.IMAP)
    assert Record.objects.count() == 2


def test_a_report_is_booked_and_makes_nothing(thread: Thread) -> None:
    inbound = arrive(a_report(CARLA, original=thread.message_id, to="support@in.test"), "support@in.test", sender="")
    assert inbound.state == InboundState.ROUTED
    assert Record.objects.count() == 1
