"""What came back is held against the right address, once, with its evidence; and only what is proven."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.delivery.tracking import EventKind, TrackingEvent
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import read_reply
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.flows.queue import retry
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.record_tracking import record_tracking
from postroom.flows.route_message import route_waiting
from postroom.store.models import (
    AddressHealth,
    Attempt,
    BounceEvent,
    Company,
    Contact,
    Delivery,
    Message,
    MessageBody,
    Notification,
    OutgoingServer,
    Record,
    Suppression,
)
from tests.flows.bounce_reports import (
    CLOSED,
    FULL,
    GONE,
    POLICY,
    SENDER,
    accept,
    arrive,
    complaint,
    report,
    return_path,
    sent_to,
)
from tests.flows.outgoing_mails import HandClock, a_mail, a_server, deliveries, ports_with
from tests.people import House, add_contact, build_house, write_mail

pytestmark = pytest.mark.django_db

CARLA = "carla@customer.example"


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def carla(house: House) -> Contact:
    return add_contact("Customer Carla", "Carla@Customer.example", house.company)


def bounce(ports: Ports, company: Company, contact: Contact, said: tuple[str, str], number: int = 1) -> Delivery:
    """Something is sent, and comes back."""
    (delivery,) = sent_to(ports, company, contact)
    arrive(ports, report(contact.normal, said, number=number), return_path(ports, delivery))
    return delivery


def health() -> AddressHealth:
    return AddressHealth.objects.get()


@pytest.mark.case("T-103")
def test_a_bounce_is_counted_with_its_evidence_and_shown_on_the_contact(
    ports: Ports, house: House, carla: Contact
) -> None:
    (delivery,) = sent_to(ports, house.company, carla)
    inbound = arrive(ports, report(CARLA, FULL), return_path(ports, delivery))

    carla.refresh_from_db()
    assert carla.bounce_count == 1
    assert (health().address, health().domain, health().bounce_count) == (CARLA, "customer.example", 1)
    assert health().first_bounced_at == health().last_bounced_at == ports.clock.now()
    assert health().last_reply == "552 5.2.2 The mailbox is over quota"
    event = BounceEvent.objects.get()
    assert (event.inbound_id, event.delivery_id, event.status, event.blame, event.fault, event.source) == (
        inbound.pk,
        delivery.pk,
        "5.2.2",
        "mailbox",
        "full",
        "report",
    )
    assert event.reply == "552 5.2.2 The mailbox is over quota"
    notification = Notification.objects.get()
    assert (notification.state, notification.failure_type) == ("bounce", "mail_bounce")
    assert notification.failure_reason == "552 5.2.2 The mailbox is over quota"


def test_one_proof_that_the_address_does_not_exist_suppresses_it(ports: Ports, house: House, carla: Contact) -> None:
    bounce(ports, house.company, carla, GONE)
    row = Suppression.objects.get()
    assert (row.cause, row.company, row.since, row.expires_at) == ("address", house.company, ports.clock.now(), None)
    assert row.reasons[0]["facts"] == {"reply": "550 5.1.1 No such user here"}


@pytest.mark.parametrize("said", [FULL, POLICY, SENDER])
def test_somebody_elses_fault_never_suppresses(
    ports: Ports, clock: HandClock, house: House, carla: Contact, said: tuple[str, str]
) -> None:
    for number in range(7):
        bounce(ports, house.company, carla, said, number)
        clock.pass_by(days=3)
    assert health().bounce_count == 7
    assert not Suppression.objects.exists()


def test_five_bounces_within_a_month_over_more_than_a_week_suppress(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    for number in range(4):
        bounce(ports, house.company, carla, CLOSED, number)
        clock.pass_by(days=2)
    assert not Suppression.objects.exists()
    bounce(ports, house.company, carla, CLOSED, 4)
    assert Suppression.objects.get().cause == "bounces"


def test_five_within_a_week_do_not(ports: Ports, clock: HandClock, house: House, carla: Contact) -> None:
    for number in range(5):
        bounce(ports, house.company, carla, CLOSED, number)
        clock.pass_by(days=1)
    assert not Suppression.objects.exists()


def test_the_same_report_twice_and_two_reports_on_one_mail_count_once(
    ports: Ports, house: House, carla: Contact
) -> None:
    delivery = bounce(ports, house.company, carla, FULL)
    for number in (1, 1, 2, 3):
        arrive(ports, report(CARLA, FULL, number=number), return_path(ports, delivery))
    assert (health().bounce_count, BounceEvent.objects.count()) == (1, 1)
    carla.refresh_from_db()
    assert carla.bounce_count == 1


def test_sent_again_and_bounced_again_counts_again(ports: Ports, house: House, carla: Contact) -> None:
    delivery = bounce(ports, house.company, carla, FULL)
    retry(ports, [delivery.pk], member=None)
    Delivery.objects.filter(pk=delivery.pk).update(state="sent")
    Attempt.objects.create(delivery=delivery, tried_at=ports.clock.now(), phase="body", code=250, state="sent")
    arrive(ports, report(CARLA, FULL, number=2), return_path(ports, delivery))
    assert health().bounce_count == 2


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "delivered"])
def test_what_did_not_fail_is_never_counted(ports: Ports, house: House, carla: Contact, action: str) -> None:
    (delivery,) = sent_to(ports, house.company, carla)
    arrive(ports, report(CARLA, ("4.4.1", "no answer yet"), action=action), return_path(ports, delivery))
    assert not AddressHealth.objects.exists()
    delivery.refresh_from_db()
    assert delivery.state == "sent"


def test_a_report_without_proof_counts_nothing(ports: Ports, house: House, carla: Contact) -> None:
    (delivery,) = sent_to(ports, house.company, carla)
    forged = f"bounce+{'b' + 'a' * 20}@in.test"
    for raw in (report(CARLA), complaint(CARLA), report(CARLA, message_id="<guessed@northwind.example>", number=2)):
        arrive(ports, raw, forged)
        arrive(ports, raw.replace(b"reader.example>", b"reader2.example>"), "bounce@in.test")
    assert not AddressHealth.objects.exists()
    assert not Suppression.objects.exists()
    carla.refresh_from_db()
    delivery.refresh_from_db()
    assert (carla.bounce_count, delivery.state) == (0, "sent")


@pytest.mark.case("T-104")
def test_a_report_that_knows_our_message_id_but_another_address_counts_nothing(
    ports: Ports, house: House, carla: Contact
) -> None:
    (delivery,) = sent_to(ports, house.company, carla)
    raw = report("somebody@else.example", message_id=delivery.mail.header_message_id)
    arrive(ports, raw, "bounce@in.test")
    assert not AddressHealth.objects.exists()


@pytest.mark.case("T-107")
def test_a_report_that_names_nobody_and_nothing_of_ours_counts_nothing(
    ports: Ports, house: House, carla: Contact
) -> None:
    sent_to(ports, house.company, carla)
    raw = report(CARLA, message_id="<strange@elsewhere.example>").replace(b"Final-Recipient: rfc822; ", b"X-Was: ")
    arrive(ports, raw, "bounce@in.test")
    assert not AddressHealth.objects.exists()


@pytest.mark.case("T-106")
def test_a_report_with_a_malformed_content_type_counts_all_the_same(ports: Ports, house: House, carla: Contact) -> None:
    (delivery,) = sent_to(ports, house.company, carla)
    raw = report(CARLA).replace(b"multipart/report;", b"multipart/report:", 1).replace(b"MAILER-DAEMON", b"postmaster")
    arrive(ports, raw, return_path(ports, delivery))
    assert health().bounce_count == 1


def test_by_our_message_id_and_the_address_it_counts(ports: Ports, house: House, carla: Contact) -> None:
    (delivery,) = sent_to(ports, house.company, carla)
    arrive(ports, report(CARLA, message_id=delivery.mail.header_message_id), "bounce@in.test")
    assert (health().bounce_count, Suppression.objects.get().cause) == (1, "address")


@pytest.mark.parametrize("forge", [report, complaint], ids=["bounce", "complaint"])
def test_one_recipient_cannot_have_another_left_out(
    forge: Callable[[str], bytes], ports: Ports, house: House, carla: Contact
) -> None:
    """All who got the mail know its Message-ID, and guess whom else it went to."""
    bob = add_contact("Bob", "bob@rival.example", house.company)
    mine, _ = sent_to(ports, house.company, carla, bob)
    raw = forge(CARLA).replace(b"\r\n\r\n--b", f"\r\nIn-Reply-To: {mine.mail.header_message_id}\r\n\r\n--b".encode(), 1)
    inbound = arrive(ports, raw, "bounce@in.test")
    assert [one["code"] for one in inbound.verdict[0]["reasons"]][-1] == "report.hearsay"
    assert not Suppression.objects.exists()
    assert not BounceEvent.objects.filter(is_proof=True).exists()
    assert not BounceEvent.objects.filter(kind="complained").exists()


def test_of_one_mail_to_two_the_signed_return_path_is_proof_all_the_same(
    ports: Ports, house: House, carla: Contact
) -> None:
    bob = add_contact("Bob", "bob@rival.example", house.company)
    mine, _ = sent_to(ports, house.company, carla, bob)
    arrive(ports, report(CARLA, message_id=mine.mail.header_message_id), return_path(ports, mine))
    assert Suppression.objects.get().health.address == CARLA


@pytest.mark.parametrize("state", ["queued", "failed", "cancelled"])
def test_nobody_complains_of_a_mail_that_has_not_left(state: str, ports: Ports, house: House, carla: Contact) -> None:
    """Else a forged complaint would take a waiting mail out of the queue."""
    (delivery,) = sent_to(ports, house.company, carla)
    Delivery.objects.update(state=state)
    arrive(ports, complaint(CARLA), return_path(ports, delivery))
    delivery.refresh_from_db()
    assert delivery.state == state
    assert not Suppression.objects.exists()


def test_a_broken_forwarding_bounces_and_proves_nothing_against_our_address(
    ports: Ports, house: House, carla: Contact
) -> None:
    """She forwards to an address that is gone."""
    (delivery,) = sent_to(ports, house.company, carla)
    arrive(ports, report("old@elsewhere.example", GONE), return_path(ports, delivery))
    assert (health().address, health().bounce_count) == (CARLA, 1)
    assert not BounceEvent.objects.get().is_proof
    assert not Suppression.objects.exists()


def test_a_report_on_several_recipients_counts_those_that_failed(ports: Ports, house: House, carla: Contact) -> None:
    """Of one mail to two, one failed and the other is only late."""
    dora = add_contact("Dora", "dora@customer.example", house.company)
    first, second = sent_to(ports, house.company, carla, dora)
    raw = report(CARLA, message_id=first.mail.header_message_id).replace(
        b"--b\r\nContent-Type: text/rfc822-headers",
        b"Final-Recipient: rfc822; dora@customer.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers",
        1,
    )
    raw = raw.replace(b"No such user here\r\n", b"No such user here\r\n\r\n", 1)
    arrive(ports, raw, "bounce@in.test")
    assert health().address == CARLA
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("bounced", "sent")
    assert dict(Notification.objects.values_list("contact__name", "state")) == {
        "Customer Carla": "bounce",
        "Dora": "sent",
    }


@pytest.mark.case("T-109")
@pytest.mark.case("T-110")
def test_all_contacts_with_the_address_show_it_each_once(ports: Ports, house: House, carla: Contact) -> None:
    """Ten mails bounce; other case and format are the same address; a record of the contact's own is not counted apart."""
    twin = add_contact("C. Conti", "CARLA@customer.EXAMPLE", house.company)
    shared = add_contact("Carla of all", CARLA)
    other = add_contact("Carla elsewhere", CARLA, Company.objects.create(name="Elsewhere"))
    for number in range(10):
        bounce(ports, house.company, carla, FULL, number)
    counts = dict(Contact.objects.filter(normal=CARLA).values_list("pk", "bounce_count"))
    assert counts == {carla.pk: 10, twin.pk: 10, shared.pk: 10, other.pk: 0}
    assert health().bounce_count == 10


@pytest.mark.case("T-100")
@pytest.mark.case("T-101")
def test_mail_that_only_looks_like_a_report_counts_nothing(ports: Ports, house: House, carla: Contact) -> None:
    sent_to(ports, house.company, carla)
    arrive(ports, write_mail(to="bounce@in.test"), "bounce@in.test", sender=CARLA)
    arrive(ports, write_mail(sender="MAILER-DAEMON@customer.example"), "support@in.test")
    assert not AddressHealth.objects.exists()


# -- signs of life


def test_a_mail_from_the_address_begins_the_count_anew(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    for number in range(4):
        bounce(ports, house.company, carla, CLOSED, number)
        clock.pass_by(days=3)
    arrive(ports, write_mail(sender='"Carla C." <CARLA@Customer.Example>'), "support@in.test", sender=CARLA)
    assert (health().bounce_count, health().first_bounced_at, health().alive_by) == (0, None, "mail")
    assert health().last_reply, "what was said is still known"
    carla.refresh_from_db()
    assert carla.bounce_count == 0
    clock.pass_by(days=1)
    bounce(ports, house.company, carla, CLOSED, 5)
    assert health().bounce_count == 1
    assert not Suppression.objects.exists(), "the four from before are outweighed"


def test_a_receipt_that_says_delivered_begins_the_count_anew_and_relayed_does_not(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    bounce(ports, house.company, carla, FULL)
    for action, expected in (("relayed", 1), ("delivered", 0)):
        clock.pass_by(days=1)
        (delivery,) = sent_to(ports, house.company, carla)
        arrive(ports, report(CARLA, ("2.0.0", "ok"), action=action, number=len(action)), return_path(ports, delivery))
        assert health().bounce_count == expected
    assert health().alive_by == "delivered"


def test_that_a_server_took_it_is_no_sign_of_life(ports: Ports, house: House, carla: Contact) -> None:
    bounce(ports, house.company, carla, FULL)
    a_server()
    send(ports, house.company, carla, Phase.BODY, 250, "queued")
    assert health().bounce_count == 1


# -- what the recipient's server says while we speak with it


def send(ports: Ports, company: Company, contact: Contact, phase: Phase, code: int, text: str) -> CaptureQueriesContext:
    """A mail meets this answer."""
    (delivery,) = deliveries(a_mail(company, at=ports.clock.now()), contact.address, at=ports.clock.now())
    (ready,) = claim_and_compose(ports, "w", 1, shelf=Shelf()).ready
    outcome = WireOutcome(key=delivery.pk, phase=phase, reply=read_reply(code, [text]), connection="mx:25#1")
    with CaptureQueriesContext(connection) as queries:
        record_outcomes(ports, "w", [(ready.ticket, outcome)], shelf=Shelf())
    return queries


def test_a_refusal_at_rcpt_is_evidence_as_a_report_is(ports: Ports, house: House, carla: Contact) -> None:
    a_server()
    send(ports, house.company, carla, Phase.RCPT, 550, "5.1.1 No such user")
    event = BounceEvent.objects.get()
    assert (event.source, event.inbound_id, event.is_proof, event.reply) == (
        "session",
        None,
        True,
        "550 5.1.1 No such user",
    )
    assert Suppression.objects.get().cause == "address"


@pytest.mark.parametrize(
    ("phase", "code", "text"),
    [
        (Phase.RCPT, 450, "4.1.1 Try again"),
        (Phase.RCPT, 550, "5.7.1 Blocked as spam"),
        (Phase.RCPT, 550, "5.7.1 Relaying denied"),
        (Phase.MAIL, 553, "5.1.8 Sender rejected"),
        (Phase.BODY, 554, "5.7.26 DMARC fails"),
        (Phase.BODY, 250, "queued"),
    ],
)
def test_what_a_server_says_of_anybody_else_is_none_and_costs_nothing(
    ports: Ports, house: House, carla: Contact, phase: Phase, code: int, text: str
) -> None:
    a_server()
    queries = send(ports, house.company, carla, phase, code, text)
    assert not any("addresshealth" in one["sql"] for one in queries.captured_queries)
    assert not AddressHealth.objects.exists()


def test_what_a_providers_api_refuses_is_no_servers_word(ports: Ports, house: House, carla: Contact) -> None:
    server = OutgoingServer.objects.create(name="postmark", transport="api", provider="postmark")
    (delivery,) = deliveries(a_mail(house.company, at=ports.clock.now()), CARLA, at=ports.clock.now())
    ticket = claim_and_compose(ports, "w", 1, shelf=Shelf()).ready[0].ticket
    assert ticket.server_id == server.pk
    reply = read_reply(550, ["5.1.1 The address was refused"])
    outcome = WireOutcome(key=delivery.pk, phase=Phase.RCPT, reply=reply, connection="postmark#1")
    record_outcomes(ports, "w", [(ticket, outcome)], shelf=Shelf())
    delivery.refresh_from_db()
    assert delivery.state == "failed"
    assert not AddressHealth.objects.exists()


# -- what providers tell


def told(ports: Ports, kind: EventKind, delivery: Delivery, **more: object) -> TrackingEvent:
    token = make_token(ports.address_keys, TokenPurpose.BOUNCE, delivery.pk)
    values = {"at": ports.clock.now(), "event_id": f"{kind}-{delivery.pk}", "token": token}
    return TrackingEvent(kind=kind, **(values | more))  # type: ignore[arg-type]


@pytest.fixture
def api(house: House) -> OutgoingServer:
    return OutgoingServer.objects.create(name="postmark", transport="api", provider="postmark")


def through(ports: Ports, api: OutgoingServer, house: House, carla: Contact) -> Delivery:
    (delivery,) = sent_to(ports, house.company, carla)
    Delivery.objects.filter(pk=delivery.pk).update(server=api)
    return delivery


def test_a_providers_bounce_is_counted_once_however_often_it_is_told(
    ports: Ports, house: House, carla: Contact, api: OutgoingServer
) -> None:
    delivery = through(ports, api, house, carla)
    event = told(ports, EventKind.BOUNCED, delivery, status="5.1.1", text="550 5.1.1 No such user")
    for _ in range(3):
        record_tracking(ports, api.pk, [event, event])
    assert (health().bounce_count, Suppression.objects.get().cause) == (1, "address")
    assert BounceEvent.objects.get().source == "provider"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (EventKind.BOUNCED, {"is_soft": True, "text": "user unknown"}),
        (EventKind.BOUNCED, {"status": "4.1.1", "text": "user unknown"}),
        (EventKind.REJECTED, {"text": "no such user"}),
    ],
)
def test_a_soft_bounce_and_a_providers_own_refusal_prove_nothing(
    ports: Ports, house: House, carla: Contact, api: OutgoingServer, kind: EventKind, more: dict[str, object]
) -> None:
    delivery = through(ports, api, house, carla)
    record_tracking(ports, api.pk, [told(ports, kind, delivery, **more)])
    assert health().bounce_count == 1
    assert not Suppression.objects.exists()


def test_a_complaint_is_an_opt_out_whoever_tells_it(
    ports: Ports, house: House, carla: Contact, api: OutgoingServer
) -> None:
    record_tracking(ports, api.pk, [told(ports, EventKind.COMPLAINED, through(ports, api, house, carla))])
    assert (health().complaint_count, health().bounce_count) == (1, 0)
    assert (Suppression.objects.get().cause, Suppression.objects.get().expires_at) == ("complaint", None)

    dora = add_contact("Dora", "dora@customer.example", house.company)
    (delivery,) = sent_to(ports, house.company, dora)
    arrive(ports, complaint(dora.normal), return_path(ports, delivery))
    delivery.refresh_from_db()
    assert delivery.state == "complained"
    assert Suppression.objects.get(health__address=dora.normal).cause == "complaint"
    assert Notification.objects.get(contact=dora).state == "sent"


def test_a_providers_delivery_begins_the_count_anew_unless_the_bounce_is_younger(
    ports: Ports, clock: HandClock, house: House, carla: Contact, api: OutgoingServer
) -> None:
    late, soon = through(ports, api, house, carla), through(ports, api, house, carla)
    before = ports.clock.now()
    clock.pass_by(hours=1)
    bounce(ports, house.company, carla, FULL)
    record_tracking(ports, api.pk, [told(ports, EventKind.DELIVERED, late, at=before)])
    assert health().bounce_count == 1
    clock.pass_by(hours=1)
    record_tracking(ports, api.pk, [told(ports, EventKind.DELIVERED, soon)])
    assert (health().bounce_count, health().alive_by) == (0, "delivered")


# -- notes, companies, crowds


def test_a_note_on_the_contacts_own_record_is_written_once(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    now = ports.clock.now()
    own = Record.objects.create(
        company=house.company, kind_id="contact", title="Carla", contact=carla, created_at=now, updated_at=now
    )
    Record.objects.create(
        company=house.company, kind_id="ticket", title="Parcel", contact=carla, created_at=now, updated_at=now
    )
    for number in range(3):
        bounce(ports, house.company, carla, GONE, number)
        clock.pass_by(days=1)
    said = Message.objects.exclude(record=None)
    assert [(one.record_id, one.kind, one.author_name) for one in said] == [(own.pk, "system", "Postroom")]
    assert MessageBody.objects.get(message=said.get()).text == (
        "Campaigns leave carla@customer.example out from now on. The address does not exist: 550 5.1.1 No such user here"
    )
    assert not Notification.objects.filter(message=said.get()).exists()


def test_what_one_company_met_is_not_told_to_another(ports: Ports, house: House, carla: Contact) -> None:
    other = Company.objects.create(name="Elsewhere")
    theirs = add_contact("Carla", CARLA, other)
    bounce(ports, other, theirs, GONE)
    assert Suppression.objects.get().company == other
    carla.refresh_from_db()
    assert carla.bounce_count == 0


def test_a_batch_of_a_hundred_reports_costs_no_more_statements_than_one_of_ten(
    ports: Ports, clock: HandClock, house: House
) -> None:
    """Of the counting; what routing and booking cost has budgets of its own."""
    counts = []
    for start, size in ((0, 10), (1000, 100)):
        people = [add_contact(f"C{n}", f"c{n}@customer.example", house.company) for n in range(start, start + size)]
        rows = sent_to(ports, house.company, *people)
        for number, (person, row) in enumerate(zip(people, rows, strict=True)):
            accept(ports, report(person.normal, number=start + number), return_path(ports, row))
        with CaptureQueriesContext(connection) as queries:
            while route_waiting(ports):
                pass
        mine = ("addresshealth", "bounceevent", "postroom_suppression", "postroom_contact ")
        counts.append(sum(any(word in one["sql"] for word in mine) for one in queries.captured_queries))
    assert Suppression.objects.count() == 110
    assert counts[0] == counts[1] <= 12


@pytest.mark.django_db(transaction=True)
def test_two_routers_that_count_the_same_address_lose_nothing(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    for number in range(4):
        bounce(ports, house.company, carla, CLOSED, number)
        clock.pass_by(days=2)
    rows = [sent_to(ports, house.company, carla)[0] for _ in range(12)]
    for number, row in enumerate(rows):
        accept(ports, report(CARLA, CLOSED, number=100 + number), return_path(ports, row))
    troubles: list[BaseException] = []

    def route() -> None:
        try:
            while route_waiting(ports, 2):
                pass
        except BaseException as error:
            troubles.append(error)
        finally:
            connection.close()

    routers = [threading.Thread(target=route) for _ in range(3)]
    for one in routers:
        one.start()
    for one in routers:
        one.join(60)
    assert troubles == []
    assert health().bounce_count == 16
    assert BounceEvent.objects.count() == 16
    assert Suppression.objects.get().cause == "bounces"
    carla.refresh_from_db()
    assert carla.bounce_count == 16


def test_evidence_of_long_ago_is_forgotten_but_not_that_of_a_suppression(
    ports: Ports, clock: HandClock, house: House, carla: Contact
) -> None:
    from postroom.flows.forget_old_mail import forget_old_mail

    dora = add_contact("Dora", "dora@customer.example", house.company)
    bounce(ports, house.company, carla, GONE)
    bounce(ports, house.company, dora, FULL, 2)
    clock.time += timedelta(days=399)
    assert forget_old_mail(ports)["bounces"] == 0
    clock.time += timedelta(days=2)
    assert forget_old_mail(ports)["bounces"] == 1
    assert [one.address for one in AddressHealth.objects.all()] == [CARLA]
    assert BounceEvent.objects.count() == 1
