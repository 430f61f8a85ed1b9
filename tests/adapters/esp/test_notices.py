"""What providers tell us: proven, and in one vocabulary, held against anymail's own reading."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.adapters.esp import notices
from postroom.adapters.esp.notices import read_post
from postroom.adapters.esp.signatures import is_amazons_confirmation
from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.tracking import EventKind, HookPost, HookReading, HookRefusal, TrackingEvent, blame_for
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import Blame
from tests.adapters.esp.providing import TOKEN
from tests.adapters.esp.telling import (
    AT,
    CERTIFICATE_AT,
    VOICES,
    Told,
    amazon_key,
    post_of,
    sendgrid_public_key,
    signed,
    sns,
    svix_headers,
)

NAMES = {  # of fields that readers look for
    "event-data", "signature", "event", "type", "data", "msys", "message_event", "mail", "tags", "headers", "bounce", "eventType",
    "RecordType", "Metadata", "X-Mailin-custom", "Payload", "created_at", "ts_epoch", "timestamp", "time", "complaint", "user-variables",
    "rcpt_meta", "delivery", "deliveryDelay", "delayedRecipients", "bouncedRecipients", "message", "name", "value", "email_id", "to",
}  # fmt: skip

KINDS = {"soft": EventKind.BOUNCED}
EVENTS = [(provider, kind) for provider, voice in sorted(VOICES.items()) for kind in voice.kinds if kind != "opened"]


@pytest.fixture(autouse=True)
def _amazon_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def certificate(address: str) -> bytes:
        assert address == CERTIFICATE_AT
        return amazon_key()[1]

    monkeypatch.setattr(notices, "amazons_certificate", certificate)


def read(provider: str, post: HookPost) -> HookReading | HookRefusal:
    return read_post(provider, post, Secret(VOICES[provider].signing_secret))


def only(provider: str, post: HookPost) -> TrackingEvent:
    reading = read(provider, post)
    assert isinstance(reading, HookReading)
    (event,) = reading.events
    return event


def test_every_provider_of_the_table_is_heard() -> None:
    assert VOICES.keys() == PROVIDERS.keys()


@pytest.mark.parametrize(("provider", "kind"), EVENTS, ids=[f"{one}-{two}" for one, two in EVENTS])
def test_an_event_has_its_kind_its_moment_its_token_and_its_recipient(provider: str, kind: str) -> None:
    message_id = "<provider-message-1>" if provider == "mailgun" else "provider-message-1"
    event = only(provider, post_of(provider, kind, Told(message_id=message_id)))
    assert event.kind == KINDS.get(kind, EventKind(kind) if kind != "soft" else None)
    assert event.token == TOKEN
    assert event.message_id == message_id
    assert event.recipient == "carla@customer.example"
    if not (provider == "postmark" and kind == "opened"):
        assert event.at == AT
    assert event.event_id
    assert event.is_soft is (kind == "soft")


@pytest.mark.parametrize("provider", sorted(VOICES))
def test_a_bounce_tells_the_servers_words_and_whose_fault_it_is(provider: str) -> None:
    event = only(provider, post_of(provider, "bounced"))
    assert event.text == "550 5.1.1 No such user here"
    assert event.status == "5.1.1"
    assert blame_for(event) is Blame.ADDRESS


@pytest.mark.parametrize("provider", sorted(VOICES))
def test_opens_are_passed_over(provider: str) -> None:
    reading = read(provider, post_of(provider, "opened"))
    assert isinstance(reading, HookReading)
    assert reading.events == ()


@pytest.mark.parametrize("provider", sorted(VOICES))
def test_the_same_event_told_twice_has_the_same_name(provider: str) -> None:
    first, second = (only(provider, post_of(provider, "bounced")) for _ in range(2))
    if provider == "mailgun":
        first, second = (dataclasses.replace(one, event_id="") for one in (first, second))
    assert first == second


@pytest.mark.parametrize("provider", sorted(VOICES))
def test_without_our_token_it_is_read_all_the_same(provider: str) -> None:
    assert only(provider, post_of(provider, "delivered", Told(token=""))).token == ""


@pytest.mark.parametrize("provider", sorted(VOICES))
@pytest.mark.parametrize("body", [b"", b"{", b"[]x", b"null", b"17", b'"text"', b"\xff\xfe", b'{"event": {}}', b"[[]]"])
def test_garbage_is_refused_and_never_raised(provider: str, body: bytes) -> None:
    reading = read(provider, signed(provider, body))
    assert not isinstance(reading, HookReading) or reading == HookReading()


def test_a_batch_is_read_as_a_whole() -> None:
    voice = VOICES["sendgrid"]
    told = [
        voice.write(
            voice.kinds["delivered"], Told(event_id=f"event-{number}", recipient=f"c{number}@customer.example")
        )[0]
        for number in range(500)
    ]
    reading = read("sendgrid", signed("sendgrid", json.dumps(told).encode()))
    assert isinstance(reading, HookReading)
    assert len(reading.events) == 500
    mailjet = VOICES["mailjet"]
    grouped = [mailjet.write(mailjet.kinds["delivered"], Told()) for _ in range(3)]
    reading = read("mailjet", signed("mailjet", json.dumps(grouped).encode()))
    assert isinstance(reading, HookReading)
    assert len(reading.events) == 3


# -- forgeries


def test_mailguns_signature_must_be_of_the_right_key() -> None:
    post = post_of("mailgun", "bounced")
    assert read_post("mailgun", post, Secret("another key")) is HookRefusal.FORGED
    told = json.loads(post.body)
    told["signature"]["token"] = "x" * 50
    assert read("mailgun", signed("mailgun", json.dumps(told).encode())) is HookRefusal.FORGED
    del told["signature"]
    assert read("mailgun", signed("mailgun", json.dumps(told).encode())) is HookRefusal.FORGED


@pytest.mark.parametrize("provider", ["mailgun", "resend"])
def test_without_what_verifies_nothing_is_believed(provider: str) -> None:
    assert read_post(provider, post_of(provider, "bounced"), Secret("")) is HookRefusal.FORGED


def test_resends_signature_covers_moment_and_body() -> None:
    post = post_of("resend", "bounced")
    assert isinstance(read("resend", post), HookReading)
    assert read("resend", dataclasses.replace(post, body=post.body + b" ")) is HookRefusal.FORGED
    old = dataclasses.replace(post, headers={**post.headers, **svix_headers(post.body, 1_700_000_000)})
    assert read("resend", old) is HookRefusal.FORGED
    for name in ("svix-id", "svix-timestamp", "svix-signature"):
        bare = {key: value for key, value in post.headers.items() if key != name}
        assert read("resend", dataclasses.replace(post, headers=bare)) is HookRefusal.FORGED
    assert read_post("resend", post, Secret("whsec_not base64!")) is HookRefusal.FORGED


def test_sendgrids_signature_is_verified_once_its_key_is_known() -> None:
    post, key = post_of("sendgrid", "bounced"), Secret(sendgrid_public_key())
    assert isinstance(read_post("sendgrid", post, key), HookReading)
    assert read_post("sendgrid", dataclasses.replace(post, body=post.body + b" "), key) is HookRefusal.FORGED
    bare = dataclasses.replace(post, headers={"content-type": "application/json"})
    assert read_post("sendgrid", bare, key) is HookRefusal.FORGED
    assert isinstance(read_post("sendgrid", bare, Secret("")), HookReading)


@pytest.mark.parametrize("version", ["1", "2"])
def test_amazons_signature_is_verified_by_its_certificate(version: str) -> None:
    genuine = sns("Notification", '{"eventType": "Unheard"}', version=version)
    assert isinstance(read("amazon_ses", _as_post(genuine)), HookReading)
    for name in ("Message", "MessageId", "Timestamp", "TopicArn", "Signature", "SignatureVersion", "SigningCertURL"):
        assert read("amazon_ses", _as_post(genuine | {name: "other"})) is HookRefusal.FORGED, name
        assert read("amazon_ses", _as_post({k: v for k, v in genuine.items() if k != name})) is HookRefusal.FORGED


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-central-1.amazonaws.com/../SimpleNotificationService-1.pem",
        "https://127.0.0.1/SimpleNotificationService-1.pem",
    ],
)
def test_no_certificate_is_fetched_from_anywhere_but_amazon(address: str) -> None:
    forged = sns("Notification", "{}") | {"SigningCertURL": address}
    assert read("amazon_ses", _as_post(forged)) is HookRefusal.FORGED


def test_a_subscription_is_confirmed_at_amazon_and_nowhere_else() -> None:
    genuine = (
        "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns&Token=2336412f37f"
    )
    more = {"SubscribeURL": genuine, "Token": "2336412f37f"}
    reading = read("amazon_ses", _as_post(sns("SubscriptionConfirmation", "You have chosen to subscribe", **more)))
    assert reading == HookReading(confirm_at=genuine)
    for address in ("https://evil.example/?Action=ConfirmSubscription&x=1", genuine.replace("Confirm", "Delete"), ""):
        more["SubscribeURL"] = address
        refused = read("amazon_ses", _as_post(sns("SubscriptionConfirmation", "…", **more)))
        assert refused is HookRefusal.UNREADABLE
        assert not is_amazons_confirmation(address)


def test_amazons_greeting_tells_nothing() -> None:
    greeting = "Successfully validated SNS topic for Amazon SES event publishing."
    assert read("amazon_ses", _as_post(sns("Notification", greeting))) == HookReading()
    assert (
        read("amazon_ses", _as_post(sns("UnsubscribeConfirmation", "bye", SubscribeURL="x", Token="y")))
        == HookReading()
    )


def _as_post(message: dict[str, str]) -> HookPost:
    return signed("amazon_ses", json.dumps(message).encode())


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(NAMES)) | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(provider=st.sampled_from(sorted(VOICES)), told=ANY_JSON)
def test_whatever_json_comes_nothing_is_raised(provider: str, told: object) -> None:
    if provider == "amazon_ses":
        assert read(provider, _as_post(sns("Notification", json.dumps(told)))) is not None
    assert read(provider, signed(provider, json.dumps(told).encode())) is not None
