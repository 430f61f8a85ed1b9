"""A provider tells: the right deliveries and envelopes learn of it, and nobody else's."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.delivery.tracking import EventKind, HookReading, HookRefusal, TrackingEvent
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.access import NotAllowed
from postroom.flows.ports import Ports
from postroom.flows.provider_hooks import renew_hook, set_signing_secret, show_hook
from postroom.flows.record_tracking import HookResult, record_tracking, take_hook
from postroom.store.models import (
    Contact,
    Delivery,
    DeliveryEvent,
    Message,
    Notification,
    OutgoingServer,
    ProviderHook,
    SettingChange,
)
from tests.adapters.esp.telling import VOICES, Told, post_of
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, deliveries, numbered, ports_with
from tests.people import build_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


def an_api_server(provider: str = "postmark", **more: object) -> OutgoingServer:
    values = {"name": provider, "transport": "api", "provider": provider}
    return OutgoingServer.objects.create(**{**values, **more})


def some_sent(ports: Ports, server: OutgoingServer, count: int = 1, **more: object) -> list[Delivery]:
    """Sent through this server; each has a notification of a contact."""
    mail = a_mail(a_company(), at=ports.clock.now())
    message = Message.objects.create(company=mail.company, posted_at=ports.clock.now())
    rows = deliveries(mail, *numbered(count), at=ports.clock.now(), state="sent", server=server, **more)
    for number, row in enumerate(rows):
        contact = Contact.objects.create(name=f"Customer {number}")
        row.notification = Notification.objects.create(
            company=mail.company, message=message, contact=contact, state="sent"
        )
        row.provider_message_id = row.provider_message_id or f"id-{number}"
        row.finished_at = ports.clock.now()
        row.save()
    return rows


def token_of(ports: Ports, delivery: Delivery) -> str:
    return make_token(ports.address_keys, TokenPurpose.BOUNCE, delivery.pk)


def event(ports: Ports, kind: EventKind, delivery: Delivery | None = None, **more: object) -> TrackingEvent:
    values: dict[str, object] = {"at": ports.clock.now(), "event_id": f"{kind}-1"}
    if delivery is not None:
        values["token"] = token_of(ports, delivery)
    return TrackingEvent(kind=kind, **(values | more))  # type: ignore[arg-type]


def test_a_bounce_turns_the_envelope_red_with_reason_and_blame(ports: Ports) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    told = event(ports, EventKind.BOUNCED, delivery, text="550 5.1.1 No such user", status="5.1.1")
    assert record_tracking(ports, server.pk, [told]).changed == 1
    delivery.refresh_from_db()
    assert (delivery.state, delivery.failure_type, delivery.blame) == ("bounced", "mail_bounce", "address")
    assert delivery.failure_reason == "550 5.1.1 No such user"
    assert delivery.notification is not None
    assert (delivery.notification.state, delivery.notification.failure_type) == ("bounce", "mail_bounce")
    assert delivery.notification.failure_reason == "550 5.1.1 No such user"
    assert delivery.notification.contact.bounce_count == 1
    (row,) = DeliveryEvent.objects.all()
    assert (row.kind, row.status, row.text) == ("bounced", "5.1.1", "550 5.1.1 No such user")


def test_told_again_nothing_is_counted_again(ports: Ports, clock: HandClock) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    told = [event(ports, EventKind.BOUNCED, delivery), event(ports, EventKind.DEFERRED, delivery)]
    for _ in range(3):
        record_tracking(ports, server.pk, [*told, *told])
        clock.pass_by(hours=1)
    assert Contact.objects.get().bounce_count == 1
    assert DeliveryEvent.objects.count() == 2


def test_delivered_is_noted_once_and_a_late_one_does_not_overrule_a_complaint(ports: Ports, clock: HandClock) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    clock.pass_by(minutes=5)
    late = event(ports, EventKind.DELIVERED, delivery)
    complaint = event(ports, EventKind.COMPLAINED, delivery, at=ports.clock.now() - timedelta(minutes=1))
    record_tracking(ports, server.pk, [complaint])
    record_tracking(ports, server.pk, [late])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.confirmed_at) == ("complained", late.at)
    assert Notification.objects.get().state == "sent"


def test_by_the_providers_id_and_the_recipient_where_no_token_comes_back(ports: Ports) -> None:
    server = an_api_server()
    first, second = some_sent(ports, server, 2, provider_message_id="<one-id-for-all@northwind.example>")
    told = event(
        ports,
        EventKind.BOUNCED,
        message_id="<one-id-for-all@northwind.example>",
        recipient=second.to_address.lower(),
    )
    record_tracking(ports, server.pk, [told])
    assert dict(Delivery.objects.values_list("pk", "state")) == {first.pk: "sent", second.pk: "bounced"}


def test_without_a_recipient_an_id_that_several_share_names_nobody(ports: Ports) -> None:
    server = an_api_server()
    some_sent(ports, server, 2, provider_message_id="shared")
    assert record_tracking(ports, server.pk, [event(ports, EventKind.BOUNCED, message_id="shared")]).changed == 0


def test_what_is_not_ours_is_passed_over(ports: Ports) -> None:
    server, other = an_api_server(), an_api_server("resend")
    (delivery,) = some_sent(ports, server)
    strange = [
        event(ports, EventKind.BOUNCED, message_id="never heard of"),
        event(ports, EventKind.BOUNCED, token="bforgedtokenforgedtoken"),
        event(ports, EventKind.BOUNCED, token=make_token(ports.address_keys, TokenPurpose.REPLY, delivery.pk)),
        event(ports, EventKind.BOUNCED, token=make_token((b"other key",), TokenPurpose.BOUNCE, delivery.pk)),
        event(ports, EventKind.BOUNCED, token=make_token(ports.address_keys, TokenPurpose.BOUNCE, 999_999_999)),
        event(ports, EventKind.BOUNCED),
    ]
    assert record_tracking(ports, server.pk, strange).changed == 0
    assert record_tracking(ports, other.pk, [event(ports, EventKind.BOUNCED, delivery)]).changed == 0
    assert record_tracking(ports, other.pk, [event(ports, EventKind.BOUNCED, message_id="id-0")]).changed == 0
    assert Delivery.objects.get().state == "sent"
    assert not DeliveryEvent.objects.exists()


def test_an_event_settles_an_unknown_outcome(ports: Ports) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    Delivery.objects.update(
        state="unknown", server=None, provider_message_id="", failure_type="unknown", blame="network"
    )
    Notification.objects.update(state="exception", failure_type="unknown", failure_reason="?")
    record_tracking(ports, server.pk, [event(ports, EventKind.DELIVERED, delivery, message_id="id-now-known")])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.failure_type, delivery.blame) == ("sent", "", "")
    assert (delivery.provider_message_id, delivery.server_id) == ("id-now-known", server.pk)
    assert delivery.confirmed_at is not None
    notification = Notification.objects.get()
    assert (notification.state, notification.failure_type, notification.failure_reason) == ("sent", "", "")


def test_mail_that_waits_to_be_sent_again_after_a_crash_is_not_when_it_was_delivered(ports: Ports) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    Delivery.objects.update(state="deferred", waits_for={"code": "wait.resend", "facts": {}}, finished_at=None)
    record_tracking(ports, server.pk, [event(ports, EventKind.DELIVERED, delivery)])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.waits_for) == ("sent", None)


def test_an_event_that_overtakes_the_worker_keeps_its_claim(ports: Ports) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    Delivery.objects.update(state="sending", claimed_by="worker-1", server=None, finished_at=None)
    record_tracking(ports, server.pk, [event(ports, EventKind.DELIVERED, delivery)])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.claimed_by, delivery.confirmed_at) == ("sending", "worker-1", ports.clock.now())
    record_tracking(ports, server.pk, [event(ports, EventKind.BOUNCED, delivery, at=ports.clock.now())])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.claimed_by) == ("bounced", "")


def test_a_person_who_ignored_a_failure_is_not_bothered_again(ports: Ports) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    Notification.objects.update(state="canceled")
    record_tracking(ports, server.pk, [event(ports, EventKind.BOUNCED, delivery)])
    assert Notification.objects.get().state == "canceled"


def test_a_thousand_events_cost_no_more_statements_than_two(ports: Ports) -> None:
    server = an_api_server()
    rows = some_sent(ports, server, 60)
    kinds = [EventKind.BOUNCED, EventKind.DELIVERED, EventKind.COMPLAINED, EventKind.DEFERRED]
    few = [event(ports, kinds[number % 4], row) for number, row in enumerate(rows[:4])]
    many = [event(ports, kinds[number % 4], row) for number, row in enumerate(rows[4:])]
    counts = []
    for told in (few, many):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            record_tracking(ports, server.pk, told)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_strange_texts_are_kept_as_far_as_they_can_be(ports: Ports) -> None:
    server = an_api_server()
    (delivery,) = some_sent(ports, server)
    odd = event(ports, EventKind.BOUNCED, delivery, text="a\x00b\ud800 \\u0000", event_id="x\x00y")
    record_tracking(ports, server.pk, [odd])
    delivery.refresh_from_db()
    assert delivery.state == "bounced"
    assert delivery.failure_reason.startswith("a")


# -- the addresses


def test_each_server_has_a_secret_address_that_can_be_shown_and_made_anew(ports: Ports) -> None:
    server = an_api_server("mailgun")
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    assert facts == show_hook(ports, server.pk, member=None)
    prefix, _, token = facts.address.rpartition("/")
    assert prefix == f"{ports.configuration.public_url}/hooks/mailgun"
    assert len(token) == 40
    assert token not in str(ProviderHook.objects.values())
    assert (facts.signing_label, facts.is_complete) == ("HTTP webhook signing key", False)
    set_signing_secret(ports, server.pk, " key ", member=None)
    renewed = renew_hook(ports, server.pk, member=None)
    assert renewed is not None
    assert renewed.address != facts.address
    assert renewed.is_complete
    assert "key" not in str(SettingChange.objects.values_list("after", flat=True).first()).replace("anew", "")


def test_a_server_that_is_no_provider_has_no_address(ports: Ports) -> None:
    assert show_hook(ports, OutgoingServer.objects.create(name="Relay", host="x").pk, member=None) is None


def test_only_who_may_change_the_server_sees_its_address(ports: Ports) -> None:
    house = build_house()
    server = an_api_server(company=house.company)
    assert show_hook(ports, server.pk, member=house.alice) is not None
    for step in (show_hook, renew_hook):
        with pytest.raises(NotAllowed):
            step(ports, server.pk, member=house.bob)
    with pytest.raises(NotAllowed):
        set_signing_secret(ports, server.pk, "x", member=house.bob)


def test_a_key_that_cannot_be_one_is_refused(ports: Ports) -> None:
    server = an_api_server("resend")
    for wrong in ("x" * 1001, "schlüssel", "a\nb"):
        with pytest.raises(ValueError, match="cannot be"):
            set_signing_secret(ports, server.pk, wrong, member=None)


def told_at(ports: Ports, server: OutgoingServer, kind: str, told: Told, *, token: str = "") -> HookResult:
    post = post_of(server.provider, kind, told)
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    return take_hook(
        ports,
        provider=server.provider,
        token=token or facts.address.rpartition("/")[2],
        headers=post.headers,
        body=post.body,
    )


PLAIN = sorted(set(VOICES) - {"amazon_ses"})


@pytest.mark.parametrize("provider", PLAIN)
def test_a_request_of_each_provider_finds_its_delivery(ports: Ports, provider: str) -> None:
    server = an_api_server(provider)
    if VOICES[provider].signing_secret:
        set_signing_secret(ports, server.pk, VOICES[provider].signing_secret, member=None)
    (delivery,) = some_sent(ports, server)
    told = Told(token=token_of(ports, delivery), at=ports.clock.now(), recipient=delivery.to_address)
    assert told_at(ports, server, "bounced", told) is HookResult.TAKEN
    delivery.refresh_from_db()
    assert (delivery.state, delivery.blame) == ("bounced", "address")
    hook = ProviderHook.objects.get()
    assert (hook.last_event_at, hook.last_trouble) == (ports.clock.now(), "")


def test_a_wrong_address_another_provider_and_an_archived_server_are_forged(ports: Ports) -> None:
    server = an_api_server("postmark")
    told = Told(at=ports.clock.now())
    assert told_at(ports, server, "bounced", told, token="0" * 40) is HookResult.FORGED
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    token = facts.address.rpartition("/")[2]
    post = post_of("brevo", "bounced")
    for provider in ("brevo", "nobody"):
        result = take_hook(ports, provider=provider, token=token, headers=post.headers, body=post.body)
        assert result is HookResult.FORGED
    renew_hook(ports, server.pk, member=None)
    assert told_at(ports, server, "bounced", told, token=token) is HookResult.FORGED
    OutgoingServer.objects.update(is_active=False)
    assert told_at(ports, server, "bounced", told) is HookResult.FORGED


def test_trouble_is_remembered_until_an_event_is_believed(ports: Ports) -> None:
    server = an_api_server("mailgun")
    told = Told(at=ports.clock.now())
    assert told_at(ports, server, "bounced", told) is HookResult.FORGED
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    assert "not signed" in facts.last_trouble
    set_signing_secret(ports, server.pk, VOICES["mailgun"].signing_secret, member=None)
    assert told_at(ports, server, "bounced", told) is HookResult.TAKEN
    assert ProviderHook.objects.get().last_trouble == ""


def test_what_cannot_be_read_is_said_to_be_so(ports: Ports) -> None:
    server = an_api_server("postmark")
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    token = facts.address.rpartition("/")[2]
    result = take_hook(ports, provider="postmark", token=token, headers={}, body=json.dumps([1]).encode())
    assert result is HookResult.UNREADABLE


class Desk:
    """Providers as a test wants them."""

    def __init__(self, reading: HookReading | HookRefusal | Exception, trouble: Exception | None = None) -> None:
        self.reading, self.trouble, self.confirmed = reading, trouble, list[str]()

    def read_post(self, *_: object) -> HookReading | HookRefusal:
        if isinstance(self.reading, Exception):
            raise self.reading
        return self.reading

    def confirm(self, address: str) -> None:
        if self.trouble:
            raise self.trouble
        self.confirmed.append(address)


def told_to(ports: Ports, desk: Desk) -> HookResult:
    server = an_api_server("postmark")
    facts = show_hook(ports, server.pk, member=None)
    assert facts is not None
    token = facts.address.rpartition("/")[2]
    ports = dataclasses.replace(ports, providers=desk)  # type: ignore[arg-type]
    return take_hook(ports, provider="postmark", token=token, headers={}, body=b"")


def test_a_subscription_is_confirmed_where_the_proven_request_says(ports: Ports) -> None:
    desk = Desk(HookReading(confirm_at="https://sns.example/?x"))
    assert told_to(ports, desk) is HookResult.TAKEN
    assert desk.confirmed == ["https://sns.example/?x"]


@pytest.mark.parametrize("trouble", [OSError("no way out"), ValueError("HTTP 500")])
def test_who_cannot_be_asked_makes_the_provider_tell_it_again(ports: Ports, trouble: Exception) -> None:
    assert told_to(ports, Desk(HookReading(confirm_at="https://sns.example/"), trouble)) is HookResult.LATER
    assert "could not be asked" in ProviderHook.objects.get().last_trouble


def test_a_certificate_that_cannot_be_had_makes_the_provider_tell_it_again(ports: Ports) -> None:
    assert told_to(ports, Desk(OSError("no name"))) is HookResult.LATER
