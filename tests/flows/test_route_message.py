"""From the door to the record: accepted mail is routed, followers are notified, answers find their thread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import DeliveryState, Door, InboundState, MessageKind, NotificationState
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows import route_message
from postroom.flows.accept_message import Arrival, accept_message, accept_messages
from postroom.flows.check_recipient import check_recipients
from postroom.flows.explain_routing import explain
from postroom.flows.post_message import post_message, preview_audience
from postroom.flows.route_message import MOST_ATTEMPTS, route_waiting
from postroom.flows.settle_failures import ignore_failed, resend_failed
from postroom.flows.settle_inbound import attach_to_record, create_record_from, refuse_held, route_again
from postroom.store.models import (
    Contact,
    Delivery,
    Follower,
    InboundMessage,
    Message,
    Notification,
    OutgoingMail,
    Record,
)
from postroom.wiring import ports
from tests.people import House, add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


def arrive(
    raw: bytes, *recipients: str, sender: str = "carla@customer.example", door: Door = Door.SMTP
) -> InboundMessage:
    envelope = Envelope(mail_from=sender, rcpt_to=recipients) if recipients else None
    inbound_id = accept_message(ports(), Arrival(door=door, raw=raw, envelope=envelope))
    while route_waiting(ports()):
        pass
    return InboundMessage.objects.get(pk=inbound_id)


def test_a_mail_to_an_alias_becomes_a_ticket_and_its_followers_are_mailed(house: House) -> None:
    inbound = arrive(write_mail(), "support@in.test")

    assert inbound.state == InboundState.ROUTED, inbound.error
    record = Record.objects.get()
    assert (record.kind_id, record.title, record.contact_address) == (
        "ticket",
        "My parcel is late",
        "carla@customer.example",
    )
    assert {row.contact.name for row in Follower.objects.filter(record=record)} == {"Alice", "Bob"}
    assert {row.contact.name for row in Notification.objects.all()} == {"Alice", "Bob"}
    assert sorted(Delivery.objects.values_list("to_address", flat=True)) == ["alice@box.test", "bob@box.test"]
    assert all(state == DeliveryState.QUEUED for state in Delivery.objects.values_list("state", flat=True))
    assert inbound.verdict[0]["reasons"]


def test_all_recipients_of_a_message_share_one_message_id_of_ours(house: House) -> None:
    raw = write_mail(Message_ID="<first@customer.example>")
    arrive(raw, "support@in.test")

    mail = OutgoingMail.objects.get()
    assert mail.header_message_id.endswith(".postroom@in.test>")
    assert mail.references.split() == ["<first@customer.example>", mail.header_message_id]
    assert mail.reply_to_address.startswith("catchall+p")


def test_an_answer_to_the_signed_reply_address_lands_on_the_record_without_references(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    answer_to = OutgoingMail.objects.get().reply_to_address

    raw = write_mail(sender="Bob <bob@box.test>", to=answer_to, subject="quite another subject", text="On its way.\n")
    inbound = arrive(raw, answer_to, sender="bob@box.test")

    assert inbound.state == InboundState.ROUTED, inbound.verdict
    record = Record.objects.get()
    assert [m.author_name for m in record.messages.order_by("id")] == ["Customer Carla", "Bob"]
    told = Notification.objects.filter(message=record.messages.latest("id"))
    assert {row.contact.name for row in told} == {"Alice"}, "not at its author"


def test_an_answer_with_references_only_lands_on_the_record(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    sent = OutgoingMail.objects.get()

    raw = write_mail(sender="Bob <bob@box.test>", to="catchall@in.test", References=sent.references)
    inbound = arrive(raw, "catchall@in.test", sender="bob@box.test")

    assert inbound.state == InboundState.ROUTED, inbound.verdict
    assert Record.objects.get().messages.count() == 2


def test_the_same_mail_twice_makes_one_ticket(house: House) -> None:
    raw = write_mail()
    first = arrive(raw, "support@in.test")
    second = arrive(raw, "support@in.test")

    assert (first.state, second.state) == (InboundState.ROUTED, InboundState.DISCARDED)
    assert Record.objects.count() == 1


def test_a_mail_without_message_id_that_comes_again_with_another_trace_line_is_the_same(house: House) -> None:
    body = b"From: Carla <carla@customer.example>\r\nTo: support@in.test\r\nSubject: no id\r\n\r\nHello\r\n"
    first = arrive(b"Received: from a by here\r\n\tfor <support@in.test>; Mon\r\n" + body, "support@in.test")
    second = arrive(b"Received: from a by here\r\n\tfor <support@in.test>; Tue\r\n" + body, "support@in.test")

    assert (first.state, second.state) == (InboundState.ROUTED, InboundState.DISCARDED)


def test_the_same_mail_twice_in_one_batch_makes_one_ticket(house: House) -> None:
    raw = write_mail()
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=raw, envelope=envelope)] * 3)
    while route_waiting(ports()):
        pass

    assert Record.objects.count() == 1
    assert InboundMessage.objects.filter(state=InboundState.DISCARDED).count() == 2


def test_an_answer_in_the_same_batch_as_its_question_finds_it(house: House) -> None:
    question = write_mail(Message_ID="<q@customer.example>")
    answer = write_mail(In_Reply_To="<q@customer.example>", subject="Re: My parcel is late", text="Still waiting.\n")
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=raw, envelope=envelope) for raw in (question, answer)])
    while route_waiting(ports()):
        pass

    assert Record.objects.get().messages.count() == 2


def test_a_known_customer_follows_the_ticket_that_the_mail_made(house: House) -> None:
    carla = add_contact("Carla", "carla@customer.example")
    arrive(write_mail(), "support@in.test")

    assert Follower.objects.filter(contact=carla).exists()
    assert Message.objects.get().author == carla
    assert not Delivery.objects.filter(to_address="carla@customer.example").exists()


def test_who_was_in_cc_of_the_mail_gets_no_second_copy(house: House) -> None:
    raw = write_mail(Cc="Bob <bob@box.test>")
    arrive(raw, "support@in.test")

    assert list(Delivery.objects.values_list("to_address", flat=True)) == ["alice@box.test"]
    bob = Notification.objects.get(contact=house.bob.contact)
    assert bob.state == NotificationState.SENT
    assert "audience.addressed" in {reason["code"] for reason in bob.reasons}


def test_the_door_and_the_router_agree_on_who_lives_here(house: House) -> None:
    token = make_token(ports().address_keys, TokenPurpose.REPLY, 1)
    verdicts = check_recipients(
        ports(),
        ["support@in.test", "Support+vip@IN.test", "nobody@in.test", f"catchall+{token}@in.test", "support@other.test"],
    )
    assert [verdict.accepted for verdict in verdicts.values()] == [True, True, False, True, False]


def test_a_note_is_answered_as_a_note_and_never_leaves(house: House) -> None:
    carla = add_contact("Carla", "carla@customer.example")
    arrive(write_mail(), "support@in.test")
    record = Record.objects.get()
    note = post_message(
        ports(),
        record_id=record.pk,
        author=house.alice,
        html="<p>difficult one</p>",
        kind=MessageKind.NOTE,
        extra_contact_ids=[carla.pk],
    )

    assert "carla@customer.example" not in Delivery.objects.filter(mail__message=note).values_list(
        "to_address", flat=True
    )
    answer_to = OutgoingMail.objects.get(message=note).reply_to_address
    inbound = arrive(
        write_mail(sender="bob@box.test", to=answer_to, text="Indeed.\n"), answer_to, sender="bob@box.test"
    )
    assert inbound.state == InboundState.ROUTED
    answer = Message.objects.latest("id")
    assert answer.kind == MessageKind.NOTE
    assert set(Notification.objects.filter(message=answer).values_list("contact__name", flat=True)) == {"Alice"}


def test_the_preview_names_exactly_those_who_get_it(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    record = Record.objects.get()
    shown = preview_audience(
        ports(), record_id=record.pk, author=house.alice, kind=MessageKind.COMMENT, to_customer=True
    )
    sent = post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>", to_customer=True)

    assert {one.address for one in shown} == {"bob@box.test", "carla@customer.example"}
    assert set(Delivery.objects.filter(mail__message=sent).values_list("to_address", flat=True)) == {
        one.address for one in shown
    }
    assert Contact.objects.get(normal="carla@customer.example").records.get() == record


@pytest.mark.case("T-194")
def test_colleagues_get_a_button_to_the_record_and_customers_do_not(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    record = Record.objects.get()
    sent = post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>", to_customer=True)

    bodies = {
        mail.deliveries.get().to_address: bytes(mail.content.body).replace(b"=\r\n", b"")
        for mail in OutgoingMail.objects.filter(message=sent)
    }
    assert b"View Ticket" in bodies["bob@box.test"]
    assert b"View Ticket" not in bodies["carla@customer.example"]


def test_a_bounce_at_the_signed_return_path_turns_its_notification_red_and_no_other(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    Delivery.objects.update(state=DeliveryState.SENT)
    bob = Delivery.objects.get(to_address="bob@box.test")
    token = make_token(ports().address_keys, TokenPurpose.BOUNCE, bob.pk)
    inbound = arrive(delivery_report("bob@box.test"), f"bounce+{token}@in.test", sender="")

    assert inbound.state == InboundState.ROUTED, inbound.verdict
    bob.refresh_from_db()
    assert bob.state == DeliveryState.BOUNCED
    states = dict(Notification.objects.values_list("contact__name", "state"))
    assert states == {"Alice": NotificationState.READY, "Bob": NotificationState.BOUNCE}
    assert "no such user" in Notification.objects.get(contact=house.bob.contact).failure_reason


def test_a_forged_bounce_changes_nothing(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    Delivery.objects.update(state=DeliveryState.SENT)
    forged = f"bounce+{'b' + 'a' * 20}@in.test"
    arrive(delivery_report("bob@box.test"), forged, sender="")

    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.SENT}


@pytest.mark.case("T-203")
def test_failures_can_be_sent_again_to_a_corrected_address_or_ignored(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    message = Message.objects.get()
    Notification.objects.update(state=NotificationState.EXCEPTION, failure_reason="550 no")
    Delivery.objects.update(state=DeliveryState.FAILED)
    bob = Notification.objects.get(contact=house.bob.contact)

    assert resend_failed(ports(), message_id=message.pk, author=house.alice, retry={bob.pk: "bob2@box.test"}) == 1
    states = dict(Notification.objects.values_list("contact__name", "state"))
    assert states == {"Alice": NotificationState.CANCELED, "Bob": NotificationState.READY}
    assert Delivery.objects.get(state=DeliveryState.QUEUED).to_address == "bob2@box.test"

    Notification.objects.update(state=NotificationState.EXCEPTION)
    assert ignore_failed(ports(), message_id=message.pk, author=house.alice) == 2


def test_fetched_mail_for_nobody_is_held_and_a_person_puts_it_on_a_record(house: House) -> None:
    arrive(write_mail(), "support@in.test")
    record = Record.objects.get()
    held = arrive(write_mail(to="someone@elsewhere.example", subject="stray"), door=Door.IMAP)
    assert held.state == InboundState.HELD

    attach_to_record(ports(), held.pk, record.pk, member=house.alice)
    held.refresh_from_db()
    assert held.state == InboundState.ROUTED
    assert record.messages.latest("id").subject == "stray"

    other = arrive(write_mail(to="someone@elsewhere.example", subject="stray two"), door=Door.IMAP)
    made = create_record_from(ports(), other.pk, "lead", member=house.alice)
    assert Record.objects.get(pk=made).title == "stray two"


def test_a_refused_mail_is_answered_once_a_day_with_a_null_return_path(house: House) -> None:
    for subject in ("one", "two"):
        held = arrive(write_mail(to="someone@elsewhere.example", subject=subject), door=Door.IMAP)
        refuse_held(ports(), held.pk, member=house.alice)

    answer = OutgoingMail.objects.get()
    assert answer.null_return_path
    assert ["Auto-Submitted", "auto-replied"] in answer.extra_headers
    assert answer.deliveries.get().to_address == "carla@customer.example"


def test_explaining_says_the_same_as_routing_and_writes_nothing(house: House) -> None:
    raw = write_mail()
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    explanation = explain(ports(), raw, envelope, Door.SMTP)

    assert explanation.state == InboundState.ROUTED
    assert "support@in.test" in " ".join(explanation.sentences)
    assert not Record.objects.exists()
    assert not InboundMessage.objects.exists()
    assert arrive(raw, "support@in.test").verdict == explanation.as_json()["decisions"]


def test_a_poisonous_mail_fails_alone_and_can_be_routed_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from postroom.flows import route_message

    real = route_message.decide

    def trip(evidence, facts):
        if evidence.subject == "poison":
            raise ZeroDivisionError("our bug")
        return real(evidence, facts)

    monkeypatch.setattr(route_message, "decide", trip)
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    subjects = ["first", "poison", "last"]
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=write_mail(subject=s), envelope=envelope) for s in subjects])
    for _ in range(MOST_ATTEMPTS):
        InboundMessage.objects.update(due_at=ports().clock.now())
        while route_waiting(ports()):
            pass

    assert set(Record.objects.values_list("title", flat=True)) == {"first", "last"}
    poison = InboundMessage.objects.get(subject="poison")
    assert (poison.state, poison.attempt_count) == (InboundState.FAILED, MOST_ATTEMPTS)
    assert "our bug" in poison.error

    monkeypatch.setattr(route_message, "decide", real)
    route_again(ports(), poison.pk, member=house.alice)
    while route_waiting(ports()):
        pass
    assert Record.objects.filter(title="poison").exists()


def test_a_sender_who_writes_the_same_again_and_again_is_held(house: House) -> None:
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    accept_messages(ports(), [Arrival(door=Door.SMTP, raw=write_mail(), envelope=envelope) for _ in range(9)])
    while route_waiting(ports()):
        pass

    assert Record.objects.count() == 5
    assert InboundMessage.objects.filter(state=InboundState.HELD).count() == 4


def test_routing_a_batch_takes_a_bounded_number_of_queries(house: House, django_assert_max_num_queries) -> None:
    envelope = Envelope(mail_from="carla@customer.example", rcpt_to=("support@in.test",))
    arrivals = [
        Arrival(
            door=Door.SMTP, raw=write_mail(sender=f"c{n}@customer.example", subject=f"order {n}"), envelope=envelope
        )
        for n in range(50)
    ]
    accept_messages(ports(), arrivals)
    with django_assert_max_num_queries(55):
        assert route_waiting(ports()) == 50
    assert Delivery.objects.count() == 100


def test_a_large_mail_is_kept_as_a_blob(house: House) -> None:
    raw = write_mail(text="x " * 200_000)
    inbound = arrive(raw, "support@in.test")
    assert inbound.state == InboundState.ROUTED
    assert inbound.raw_mail.raw is None
    assert ports().blobs.get(inbound.raw_mail.sha256) == raw


def test_ports_can_be_exchanged_one_by_one(house: House) -> None:
    assert replace(ports(), our_mark="x").our_mark == "x"


def delivery_report(address: str) -> bytes:
    return (
        "From: MAILER-DAEMON@box.test\r\nTo: bounce@in.test\r\nSubject: Undelivered Mail\r\n"
        "Message-ID: <dsn@box.test>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; box.test\r\n\r\n"
        f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    ).encode()


def test_a_batch_reads_no_more_than_fits_into_memory_and_the_others_follow(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred of the largest mails at once would be five gigabytes: the router died of them, over and over."""
    monkeypatch.setattr(route_message, "MOST_BYTES", 3_000)
    for number in range(4):
        raw = write_mail(text="x" * 2_000, Message_ID=f"<large{number}@customer.example>", subject=f"Parcel {number}")
        accept_message(
            ports(),
            Arrival(door=Door.SMTP, raw=raw, envelope=Envelope(mail_from="", rcpt_to=("support@in.test",))),
        )
    taken = []
    while count := route_waiting(ports()):
        taken.append(count)
    assert taken == [2, 2]
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {InboundState.ROUTED}
