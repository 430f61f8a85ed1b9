"""Mails in the queue, case by case: who gets one, with which fields, and what becomes of each recipient."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta, timezone
from email import message_from_bytes
from email.message import Message as ReadMail

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.addresses import Address
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import DeliveryState
from postroom.flows.deliver_mail import ReadyMail, Shelf, claim_and_compose
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mail
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import record_outcomes
from postroom.store.models import Company, Contact, Delivery, Message, Notification, OutgoingMail, Parameter
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with

pytestmark = pytest.mark.django_db

WORKER = "worker-1"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def claimed(ports: Ports) -> tuple[ReadyMail, ...]:
    return claim_and_compose(ports, WORKER, 100, shelf=Shelf()).ready


def a_draft(company: Company, *recipients: DraftRecipient, **more: object) -> MailDraft:
    values: dict[str, object] = {
        "company_id": company.pk,
        "header_from": Address("Alice", "alice", "northwind.example"),
        "recipients": recipients,
        "subject": "Your order",
        "html": "<p>All is well.</p>",
        "header_message_id": "<1@northwind.example>",
    }
    return MailDraft(**{**values, **more})  # type: ignore[arg-type]


def to(address: str, notification: Notification | None = None) -> DraftRecipient:
    return DraftRecipient(name="", address=address, notification_id=notification.pk if notification else None)


def notifications(ports: Ports, company: Company, *names: str) -> list[Notification]:
    """People who hear of one message."""
    message = Message.objects.create(company=company, posted_at=ports.clock.now())
    return [
        Notification.objects.create(company=company, message=message, contact=Contact.objects.create(name=name))
        for name in names
    ]


def read(ready: ReadyMail) -> ReadMail:
    return message_from_bytes(b"".join(ready.wire.chunks))


def settle(ports: Ports, ready: ReadyMail, code: int, text: str = "") -> None:
    outcome = WireOutcome(
        key=ready.ticket.delivery_id, phase=Phase.BODY if code < 400 else Phase.RCPT, reply=SmtpReply(code, "", text)
    )
    record_outcomes(ports, WORKER, [(ready.ticket, outcome)], shelf=Shelf())


def shown(*rows: Notification) -> list[tuple[str, str]]:
    for row in rows:
        row.refresh_from_db()
    return [(str(row.state), str(row.failure_type)) for row in rows]


@pytest.mark.case("T-121")
def test_only_the_recipients_of_a_mail_are_mailed_whoever_hears_of_its_message(ports: Ports) -> None:
    a_server()
    company = a_company()
    bob, carla = notifications(ports, company, "Bob", "Carla")
    enqueue_mail(ports, a_draft(company, to("bob@reader.example", bob), message_id=bob.message_id))
    assert [ready.wire.envelope.rcpt_to for ready in claimed(ports)] == [("bob@reader.example",)]
    assert shown(carla) == [("ready", "")]


@pytest.mark.case("T-122")
def test_two_recipients_are_two_mails_that_do_not_name_each_other(ports: Ports) -> None:
    a_server()
    enqueue_mail(ports, a_draft(a_company(), to("bob@reader.example"), to("carla@customer.example")))
    sent = claimed(ports)
    assert sorted((ready.wire.envelope.rcpt_to[0], read(ready)["To"]) for ready in sent) == [
        ("bob@reader.example", "bob@reader.example"),
        ("carla@customer.example", "carla@customer.example"),
    ]
    assert len({read(ready)["Message-ID"] for ready in sent}) == 1
    assert len({ready.wire.envelope.mail_from for ready in sent}) == 2


@pytest.mark.case("T-124")
@pytest.mark.parametrize("with_message", [True, False])
def test_reports_come_back_to_a_signed_address_that_only_the_envelope_names(ports: Ports, with_message: bool) -> None:
    a_server()
    company = a_company()
    message = Message.objects.create(company=company, posted_at=ports.clock.now()) if with_message else None
    mail = a_mail(company, at=ports.clock.now(), message=message, extra_headers=[["Return-Path", "<x@evil.example>"]])
    deliveries(mail, "bob@reader.example", at=ports.clock.now())
    (ready,) = claimed(ports)
    assert ready.wire.envelope.mail_from.startswith("bounce+")
    assert ready.wire.envelope.mail_from.endswith("@northwind.example")
    assert read(ready)["Return-Path"] is None


@pytest.mark.case("T-125")
@pytest.mark.parametrize(
    ("hours", "zone", "leaves"),
    [(None, 0, True), (-24, 0, True), (0, 0, True), (-1, 7, True), (1, 0, False), (1, -5, False)],
)
def test_a_mail_with_a_date_leaves_when_it_has_come_whatever_its_zone(
    ports: Ports, clock: HandClock, hours: int | None, zone: int, leaves: bool
) -> None:
    a_server()
    due_at = None
    if hours is not None:
        due_at = (clock.now() + timedelta(hours=hours)).astimezone(timezone(timedelta(hours=zone)))
    enqueue_mail(ports, a_draft(a_company(), to("bob@reader.example"), due_at=due_at))
    assert bool(claimed(ports)) is leaves
    delivery = Delivery.objects.get()
    assert delivery.due_at == (due_at or clock.now())
    assert delivery.due_at.tzinfo is UTC or delivery.due_at.utcoffset() == timedelta(0)
    clock.pass_by(hours=1)
    assert bool(claimed(ports)) is not leaves


@pytest.mark.case("T-127")
@pytest.mark.parametrize(("stored", "carried"), [("3", 3), ("0", 100), (None, 100)])
def test_how_many_mails_a_connection_carries_is_a_parameter(ports: Ports, stored: str | None, carried: int) -> None:
    """What a server of its own allows (100 here) is never exceeded."""
    a_server(mails_per_connection=100)
    if stored is not None:
        Parameter.objects.create(key="mail.session.batch.size", value=stored)
    deliveries(a_mail(a_company(), at=ports.clock.now()), *numbered(10), at=ports.clock.now())
    assert {ready.endpoint.mails_per_connection for ready in claimed(ports)} == {carried}


@pytest.mark.case("T-130", "T-131")
@pytest.mark.parametrize(
    ("address", "failure_type"),
    [("", "mail_email_missing"), (" ", "mail_email_missing"), ("bob", "mail_email_invalid")],
)
def test_who_has_no_usable_address_fails_at_once_with_the_same_type_on_both(
    ports: Ports, address: str, failure_type: str
) -> None:
    a_server()
    company = a_company()
    (bob,) = notifications(ports, company, "Bob")
    enqueue_mail(ports, a_draft(company, to(address, bob)))
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.failure_type) == (DeliveryState.FAILED, failure_type)
    assert delivery.failure_reason
    assert shown(bob) == [("exception", failure_type)]
    assert claimed(ports) == ()


@pytest.mark.case("T-133")
def test_a_local_part_beyond_ascii_is_sent_as_it_is(ports: Ports) -> None:
    a_server()
    enqueue_mail(ports, a_draft(a_company(), to("björn@reader.example")))
    (ready,) = claimed(ports)
    assert (ready.wire.envelope.rcpt_to, ready.wire.envelope.smtputf8) == (("björn@reader.example",), True)


@pytest.mark.case("T-134")
@pytest.mark.parametrize(
    ("address", "failure_type"),
    [
        ("", "mail_email_missing"),
        ("wrong", "mail_email_invalid"),
        ("bob@", "mail_email_invalid"),
        ("bob@-..-", "mail_email_invalid"),
        ("bob@\N{SNOWMAN}" + "a" * 300 + ".example", "mail_email_invalid"),
    ],
)
def test_a_domain_that_cannot_be_one_makes_the_address_invalid(ports: Ports, address: str, failure_type: str) -> None:
    company = a_company()
    (bob,) = notifications(ports, company, "Bob")
    enqueue_mail(ports, a_draft(company, to(address, bob)))
    assert shown(bob) == [("exception", failure_type)]


@pytest.mark.case("T-136")
def test_a_bad_address_beside_a_good_one_harms_nobody_else(ports: Ports) -> None:
    a_server()
    company = a_company()
    bob, nobody = notifications(ports, company, "Bob", "Nobody")
    draft = a_draft(company, to("no address at all"), to("bob@reader.example", bob), to("", nobody))
    enqueue_mail(ports, draft)
    (ready,) = claimed(ports)
    settle(ports, ready, 250)
    assert shown(bob, nobody) == [("sent", ""), ("exception", "mail_email_missing")]
    assert Counter(Delivery.objects.values_list("state", flat=True)) == {"failed": 2, "sent": 1}


@pytest.mark.case("T-139")
def test_a_refusal_is_told_on_the_delivery_and_in_the_chatter_in_the_servers_words(ports: Ports) -> None:
    a_server()
    company = a_company()
    (bob,) = notifications(ports, company, "Bob")
    enqueue_mail(ports, a_draft(company, to("bob@reader.example", bob)))
    (ready,) = claimed(ports)
    settle(ports, ready, 554, "5.7.1 Not wanted here")
    delivery = Delivery.objects.get()
    bob.refresh_from_db()
    for row in (delivery, bob):
        assert row.failure_type == "mail_smtp"
        assert row.failure_reason == "The server said: 554 5.7.1 Not wanted here"
    assert (delivery.state, bob.state) == ("failed", "exception")


@pytest.mark.case("T-140")
def test_25_mails_of_five_senders_cost_the_queries_of_one_and_share_their_servers(ports: Ports) -> None:
    own = a_server(2526, name="Own", from_filter="northwind.example")
    default = a_server(2527, name="Default", from_filter="notifications@northwind.example")
    forced = a_server(2528, name="Forced", from_filter="elsewhere.example", priority=90)
    company = a_company()

    def mails(number: int, sender: str, **more: object) -> None:
        for _ in range(number):
            mail = a_mail(company, at=ports.clock.now(), from_address=sender, **more)
            deliveries(mail, "bob@reader.example", at=ports.clock.now())

    mails(1, "alice@northwind.example")
    with CaptureQueriesContext(connection) as of_one:
        settle(ports, claimed(ports)[0], 250)
    mails(5, "carla@unknown.example")
    mails(5, "dora@stranger.example")
    mails(5, "alice@northwind.example")
    mails(5, "charlie@northwind.example")
    mails(5, "eve@forced.example", forced_server=forced)
    with CaptureQueriesContext(connection) as of_many:
        ready = claimed(ports)
        record_outcomes(
            ports,
            WORKER,
            [
                (one.ticket, WireOutcome(key=one.wire.key, phase=Phase.BODY, reply=SmtpReply(250, "", "")))
                for one in ready
            ],
            shelf=Shelf(),
        )
    assert len(of_many) <= len(of_one)
    assert Counter((one.ticket.server_id, read(one)["From"]) for one in ready) == {
        (own.pk, "Alice <alice@northwind.example>"): 5,
        (own.pk, "Alice <charlie@northwind.example>"): 5,
        (default.pk, "Alice <notifications@northwind.example>"): 10,
        (forced.pk, "Alice <eve@forced.example>"): 5,
    }
    assert len({(one.endpoint.host, one.endpoint.port) for one in ready}) == 3


@pytest.mark.case("T-187")
@pytest.mark.parametrize(
    ("address", "rcpt_to", "shown_to"),
    [
        ("Bob <bob@reader.example>", "bob@reader.example", "bob@reader.example"),
        ('"Bob, the reader" <Bob@Reader.example>', "Bob@reader.example", "Bob@Reader.example"),
        (" bob@reader.example ", "bob@reader.example", "bob@reader.example"),
    ],
)
def test_an_address_with_a_name_around_it_is_understood(
    ports: Ports, address: str, rcpt_to: str, shown_to: str
) -> None:
    a_server()
    enqueue_mail(ports, a_draft(a_company(), to(address)))
    (ready,) = claimed(ports)
    assert ready.wire.envelope.rcpt_to == (rcpt_to,)
    assert read(ready)["To"] == shown_to


@pytest.mark.case("T-187")
@pytest.mark.parametrize(
    "address", ["bob@reader.example, carla@customer.example", "bob@reader.example; wrong", "Bob <bob>"]
)
def test_two_addresses_in_one_field_are_no_address_and_are_kept_to_be_corrected(ports: Ports, address: str) -> None:
    company = a_company()
    (bob,) = notifications(ports, company, "Bob")
    enqueue_mail(ports, a_draft(company, to(address, bob)))
    delivery = Delivery.objects.get()
    assert (delivery.to_address, delivery.failure_type) == (address, "mail_email_invalid")
    assert shown(bob) == [("exception", "mail_email_invalid")]


@pytest.mark.case("T-199")
@pytest.mark.parametrize("domain", ["northwind.example", ""])
def test_without_a_reply_address_of_ours_answers_go_to_the_author_whatever_the_from_becomes(
    clock: HandClock, domain: str
) -> None:
    ports = ports_with(clock=clock, email_from="mail@last.example")
    a_server()
    author = Address("Carla", "carla", "customer.example")
    enqueue_mail(ports, a_draft(a_company(domain=domain), to("bob@reader.example"), header_from=author))
    (ready,) = claimed(ports)
    assert read(ready)["From"] == f"Carla <{'notifications@northwind.example' if domain else 'mail@last.example'}>"
    assert read(ready)["Reply-To"] == "Carla <carla@customer.example>"


def test_an_automatic_mail_asks_for_no_answer(ports: Ports) -> None:
    a_server()
    enqueue_mail(ports, a_draft(a_company(), to("bob@reader.example"), null_return_path=True))
    assert read(claimed(ports)[0])["Reply-To"] is None


def test_a_mail_has_the_fields_that_it_should_and_no_others(ports: Ports) -> None:
    a_server()
    enqueue_mail(ports, a_draft(a_company(), to("bob@reader.example")))
    assert set(read(claimed(ports)[0]).keys()) == {
        "From",
        "To",
        "Reply-To",
        "Subject",
        "Message-ID",
        "Date",
        "X-Postroom-Objects",
        "MIME-Version",
        "Content-Type",
    }
    assert OutgoingMail.objects.get().header_message_id == "<1@northwind.example>"
