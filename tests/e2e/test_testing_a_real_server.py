"""Test Connection against a real Postfix with TLS and SASL: it takes everything up to DATA, and nothing arrives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from postroom.adapters.smtp.handshake import default_ssl_context
from postroom.adapters.smtp.testing import probe_server
from postroom.flows.ports import Ports
from postroom.flows.test_server import ServerTest, test_server
from postroom.store.models import AliasDomain, OutgoingServer
from tests.flows.outgoing_mails import a_server, ports_with
from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.mail_client import compose_new, send
from tests.laboratory.postfix import Postfix

pytestmark = [pytest.mark.django_db, pytest.mark.slow, requires_postfix, requires_dovecot]
ALICE, BOB = "alice@box.test", "bob@box.test"
USERS = {ALICE: "wonder land", BOB: "builder"}
IMPLICIT_TLS = """\
127.0.0.1:{port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
"""


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot(USERS) as dovecot:
        yield dovecot


@pytest.fixture(scope="module")
def postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    settings = {
        "message_size_limit": "7654321",
        "smtpd_sender_login_maps": f"inline:{{ {{ {ALICE} = {ALICE} }} {{ {BOB} = {BOB} }} }}",
        "smtpd_sender_restrictions": "reject_sender_login_mismatch",
    }
    with Postfix({"box.test": dovecot.lmtp_transport}, auth_socket=dovecot.auth_socket, settings=settings) as postfix:
        yield postfix


@pytest.fixture
def ports(postfix: Postfix) -> Ports:
    trusting = default_ssl_context(verify_certificate=True)
    trusting.load_verify_locations(cafile=postfix.ca_file)
    return dataclasses.replace(ports_with(), probe_server=partial(probe_server, ssl_context=trusting))


@pytest.fixture(autouse=True)
def domain() -> None:
    AliasDomain.objects.create(name="box.test", default_from=ALICE)


def tried(ports: Ports, port: int, **values: Any) -> tuple[ServerTest, OutgoingServer]:
    password = values.pop("password", "")
    if password:
        values["secret"] = ports.vault.seal(password)
    usual = {"encryption": "starttls", "host": "localhost", "envelope_sender": "login", "username": ALICE}
    server = a_server(port, **(usual | values))
    found = test_server(ports, server.pk, member=None, to=BOB)
    server.refresh_from_db()
    return found, server


def test_postfix_takes_it_all_and_nothing_arrives(ports: Ports, postfix: Postfix, dovecot: Dovecot) -> None:
    found, server = tried(ports, postfix.submission_port, password="wonder land")
    assert found.is_ok, found
    assert [one.step for one in found.steps][-3:] == ["mail", "rcpt", "data"]
    assert found.tls == "TLSv1.3"
    assert server.announced_size == 7_654_321
    assert "lost connection after DATA" in postfix.wait_for_log("lost connection after DATA")
    assert postfix.queue() == []
    # a mail that is sent now overtakes whatever the test might have left on the way
    send(postfix.submission_port, compose_new(author=ALICE, to=BOB, subject="Real", body="x"), ca_file=postfix.ca_file, login=(ALICE, "wonder land"))  # fmt: skip
    dovecot.wait_for_mail(BOB)
    postfix.wait_until_idle()
    assert len(dovecot.mails(BOB)) == 1
    assert all(b"Subject: Real" in mail for mail in dovecot.mails(BOB))


@pytest.mark.parametrize(
    ("values", "step", "code"),
    [
        ({"password": "wrong"}, "auth", "login_refused"),
        ({"username": "", "envelope_sender": "plain"}, "rcpt", "login_required"),
        ({"encryption": "none", "password": "wonder land"}, "auth", "login_needs_tls"),
        ({"password": "wonder land", "from_filter": BOB, "envelope_sender": "plain"}, "rcpt", "sender_not_owned"),
        ({"encryption": "tls", "password": "wonder land"}, "tls", "tls_on_plain_port"),
    ],
)
def test_what_postfix_refuses_is_understood(
    ports: Ports, postfix: Postfix, values: dict[str, Any], step: str, code: str
) -> None:
    found, _ = tried(ports, postfix.submission_port, **values)
    assert (found.step, found.code) == (step, code), found


def test_the_laboratorys_authority_is_nobodys_until_the_server_has_its_exception(postfix: Postfix) -> None:
    ports = ports_with()
    found, _ = tried(ports, postfix.submission_port, password="wonder land")
    assert (found.step, found.code) == ("tls", "certificate_unknown"), found
    found, _ = tried(ports, postfix.submission_port, password="wonder land", verify_certificate=False)
    assert found.is_ok, found


def test_relaying_for_strangers_is_refused_and_understood(ports: Ports, postfix: Postfix) -> None:
    server = a_server(postfix.smtp_port, encryption="none")
    found = test_server(ports, server.pk, member=None, to="carla@customer.example")
    assert (found.step, found.code) == ("rcpt", "relay_denied"), found
