"""Handing in mail: by programs with a key, by providers at a secret address."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError, connection
from django.test import Client

from postroom import wiring
from postroom.adapters.esp import notices
from postroom.api import ingress as provider_door
from postroom.api.strangers import PATIENCE, Known, Strangers
from postroom.api.v1 import ingress as program_door
from postroom.core.terms.ingress import HandedIn, InboundReading
from postroom.flows import hand_in_mail as flow
from postroom.flows import inbound_hooks
from postroom.flows.api_keys import make_key
from postroom.flows.inbound_hooks import InboundHookFacts, list_inbound_hooks, remove_inbound_hook, save_inbound_hook
from postroom.flows.route_message import route_waiting
from postroom.store import lent
from postroom.store.lent import ManyWait
from postroom.store.models import (
    Company,
    InboundHook,
    InboundMessage,
    IngressReceipt,
    Member,
    RawMail,
    Record,
    RecordKind,
    SettingChange,
)
from postroom.wiring import ports
from tests.adapters.esp.handing_in import ASCII_RAW, RAW, form, handed_in, signed_by_mailgun
from tests.adapters.esp.telling import CERTIFICATE_AT, amazon_key, sns

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[..., Any]


@pytest.fixture
def ask(alice: Member) -> Ask:
    """Hand in as a program of Alice's whose key opens nothing else."""
    key = make_key(ports(), member=alice, name="a form", scope="ingress").text

    def post(body: bytes, content_type: str = "message/rfc822", place: str = "", **headers: str) -> Any:
        window = Client(enforce_csrf_checks=True)
        sent = {"Authorization": f"Bearer {key}", **headers}
        return window.post(f"/api/v1/inbound{place}", body, content_type=content_type, headers=sent)

    return post


def stored() -> bytes:
    raw = RawMail.objects.get().raw
    assert raw is not None
    return bytes(raw)


# ---- programs


def test_a_raw_mail_is_durable_when_yes_is_said(ask: Ask) -> None:
    answer = ask(RAW, place="?mail_from=carla@customer.example&rcpt_to=help@box.test&rcpt_to=sales@box.test")
    assert answer.status_code == 201
    row = InboundMessage.objects.get()
    assert answer.json() == {"id": row.pk, "is_new": True}
    assert (row.door, row.mail_from, row.rcpt_to) == (
        "http",
        "carla@customer.example",
        ["help@box.test", "sales@box.test"],
    )
    assert stored() == RAW


@pytest.mark.parametrize("field", [{"raw": RAW.decode("latin-1")}, {"raw_base64": b64encode(RAW).decode()}])
def test_a_mail_in_json_is_taken_too(ask: Ask, field: dict[str, str]) -> None:
    told = {**field, "mail_from": "carla@customer.example", "rcpt_to": ["help@box.test"]}
    assert ask(json.dumps(told).encode(), "application/json").status_code == 201
    assert InboundMessage.objects.get().rcpt_to == ["help@box.test"]
    if "raw_base64" in field:
        assert stored() == RAW


def test_without_recipients_the_header_decides(ask: Ask) -> None:
    assert ask(RAW).status_code == 201
    assert InboundMessage.objects.get().rcpt_to == []


def test_the_same_key_and_mail_again_is_the_same_mail(ask: Ask) -> None:
    first = ask(RAW, **{"Idempotency-Key": "form-1"})
    again = ask(RAW, **{"Idempotency-Key": "form-1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"id": first.json()["id"], "is_new": False}
    assert InboundMessage.objects.count() == 1
    other = ask(RAW + b"more", **{"Idempotency-Key": "form-1"})
    assert other.status_code == 422
    assert "another mail" in other.json()["detail"]
    assert ask(RAW, **{"Idempotency-Key": "form-2"}).status_code == 201
    assert IngressReceipt.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "content_type", "place", "status", "words"),
    [
        (b"\r\n", "message/rfc822", "", 400, "no mail"),
        (b"hello, this is no mail\r\n", "message/rfc822", "", 400, "no header"),
        (RAW, "message/rfc822", "?rcpt_to=nobody", 400, "no mail address"),
        (RAW, "message/rfc822", "?rcpt_to=a@b.test&mail_from=x y", 400, "no mail address"),
        (RAW, "text/plain", "", 415, "message/rfc822"),
        (b"{", "application/json", "", 400, "no JSON"),
        (b"[]", "application/json", "", 400, "object"),
        (b'{"raw": "a: b", "raw_base64": "YQ=="}', "application/json", "", 400, "raw or raw_base64"),
        (b'{"raw_base64": "!"}', "application/json", "", 400, "base64"),
        (b'{"raw": 5}', "application/json", "", 400, "texts"),
        (b'{"raw": "a: b", "rcpt_to": "x@y.test"}', "application/json", "", 400, "list"),
    ],
)
def test_what_cannot_be_taken_is_said_in_words(
    ask: Ask, body: bytes, content_type: str, place: str, status: int, words: str
) -> None:
    answer = ask(body, content_type, place)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert InboundMessage.objects.count() == 0


def test_a_mail_that_is_too_large_is_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(ports(), configuration=replace(ports().configuration, max_message_size=10))
    monkeypatch.setattr(program_door, "ports", lambda: small)
    answer = ask(RAW)
    assert (answer.status_code, answer.json()["detail"]) == (413, f"The mail has {len(RAW)} bytes; 10 are accepted.")
    monkeypatch.setattr(program_door, "most_bytes", lambda _largest: 10)
    assert ask(RAW).status_code == 413


def test_our_trouble_is_503_and_nothing_is_stored(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OperationalError("away"), OSError(28, "No space left on device")):

        def fail(*_: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr(flow, "accept_message", fail)
        answer = ask(RAW, **{"Idempotency-Key": "form-1"})
        assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    monkeypatch.undo()
    assert ask(RAW, **{"Idempotency-Key": "form-1"}).status_code == 201
    assert InboundMessage.objects.count() == 1


def test_who_may_not_act_on_incoming_mail_may_not_hand_it_in(bob: Member) -> None:
    key = make_key(ports(), member=bob, name="a form").text
    headers = {"Authorization": f"Bearer {key}"}
    answer = Client().post("/api/v1/inbound", RAW, content_type="message/rfc822", headers=headers)
    assert answer.status_code == 403


def test_nobody_is_401_and_a_key_for_handing_in_opens_nothing_else(alice: Member) -> None:
    assert Client().post("/api/v1/inbound", RAW, content_type="message/rfc822").status_code == 401
    key = make_key(ports(), member=alice, name="a form", scope="ingress").text
    headers = {"Authorization": f"Bearer {key}"}
    assert Client().get("/api/v1/inbound", headers=headers).status_code == 401
    with pytest.raises(ValueError, match="scopes"):
        make_key(ports(), member=alice, name="x", scope="everything")


# ---- providers


@pytest.fixture
def hook(company: Company) -> InboundHookFacts:
    return save_inbound_hook(ports(), name="Incoming", provider="postmark", company_id=company.pk, member=None)


def path_of(hook: InboundHookFacts) -> str:
    return hook.address.removeprefix(ports().configuration.public_url)


def test_a_mail_at_the_secret_address_is_durable_when_yes_is_said(hook: InboundHookFacts) -> None:
    told = handed_in("postmark", address=hook.address)
    window = Client(enforce_csrf_checks=True)
    answer = window.post(path_of(hook), told.body, content_type="application/json")
    assert (answer.status_code, answer.content) == (200, b"")
    row = InboundMessage.objects.get()
    assert (row.door, row.mail_from, row.rcpt_to) == ("http", "carla@customer.example", ["help@box.test"])
    assert row.peer == "Postmark (Incoming)"
    assert stored() == ASCII_RAW
    assert list_inbound_hooks(ports(), member=None)[0].last_mail_at is not None


def test_who_does_not_know_the_address_is_refused(hook: InboundHookFacts) -> None:
    told = handed_in("postmark", address="")
    for place in ("/ingress/postmark/" + "0" * 40 + "/mime", path_of(hook).replace("postmark", "mailgun")):
        assert Client().post(place, told.body, content_type="application/json").status_code == 403
    remove_inbound_hook(ports(), InboundHook.objects.get().pk, member=None)
    assert Client().post(path_of(hook), told.body, content_type="application/json").status_code == 403
    assert InboundMessage.objects.count() == 0


def test_get_changes_nothing_and_a_body_has_a_largest_size(
    hook: InboundHookFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Client().get(path_of(hook)).status_code == 405
    assert Client().head(path_of(hook)).status_code == 200
    assert Client().post(path_of(hook), b"{", content_type="application/json").status_code == 400
    assert "could not be read" in InboundHook.objects.get().last_trouble
    monkeypatch.setattr(provider_door, "most_bytes", lambda _largest: 1)
    assert Client().post(path_of(hook), b"{}", content_type="application/json").status_code == 413


def test_our_trouble_makes_the_provider_come_again(hook: InboundHookFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    told = handed_in("postmark", address=hook.address)

    def refuse(*_: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patched:
        patched.setattr(inbound_hooks, "accept_messages", refuse)
        answer = Client().post(path_of(hook), told.body, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert Client().post(path_of(hook), told.body, content_type="application/json").status_code == 200
    assert InboundMessage.objects.count() == 1


def test_what_is_not_proven_is_refused_and_shown(company: Company) -> None:
    found = save_inbound_hook(ports(), name="Routes", provider="mailgun", company_id=company.pk, member=None)
    assert not found.is_complete
    save_inbound_hook(ports(), name="Routes", provider="mailgun", company_id=company.pk, secret="s3cret", member=None)
    good = handed_in("mailgun", address=found.address, secret="s3cret")
    forged = handed_in("mailgun", address=found.address, secret="guessed")
    window = Client()
    assert window.post(path_of(found), forged.body, content_type=forged.headers["content-type"]).status_code == 403
    assert "not proven" in InboundHook.objects.get().last_trouble
    assert window.post(path_of(found), good.body, content_type=good.headers["content-type"]).status_code == 200
    assert stored() == RAW
    assert "s3cret" not in json.dumps(list(SettingChange.objects.values_list("after", flat=True)))


def hand_in_by_mailgun(address: InboundHookFacts, raw: bytes = RAW, **signature: Any) -> int:
    told = form({**signed_by_mailgun("s3cret", **signature), "body-mime": raw})
    answer = Client().post(path_of(address), told.body, content_type=told.headers["content-type"])
    return int(answer.status_code)


@pytest.fixture
def mailgun(company: Company) -> InboundHookFacts:
    return save_inbound_hook(
        ports(), name="Routes", provider="mailgun", company_id=company.pk, secret="s3cret", member=None
    )


def test_a_signature_that_was_seen_once_opens_nothing_for_another_mail(mailgun: InboundHookFacts) -> None:
    """It covers a moment and a random text, and not the mail."""
    assert hand_in_by_mailgun(mailgun) == 200
    assert hand_in_by_mailgun(mailgun, RAW + b"forged") == 403
    assert "used a second time" in InboundHook.objects.get().last_trouble
    assert hand_in_by_mailgun(mailgun, RAW + b"another", token="e" * 50) == 200
    assert InboundMessage.objects.count() == 2


def test_the_same_mail_again_is_answered_yes_and_stored_once(mailgun: InboundHookFacts) -> None:
    """The provider did not hear our first answer."""
    assert [hand_in_by_mailgun(mailgun), hand_in_by_mailgun(mailgun)] == [200, 200]
    assert InboundMessage.objects.count() == 1


def test_a_signature_of_which_nothing_was_kept_in_our_trouble_is_still_good(
    mailgun: InboundHookFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patched:
        patched.setattr(inbound_hooks, "accept_messages", refuse)
        assert hand_in_by_mailgun(mailgun, seconds_ago=7200) == 503
    assert hand_in_by_mailgun(mailgun, seconds_ago=7200) == 200  # tried again for hours, as it was signed at first


@pytest.mark.parametrize("seconds_ago", [inbound_hooks.OLDEST + 60, -inbound_hooks.MOST_AHEAD - 60])
def test_a_signature_of_another_day_is_refused(mailgun: InboundHookFacts, seconds_ago: int) -> None:
    assert hand_in_by_mailgun(mailgun, seconds_ago=seconds_ago) == 403
    assert "too long ago" in InboundHook.objects.get().last_trouble


def test_an_address_belongs_to_the_topic_that_it_was_confirmed_for(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = save_inbound_hook(ports(), name="SES", provider="amazon_ses", company_id=company.pk, member=None)
    asked: list[str] = []
    mail = HandedIn(raw=RAW, mail_from="carla@customer.example", rcpt_to=("help@box.test",))
    readings = {
        b"ours": InboundReading(confirm_at="https://confirm.example/ours", topic="arn:ours"),
        b"theirs": InboundReading(confirm_at="https://confirm.example/theirs", topic="arn:theirs"),
        b"mail": InboundReading(mails=(mail,), topic="arn:ours", nonce="m1"),
        b"foreign": InboundReading(mails=(mail,), topic="arn:theirs", nonce="m2"),
    }
    amazon = SimpleNamespace(read_inbound=lambda _name, post, *_: readings[post.body], confirm=asked.append)
    monkeypatch.setattr(provider_door, "ports", lambda: replace(ports(), providers=amazon))
    window = Client()
    answers = [window.post(path_of(hook), body, content_type="text/plain").status_code for body in readings]
    assert answers == [200, 403, 200, 403]
    assert asked == ["https://confirm.example/ours"]
    assert (InboundHook.objects.get().topic, InboundMessage.objects.count()) == ("arn:ours", 1)
    assert "Another topic" in InboundHook.objects.get().last_trouble


class Waits:
    """How the request's own connection to the database is while somebody outside is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, bool, bool]] = []
        monkeypatch.setattr(lent, "give_back", connection.close)  # as a pool would get it back
        monkeypatch.setattr(notices, "ask", self._ask)

    def _ask(self, address: str) -> bytes:
        self.seen.append((address, connection.connection is not None, connection.in_atomic_block))
        return amazon_key()[1]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    notices.amazons_certificate.cache_clear()
    yield Waits(monkeypatch)
    notices.amazons_certificate.cache_clear()


def test_no_transaction_is_open_and_no_connection_held_while_amazon_is_asked(company: Company, waits: Waits) -> None:
    hook = save_inbound_hook(ports(), name="SES", provider="amazon_ses", company_id=company.pk, member=None)
    confirmation = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn&Token=t"
    greeting = sns("SubscriptionConfirmation", "hello", SubscribeURL=confirmation, Token="t")
    assert Client().post(path_of(hook), json.dumps(greeting), content_type="text/plain").status_code == 200
    assert waits.seen == [(CERTIFICATE_AT, False, False), (confirmation, False, False)]
    assert InboundHook.objects.get().topic == greeting["TopicArn"]


def test_where_many_wait_already_amazon_is_told_to_come_again(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def many_wait() -> None:
        raise ManyWait("many")

    hook = save_inbound_hook(ports(), name="SES", provider="amazon_ses", company_id=company.pk, member=None)
    monkeypatch.setattr(wiring, "before_waiting", many_wait)
    answer = Client().post(path_of(hook), "{}", content_type="text/plain")
    assert (answer.status_code, answer.content) == (503, b"")
    assert answer["Retry-After"]


def test_mail_of_an_address_that_no_alias_takes_becomes_a_record_of_its_kind(company: Company) -> None:
    kind = RecordKind.objects.filter(is_active=True).order_by("key")[0]
    hook = save_inbound_hook(
        ports(), name="In", provider="postmark", company_id=company.pk, fallback_kind=kind.pk, member=None
    )
    told = handed_in("postmark", address=hook.address)
    assert Client().post(path_of(hook), told.body, content_type="application/json").status_code == 200
    while route_waiting(ports()):
        pass
    assert InboundMessage.objects.get().state == "routed"
    assert Record.objects.get().kind_id == kind.pk
    with pytest.raises(ValidationError):
        save_inbound_hook(
            ports(), name="In", provider="postmark", company_id=company.pk, fallback_kind="nothing", member=None
        )


def test_a_strangers_body_is_not_read(hook: InboundHookFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> bytes:
        raise AssertionError("it was read")

    monkeypatch.setattr(WSGIRequest, "read", read)
    place = "/ingress/postmark/" + "0" * 40 + "/mime"
    assert Client().post(place, b"x" * 1000, content_type="application/json").status_code == 403


def test_many_strangers_are_told_to_come_later_and_shut_out_nobody() -> None:
    now, asked = [0.0], []

    def known(is_it: bool) -> Callable[[], bool]:
        return lambda: asked.append(is_it) or is_it  # type: ignore[func-returns-value]

    door = Strangers(clock=lambda: now[0])
    assert door.asks("postmark/ours", known(True)) is Known.YES
    answers = [door.asks(f"postmark/{number}", known(False)) for number in range(200)]
    assert answers == [Known.NO] * PATIENCE + [Known.ASK_LATER] * (200 - PATIENCE)
    assert len(asked) == PATIENCE + 1
    assert door.asks("postmark/ours", known(True)) is Known.YES
    assert door.asks("postmark/ours", known(False)) is Known.NO  # it was taken away
    assert door.asks("postmark/ours", known(True)) is Known.ASK_LATER
    now[0] = 61.0
    assert door.asks("postmark/ours", known(True)) is Known.YES


def test_a_refused_request_does_not_write_its_secret_address_into_the_log(
    hook: InboundHookFacts, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        assert Client().post(path_of(hook), b"{", content_type="application/json").status_code == 400
        assert Client().get(path_of(hook)).status_code == 405
    assert path_of(hook).split("/")[3] not in caplog.text


def test_a_mail_that_is_too_large_is_refused_by_its_provider_door(
    hook: InboundHookFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(ports(), configuration=replace(ports().configuration, max_message_size=10))
    monkeypatch.setattr(provider_door, "ports", lambda: small)
    told = handed_in("postmark", address=hook.address)
    assert Client().post(path_of(hook), told.body, content_type="application/json").status_code == 413
    assert InboundMessage.objects.count() == 0
