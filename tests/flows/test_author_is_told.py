"""Who wrote a message hears when somebody does not get it: his page at once, and his list of failures (O-99, T-205)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Door, NotificationState
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.access import company_ids, visible_records
from postroom.flows.deliver_mail import ReadyMail, Shelf, claim_and_compose
from postroom.flows.post_message import post_message
from postroom.flows.record_outcomes import record_outcomes
from postroom.flows.records import create_record, follow
from postroom.flows.route_message import route_waiting
from postroom.flows.settle_failures import ignore_failed, resend_failed
from postroom.store.models import Delivery, Message, Notification
from postroom.store.queries.pages_records import RecordWish, record_list
from postroom.wiring import ports
from tests.flows.listening import heard_until_now
from tests.people import House, add_contact, add_server, build_house

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.case("T-205")]

Heard = Callable[[], list[str]]


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def heard() -> Iterator[Heard]:
    """The authors of whom the pages heard since the last question."""
    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key not in ("cursor_factory", "context", "prepare_threshold")
    }
    with psycopg.connect(**parameters, autocommit=True) as listener:
        listener.execute("LISTEN postroom_live")

        def listen() -> list[str]:
            told = heard_until_now(listener)
            return sorted(word for word in told if word.startswith("author:"))

        yield listen


def a_message(house: House) -> Message:
    """Alice writes to Customer Carla."""
    add_server()
    carla = add_contact("Customer Carla", "carla@customer.example", house.company)
    record = create_record(ports(), company_id=house.company.pk, kind="ticket", title="Parcel", author=house.alice)
    follow(ports(), record_id=record.pk, contact_id=carla.pk, by=house.alice)
    return post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>")


def taken() -> ReadyMail:
    (ready,) = claim_and_compose(ports(), "worker", 10, shelf=Shelf()).ready
    return ready


def said(ready: ReadyMail, code: int) -> None:
    phase = Phase.BODY if code < 400 else Phase.RCPT
    outcome = WireOutcome(key=ready.wire.key, phase=phase, reply=SmtpReply(code, "", "5.1.1 Nobody of that name"))
    record_outcomes(ports(), "worker", [(ready.ticket, outcome)], shelf=Shelf())


def failures_of(house: House) -> list[tuple[str, int]]:
    """On how many records somebody did not get what each of them wrote."""
    return [
        (member.contact.name, len(record_list(visible_records(member), wish, company_ids(member)).rows))
        for member in (house.alice, house.bob)
        for wish in [RecordWish(failed_author=member.contact_id)]
    ]


def test_a_refusal_is_told_to_the_author_and_to_nobody_else(house: House, heard: Heard) -> None:
    message = a_message(house)
    said(taken(), 550)
    assert heard() == [f"author:{house.alice.contact_id}"]
    assert failures_of(house) == [("Alice", 1), ("Bob", 0)]
    ignore_failed(ports(), message_id=message.pk, author=house.bob)
    assert heard() == [f"author:{house.alice.contact_id}"]
    assert failures_of(house) == [("Alice", 0), ("Bob", 0)]


def test_what_arrives_is_no_news_to_the_author(house: House, heard: Heard) -> None:
    a_message(house)
    said(taken(), 250)
    assert heard() == []
    assert failures_of(house) == [("Alice", 0), ("Bob", 0)]


def test_a_bounce_is_told_to_the_author(house: House, heard: Heard) -> None:
    a_message(house)
    said(taken(), 250)
    token = make_token(ports().address_keys, TokenPurpose.BOUNCE, Delivery.objects.get().pk)
    accept_message(
        ports(),
        Arrival(door=Door.SMTP, raw=_REPORT, envelope=Envelope(mail_from="", rcpt_to=(f"bounce+{token}@in.test",))),
    )
    while route_waiting(ports()):
        pass
    assert Notification.objects.get().state == NotificationState.BOUNCE
    assert heard() == [f"author:{house.alice.contact_id}"]
    assert failures_of(house) == [("Alice", 1), ("Bob", 0)]


@pytest.mark.case("T-202")
def test_failures_are_sent_again_until_all_have_it_and_each_change_is_told(house: House, heard: Heard) -> None:
    author = [f"author:{house.alice.contact_id}"]
    message = a_message(house)
    dora = add_contact("Dora", "dora@wrong.example", house.company)
    follow(ports(), record_id=message.record_id or 0, contact_id=dora.pk, by=house.alice)
    message = post_message(ports(), record_id=message.record_id or 0, author=house.alice, html="<p>And this.</p>")
    Delivery.objects.exclude(mail__message=message).delete()
    rows = {row.contact.name: row.pk for row in Notification.objects.filter(message=message)}

    def deliver(**codes: int) -> dict[str, str]:
        for ready in claim_and_compose(ports(), "worker", 10, shelf=Shelf()).ready:
            said(ready, codes[ready.wire.envelope.rcpt_to[0].partition("@")[0]])
        return dict(Notification.objects.filter(message=message).values_list("contact__name", "state"))

    assert deliver(carla=550, dora=550) == {"Customer Carla": "exception", "Dora": "exception"}
    assert heard() == author
    again = {pk: Notification.objects.get(pk=pk).contact.address for pk in rows.values()}
    assert resend_failed(ports(), message_id=message.pk, author=house.alice, retry=again) == 2
    assert heard() == author
    assert deliver(carla=250, dora=550) == {"Customer Carla": "sent", "Dora": "exception"}
    assert heard() == author
    fixed = {rows["Dora"]: "dora@right.example"}
    assert resend_failed(ports(), message_id=message.pk, author=house.alice, retry=fixed) == 1
    assert deliver(dora=250) == {"Customer Carla": "sent", "Dora": "sent"}
    dora.refresh_from_db()
    assert dora.address == "dora@right.example"
    assert rows == {row.contact.name: row.pk for row in Notification.objects.filter(message=message)}
    assert failures_of(house) == [("Alice", 0), ("Bob", 0)]


def test_an_address_that_is_none_is_told_at_once(house: House, heard: Heard) -> None:
    nobody = add_contact("Nobody", "nobody at all", house.company)
    record = create_record(ports(), company_id=house.company.pk, kind="ticket", title="Parcel", author=house.alice)
    follow(ports(), record_id=record.pk, contact_id=nobody.pk, by=house.alice)
    post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>")
    assert heard() == [f"author:{house.alice.contact_id}"]
    assert failures_of(house) == [("Alice", 1), ("Bob", 0)]


_REPORT = b"""From: MAILER-DAEMON@customer.example\r
To: bounce@in.test\r
Subject: Undelivered mail\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
It did not work.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; customer.example\r
\r
Final-Recipient: rfc822; carla@customer.example\r
Action: failed\r
Status: 5.1.1\r
Diagnostic-Code: smtp; 550 5.1.1 no such user\r
--b--\r
"""
