"""Commands about what comes in: how it is, both kinds of JSON, and no secret that is empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postroom.flows.provider_hooks import set_signing_secret
from postroom.store.models import DkimKey, InboundMessage, Mailbox, OutgoingServer
from postroom.wiring import ports
from postroom.workers.supervisor import alone_in, is_up
from tests.cli.conftest import Command
from tests.flows.arriving import arrive
from tests.people import House, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


def test_status_says_what_is_wrong_and_ends_with_1(house: House, postroom: Command) -> None:
    told = postroom("status", "--json").data
    assert told["incoming"] == told["incoming"] | {"ok": True, "waiting": 0, "failed": 0, "held": 0}
    assert (told["disk"]["ok"], told["mailboxes"]["active"], told["schedule"]["late"]) == (True, 0, [])
    assert told["processes"]["up"] is False
    arrive(write_mail(), "support@in.test")
    InboundMessage.objects.update(state="failed", error="KeyError")
    answer = postroom("status")
    assert answer.code == 1
    assert "1 failed (see: postroom inbound list --state failed)" in answer.out
    assert "need a person" in answer.out


def test_who_holds_the_directory_runs(tmp_path: Path) -> None:
    assert not is_up(tmp_path)
    with alone_in(tmp_path):
        assert is_up(tmp_path)
    assert not is_up(tmp_path)
    assert not is_up(tmp_path / "nowhere")


@pytest.mark.parametrize("command", ["parse", "read-report", "split-reply"])
def test_mails_are_told_as_lines_or_as_one_document(command: str, postroom: Command, tmp_path: Path) -> None:
    mails = [tmp_path / "a.eml", tmp_path / "b.eml"]
    for mail in mails:
        mail.write_bytes(write_mail())
    names = [str(mail) for mail in mails]
    lines = [json.loads(line) for line in postroom(command, "--jsonl", *names).out.splitlines()]
    assert postroom(command, "--json", *names).data == lines
    assert [one["file"] for one in lines] == names
    both = postroom(command, "--json", "--jsonl", *names)
    assert (both.code, both.out) == (2, "")
    assert postroom(command, "--json", str(tmp_path / "none.eml")).data == []


def test_explain_has_both_too(house: House, postroom: Command, tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(write_mail())
    whole = postroom("explain", "--json", str(tmp_path / "a.eml")).data
    line = postroom("explain", "--jsonl", str(tmp_path / "a.eml")).out
    assert line.count("\n") == 1
    assert json.loads(line) == whole


def test_without_anybody_to_ask_no_empty_password_is_stored(house: House, postroom: Command) -> None:
    words = ("mailbox", "add", "Support", "--host", "imap.example", "--user", "support@imap.example")
    refused = postroom(*words)
    assert refused.code == 2
    assert "--password-stdin" in refused.err
    assert not Mailbox.objects.exists()
    assert postroom(*words, "--password-stdin", stdin=b"").code == 2
    assert postroom(*words, "--password-stdin", stdin=b"secret\n").code == 0
    assert Mailbox.objects.exists()


def test_without_a_key_no_provider_is_stored(house: House, postroom: Command) -> None:
    words = ("provider", "add", "Mails", "mailgun", "--option", "domain=mg.example.com")
    refused = postroom(*words, stdin=b"\n")
    assert (refused.code, OutgoingServer.objects.filter(transport="api").exists()) == (2, False)
    assert "There is no key" in refused.err
    assert postroom(*words, stdin=b"key-1\n").code == 0


def test_a_command_does_not_speak_of_fields_of_a_page(house: House, postroom: Command) -> None:
    assert (
        postroom("provider", "add", "Mails", "mailgun", "--option", "domain=mg.example.com", stdin=b"key-1\n").code == 0
    )
    told = postroom("provider", "hook", "Mails").out
    assert "field below" not in told
    assert "--signing-key" in told
    server = OutgoingServer.objects.get(name="Mails")
    set_signing_secret(ports(), server.pk, "sign", member=None)
    refused = postroom("provider", "hook", "Mails", "--signing-key", stdin=b"")
    assert refused.code == 2  # the former one stays


def test_what_is_no_address_is_said_to_be_none(house: House, postroom: Command) -> None:
    answer = postroom("suppression", "show", "notanaddress")
    assert answer.code == 2
    assert "no mail address" in answer.err
    assert postroom("suppression", "show", "carla@customer.example").code == 1


def test_who_asks_twice_for_a_dkim_key_gets_the_same_one(house: House, postroom: Command) -> None:
    first = postroom("dkim", "create", "in.test", "--json").data
    assert postroom("dkim", "create", "in.test", "--json").data == first
    assert DkimKey.objects.count() == 1
    both = postroom("dkim", "create", "in.test", "-a", "both", "--json").data
    assert {one["algorithm"] for one in both} == {"rsa", "ed25519"}
    assert DkimKey.objects.count() == 2
    assert postroom("dkim", "create", "_dmarc.in.test").code != 0
