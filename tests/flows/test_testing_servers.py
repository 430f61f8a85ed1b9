"""Test Connection against servers that fail in every way: one table of step, cause and cure, and what is kept of it."""

from __future__ import annotations

import base64
import dataclasses
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from postroom.adapters.smtp.handshake import default_ssl_context
from postroom.adapters.smtp.testing import probe_server
from postroom.core.terms.secret import Secret
from postroom.flows import test_server as module
from postroom.flows.access import NotAllowed
from postroom.flows.ports import Ports
from postroom.flows.test_server import ServerTest, read_test, test_server
from postroom.store.models import AliasDomain, Contact, Delivery, Member, OutgoingServer
from tests.adapters.smtp.certificates import Authority, make_authority, self_signed_context
from tests.adapters.smtp.scripted_peer import Connection, Does, Script, ScriptedPeer, closed_port, polite
from tests.flows.outgoing_mails import HandClock, a_company, a_mail, a_server, deliveries, ports_with

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"
USUAL = ("PIPELINING", "SIZE 50000000", "AUTH PLAIN LOGIN")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


@pytest.fixture
def ports(authority: Authority) -> Ports:
    """The real ones, which trust the authority of these tests as if it were a known one."""
    trusting = default_ssl_context(verify_certificate=True)
    trusting.load_verify_locations(cadata=authority.pem)
    return dataclasses.replace(ports_with(clock=HandClock()), probe_server=partial(probe_server, ssl_context=trusting))


@pytest.fixture(autouse=True)
def domain() -> AliasDomain:
    return AliasDomain.objects.create(name="northwind.example")


@contextmanager
def a_peer(
    *scripts: Script, tls: ssl.SSLContext | None = None, **values: Any
) -> Iterator[tuple[ScriptedPeer, OutgoingServer]]:
    with ScriptedPeer(*scripts, tls=tls) as peer:
        server = a_server(peer.port, **values)
        yield peer, server


def tried(ports: Ports, server: OutgoingServer, **more: Any) -> ServerTest:
    return test_server(ports, server.pk, member=None, **more)


def logging_in(ports: Ports) -> dict[str, Any]:
    return {"username": "alice", "secret": ports.vault.seal(PASSWORD)}


def test_a_server_that_takes_mail_is_asked_for_everything_and_given_nothing(ports: Ports, authority: Authority) -> None:
    script = polite(extensions=USUAL, starttls=authority.server_context("127.0.0.1"))
    with a_peer(script, encryption="starttls", **logging_in(ports)) as (peer, server):
        found = tried(ports, server, to="carla@customer.example")
        peer.wait_until(lambda it: bool(it.connections) and it.connections[0].is_closed)
    assert (found.is_ok, found.step, found.code, found.reply) == (True, "", "none", "")
    assert [one.step for one in found.steps] == [
        "connect", "greeting", "ehlo", "starttls", "tls", "ehlo", "auth", "mail", "mail", "rcpt", "data",
    ]  # fmt: skip
    assert all(one.is_ok and one.milliseconds >= 0 for one in found.steps)
    assert found.steps[-1].reply == "354 go ahead"
    assert found.steps[4].about.startswith("TLSv1.3, 127.0.0.1 until ")
    assert found.senders[0] == "notifications@northwind.example"
    assert found.senders[1].startswith("bounce+")
    assert found.recipient == "carla@customer.example"
    assert peer.mails == []
    server.refresh_from_db()
    assert server.announced_size == 50_000_000
    assert server.tested_at == ports.clock.now()
    assert found.certificate_until is not None
    kept = dataclasses.replace(found, certificate_until=None, fingerprint="")  # which the watch keeps
    assert read_test(server.test_result) == kept
    heard = [line for line in peer.connections[0].heard if not line.startswith("AUTH")]
    assert heard[-1] == "DATA"
    assert PASSWORD not in str(server.test_result)
    assert base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode() not in str(server.test_result)


def plain(**answers: Any) -> Script:
    return polite(extensions=USUAL, answers={name.replace("_", "+"): each for name, each in answers.items()})


def says(first: bytes) -> Script:
    def script(peer: Connection) -> None:
        peer.say(first)
        peer.sleep()

    return script


def only_tls_1_1() -> ssl.SSLContext:
    context = self_signed_context("127.0.0.1")
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.deprecated_call():
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.parametrize(
    ("script", "values", "step", "code", "quoted"),
    [
        (plain(GREETING=["554 5.7.1 blocked using zen.spamhaus.org"]), {}, "greeting", "blocked", "554 5.7.1 blocked"),
        (plain(GREETING=["421 4.7.0 too many connections from your IP"]), {}, "greeting", "too_many_connections", "421"),
        (plain(GREETING=[Does.DROP]), {}, "greeting", "hung_up", "closed the connection"),
        (says(b"HTTP/1.1 400 Bad Request\r\n"), {}, "greeting", "not_smtp", "HTTP/1.1"),
        (says(b"+OK POP3 ready\r\n"), {}, "greeting", "not_smtp", "+OK"),
        (says(b"\x15\x03\x01\x00\x02\x02\x28\r\n"), {}, "greeting", "plain_on_tls_port", ""),
        (plain(EHLO=["550 5.7.1 HELO localhost is not wanted"]), {}, "ehlo", "none", ""),
        (plain(EHLO=["550 no"], HELO=["501 5.5.2 need a fully-qualified hostname"]), {}, "ehlo", "ehlo_refused", "501"),
        (plain(), {"encryption": "starttls"}, "starttls", "starttls_missing", "does not offer STARTTLS"),
        (plain(), {"encryption": "tls"}, "tls", "tls_on_plain_port", "TLS handshake failed"),
        (plain(AUTH=["535 5.7.8 Username and Password not accepted"]), {"username": "alice"}, "auth", "login_refused", "535 5.7.8"),
        (plain(AUTH=["534 5.7.9 Application-specific password required. gsmtp"]), {"username": "alice"}, "auth", "gmail_app_password", "534"),
        (plain(AUTH=["535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."]), {"username": "alice"}, "auth", "microsoft_smtp_auth", "535 5.7.139"),
        (plain(AUTH=["530 5.7.0 Must issue a STARTTLS command first"]), {"username": "alice"}, "auth", "login_needs_tls", "530"),
        (plain(AUTH=["454 4.7.0 later"]), {"username": "alice"}, "auth", "login_later", "454"),
        (plain(AUTH=[Does.DROP]), {"username": "alice"}, "auth", "login_closed", "closed"),
        (polite(extensions=["SIZE 1"]), {"username": "alice"}, "auth", "login_needs_tls", "offers: none"),
        (plain(), {"username": "alice", "authentication": "token"}, "auth", "token_missing", "no access token"),
        (plain(MAIL=["530 5.7.0 Authentication required"]), {}, "mail", "login_required", "530"),
        (plain(MAIL=["553 5.1.8 Domain of sender address does not exist"]), {}, "mail", "sender_domain", "553 5.1.8"),
        (plain(MAIL=["550 The from address does not match a verified Sender Identity"]), {}, "mail", "sender_identity", "550"),
        (plain(RCPT=["553 5.7.1 Sender address rejected: not owned by user alice"]), {}, "rcpt", "sender_not_owned", "553"),
        (plain(RCPT=["554 5.7.1 Relay access denied"]), {}, "rcpt", "relay_denied", "554"),
        (plain(RCPT=["550 5.1.1 no such user"]), {}, "rcpt", "recipient_unknown", "550 5.1.1"),
        (plain(RCPT=["450 4.2.0 Greylisted"]), {}, "rcpt", "greylisted", "450"),
        (plain(DATA=["554 5.7.1 policy says no"]), {}, "data", "policy", "554"),
        (plain(DATA=["421 4.3.2 shutting down"]), {}, "data", "going_down", "421"),
        (plain(DATA=["250 what?"]), {}, "data", "refusal", "250"),
        (plain(DATA=[Does.RESET]), {}, "data", "hung_up", "connection"),
    ],
)  # fmt: skip
def test_a_failure_names_its_step_and_quotes_the_server(
    ports: Ports, script: Script, values: dict[str, Any], step: str, code: str, quoted: str
) -> None:
    with a_peer(script, **values) as (peer, server):
        found = tried(ports, server)
    if code == "none":  # an EHLO that is refused is followed by HELO, which was taken
        assert found.is_ok
        return
    assert (found.step, found.code, found.is_ok) == (step, code, False)
    assert quoted in found.reply
    assert [one.step for one in found.steps if not one.is_ok] == [step]
    assert str(found.cause)
    assert str(found.cure)
    assert peer.mails == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "values", "step", "code"),
    [
        (plain(GREETING=[Does.SLEEP]), {}, "greeting", "silent"),
        (plain(EHLO=[Does.SLEEP]), {}, "ehlo", "silent"),
        (plain(AUTH=[Does.SLEEP]), {"username": "alice"}, "auth", "silent"),
        (plain(MAIL=[Does.SLEEP]), {}, "mail", "silent"),
        (plain(RCPT=[Does.SLEEP]), {}, "rcpt", "silent"),
        (plain(DATA=[Does.SLEEP]), {}, "data", "silent"),
        (lambda peer: peer.sleep(), {"encryption": "tls"}, "tls", "tls_on_plain_port"),
    ],
)
@pytest.mark.slow
def test_silence_is_bounded_and_its_step_named(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, script: Script, values: dict[str, Any], step: str, code: str
) -> None:
    monkeypatch.setattr(module, "REPLY_TIMEOUT", 2.0)
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 2.0)
    with a_peer(script, **values) as (_, server):
        found = tried(ports, server)
    assert (found.step, found.code) == (step, code)
    assert "no answer within 2 seconds" in found.reply


@pytest.mark.parametrize("encryption", ["tls", "starttls"])
@pytest.mark.parametrize(
    ("context", "host", "code"),
    [
        (lambda authority: authority.server_context("127.0.0.1", expired=True), "127.0.0.1", "certificate_expired"),
        (lambda authority: authority.server_context("elsewhere.example"), "127.0.0.1", "certificate_name"),
        (lambda authority: authority.server_context("127.0.0.1"), "localhost", "certificate_name"),
        (lambda _: make_authority().server_context("127.0.0.1"), "127.0.0.1", "certificate_unknown"),
        (lambda _: self_signed_context("127.0.0.1"), "127.0.0.1", "certificate_self_signed"),
    ],
)
def test_a_certificate_that_does_not_fit_is_said_why(
    ports: Ports,
    authority: Authority,
    encryption: str,
    context: Callable[[Authority], ssl.SSLContext],
    host: str,
    code: str,
) -> None:
    its = context(authority)
    script = polite() if encryption == "tls" else polite(starttls=its)
    with a_peer(script, tls=its if encryption == "tls" else None, encryption=encryption, host=host) as (_, server):
        found = tried(ports, server)
    assert (found.step, found.code) == ("tls", code)


def test_an_exception_for_this_server_lets_any_certificate_pass_and_says_so(authority: Authority) -> None:
    ports = ports_with(clock=HandClock())  # who trusts nobody but the system's authorities
    context = self_signed_context("elsewhere.example")
    with a_peer(polite(), tls=context, encryption="tls", verify_certificate=False) as (_, server):
        found = tried(ports, server)
    assert found.is_ok
    assert found.steps[1].about == "TLSv1.3, certificate not verified"


def test_tls_that_is_too_old_is_named(ports: Ports) -> None:
    with a_peer(polite(), tls=only_tls_1_1(), encryption="tls", verify_certificate=False) as (_, server):
        found = tried(ports_with(clock=HandClock()), server)
    assert (found.step, found.code) == ("tls", "tls_too_old")


def test_nobody_listening_and_nobody_of_that_name(ports: Ports) -> None:
    with closed_port() as port:
        found = tried(ports, a_server(port))
    assert (found.step, found.code, found.reply) == ("connect", "refused", "connection refused")
    assert f"port {port}" in str(found.cause)
    found = tried(ports, a_server(host="nobody.invalid"))
    assert (found.step, found.code) == ("connect", "host_unknown")
    assert "nobody.invalid" in str(found.cause)


# -- which sender, which server


@pytest.mark.parametrize(
    ("from_filter", "expected"),
    [
        ("elsewhere.example, bob@northwind.example, alice@northwind.example", "bob@northwind.example"),
        ("northwind.example", "notifications@northwind.example"),
        ("elsewhere.example, northwind.example", "notifications@northwind.example"),
        ("elsewhere.example", "postmaster@elsewhere.example"),
        ("", "notifications@northwind.example"),
    ],
)
def test_the_sender_that_is_tried_follows_the_filter(ports: Ports, from_filter: str, expected: str) -> None:
    with a_peer(polite(), from_filter=from_filter) as (_, server):
        assert tried(ports, server).senders[0] == expected


def test_where_the_provider_insists_on_the_login_no_other_sender_is_tried(ports: Ports) -> None:
    login = {"username": "shop@gmail.example", "envelope_sender": "login", "secret": ports.vault.seal(PASSWORD)}
    with a_peer(plain(), from_filter="shop@gmail.example", **login) as (peer, server):
        assert tried(ports, server).senders == ("shop@gmail.example",)
        peer.wait_until(lambda it: it.connections[0].is_closed)
    assert sum(line.startswith("MAIL") for line in peer.connections[0].heard) == 1


def test_archived_and_broken_servers_are_tested_and_a_success_ends_their_trouble(ports: Ports) -> None:
    later = ports.clock.now() + timedelta(hours=1)
    with a_peer(polite(), is_active=False, broken_until=later, trouble="connection refused", trouble_count=3) as (
        _,
        server,
    ):
        waiting = {"code": "wait.broken", "facts": {}}
        (delivery,) = deliveries(
            a_mail(a_company(domain=""), at=ports.clock.now()), "bob@reader.example", at=later, waits_for=waiting
        )
        assert tried(ports, server).is_ok
    server.refresh_from_db()
    assert (server.broken_until, server.trouble, server.trouble_count) == (None, "", 0)
    assert Delivery.objects.get(pk=delivery.pk).due_at == ports.clock.now()


def test_what_cannot_be_tried_is_said_without_the_network(ports: Ports) -> None:
    assert tried(ports, a_server(transport="letterbox")).code == "letterbox"
    assert tried(ports, a_server(transport="api", provider="postmark")).code == "api_secret"
    assert tried(ports, a_server(host="")).code == "no_host"
    assert tried(ports, a_server(secret=b"sealed elsewhere")).code == "secret_unreadable"
    assert test_server(ports, 0, member=None).code == "no_host"
    AliasDomain.objects.all().delete()
    assert tried(ports, a_server()).code == "no_sender"


def test_the_server_of_the_configuration_is_tested_too(ports: Ports) -> None:
    with ScriptedPeer(plain(AUTH=["535 5.7.8 no"])) as peer:
        settings = {
            "server_host": "127.0.0.1",
            "server_port": peer.port,
            "server_user": "alice",
            "server_password": Secret("x"),
        }
        configuration = dataclasses.replace(ports.configuration, **settings)
        found = test_server(dataclasses.replace(ports, configuration=configuration), 0, member=None)
    assert (found.step, found.code) == ("auth", "login_refused")


def test_a_server_without_smtputf8_refuses_a_sender_beyond_ascii_before_the_wire(ports: Ports) -> None:
    with a_peer(polite(extensions=USUAL), from_filter="jürgen@northwind.example") as (peer, server):
        found = tried(ports, server)
        peer.wait_until(lambda it: it.connections[0].is_closed)
    assert (found.step, found.code) == ("mail", "utf8_missing")
    assert not any(line.startswith("MAIL") for line in peer.connections[0].heard)


def test_only_administrators_test_and_only_servers_of_their_companies(ports: Ports) -> None:
    company, other = a_company(domain=""), a_company("Elsewhere", domain="")
    users = get_user_model().objects
    member = Member.objects.create(
        user=users.create(username="bob"),
        contact=Contact.objects.create(name="Bob"),
        company=company,
        role="administrator",
    )
    with pytest.raises(NotAllowed):
        test_server(ports, a_server(company=other).pk, member=member)
    with pytest.raises(NotAllowed):
        test_server(ports, a_server().pk, member=member)
    with pytest.raises(NotAllowed):
        test_server(ports, 0, member=member)
    Member.objects.update(role="agent")
    with pytest.raises(NotAllowed):
        test_server(ports, a_server(company=company).pk, member=Member.objects.get())


@pytest.mark.parametrize(
    "stored", [None, {}, {"cause": 1}, "text", {"cause": {}, "cure": {}, "tested_at": "yesterday"}]
)
def test_a_result_that_cannot_be_read_is_none(stored: object) -> None:
    assert read_test(stored) is None
