"""Test Connection sees until when a server's certificate is good, verified or not, and knows it again."""

from __future__ import annotations

import pytest

from postroom.adapters.clock import SystemClock
from postroom.adapters.smtp.handshake import default_ssl_context
from postroom.adapters.smtp.testing import probe_server
from postroom.core.delivery.probing import Probe, ProbeOrder
from postroom.core.delivery.wire import Encryption

from .certificates import Authority, make_authority, self_signed_context
from .posting import endpoint
from .scripted_peer import ScriptedPeer, polite


def probed(server: ScriptedPeer, authority: Authority, *, verify: bool = True) -> Probe:
    context = default_ssl_context(verify_certificate=verify)
    if verify:
        context.load_verify_locations(cadata=authority.pem)
    to = endpoint(server.port, host="127.0.0.1", encryption=Encryption.STARTTLS)
    order = ProbeOrder(endpoint=to, senders=("alice@northwind.example",), recipient="carla@customer.example")
    return probe_server(order, ssl_context=context)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


def test_the_end_of_a_certificate_is_seen_and_the_same_one_is_known_again(authority: Authority) -> None:
    with ScriptedPeer(polite(starttls=authority.server_context("127.0.0.1"))) as server:
        first, second = probed(server, authority), probed(server, authority)
    with ScriptedPeer(polite(starttls=authority.server_context("127.0.0.1"))) as server:
        another = probed(server, authority)
    assert first.certificate_until is not None
    assert first.certificate_until > SystemClock().now()
    assert first.fingerprint == second.fingerprint != another.fingerprint
    assert len(first.fingerprint) == 64


def test_it_is_seen_where_nobody_verifies_it_too(authority: Authority) -> None:
    with ScriptedPeer(polite(starttls=self_signed_context("127.0.0.1"))) as server:
        found = probed(server, authority, verify=False)
    assert found.certificate_until is not None
    assert found.fingerprint


def test_without_encryption_there_is_none(authority: Authority) -> None:
    with ScriptedPeer(polite()) as server:
        to = endpoint(server.port, encryption=Encryption.NONE)
        order = ProbeOrder(endpoint=to, senders=("alice@northwind.example",), recipient="carla@customer.example")
        found = probe_server(order)
    assert (found.certificate_until, found.fingerprint) == (None, "")
