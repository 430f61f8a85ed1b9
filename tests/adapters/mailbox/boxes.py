"""Mailboxes of a real server, a fresh one for each test, and endpoints to them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxProtocol
from postroom.core.terms.secret import Secret
from tests.laboratory.availability import need_dovecot
from tests.laboratory.dovecot import Dovecot
from tests.laboratory.ports import LOOPBACK

PASSWORD = 'open "sesame" \\o/'
SIZE_LIMIT = 10_000_000
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A mailbox of a person, on a server that it may share with others."""

    server: Dovecot
    address: str
    protocol: MailboxProtocol

    def endpoint(self, **changes: Any) -> MailboxEndpoint:
        """How to read it: without encryption on loopback, unless the changes say otherwise."""
        is_imap = self.protocol is MailboxProtocol.IMAP
        plain = MailboxEndpoint(
            protocol=self.protocol,
            host=LOOPBACK,
            port=self.server.imap_port if is_imap else self.server.pop3_port,
            encryption=Encryption.NONE,
            username=self.address,
            password=Secret(PASSWORD),
            timeout=60.0,
        )
        if changes.get("encryption") is Encryption.TLS:
            changes["port"] = self.server.imaps_port if is_imap else self.server.pop3s_port
        return dataclasses.replace(plain, **changes)

    def deliver(self, *subjects: str) -> None:
        for subject in subjects:
            self.server.deliver(self.address, mail(subject))

    def mails(self, folder: str = "INBOX") -> list[bytes]:
        return self.server.mails(self.address, folder)


def mail(subject: str, body: bytes = b"Hello.\r\n") -> bytes:
    return b"From: Customer Carla <carla@customer.example>\r\nSubject: " + subject.encode() + b"\r\n\r\n" + body


def subject_of(raw: bytes) -> str:
    return next(line[9:].decode() for line in raw.split(b"\r\n") if line.startswith(b"Subject: "))


@pytest.fixture(scope="session")
def shared_dovecot() -> Iterator[Dovecot]:
    """One server for all tests that do it no harm."""
    need_dovecot()
    with Dovecot({f"alice{number}@box.test": PASSWORD for number in range(100)}) as server:
        yield server


@pytest.fixture
def own_dovecot() -> Iterator[Dovecot]:
    """A server to be harmed."""
    need_dovecot()
    with Dovecot({"alice@box.test": PASSWORD}) as server:
        yield server


def fresh_box(server: Dovecot, protocol: MailboxProtocol) -> Box:
    return Box(server=server, address=f"alice{next(_numbers)}@box.test", protocol=protocol)


def endpoint_to(port: int, protocol: MailboxProtocol, **changes: Any) -> MailboxEndpoint:
    """To a scripted peer, without encryption; patient, but on the days that are about silence."""
    plain = MailboxEndpoint(
        protocol=protocol,
        host=LOOPBACK,
        port=port,
        encryption=Encryption.NONE,
        username="alice@box.test",
        password=Secret("top-secret"),
        timeout=60.0,
    )
    return dataclasses.replace(plain, **changes)
