"""A real Postfix in front of the doors: what it hands in, and what it makes of our refusals."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from tests.laboratory.availability import requires_postfix
from tests.laboratory.ports import LOOPBACK
from tests.laboratory.postfix import Postfix
from tests.laboratory.waiting import wait_until
from tests.workers.open_door import OpenDoor, Storeroom, open_door

pytestmark = [pytest.mark.slow, requires_postfix]

MAIL = b"From: carla@customer.example\r\nSubject: A question\r\n\r\n.dots\r\n..\r\nHow are you?\r\n"


@contextmanager
def behind_postfix(storeroom: Storeroom, language: str) -> Iterator[tuple[OpenDoor, Postfix]]:
    with open_door(storeroom) as door:
        port = door.lmtp_port if language == "lmtp" else door.smtp_port
        transport = f"lmtp:inet:{LOOPBACK}:{port}" if language == "lmtp" else f"smtp:[{LOOPBACK}]:{port}"
        with Postfix({"postroom.test": transport, "customer.example": transport}) as postfix:
            yield door, postfix


def hand_in(postfix: Postfix, *recipients: str, sender: str = "carla@customer.example") -> None:
    with smtplib.SMTP(LOOPBACK, postfix.smtp_port, timeout=60) as client:
        client.sendmail(sender, list(recipients), MAIL)


@pytest.mark.parametrize("language", ["lmtp", "smtp"])
def test_a_mail_arrives_with_its_envelope(language: str) -> None:
    storeroom = Storeroom()
    with behind_postfix(storeroom, language) as (_, postfix):
        hand_in(postfix, "alice@postroom.test", "bob@postroom.test")
        wait_until(lambda: storeroom.kept, f"the mail is here:\n{postfix.log()}")
        postfix.wait_until_idle()
    [arrival] = storeroom.kept
    assert arrival.door is Door(language)
    assert arrival.envelope == Envelope(
        mail_from="carla@customer.example", rcpt_to=("alice@postroom.test", "bob@postroom.test")
    )
    assert arrival.raw.count(b"Received: ") == 2
    assert arrival.raw.endswith(b"\r\n\r\n.dots\r\n..\r\nHow are you?\r\n")


@pytest.mark.parametrize("language", ["lmtp", "smtp"])
def test_an_unknown_recipient_becomes_a_report_to_the_sender_and_the_others_get_the_mail(language: str) -> None:
    storeroom = Storeroom()
    with behind_postfix(storeroom, language) as (_, postfix):
        hand_in(postfix, "alice@postroom.test", "nobody@postroom.test")
        wait_until(lambda: len(storeroom.kept) == 2, f"mail and report are here:\n{postfix.log()}")
        postfix.wait_until_idle()
    report = next(arrival for arrival in storeroom.kept if arrival.envelope and arrival.envelope.has_null_reverse_path)
    mail = next(arrival for arrival in storeroom.kept if arrival is not report)
    assert mail.envelope is not None
    assert mail.envelope.rcpt_to == ("alice@postroom.test",)
    assert report.envelope == Envelope(mail_from="", rcpt_to=("carla@customer.example",))
    assert b"550 5.1.1 <nobody@postroom.test>: no such mailbox here" in report.raw.replace(b"\r\n    ", b" ")


@pytest.mark.parametrize("language", ["lmtp", "smtp"])
def test_while_we_cannot_store_it_keeps_the_mail_and_brings_it_again(language: str) -> None:
    storeroom = Storeroom(is_down=True)
    with behind_postfix(storeroom, language) as (_, postfix):
        hand_in(postfix, "alice@postroom.test")
        postfix.wait_for_log("status=deferred")
        assert "451 4.3.0" in postfix.log()
        storeroom.is_down = False
        postfix.flush()
        wait_until(lambda: storeroom.kept, f"the mail is here:\n{postfix.log()}")
        postfix.wait_until_idle()
    assert len(storeroom.kept) == 1


def test_many_mails_on_many_connections_arrive_once_each() -> None:
    storeroom = Storeroom()
    with behind_postfix(storeroom, "lmtp") as (_, postfix):
        with smtplib.SMTP(LOOPBACK, postfix.smtp_port, timeout=60) as client:
            for number in range(200):
                client.sendmail(f"carla+{number}@customer.example", ["alice@postroom.test"], MAIL)
        wait_until(lambda: len(storeroom.kept) >= 200, f"all are here:\n{postfix.log()[-3000:]}", 60)
        postfix.wait_until_idle()
    senders = [arrival.envelope.mail_from for arrival in storeroom.kept if arrival.envelope]
    assert sorted(senders) == sorted(f"carla+{number}@customer.example" for number in range(200))
