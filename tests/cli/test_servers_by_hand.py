"""postroom server: presets, passwords that stand in no command line, tests with exit codes, archiving."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from postroom.core.terms.secret import Secret
from postroom.flows.ports import Ports
from postroom.store.models import AliasDomain, OutgoingServer
from postroom.wiring import make_ports
from postroom.wiring import ports as wired_ports
from tests.adapters.smtp.certificates import make_authority
from tests.adapters.smtp.scripted_peer import ScriptedPeer, polite
from tests.adapters.smtp.test_client_certificates import a_pair
from tests.cli.conftest import Command
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> AliasDomain:
    return AliasDomain.objects.create(name="northwind.example")


def test_a_preset_fills_a_new_server_and_says_what_it_needs(postroom: Command) -> None:
    answer = postroom("server", "add", "Gmail", "--preset", "gmail", "--user", "shop@gmail.example", "--password-stdin", stdin=b"abcd efgh\n")  # fmt: skip
    assert answer.code == 0
    assert "app password" in answer.out
    assert "postroom server test Gmail" in answer.out
    server = OutgoingServer.objects.get()
    assert (server.host, server.port, server.encryption, server.daily_limit) == ("smtp.gmail.com", 587, "starttls", 500)
    assert (server.envelope_sender, server.signs_dkim, server.preset) == ("login", False, "gmail")
    assert wired_ports().vault.open(bytes(server.secret)) == Secret("abcd efgh")
    assert "abcd" not in answer.out + answer.err


def test_a_password_may_come_by_the_environment(postroom: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_NEW_PASSWORD", "hunter2")
    assert postroom("server", "add", "Relay", "--host", "smtp.northwind.example", "--user", "us").code == 0
    assert wired_ports().vault.open(bytes(OutgoingServer.objects.get().secret)) == Secret("hunter2")


def test_no_option_takes_a_password(postroom: Command) -> None:
    answer = postroom("server", "add", "Relay", "--host", "x.example", "--password", "hunter2")
    assert answer.code == 2
    assert not OutgoingServer.objects.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "custom"], "Say its host"),
        (["--preset", "yahoo", "--host", "x.example"], "There is no preset yahoo"),
        (["--host", "x.example", "--from-filter", "alice"], "alice is neither an address nor a domain"),
        (["--host", "x.example", "--encryption", "rot13"], "rot13"),
        (["--host", "x.example", "--company", "Nobody Ltd"], "There is no company"),
        (["--host", "x.example", "--certificate", "gone.pem"], "gone.pem"),
    ],
)
def test_what_does_not_fit_is_said(postroom: Command, words: list[str], said: str) -> None:
    answer = postroom("server", "add", "Relay", *words)
    assert answer.code in (1, 2)
    assert said in answer.err
    assert not OutgoingServer.objects.exists()


def test_port_25_is_warned_about(postroom: Command) -> None:
    answer = postroom("server", "add", "Relay", "--host", "smtp.northwind.example", "--port", "25", "--json")
    assert "blocked by most networks" in answer.data["advice"]


def test_a_server_is_edited_and_only_what_is_named_changes(postroom: Command) -> None:
    server = a_server(587, name="Own relay", username="us", secret=wired_ports().vault.seal("old"))
    assert (
        postroom("server", "edit", "own RELAY", "--port", "465", "--encryption", "tls", "--rename", "Relay").code == 0
    )
    server.refresh_from_db()
    assert (server.name, server.port, server.encryption, server.username) == ("Relay", 465, "tls", "us")
    assert wired_ports().vault.open(bytes(server.secret)) == Secret("old")
    assert postroom("server", "edit", "Relay").code == 2
    assert postroom("server", "edit", "Nobody", "--port", "1").err == "There is no server 'Nobody'. There are: Relay.\n"
    assert postroom("server", "add", "relay", "--host", "x.example").code == 2


def test_a_client_certificate_is_read_from_files(postroom: Command, tmp_path: Path) -> None:
    certificate, key = a_pair(make_authority())
    (tmp_path / "us.pem").write_text(certificate)
    (tmp_path / "us.key").write_text(key)
    words = ["--host", "x.example", "--authentication", "certificate", "--certificate", str(tmp_path / "us.pem"), "--key", str(tmp_path / "us.key")]  # fmt: skip
    assert postroom("server", "add", "Relay", *words).code == 0
    assert OutgoingServer.objects.get().client_certificate == certificate
    assert postroom("server", "edit", "Relay", "--encryption", "none").code == 2


def test_a_working_server_ends_the_test_with_0(postroom: Command, domain: AliasDomain) -> None:
    with ScriptedPeer(polite()) as peer:
        a_server(peer.port, name="Relay")
        told = postroom("server", "test", "Relay", "--to", "carla@customer.example")
        data = postroom("server", "test", "Relay", "--json").data
    assert told.code == 0
    assert "354 go ahead" in told.out
    assert "nothing was sent" in told.out
    assert (data["ok"], data["step"], [one["step"] for one in data["steps"]][-1]) == (True, "", "data")
    assert peer.mails == []


def test_a_failing_one_ends_it_with_1_and_says_step_cause_and_cure(
    postroom: Command, domain: AliasDomain, closed_port: int
) -> None:
    a_server(closed_port, name="Relay")
    told = postroom("server", "test", "Relay")
    assert told.code == 1
    assert "It fails at the step connect: The connection was refused" in told.out
    assert f"Start the program that should listen on port {closed_port} of this machine" in told.out
    data = postroom("server", "test", "Relay", "--json").data
    assert (data["ok"], data["step"], data["code"]) == (False, "connect", "refused")
    assert data["cure"].startswith("Start the program that should listen")
    (row,) = postroom("server", "list", "--json").data
    assert row["last_test"].startswith("failed ")


def test_the_server_of_the_configuration_is_listed_and_tested(
    postroom: Command, domain: AliasDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postroom("server", "test", "configuration").code == 2
    with ScriptedPeer(polite()) as peer:
        configuration = dataclasses.replace(settings.POSTROOM, server_host="127.0.0.1", server_port=peer.port)
        fresh: Ports = make_ports(configuration)
        monkeypatch.setattr("postroom.wiring.ports", lambda: fresh)
        (row,) = postroom("server", "list", "--json").data
        assert postroom("server", "test", "configuration").code == 0
    assert (row["name"], row["state"]) == ("configuration", "when no other applies")


def test_a_server_is_paused_resumed_and_archived(postroom: Command) -> None:
    def state() -> Any:
        return postroom("server", "list", "--json").data[0]["state"]

    server = a_server(587, name="Relay")
    assert postroom("server", "pause", "Relay").out == "Relay is paused: its mail waits.\n"
    assert state() == "paused"
    assert postroom("server", "resume", "Relay", "--json").data["state"] == "ready"
    now = server.created_at
    deliveries(a_mail(a_company(), at=now, forced_server=server), "bob@reader.example", at=now)
    refused = postroom("server", "archive", "Relay")
    assert refused.code == 2
    assert "1 mail in the queue" in refused.err
    assert state() == "ready"
    server.delete()
    a_server(587, name="Relay")
    assert postroom("server", "archive", "Relay").code == 0
    assert state() == "archived"
