"""A server that is logged in to with OAuth2: from the stored grant to AUTH, a rotated grant sealed, trouble in plain words."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from postroom import wiring
from postroom.core.terms.secret import Secret
from postroom.flows.settings import save_server
from postroom.flows.test_server import test_server
from postroom.store.models import AliasDomain, OutgoingServer
from tests.adapters.oauth.test_refreshing import TokenServer
from tests.adapters.smtp.scripted_peer import ScriptedPeer, polite
from tests.flows.outgoing_mails import ports_with

pytestmark = pytest.mark.django_db(transaction=True)  # a rotated grant is kept by another thread
GRANT = json.dumps({"client_id": "us", "refresh_token": "first"})


@pytest.fixture
def tokens(settings: Any) -> Iterator[TokenServer]:
    settings.POSTROOM = replace(settings.POSTROOM, token_networks=("127.0.0.0/8",))
    wiring._refreshing_tokens.cache_clear()
    with TokenServer() as server:
        yield server
    wiring._refreshing_tokens.cache_clear()


def a_token_server(port: int, **values: Any) -> OutgoingServer:
    AliasDomain.objects.create(name="northwind.example")
    usual = {
        "name": "Relay",
        "host": "127.0.0.1",
        "port": port,
        "encryption": "none",
        "authentication": "token",
        "username": "shop@northwind.example",
        "password": GRANT,
    }
    return save_server(ports_with(), usual | values, member=None)


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_the_grant_becomes_a_token_and_the_token_a_login(tokens: TokenServer, mechanism: str) -> None:
    tokens.answers[0] = (200, {"access_token": "fresh one", "refresh_token": "rotated one", "expires_in": 3600})
    with ScriptedPeer(polite(extensions=[f"AUTH {mechanism}"])) as peer:
        server = a_token_server(peer.port, token_source=tokens.url)
        found = test_server(ports_with(), server.pk, member=None)
    assert found.is_ok, found
    [said] = [line for line in peer.connections[0].heard if line.startswith("AUTH")]
    decoded = base64.b64decode(said.rpartition(" ")[2]).decode()
    assert "auth=Bearer fresh one" in decoded
    assert "shop@northwind.example" in decoded
    server.refresh_from_db()
    kept = json.loads(ports_with().vault.open(bytes(server.secret)).reveal())
    assert kept == {"client_id": "us", "refresh_token": "rotated one"}
    for secret in ("fresh one", "rotated one", GRANT):
        assert secret not in str(server.test_result)


def test_a_withdrawn_consent_is_the_servers_trouble_in_plain_words(tokens: TokenServer) -> None:
    tokens.answers[0] = (400, {"error": "invalid_grant", "error_description": "revoked by the user"})
    with ScriptedPeer(polite(extensions=["AUTH XOAUTH2"])) as peer:
        server = a_token_server(peer.port, token_source=tokens.url)
        found = test_server(ports_with(), server.pk, member=None)
    assert (found.step, found.code) == ("auth", "token_missing")
    assert "the consent has ended or was withdrawn (invalid_grant: revoked by the user)" in str(found.cause)


def test_a_token_that_the_server_refuses_is_named(tokens: TokenServer) -> None:
    answers = {"AUTH": ["334 eyJzdGF0dXMiOiI0MDAifQ=="], "AUTH+": ["535 5.7.8 Username and Password not accepted"]}
    with ScriptedPeer(polite(extensions=["AUTH XOAUTH2"], answers=answers)) as peer:
        server = a_token_server(peer.port, token_source=tokens.url)
        found = test_server(ports_with(), server.pk, member=None)
    assert (found.step, found.code) == ("auth", "token_refused")
    assert "shop@northwind.example" in str(found.cure)


def test_the_port_gives_the_same_tokens(tokens: TokenServer) -> None:
    assert ports_with().tokens.access_token(tokens.url, Secret(GRANT)) == Secret("a1")
    with pytest.raises(ValueError, match="nobody is named"):
        ports_with().tokens.access_token("", Secret(GRANT))
