"""Outgoing servers on the page: presets without scripts, needs, Test Connection, exceptions in red, archiving refused."""

from __future__ import annotations

import dataclasses

import pytest
from django.conf import settings
from django.test import Client

from postroom.store.models import AliasDomain, Member, OutgoingServer
from postroom.wiring import make_ports, ports
from tests.adapters.smtp.certificates import make_authority
from tests.adapters.smtp.scripted_peer import ScriptedPeer, polite
from tests.adapters.smtp.test_client_certificates import a_pair
from tests.flows.outgoing_mails import a_mail, deliveries
from tests.web import seeding
from tests.web.conftest import SignedIn
from tests.web.test_settings_pages import SERVER

HTMX = {"HX-Request": "true"}


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    AliasDomain.objects.create(name="northwind.example")
    return signed_in(ada)


def html(window: Client, place: str, **more: str) -> str:
    answer = window.get(place, more)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_preset_fills_the_form_by_a_plain_link(window: Client) -> None:
    page = html(window, "/settings/servers/new/")
    assert 'href="?preset=gmail"' in page
    assert "What Gmail" not in page
    page = html(window, "/settings/servers/new/", preset="gmail")
    for piece in (
        'value="smtp.gmail.com"',
        'value="587"',
        'value="500"',
        'value="gmail"',
        "app password",
        "_spf.google.com",
    ):
        assert piece in page, piece
    assert '<option value="login" selected>' in page


def test_what_a_preset_filled_in_is_stored(window: Client) -> None:
    window.post("/settings/servers/new/?preset=gmail", {**SERVER, "preset": "gmail", "daily_limit": "500"})
    server = OutgoingServer.objects.get()
    assert (server.preset, server.daily_limit, server.signs_dkim) == ("gmail", 500, False)


def test_a_preset_over_a_stored_server_changes_nothing_before_it_is_saved(window: Client, ada: Member) -> None:
    server = seeding.a_server(company=ada.company)
    place = f"/settings/servers/{server.pk}/"
    assert 'value="smtp.sendgrid.net"' in html(window, place, preset="sendgrid")
    server.refresh_from_db()
    assert server.host == "smtp.northwind.example"
    window.post(
        f"{place}?preset=sendgrid",
        {**SERVER, "company": ada.company_id, "host": "smtp.sendgrid.net", "preset": "sendgrid"},
    )
    server.refresh_from_db()
    assert (server.host, server.preset) == ("smtp.sendgrid.net", "sendgrid")


def test_the_connection_is_tested_and_the_result_stays_on_the_page(window: Client, ada: Member) -> None:
    with ScriptedPeer(polite(answers={"RCPT": ["554 5.7.1 <carla@customer.example>: Relay access denied"]})) as peer:
        server = seeding.a_server(host="127.0.0.1", port=peer.port, encryption="none", company=ada.company)
        place = f"/settings/servers/{server.pk}/"
        assert "Not tested yet" in html(window, place)
        piece = window.post(f"{place}test/", {"to": "carla@customer.example"}, headers=HTMX).content.decode()
        moved = window.post(f"{place}test/")
    assert "does not pass mail on for us" in piece
    assert "mynetworks in Postfix" in piece
    assert "Relay access denied" in piece
    assert "<html" not in piece
    assert moved["Location"] == f"{place}#test"
    assert "does not pass mail on for us" in html(window, place)
    assert "test failed" in html(window, "/settings/servers/")


def test_a_good_server_says_that_nothing_was_sent(window: Client, ada: Member) -> None:
    with ScriptedPeer(polite()) as peer:
        server = seeding.a_server(host="127.0.0.1", port=peer.port, encryption="none", company=ada.company)
        piece = window.post(f"/settings/servers/{server.pk}/test/", headers=HTMX).content.decode()
    assert "The server takes mail." in piece
    assert "nothing was sent" in piece
    assert "ada@postroom.test" in piece, "the tester is the recipient"
    assert peer.mails == []


def test_the_recipient_of_a_test_is_an_address(window: Client, ada: Member) -> None:
    server = seeding.a_server(company=ada.company)
    answer = window.post(f"/settings/servers/{server.pk}/test/", {"to": "nobody"}, follow=True)
    assert "is no mail address" in answer.content.decode()
    assert OutgoingServer.objects.get().tested_at is None


def test_only_who_may_settle_the_server_tests_it(
    window: Client, signed_in: SignedIn, bob: Member, mallory: Member, ada: Member
) -> None:
    server, shared = seeding.a_server(company=ada.company), seeding.a_server("Shared")
    assert signed_in(bob).post(f"/settings/servers/{server.pk}/test/").status_code == 403
    assert signed_in(mallory).post(f"/settings/servers/{server.pk}/test/").status_code == 403
    assert window.post(f"/settings/servers/{shared.pk}/test/").status_code == 403
    assert window.post("/settings/servers/configuration/test/").status_code == 403
    assert window.post("/settings/servers/987654/test/").status_code == 404
    assert window.get(f"/settings/servers/{server.pk}/test/").status_code == 405
    assert not OutgoingServer.objects.exclude(tested_at=None).exists()


def test_an_exception_for_a_certificate_is_seen_in_red(window: Client, ada: Member) -> None:
    server = seeding.a_server(company=ada.company, verify_certificate=False)
    assert "certificate not verified" in html(window, "/settings/servers/")
    assert "is not verified" in html(window, f"/settings/servers/{server.pk}/")


def test_an_odd_port_is_spoken_of(window: Client, ada: Member) -> None:
    server = seeding.a_server(company=ada.company, port=25)
    assert "Port 25 is blocked by most networks" in html(window, f"/settings/servers/{server.pk}/")


def test_a_client_certificate_is_taken_and_its_key_never_shown(window: Client, ada: Member) -> None:
    certificate, key = a_pair(make_authority())
    values = {**SERVER, "company": ada.company_id, "authentication": "certificate", "client_certificate": certificate}
    answer = window.post("/settings/servers/new/", values)
    assert answer.status_code == 422
    assert "Enter the private key" in answer.content.decode()
    assert window.post("/settings/servers/new/", {**values, "client_key": key}).status_code == 303
    server = OutgoingServer.objects.get()
    assert ports().vault.open(bytes(server.client_key)).reveal().startswith("-----BEGIN PRIVATE KEY")
    page = html(window, f"/settings/servers/{server.pk}/")
    assert "PRIVATE KEY" not in page
    assert "BEGIN CERTIFICATE" in page
    refused = window.post(f"/settings/servers/{server.pk}/", {**values, "encryption": "none"})
    assert "without encryption nobody can show one" in refused.content.decode()


def test_archiving_a_server_in_use_is_refused_with_who_uses_it(window: Client, ada: Member) -> None:
    server = seeding.a_server(company=ada.company)
    deliveries(a_mail(ada.company, at=seeding.NOW, forced_server=server), "bob@reader.example", at=seeding.NOW)
    archived = {name: value for name, value in SERVER.items() if name != "is_active"} | {"company": ada.company_id}
    answer = window.post(f"/settings/servers/{server.pk}/", archived)
    assert answer.status_code == 422
    assert "1 mail in the queue" in answer.content.decode()
    assert OutgoingServer.objects.get().is_active


def test_the_server_of_the_configuration_is_listed_to_be_seen_and_tested(
    window: Client, ada: Member, mallory: Member, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.companies.add(mallory.company)
    window = signed_in(ada)
    with ScriptedPeer(polite()) as peer:
        configuration = dataclasses.replace(settings.POSTROOM, server_host="127.0.0.1", server_port=peer.port)
        fresh = make_ports(configuration)
        monkeypatch.setattr("postroom.web.settings.servers.ports", lambda: fresh)
        page = html(window, "/settings/servers/")
        answer = window.post("/settings/servers/configuration/test/", follow=True).content.decode()
    assert f"127.0.0.1:{peer.port}" in page
    assert "changed in postroom.toml" in page
    assert "/settings/servers/0/" not in page
    assert "The server takes mail." in answer
