"""provider: a provider's API added, tried, and told where to post its events."""

from __future__ import annotations

import pytest

from postroom.store.models import OutgoingServer, ProviderHook
from postroom.wiring import ports
from tests.adapters.esp.scripted_api import Says, api_that
from tests.cli.conftest import Command

pytestmark = pytest.mark.django_db


def test_the_providers_are_listed_with_what_they_want(postroom: Command) -> None:
    rows = {row["name"]: row for row in postroom("provider", "list", "--json").data}
    assert [one["name"] for one in rows["mailgun"]["options"]] == ["region", "domain"]
    assert "Mailgun" in postroom("provider", "list").out


def test_a_server_is_added_tried_and_has_an_address_for_events(postroom: Command) -> None:
    with api_that(Says(json={"Name": "Northwind mail"}), always=Says(status=401, json={"Message": "bad token"})) as api:
        added = postroom("provider", "add", "Mails", "postmark", "--option", f"api_url={api.url}", stdin=b"key-4711\n")
        assert added.code == 0, added.err
        tested = postroom("provider", "test", "Mails", "--json")
        assert (tested.code, tested.data["ok"], tested.data["code"]) == (0, True, "api_good")
        refused = postroom("provider", "test", "Mails")
        assert refused.code == 1
        assert "bad token" in refused.out
    assert api.requests[0].headers["x-postmark-server-token"] == "key-4711"
    server = OutgoingServer.objects.get()
    assert (server.transport, server.provider) == ("api", "postmark")
    assert ports().vault.open(bytes(server.secret)).reveal() == "key-4711"
    address = postroom("provider", "hook", "Mails", "--json").data["address"]
    assert "/hooks/postmark/" in address
    assert postroom("provider", "hook", "Mails", "--renew", "--json").data["address"] != address


def test_what_signs_events_goes_in_and_never_comes_out(postroom: Command) -> None:
    postroom("provider", "add", "Gun", "mailgun", "--option", "domain=mg.example.com", stdin=b"key\n")
    assert "signing key is missing" in postroom("provider", "hook", "Gun").out
    answer = postroom("provider", "hook", "Gun", "--signing-key", stdin=b"secret-of-events\n")
    assert (answer.code, "secret-of-events" in answer.out, "missing" in answer.out) == (0, False, False)
    assert b"secret-of-events" not in bytes(ProviderHook.objects.get().signing_secret)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("provider", "add", "X", "pigeon"), "There is no provider 'pigeon'"),
        (("provider", "add", "X", "mailgun"), "Sending domain: Mailgun needs it"),
        (("provider", "add", "X", "brevo", "--option", "colour=red"), "no option 'colour'"),
        (("provider", "add", "X", "brevo", "--option", "colour"), "NAME=VALUE"),
        (("provider", "test", "Nobody"), "no such server 'Nobody'"),
    ],
)
def test_what_is_asked_wrongly_is_told(postroom: Command, words: tuple[str, ...], told: str) -> None:
    answer = postroom(*words, stdin=b"key\n")
    assert answer.code == 2
    assert told in answer.err


def test_an_unreachable_api_fails_with_cause_and_cure(postroom: Command, closed_port: int) -> None:
    url = f"api_url=http://127.0.0.1:{closed_port}"
    postroom("provider", "add", "Far", "brevo", "--option", url, stdin=b"key\n")
    tested = postroom("provider", "test", "Far", "--json")
    assert (tested.code, tested.data["code"], tested.data["step"]) == (1, "api_unreachable", "connect")
    assert "443" in tested.data["cure"]


def test_a_server_without_a_key_is_told_so(postroom: Command) -> None:
    postroom("provider", "add", "Empty", "brevo", stdin=b"a key\n")
    OutgoingServer.objects.filter(name="Empty").update(secret=b"")
    tested = postroom("provider", "test", "Empty", "--json")
    assert (tested.code, tested.data["code"]) == (1, "api_secret")
