"""Test & Confirm against a real Dovecot: a wrong password is told as such, keeps the mailbox closed, and the right one opens it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postroom.flows.fetch_mailbox import fetch_now
from postroom.flows.settings import save_mailbox
from postroom.flows.test_mailbox import test_mailbox as confirm
from postroom.store.models import InboundMessage, Mailbox
from postroom.wiring import ports
from tests.laboratory.availability import requires_dovecot
from tests.laboratory.dovecot import Dovecot
from tests.people import build_house

pytestmark = [pytest.mark.django_db, pytest.mark.slow, requires_dovecot]
SUPPORT = "support@box.test"
MAIL = b"Message-ID: <1@customer.example>\r\nFrom: carla@customer.example\r\nTo: support@in.test\r\nSubject: Hello\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with Dovecot({SUPPORT: "open sesame"}) as dovecot:
        yield dovecot


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_wrong_password_is_told_and_the_right_one_confirms(dovecot: Dovecot, protocol: str) -> None:
    house = build_house()
    dovecot.deliver(SUPPORT, MAIL)
    values = {
        "name": "Support",
        "company_id": house.company.pk,
        "protocol": protocol,
        "host": "127.0.0.1",
        "port": dovecot.imap_port if protocol == "imap" else dovecot.pop3_port,
        "encryption": "none",
        "username": SUPPORT,
        "password": "open, says me",
    }
    mailbox = save_mailbox(ports(), values, member=None)
    refused = confirm(ports(), mailbox.pk, member=None)
    assert not refused.is_ok
    assert (refused.steps[-1].step, refused.steps[-1].is_ok) == ("login", False)
    assert "password" in str(refused.cause).lower() or "password" in str(refused.cure).lower()
    assert "open, says me" not in f"{refused.cause} {refused.cure} {refused.reply}"
    assert not Mailbox.objects.get().is_confirmed
    assert fetch_now(ports(), mailbox.pk).taken == 0

    save_mailbox(ports(), {"id": mailbox.pk, "password": "open sesame"}, member=None)
    assert confirm(ports(), mailbox.pk, member=None).is_ok
    assert Mailbox.objects.get().is_confirmed
    assert fetch_now(ports(), mailbox.pk).taken >= 1
    assert InboundMessage.objects.filter(message_id="<1@customer.example>").exists()
