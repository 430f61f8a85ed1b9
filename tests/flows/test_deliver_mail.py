"""Claiming and composing on a real PostgreSQL: what comes to the wire, what is captured, waits or fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes
from email.policy import default as modern

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.secret import Secret
from postroom.core.tokens.addresses import TokenPurpose, read_token
from postroom.flows.deliver_mail import ClaimedBatch, Shelf, claim_and_compose
from postroom.flows.ports import Ports
from postroom.store import claims
from postroom.store.models import (
    Attempt,
    Contact,
    Delivery,
    Installation,
    LetterboxMail,
    Message,
    Notification,
    OutgoingContent,
    OutgoingMail,
    OutgoingServer,
    Parameter,
)
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, numbered, ports_with

pytestmark = pytest.mark.django_db

WORKER = "worker-1"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def claimed(ports: Ports, limit: int = 100, *, worker: str = WORKER, most_bytes: int = 1_000_000) -> ClaimedBatch:
    return claim_and_compose(ports, worker, limit, shelf=Shelf(), most_bytes=most_bytes)


def only(delivery: Delivery) -> Delivery:
    delivery.refresh_from_db()
    return delivery


def codes(rows: object) -> list[str]:
    assert isinstance(rows, list)
    return [reason.code for reason in reasons_from_json(rows)]


def a_notification(delivery: Delivery) -> Notification:
    message = Message.objects.create(company_id=delivery.company_id, posted_at=delivery.created_at)
    contact = Contact.objects.create(name="Bob")
    notification = Notification.objects.create(company_id=delivery.company_id, message=message, contact=contact)
    Delivery.objects.filter(pk=delivery.pk).update(notification=notification)
    return notification


def test_a_mail_is_composed_for_its_recipient(ports: Ports, clock: HandClock) -> None:
    server = a_server(2526, secret=ports.vault.seal("hunter2"), username="me")
    extra = [["List-Id", "<orders.northwind.example>"]]
    mail = a_mail(
        a_company(),
        at=clock.now(),
        reply_to_address="support@northwind.example",
        in_reply_to="<before@reader.example>",
        references="<first@reader.example> <before@reader.example>",
        extra_headers=extra,
    )
    (delivery,) = deliveries(mail, "Bob@Reader.example", at=clock.now(), to_name="Bob Bücher")
    (ready,) = claimed(ports).ready
    assert (ready.ticket.delivery_id, ready.ticket.server_id) == (delivery.pk, server.pk)
    assert (ready.endpoint.host, ready.endpoint.port, ready.endpoint.password) == ("127.0.0.1", 2526, Secret("hunter2"))
    assert ready.wire.envelope.rcpt_to == ("Bob@reader.example",)
    local, _, domain = ready.wire.envelope.mail_from.partition("@")
    token = read_token(ports.address_keys, local.removeprefix("bounce+"))
    assert token is not None
    assert (token.purpose, token.number, domain) == (TokenPurpose.BOUNCE, delivery.pk, "northwind.example")
    parsed = message_from_bytes(b"".join(ready.wire.chunks), policy=modern)
    assert parsed["From"] == "Alice <alice@northwind.example>"
    assert parsed["To"] == "Bob Bücher <Bob@Reader.example>"
    assert parsed["Reply-To"] == "support@northwind.example"
    assert parsed["Message-ID"] == mail.header_message_id
    assert parsed["References"] == "<first@reader.example> <before@reader.example>"
    assert parsed["List-Id"] == "<orders.northwind.example>"
    assert parsed["X-Postroom-Objects"].startswith(ports.our_mark)
    assert parsed.get_body().get_content().strip() == "All is well."
    assert only(delivery).state == "sending"
    assert delivery.claimed_by == WORKER


def test_the_body_is_the_same_object_for_all_recipients(ports: Ports, clock: HandClock) -> None:
    a_server()
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(5), at=clock.now())
    shelf = Shelf()
    first = claim_and_compose(ports, WORKER, 3, shelf=shelf).ready
    second = claim_and_compose(ports, WORKER, 3, shelf=shelf).ready
    assert len({id(ready.wire.chunks[1]) for ready in (*first, *second)}) == 1


def test_more_mails_need_no_more_queries(ports: Ports, clock: HandClock) -> None:
    a_server()
    company = a_company()

    def queries(count: int) -> int:
        for _ in range(count):
            deliveries(a_mail(company, at=clock.now()), *numbered(3), at=clock.now())
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert len(claimed(ports).ready) == 3 * count
        return len(captured)

    assert queries(1) == queries(20)


def test_urgent_mail_comes_first_and_alone_and_then_what_is_due_longest(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail, now = a_mail(a_company(), at=clock.now()), clock.now()
    deliveries(mail, "campaign@reader.example", at=now, lane=2, due_at=now - timedelta(hours=9))
    deliveries(mail, "late@reader.example", at=now, lane=1, due_at=now - timedelta(minutes=1))
    deliveries(mail, "early@reader.example", at=now, lane=1, due_at=now - timedelta(hours=1))
    deliveries(mail, "urgent@reader.example", at=now, lane=0)
    deliveries(mail, "tomorrow@reader.example", at=now, lane=0, due_at=now + timedelta(seconds=1))
    batches = [claimed(ports).ready, claimed(ports).ready, claimed(ports).ready]
    order = [[ready.wire.envelope.rcpt_to[0].partition("@")[0] for ready in batch] for batch in batches]
    assert order == [["urgent"], ["early", "late", "campaign"], []]


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_take_the_same(ports: Ports, clock: HandClock) -> None:
    a_server()
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(20), at=clock.now())
    first = {ready.ticket.delivery_id for ready in claimed(ports, 12).ready}
    second = {ready.ticket.delivery_id for ready in claimed(ports, 12, worker="worker-2").ready}
    assert (len(first), len(second)) == (12, 8)
    assert not first & second


def test_bodies_that_are_too_much_at_once_go_back_into_the_queue(ports: Ports, clock: HandClock) -> None:
    a_server()
    company = a_company()
    for _ in range(3):
        deliveries(a_mail(company, at=clock.now(), text="x" * 60_000), "bob@reader.example", at=clock.now())
    assert len(claimed(ports, most_bytes=130_000).ready) == 2
    assert Delivery.objects.filter(state="queued", claimed_by="").count() == 1
    assert len(claimed(ports, most_bytes=10).ready) == 1


@pytest.mark.parametrize(
    ("address", "sender", "failure_type", "blame"),
    [
        pytest.param("", "alice@northwind.example", "mail_email_missing", "address", marks=pytest.mark.case("T-130")),
        pytest.param(" ", "alice@northwind.example", "mail_email_missing", "address", marks=pytest.mark.case("T-131")),
        pytest.param(
            "no at sign", "alice@northwind.example", "mail_email_invalid", "address", marks=pytest.mark.case("T-131")
        ),
        ("bob@reader.example", "not an address", "mail_from_invalid", "sender"),
        pytest.param("bob@reader.example", "", "mail_from_missing", "sender", marks=pytest.mark.case("T-128")),
    ],
)
def test_what_cannot_be_composed_fails_and_harms_no_other(
    ports: Ports, clock: HandClock, address: str, sender: str, failure_type: str, blame: str
) -> None:
    a_server()
    company = a_company(domain="")
    (good,) = deliveries(a_mail(company, at=clock.now()), "carla@reader.example", at=clock.now())
    (bad,) = deliveries(a_mail(company, at=clock.now(), from_address=sender), address, at=clock.now())
    notification = a_notification(bad)
    assert [ready.ticket.delivery_id for ready in claimed(ports).ready] == [good.pk]
    assert (only(bad).state, bad.failure_type, bad.blame) == ("failed", failure_type, blame)
    assert bad.failure_reason
    assert bad.finished_at == clock.now()
    notification.refresh_from_db()
    assert (notification.state, notification.failure_type) == ("exception", failure_type)


def test_a_mail_whose_content_is_gone_fails(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail = a_mail(a_company(), at=clock.now())
    (delivery,) = deliveries(mail, "bob@reader.example", at=clock.now())
    OutgoingContent.objects.all().delete()
    assert claimed(ports).ready == ()
    assert only(delivery).failure_reason == "The content of the mail is gone."


def test_a_mail_larger_than_the_server_takes_fails(ports: Ports, clock: HandClock) -> None:
    a_server(max_message_size=1000)
    (delivery,) = deliveries(a_mail(a_company(), at=clock.now(), text="x" * 2000), "bob@reader.example", at=clock.now())
    assert claimed(ports).ready == ()
    assert (only(delivery).state, delivery.blame) == ("failed", "policy")


@pytest.mark.case("T-139")
def test_a_bug_of_ours_delays_one_mail_and_no_other(
    ports: Ports, clock: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from postroom.flows import deliver_mail

    a_server()
    mail = a_mail(a_company(), at=clock.now())
    bad, good = deliveries(mail, "bob@reader.example", "carla@reader.example", at=clock.now())
    real = deliver_mail.render_headers

    def render(headers: deliver_mail.MailHeaders) -> bytes:
        if headers.to[0].local == "bob":
            raise ZeroDivisionError
        return real(headers)

    monkeypatch.setattr(deliver_mail, "render_headers", render)
    assert [ready.ticket.delivery_id for ready in claimed(ports).ready] == [good.pk]
    assert (only(bad).state, bad.attempt_count) == ("deferred", 1)
    assert bad.due_at > clock.now()
    assert "ZeroDivisionError" in caplog.text


def test_without_a_server_mail_waits_and_says_why(ports: Ports, clock: HandClock) -> None:
    (delivery,) = deliveries(a_mail(a_company(), at=clock.now()), "bob@reader.example", at=clock.now())
    assert claimed(ports).ready == ()
    assert (only(delivery).state, delivery.attempt_count, delivery.claimed_by) == ("queued", 0, "")
    assert delivery.due_at > clock.now()
    assert codes([delivery.waits_for]) == ["wait.no_server"]
    clock.pass_by(days=6)
    claimed(ports)
    assert only(delivery).state == "failed"


def test_mail_for_a_paused_server_waits_for_it_by_name(ports: Ports, clock: HandClock) -> None:
    server = a_server(paused_at=clock.now())
    (delivery,) = deliveries(a_mail(a_company(), at=clock.now()), "bob@reader.example", at=clock.now())
    assert claimed(ports).ready == ()
    assert only(delivery).server_id == server.pk
    assert codes([delivery.waits_for]) == ["wait.paused"]


def test_a_password_that_cannot_be_read_keeps_mail_waiting(ports: Ports, clock: HandClock) -> None:
    a_server(username="me", secret=b"not sealed by us")
    (delivery,) = deliveries(a_mail(a_company(), at=clock.now()), "bob@reader.example", at=clock.now())
    assert claimed(ports).ready == ()
    assert codes([only(delivery).waits_for]) == ["wait.secret"]


def test_the_server_of_the_configuration_serves_when_there_is_no_other(clock: HandClock) -> None:
    ports = ports_with(clock=clock, server_host="relay.example", server_port=2587, from_filter="guest.example")
    mail = a_mail(a_company(), at=clock.now(), from_address="carla@reader.example")
    deliveries(mail, "bob@reader.example", at=clock.now())
    Parameter.objects.create(key="mail.default.from_filter", value="northwind.example")
    (ready,) = claimed(ports).ready
    assert (ready.endpoint.host, ready.endpoint.port, ready.ticket.server_id) == ("relay.example", 2587, 0)
    assert b"From: Alice <notifications@northwind.example>" in ready.wire.chunks[0]


@pytest.mark.case("T-133")
def test_addresses_beyond_ascii_ask_for_smtputf8(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail = a_mail(a_company(), at=clock.now())
    deliveries(mail, "jürgen@bücher.example", "jurgen@bücher.example", at=clock.now())
    one, two = claimed(ports).ready
    assert (one.wire.envelope.smtputf8, one.wire.envelope.rcpt_to) == (True, ("jürgen@xn--bcher-kva.example",))
    assert (two.wire.envelope.smtputf8, two.wire.envelope.rcpt_to) == (False, ("jurgen@xn--bcher-kva.example",))


def test_an_automatic_mail_has_a_null_return_path(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail = a_mail(a_company(), at=clock.now(), null_return_path=True)
    deliveries(mail, "bob@reader.example", at=clock.now())
    assert claimed(ports).ready[0].wire.envelope.has_null_reverse_path


@contextmanager
def captured_by(how: str) -> Iterator[None]:
    if how == "server":
        OutgoingServer.objects.create(name="Letterbox", transport="letterbox")
    else:
        a_server()
        now = HandClock().now()
        Installation.objects.create(identity="elsewhere", is_capturing=True, confirmed_at=now)
    yield


@pytest.mark.parametrize("how", ["server", "installation"])
def test_captured_mail_is_kept_whole_and_counts_as_sent(ports: Ports, clock: HandClock, how: str) -> None:
    mail = a_mail(a_company(), at=clock.now())
    (delivery,) = deliveries(mail, "bob@reader.example", at=clock.now())
    notification = a_notification(delivery)
    with captured_by(how):
        assert claimed(ports).ready == ()
    letter = LetterboxMail.objects.get()
    assert (letter.to_address, letter.subject) == ("bob@reader.example", "Your order")
    assert letter.from_display == "Alice <alice@northwind.example>"
    assert letter.return_path.startswith("bounce+")
    assert message_from_bytes(bytes(letter.raw))["To"] == "bob@reader.example"
    assert (only(delivery).state, delivery.attempt_count) == ("sent", 1)
    assert Attempt.objects.get().delivery_id == delivery.pk
    notification.refresh_from_db()
    assert notification.state == "sent"


def test_why_this_server_and_this_sender_travels_with_the_mail(ports: Ports, clock: HandClock) -> None:
    a_server()
    mail = a_mail(a_company(), at=clock.now(), from_address="carla@reader.example")
    deliveries(mail, "bob@reader.example", at=clock.now())
    (ready,) = claimed(ports).ready
    assert codes(ready.ticket.reasons) == ["server.without_filter", "from.rewritten", "return.signed"]


def test_what_was_lost_sight_of_goes_back_and_what_is_known_stays(ports: Ports, clock: HandClock) -> None:
    a_server()
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(3), at=clock.now())
    kept, *_ = claimed(ports).ready
    assert claims.release_strays(WORKER, [kept.ticket.delivery_id]) == 2
    assert Delivery.objects.get(state="sending").pk == kept.ticket.delivery_id


def test_how_many_are_claimed_at_once_is_a_parameter(ports: Ports, clock: HandClock) -> None:
    a_server()
    Parameter.objects.create(key="mail.mail.queue.batch.size", value="2")
    deliveries(a_mail(a_company(), at=clock.now()), *numbered(9), at=clock.now())
    shelf = Shelf()
    taken = [claim_and_compose(ports, WORKER, limit, shelf=shelf).taken for limit in (1, 5, 5)]
    assert taken == [1, 2, 2]


def test_the_shelf_has_a_limit_and_keeps_the_latest(ports: Ports, clock: HandClock) -> None:
    a_server()
    company = a_company()
    for _ in range(4):
        deliveries(a_mail(company, at=clock.now(), text="x" * 60_000), "bob@reader.example", at=clock.now())
    shelf = Shelf(most_bytes=130_000)
    assert len(claim_and_compose(ports, WORKER, 10, shelf=shelf).ready) == 4
    on_shelf = [number for number in OutgoingMail.objects.values_list("pk", flat=True) if shelf.get(number)]
    assert len(on_shelf) == 2


@pytest.mark.parametrize(
    ("to", "rcpt_to", "needs_utf8"),
    [
        ("bob@bücher.example", "bob@xn--bcher-kva.example", False),
        ("Jürgen@bücher.example", "Jürgen@xn--bcher-kva.example", True),
        ("bob@reader.example", "bob@reader.example", False),
    ],
)
def test_domains_travel_as_a_labels_and_local_parts_as_they_are(
    ports: Ports, clock: HandClock, to: str, rcpt_to: str, needs_utf8: bool
) -> None:
    """O-80: only letters beyond ASCII before the @ ask for SMTPUTF8, for this recipient and no other."""
    a_server()
    deliveries(a_mail(a_company(), at=clock.now()), to, at=clock.now())
    (ready,) = claimed(ports).ready
    assert (ready.wire.envelope.rcpt_to, ready.wire.envelope.smtputf8) == ((rcpt_to,), needs_utf8)
