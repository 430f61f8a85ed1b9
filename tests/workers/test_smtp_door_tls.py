"""STARTTLS at the doors (RFC 3207)."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from postroom.core.terms.configuration import Configuration, ConfigurationError
from postroom.workers.limits import DoorLimits
from postroom.workers.smtp_listener import tls_context
from tests.laboratory.certificates import Certificates, make_certificates
from tests.laboratory.waiting import wait_until
from tests.workers.open_door import LOOPBACK, Peer, Storeroom, open_door

MAIL = b"Subject: A secret\r\n\r\nDo not tell.\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def settings(certificates: Certificates) -> dict[str, str]:
    return {"tls_certificate": str(certificates.certificate), "tls_key": str(certificates.key)}


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_mail_comes_encrypted(
    settings: dict[str, str], certificates: Certificates, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    storeroom = Storeroom()
    large = MAIL + b"x" * 70 + b"\r\n" + b"y" * 1_000_000 + b"\r\n"
    with open_door(storeroom, loop_factory=loop_factory, **settings) as door:
        with smtplib.SMTP("localhost", door.smtp_port, timeout=60) as client:
            client.ehlo("client.example")
            assert client.has_extn("STARTTLS")
            client.starttls(context=ssl.create_default_context(cafile=certificates.ca_file))
            client.ehlo("client.example")
            assert not client.has_extn("STARTTLS")
            for mail in (MAIL, large):
                client.sendmail("carla@customer.example", ["support@postroom.test"], mail)
        wait_until(lambda: not door.open_sessions(), "the session is over")
    assert storeroom.contents == [MAIL, large]
    assert all(b" with ESMTPS id " in arrival.raw for arrival in storeroom.kept)


def test_lmtp_has_it_too(settings: dict[str, str], certificates: Certificates) -> None:
    storeroom = Storeroom()
    with (
        open_door(storeroom, **settings) as door,
        smtplib.LMTP("localhost", door.lmtp_port, local_hostname="client.example", timeout=60) as client,
    ):
        client.ehlo("client.example")
        client.starttls(context=ssl.create_default_context(cafile=certificates.ca_file))
        client.sendmail("carla@customer.example", ["support@postroom.test"], MAIL)
    assert b" with LMTPS id " in storeroom.kept[0].raw


def test_what_was_said_before_the_handshake_is_forgotten(settings: dict[str, str], certificates: Certificates) -> None:
    with open_door(**settings) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert peer.say("MAIL FROM:<carla@customer.example>") == "250 2.1.0 Ok"
        peer.send("STARTTLS\r\nRCPT TO:<injected@postroom.test>\r\n")
        assert peer.reply() == "220 2.0.0 Go ahead"
        context = ssl.create_default_context(cafile=certificates.ca_file)
        peer.socket = context.wrap_socket(peer.socket, server_hostname="localhost")
        peer.lines = peer.socket.makefile("rb")
        assert peer.say("RCPT TO:<bob@postroom.test>") == "503 5.5.1 Say MAIL first"
        assert peer.say("MAIL FROM:<carla@customer.example>") == "503 5.5.1 Say EHLO first"
        assert peer.say("EHLO client.example").startswith("250-")
        assert peer.say("STARTTLS") == "503 5.5.1 STARTTLS is not possible here"


def test_an_old_tls_is_refused(settings: dict[str, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with open_door(**settings) as door:
        with Peer(door.smtp_port, greet="EHLO") as peer:
            peer.say("STARTTLS")
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                context.wrap_socket(peer.socket)
        wait_until(lambda: not door.open_sessions(), "the session is over")


@pytest.mark.parametrize("garbage", [b"EHLO in clear text\r\n" * 20, b"\x16\x03\x01\xff\xff" + b"\0" * 200, b""])
def test_a_broken_handshake_ends_the_connection_and_nothing_else(settings: dict[str, str], garbage: bytes) -> None:
    with open_door(limits=DoorLimits(tls_timeout=0.5), **settings) as door:
        with Peer(door.smtp_port, greet="EHLO") as peer:
            assert peer.say("STARTTLS") == "220 2.0.0 Go ahead"
            peer.send(garbage)
            assert peer.is_hung_up()
        wait_until(lambda: not door.open_sessions(), "the session is over")
        with Peer(door.smtp_port, greet="EHLO") as peer:
            assert peer.say("NOOP") == "250 2.0.0 Ok"


def test_without_a_certificate_nothing_is_offered() -> None:
    assert tls_context(Configuration()) is None
    with open_door() as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.ehlo("client.example")
        assert not client.has_extn("STARTTLS")


def test_a_certificate_that_cannot_be_used_is_a_mistake_of_the_configuration(
    certificates: Certificates, tmp_path: Path
) -> None:
    for certificate, key in (
        (tmp_path / "absent.pem", certificates.key),
        (certificates.certificate, certificates.ca_file),
        (certificates.certificate, ""),
    ):
        with pytest.raises(ConfigurationError, match="cannot be used"):
            tls_context(Configuration(tls_certificate=str(certificate), tls_key=str(key)))
