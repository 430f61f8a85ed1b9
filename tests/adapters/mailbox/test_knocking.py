"""A guess is tried: a mail server that proves its name answers, or nobody does."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable

import pytest

from postroom.adapters.mailbox.knocking import knock
from postroom.core.delivery.discovery import Proposal, Service, Source
from postroom.core.terms.encryption import Encryption
from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.scripted import Line, ScriptedPeer

Script = Callable[[Line], None]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("knocking"))


def a_place(port: int, service: Service, encryption: Encryption, host: str = "localhost") -> Proposal:
    return Proposal(service=service, host=host, port=port, encryption=encryption, source=Source.GUESSED)


def tried(script: Script, service: Service, encryption: Encryption, context: ssl.SSLContext | None = None) -> bool:
    with ScriptedPeer(script) as peer:
        return knock(a_place(peer.port, service, encryption, "127.0.0.1"), seconds=60, context=context)


def says(*rows: bytes, then: bytes = b"") -> Script:
    def act(line: Line) -> None:
        line.say(*rows)
        if then:
            line.hear()
            line.say(then)
        line.hear_nothing_more()

    return act


GOOD = [
    (Service.SMTP, b"220 hello\r\n", b"250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n"),
    (Service.SMTP, b"220-welcome\r\n220 hello\r\n", b"250-mx\r\n250 STARTTLS\r\n"),
    (Service.IMAP, b"* OK hello\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK done\r\n"),
    (Service.POP3, b"+OK hello\r\n", b"+OK\r\nTOP\r\nSTLS\r\n.\r\n"),
]


@pytest.mark.parametrize(("service", "greeting", "offer"), GOOD)
def test_a_server_that_offers_tls_is_one(service: Service, greeting: bytes, offer: bytes) -> None:
    assert tried(says(greeting, then=offer), service, Encryption.STARTTLS)


@pytest.mark.parametrize(("service", "greeting", "offer"), GOOD)
def test_a_server_that_stays_in_clear_is_none(service: Service, greeting: bytes, offer: bytes) -> None:
    clear = offer.replace(b"STARTTLS", b"HELP").replace(b"STLS", b"USER")
    assert not tried(says(greeting, then=clear), service, Encryption.STARTTLS)


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH\r\n", b"554 no\r\n", b"HTTP/1.1 400\r\n\r\n", b"x" * 9000])
def test_another_kind_of_server_is_none(greeting: bytes) -> None:
    assert not tried(says(greeting), Service.SMTP, Encryption.STARTTLS)


def test_in_tls_the_server_proves_its_name(certificates: Certificates) -> None:
    def act(line: Line) -> None:
        line.encrypt(certificates.chain)
        line.say(b"220 hello\r\n")
        line.hear_nothing_more()

    trust = ssl.create_default_context(cafile=certificates.ca_file)
    assert tried(act, Service.SMTP, Encryption.TLS, trust)
    assert not tried(act, Service.SMTP, Encryption.TLS, ssl.create_default_context())


@pytest.mark.slow
def test_a_server_that_is_silent_costs_its_seconds_and_no_more() -> None:
    began = time.monotonic()
    with ScriptedPeer(lambda line: line.hear_nothing_more()) as peer:
        assert not knock(a_place(peer.port, Service.SMTP, Encryption.STARTTLS, "127.0.0.1"), seconds=0.5)
        assert not knock(a_place(peer.port, Service.SMTP, Encryption.TLS, "127.0.0.1"), seconds=0.5)
    print(f"{time.monotonic() - began:.1f} s")
    assert time.monotonic() - began < 50


def test_a_closed_door_and_a_name_that_cannot_be_are_nobody() -> None:
    with ScriptedPeer(lambda line: line.hear_nothing_more()) as peer:
        port = peer.port
    assert not knock(a_place(port, Service.IMAP, Encryption.TLS, "127.0.0.1"), seconds=5)
    assert not knock(a_place(993, Service.IMAP, Encryption.TLS, "a" * 80 + ".test"), seconds=5)
