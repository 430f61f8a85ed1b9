"""The numbered cases of encryption and login (T-175, T-176, T-178): what a client wants times what a server has."""

from __future__ import annotations

import dataclasses
import ssl
from functools import partial
from typing import Any

import pytest

from postroom.adapters.smtp.handshake import default_ssl_context
from postroom.adapters.smtp.testing import probe_server
from postroom.flows import test_server as module
from postroom.flows.ports import Ports
from postroom.flows.test_server import test_server
from postroom.store.models import AliasDomain
from tests.adapters.smtp.certificates import Authority, make_authority, self_signed_context
from tests.adapters.smtp.scripted_peer import Connection, ScriptedPeer, polite
from tests.flows.outgoing_mails import a_server, ports_with

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


@pytest.fixture
def ports(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Ports:
    trusting = default_ssl_context(verify_certificate=True)
    trusting.load_verify_locations(cadata=authority.pem)
    monkeypatch.setattr(module, "REPLY_TIMEOUT", 2.0)
    AliasDomain.objects.create(name="northwind.example")
    return dataclasses.replace(ports_with(), probe_server=partial(probe_server, ssl_context=trusting))


def a_door(kind: str, context: ssl.SSLContext) -> ScriptedPeer:
    """A server that speaks in clear, one that demands STARTTLS, or one that speaks TLS from the first byte."""
    match kind:
        case "none":
            return ScriptedPeer(polite())
        case "starttls":
            demanding = {"MAIL": ["530 5.7.0 Must issue a STARTTLS command first"]}
            with_tls, without = polite(starttls=context), polite(starttls=context, answers=demanding)
            return ScriptedPeer(lambda peer: _by_use(peer, with_tls, without))
        case _:
            return ScriptedPeer(polite(), tls=context)


def _by_use(peer: Connection, with_tls: Any, without: Any) -> None:
    """The same server, before and after STARTTLS: whoever does not use it is refused at MAIL."""
    wants = peer.server.wants_tls  # type: ignore[attr-defined]
    (with_tls if wants else without)(peer)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "server", "step", "code"),
    [
        ("none", "none", "", "none"),
        ("none", "starttls", "mail", "starttls_required"),
        ("none", "tls", "greeting", "silent"),
        ("starttls", "none", "starttls", "starttls_missing"),
        ("starttls", "starttls", "", "none"),
        ("starttls", "tls", "greeting", "silent"),
        ("tls", "none", "tls", "tls_on_plain_port"),
        ("tls", "starttls", "tls", "tls_on_plain_port"),
        ("tls", "tls", "", "none"),
    ],
)
def test_every_mismatch_of_encryption_is_a_clear_error(
    ports: Ports, authority: Authority, client: str, server: str, step: str, code: str
) -> None:
    """T-175."""
    with a_door(server, authority.server_context("127.0.0.1")) as peer:
        peer.wants_tls = client == "starttls"  # type: ignore[attr-defined]
        found = test_server(ports, a_server(peer.port, encryption=client).pk, member=None)
    assert (found.step, found.code) == (step, code), found
    assert str(found.cure)


@pytest.mark.parametrize("encryption", ["none", "starttls", "tls"])
@pytest.mark.parametrize(
    ("values", "step", "code"),
    [
        ({}, "mail", "login_required"),
        ({"username": "alice", "password": "wrong"}, "auth", "login_refused"),
        ({"username": "alice", "password": PASSWORD}, "", "none"),
    ],
)
def test_a_login_that_is_missing_wrong_or_right(
    ports: Ports, authority: Authority, encryption: str, values: dict[str, str], step: str, code: str
) -> None:
    """T-176."""
    context = authority.server_context("127.0.0.1")
    password = values.get("password", "")
    answers = {
        "AUTH": ["235 2.7.0 welcome" if password == PASSWORD else "535 5.7.8 Authentication failed"],
        "MAIL": [] if password == PASSWORD else ["530 5.7.0 Authentication required"],
    }
    starttls = context if encryption == "starttls" else None
    script = polite(extensions=["AUTH PLAIN"], answers=answers, starttls=starttls)
    secret = ports.vault.seal(password)
    with ScriptedPeer(script, tls=context if encryption == "tls" else None) as peer:
        server = a_server(peer.port, encryption=encryption, username=values.get("username", ""), secret=secret)
        found = test_server(ports, server.pk, member=None)
    assert (found.step, found.code) == (step, code), found


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
@pytest.mark.parametrize(("verifies", "is_ok"), [(True, False), (False, True)])
def test_a_bad_certificate_passes_only_where_a_person_made_an_exception(
    ports: Ports, encryption: str, verifies: bool, is_ok: bool
) -> None:
    """T-178, overruled: certificates and host names are verified."""
    ports = dataclasses.replace(ports, probe_server=ports_with().probe_server)
    context = self_signed_context("elsewhere.example")
    script = polite(starttls=context if encryption == "starttls" else None)
    with ScriptedPeer(script, tls=context if encryption == "tls" else None) as peer:
        server = a_server(peer.port, encryption=encryption, verify_certificate=verifies)
        assert test_server(ports, server.pk, member=None).is_ok is is_ok
