"""The door for providers' events: what it answers, and to whom."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from postroom.api import hooks
from postroom.api.strangers import PATIENCE, Strangers
from postroom.flows.provider_hooks import set_signing_secret, show_hook
from postroom.store.models import Delivery, OutgoingServer
from postroom.wiring import ports
from tests.adapters.esp.telling import Told, post_of
from tests.flows.test_record_tracking import an_api_server, some_sent, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_strangers_were_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_strangers", Strangers())


@pytest.fixture
def server() -> OutgoingServer:
    return an_api_server("postmark")


def place(server: OutgoingServer) -> str:
    facts = show_hook(ports(), server.pk, member=None)
    assert facts is not None
    return facts.address.removeprefix(ports().configuration.public_url)


def test_an_event_is_taken_and_booked_without_a_page_or_a_sign_in(server: OutgoingServer) -> None:
    (delivery,) = some_sent(ports(), server)
    told = post_of("postmark", "bounced", Told(token=token_of(ports(), delivery), at=ports().clock.now()))
    window = Client(enforce_csrf_checks=True)
    for _ in range(2):
        answer = window.post(place(server), told.body, content_type="application/json")
        assert (answer.status_code, answer.content) == (200, b"")
    assert Delivery.objects.get().state == "bounced"
    assert window.cookies == {}


def test_an_unknown_mail_is_taken_too(server: OutgoingServer) -> None:
    told = post_of("postmark", "delivered", Told(token="", message_id="of another program"))
    assert Client().post(place(server), told.body, content_type="application/json").status_code == 200


def test_get_changes_nothing_and_head_only_shows_that_somebody_is_there(server: OutgoingServer) -> None:
    there = place(server)
    assert Client().get(there).status_code == 405
    assert Client().put(there).status_code == 405
    assert Client().head(there).status_code == 200


@pytest.mark.parametrize("where", ["/hooks/postmark/" + "0" * 40, "/hooks/nobody/" + "0" * 40, "/hooks/postmark/x"])
def test_who_does_not_know_the_address_is_forged(server: OutgoingServer, where: str) -> None:
    answer = Client().post(where, b"{}", content_type="application/json")
    assert answer.status_code == 403
    assert answer.content == b""


def test_many_strangers_ask_the_database_seldom_and_shut_nobody_out(
    server: OutgoingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_strangers", Strangers(clock=lambda: 0.0))
    there = place(server)
    assert Client().post(there, b"x", content_type="application/json").status_code == 400
    found = [Client().post(f"/hooks/postmark/{n:040}", b"{}", content_type="application/json") for n in range(70)]
    assert [one.status_code for one in found] == [403] * PATIENCE + [429] * (70 - PATIENCE)
    assert found[-1]["Retry-After"] == "60"
    assert Client().post(there, b"x", content_type="application/json").status_code == 400, "who is known is heard"


def test_a_body_that_is_too_long_is_not_read(server: OutgoingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_BYTES", 100)
    there = place(server)
    assert Client().post(there, b"x" * 101, content_type="application/json").status_code == 413
    assert Client().post(there, b"x" * 100, content_type="application/json").status_code == 400


def test_our_own_trouble_is_told_again_later(server: OutgoingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise OperationalError("the database rests")

    there = place(server)
    monkeypatch.setattr(hooks, "take_hook", breaks)
    assert Client().post(there, b"{}", content_type="application/json").status_code == 503


def test_the_secret_address_is_not_logged_when_a_request_is_refused(
    server: OutgoingServer, caplog: pytest.LogCaptureFixture
) -> None:
    there = place(server)
    secret = there.rpartition("/")[2]
    with caplog.at_level("DEBUG"):
        assert Client().get(there).status_code == 405
        assert Client().post(there, b"{" * 10, content_type="application/json").status_code == 400
        assert Client().post(f"{there}0", b"{}", content_type="application/json").status_code == 403
    assert secret not in caplog.text


@pytest.mark.parametrize("moment", ["\u00b2", "9" * 5000, "-1", "", "1e9", "NaN"])
def test_a_strange_moment_of_a_signature_is_a_forgery_and_no_trouble_of_ours(moment: str) -> None:
    server = an_api_server("resend")
    set_signing_secret(ports(), server.pk, "whsec_c2VjcmV0LXNlY3JldA==", member=None)
    headers = {"svix-id": "msg_1", "svix-timestamp": moment, "svix-signature": "v1,AAAA"}
    answer = Client().post(place(server), b"{}", content_type="application/json", headers=headers)
    assert answer.status_code == 403
