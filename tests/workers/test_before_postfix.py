"""A real Postfix as the next server, with TLS and SASL: the basics of the bad days, said by somebody who was not written by us."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.utils.timezone import now

from postroom.flows.ports import Ports
from postroom.store.models import Attempt, Delivery, OutgoingServer
from tests.flows.outgoing_mails import a_company, a_mail, a_server, deliveries, numbered, ports_with
from tests.laboratory.availability import requires_dovecot, requires_postfix
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.postfix import Postfix
from tests.laboratory.waiting import wait_until
from tests.workers.test_deliverer import call, delivering, states

pytestmark = [requires_postfix, requires_dovecot, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ALICE, PASSWORD = "alice@box.test", "wonder land"
PATIENCE = 60.0
SIZE_LIMIT = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    postfix: Postfix
    dovecot: Dovecot


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    settings = {
        "message_size_limit": str(SIZE_LIMIT),
        "relay_recipient_maps": "inline:{ alice@box.test=x @void.test=x }",
    }
    with (
        Dovecot({ALICE: PASSWORD}) as dovecot,
        Postfix(
            {"box.test": dovecot.lmtp_transport, "void.test": "discard:"},
            auth_socket=dovecot.auth_socket,
            settings=settings,
        ) as postfix,
    ):
        yield Town(postfix=postfix, dovecot=dovecot)


@pytest.fixture
def ports(tmp_path: Path, town: Town, monkeypatch: pytest.MonkeyPatch) -> Ports:
    """On a machine that trusts the laboratory's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(town.postfix.ca_file))
    return ports_with(tmp_path)


def submission(ports: Ports, town: Town, password: str = PASSWORD, **more: object) -> OutgoingServer:
    login = {"username": ALICE, "secret": ports.vault.seal(password), "encryption": "starttls"}
    return a_server(town.postfix.submission_port, **{**login, **more})


def relay(town: Town) -> OutgoingServer:
    return a_server(town.postfix.smtp_port)


def mail_to(ports: Ports, *addresses: str, text: str = "All is well.") -> None:
    at = ports.clock.now()
    deliveries(a_mail(a_company(), at=at, text=text), *addresses, at=at)


def all_wait_with_their_server() -> bool:
    waiting = Delivery.objects.filter(state="queued", waits_for__code="wait.broken", due_at__gt=now())
    return Delivery.objects.count() == waiting.count() > 0


def press_retry() -> None:
    OutgoingServer.objects.update(broken_until=None)
    Delivery.objects.filter(state__in=["queued", "deferred"]).update(due_at=now())
    call()


def test_mail_goes_out_through_submission_with_tls_and_a_login(ports: Ports, town: Town) -> None:
    submission(ports, town)
    mail_to(ports, ALICE)
    with delivering(ports):
        wait_until(lambda: states() == {"sent": 1}, "it is sent", PATIENCE)
    attempt = Attempt.objects.get()
    assert (attempt.code, attempt.enhanced, attempt.phase, attempt.tls) == (250, "2.0.0", "body", "TLSv1.3")
    assert attempt.text.startswith("Ok: queued as ")
    raw = town.dovecot.wait_for_mail(ALICE)[-1]
    assert b"\nSubject: Your order\n" in raw.replace(b"\r\n", b"\n")


def test_a_wrong_password_is_the_servers_trouble_until_somebody_enters_the_right_one(ports: Ports, town: Town) -> None:
    server = submission(ports, town, "wrong")
    mail_to(ports, *(f"{n}@void.test" for n in range(5)))
    with delivering(ports):
        wait_until(all_wait_with_their_server, "all wait", PATIENCE)
        server.refresh_from_db()
        assert server.trouble.startswith("The login failed: it said 535 5.7.8 ")
        assert "wrong" not in server.trouble
        assert not Attempt.objects.exists()
        OutgoingServer.objects.update(secret=ports.vault.seal(PASSWORD))
        press_retry()
        wait_until(lambda: states() == {"sent": 5}, "all are sent", PATIENCE)
    server.refresh_from_db()
    assert (server.trouble, server.trouble_count) == ("", 0)


def test_a_certificate_of_an_authority_that_nobody_trusts_keeps_the_mail_here(
    ports: Ports, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    server = submission(ports, town)
    mail_to(ports, ALICE)
    with delivering(ports):
        wait_until(all_wait_with_their_server, "it waits", PATIENCE)
    server.refresh_from_db()
    assert server.trouble.startswith("Encryption failed: the certificate was not accepted: ")
    assert not Attempt.objects.exists()


def test_without_tls_submission_takes_nothing_and_that_is_the_servers_trouble(ports: Ports, town: Town) -> None:
    server = submission(ports, town, encryption="none", username="")
    mail_to(ports, ALICE)
    with delivering(ports):
        wait_until(all_wait_with_their_server, "it waits", PATIENCE)
    server.refresh_from_db()
    assert server.trouble.startswith("It takes no mail: it said 530 5.7.0 Must issue a STARTTLS command first")


def test_an_unknown_recipient_fails_and_harms_no_other(ports: Ports, town: Town) -> None:
    relay(town)
    mail_to(ports, "nobody@box.test", "someone@elsewhere.example", *(f"{n}@void.test" for n in range(20)))
    with delivering(ports):
        wait_until(lambda: states() == {"sent": 20, "failed": 2}, "all have an outcome", PATIENCE)
    nobody = Delivery.objects.get(to_address="nobody@box.test")
    assert (nobody.failure_type, nobody.blame) == ("mail_email_invalid", "address")
    assert "550 5.1.1 <nobody@box.test>: Recipient address rejected: User unknown" in nobody.failure_reason
    elsewhere = Delivery.objects.get(to_address="someone@elsewhere.example")
    assert "554 5.7.1 <someone@elsewhere.example>: Relay access denied" in elsewhere.failure_reason
    assert elsewhere.blame == "sender"


def test_what_is_over_the_limit_that_it_announces_is_not_even_offered(ports: Ports, town: Town) -> None:
    relay(town)
    mail_to(ports, "1@void.test", text="A long story. " * (SIZE_LIMIT // 10))
    with delivering(ports):
        wait_until(lambda: states() == {"failed": 1}, "it failed", PATIENCE)
    row = Delivery.objects.get()
    assert row.failure_reason.startswith("The server said: 552 5.3.4 the mail has ")
    assert f"takes {SIZE_LIMIT} at most" in row.failure_reason
    assert row.blame == "policy"


def test_while_it_is_stopped_everything_waits_and_then_leaves_once(ports: Ports, town: Town) -> None:
    server = relay(town)
    mail_to(ports, *(address.replace("reader.example", "void.test") for address in numbered(50)))
    town.postfix.halt()
    try:
        with delivering(ports):
            wait_until(all_wait_with_their_server, "all wait", PATIENCE)
            server.refresh_from_db()
            assert server.trouble == "Connecting failed: connection refused"
            town.postfix.start()
            press_retry()
            wait_until(lambda: states() == {"sent": 50}, "all are sent", PATIENCE)
    finally:
        if not town.postfix.is_running:
            town.postfix.start()
    assert set(Delivery.objects.values_list("attempt_count", flat=True)) == {1}
    assert Attempt.objects.values("text").distinct().count() == 50, "each has a queue number of its own"
