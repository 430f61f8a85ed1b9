"""The SMTP door as its peers see it: good days."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Sequence
from email.message import EmailMessage

import pytest

from postroom.core.routing.verdicts import RecipientVerdict
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.workers.limits import DoorLimits
from postroom.workers.reception import LatelyAccepted
from postroom.workers.smtp_listener import Address
from postroom.workers.smtp_session import TOLD_UNKNOWN
from tests.laboratory.waiting import wait_until
from tests.workers.open_door import LOOPBACK, Peer, Storeroom, open_door

MAIL = b"From: carla@customer.example\r\nSubject: A question\r\n\r\nHow are you?\r\n"


def test_a_mail_is_kept_with_its_envelope_and_a_trace_on_top() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.ehlo("client.example")
        client.sendmail("carla@customer.example", ["support@postroom.test", "sales@postroom.test"], MAIL)
    [arrival] = storeroom.kept
    assert arrival.door is Door.SMTP
    assert arrival.envelope == Envelope(
        mail_from="carla@customer.example", rcpt_to=("support@postroom.test", "sales@postroom.test")
    )
    assert arrival.peer == "127.0.0.1 (client.example)"
    assert storeroom.contents == [MAIL]
    trace = arrival.raw.removesuffix(MAIL).decode()
    assert trace.startswith(
        "Received: from client.example ([127.0.0.1])\r\n\tby mx.postroom.test (Postroom) with ESMTP id "
    )
    assert trace.endswith(";\r\n\tMon, 02 Mar 2026 12:00:00 +0000\r\n")


def test_the_welcome_offers_what_is_spoken_and_nothing_more() -> None:
    with open_door(limits=DoorLimits(message_size=12345)) as door, Peer(door.smtp_port) as peer:
        assert peer.reply() == "220 mx.postroom.test SMTP Postroom"
        assert peer.say("EHLO client.example").splitlines() == [
            "250-mx.postroom.test",
            "250-SIZE 12345",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-PIPELINING",
            "250 ENHANCEDSTATUSCODES",
        ]
        assert peer.say("HELO client.example") == "250 mx.postroom.test"
        assert peer.say("QUIT") == "221 2.0.0 Goodbye"
        assert peer.is_hung_up()


def test_the_reply_names_the_number_under_which_the_mail_is_kept() -> None:
    with open_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        for number in (1, 2):
            peer.begin_mail()
            peer.send(MAIL)
            assert peer.say(".") == f"250 2.0.0 Ok, kept as {number}"


def test_refused_recipients_stand_in_the_log_with_their_sender_and_no_more_than_a_few_of_a_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "postroom")
    with open_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.say("MAIL FROM:<carla@customer.example>")
        for _ in range(TOLD_UNKNOWN + 2):
            assert peer.say("RCPT TO:<nobody@postroom.test>").startswith("550 5.1.1")
    told = [record for record in caplog.records if record.getMessage().startswith("recipient refused")]
    assert [(record.mail_from, record.rcpt_to) for record in told] == [  # type: ignore[attr-defined]
        ("carla@customer.example", "nobody@postroom.test")
    ] * TOLD_UNKNOWN


def test_an_unknown_recipient_is_refused_at_once_and_the_others_get_the_mail() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        refused = client.sendmail("carla@customer.example", ["nobody@postroom.test", "support@postroom.test"], MAIL)
    assert refused == {"nobody@postroom.test": (550, b"5.1.1 <nobody@postroom.test>: no such mailbox here")}
    [arrival] = storeroom.kept
    assert arrival.envelope is not None
    assert arrival.envelope.rcpt_to == ("support@postroom.test",)


def test_a_null_sender_is_a_null_sender() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.sendmail("", ["support@postroom.test"], MAIL)
    [arrival] = storeroom.kept
    assert arrival.envelope is not None
    assert arrival.envelope.has_null_reverse_path


def test_postmaster_needs_no_domain() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.sendmail("carla@customer.example", ["Postmaster"], MAIL)
    [arrival] = storeroom.kept
    assert arrival.envelope is not None
    assert arrival.envelope.rcpt_to == ("Postmaster",)


def test_a_recipient_named_twice_gets_the_mail_once() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.sendmail("carla@customer.example", ["support@postroom.test"] * 2, MAIL)
    [arrival] = storeroom.kept
    assert arrival.envelope is not None
    assert arrival.envelope.rcpt_to == ("support@postroom.test",)


def test_an_address_beyond_ascii_comes_with_smtputf8() -> None:
    storeroom = Storeroom()
    mail = EmailMessage()
    mail["From"] = "jürgen@customer.example"
    mail["To"] = "support@postroom.test"
    mail["Subject"] = "Grüße"
    mail.set_content("Hallo")
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.ehlo("client.example")
        client.send_message(mail)
    [arrival] = storeroom.kept
    assert arrival.envelope == Envelope(
        mail_from="jürgen@customer.example", rcpt_to=("support@postroom.test",), smtputf8=True
    )
    assert b" with UTF8SMTP id " in arrival.raw
    assert "Grüße".encode() in arrival.raw


def test_an_address_beyond_ascii_without_smtputf8_is_refused() -> None:
    with open_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert peer.say("MAIL FROM:<jürgen@customer.example>") == "553 5.6.7 An address beyond ASCII needs SMTPUTF8"


def test_commands_may_come_all_at_once() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.smtp_port) as peer:
        one = b"MAIL FROM:<a@customer.example>\r\nRCPT TO:<nobody@postroom.test>\r\nRCPT TO:<bob@postroom.test>\r\nDATA\r\n"
        peer.send(b"EHLO client.example\r\n" + (one + MAIL + b".\r\n") * 3 + b"QUIT\r\n")
        codes = [peer.reply()[:3] for _ in range(18)]
        assert codes == ["220", "250", *["250", "550", "250", "354", "250"] * 3, "221"]
    assert storeroom.contents == [MAIL] * 3


def test_a_peer_that_closes_its_half_still_gets_its_reply() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(MAIL + b".\r\n")
        peer.socket.shutdown(1)
        assert peer.reply() == "250 2.0.0 Ok, kept as 1"
        assert peer.is_hung_up()
    assert storeroom.contents == [MAIL]


def test_a_recipient_named_all_the_time_is_asked_about_once_a_second_all_the_same() -> None:
    class Listening(Storeroom):
        def check(self, addresses: Sequence[str]) -> dict[str, RecipientVerdict]:
            asked.extend(addresses)
            return super().check(addresses)

    asked: list[str] = []
    clock = [0.0]
    with open_door(Listening()) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        reception = door.door._reception
        assert reception is not None
        reception.lately = LatelyAccepted(lambda: clock[0], seconds=1.0)
        for moment in (0.0, 0.6, 1.2):
            clock[0] = moment
            assert peer.say("MAIL FROM:<a@customer.example>") == "250 2.1.0 Ok"
            assert peer.say("RCPT TO:<bob@postroom.test>") == "250 2.1.5 Ok"
            assert peer.say("RSET") == "250 2.0.0 Ok"
    assert asked == ["bob@postroom.test"] * 2


def test_rset_forgets_the_transaction() -> None:
    with open_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert peer.say("MAIL FROM:<a@customer.example>") == "250 2.1.0 Ok"
        assert peer.say("RCPT TO:<bob@postroom.test>") == "250 2.1.5 Ok"
        assert peer.say("RSET") == "250 2.0.0 Ok"
        assert peer.say("DATA") == "503 5.5.1 Say MAIL first"
        assert peer.say("NOOP") == "250 2.0.0 Ok"
        assert peer.say("VRFY bob").startswith("252 ")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".hello\r\n.\r\n", b"hello\r\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
        (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
        (b"\0\xff\xfe\r\n.\r\n", b"\0\xff\xfe\r\n"),
        (b"x" * 300_000 + b"\r\n.\r\n", b"x" * 300_000 + b"\r\n"),
        (b".\n" * 70_000 + b"\r\n.\r\n", b"\n" + b".\n" * 69_999 + b"\r\n"),
    ],
)
def test_the_content_is_kept_byte_for_byte_without_the_transparent_dots(sent: bytes, kept: bytes) -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(sent)
        assert peer.reply() == "250 2.0.0 Ok, kept as 1"
    assert storeroom.contents == [kept]


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 6, 7])
def test_the_end_is_found_wherever_the_packets_are_cut(cut: int) -> None:
    storeroom = Storeroom()
    whole = b"a\r\n.\r\r\n..\r\n\n.\r\n.\r\n"
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        for start in range(0, len(whole), cut):
            peer.send(whole[start : start + cut])
            door.in_loop(lambda: None)  # the loop has turned: what was sent so far was probably read by itself
        assert peer.reply() == "250 2.0.0 Ok, kept as 1"
        assert peer.say("NOOP") == "250 2.0.0 Ok"
    assert storeroom.contents[0] == b"a\r\n\r\r\n.\r\n\n.\r\n"


def test_a_large_mail_comes_whole() -> None:
    storeroom = Storeroom()
    mail = b"Subject: large\r\n\r\n" + b"".join(b"%070d\r\n" % number for number in range(100_000))
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.sendmail("carla@customer.example", ["support@postroom.test"], mail)
    assert storeroom.contents == [mail]


def test_mails_of_many_peers_share_a_commit() -> None:
    storeroom = Storeroom()
    storeroom.may_go_on.clear()
    with open_door(storeroom) as door:
        peers = [Peer(door.smtp_port, greet="EHLO") for _ in range(12)]
        for peer in peers:
            peer.begin_mail()
            peer.send(MAIL + b".\r\n")
        wait_until(lambda: door.waiting_mails() == 12, "all mails wait for the commit")
        storeroom.may_go_on.set()
        assert sorted(peer.reply() for peer in peers) == sorted(f"250 2.0.0 Ok, kept as {n}" for n in range(1, 13))
        for peer in peers:
            peer.close()
    assert sum(storeroom.groups) == 12
    assert len(storeroom.groups) <= 2


def test_several_door_processes_share_a_port_only_when_they_are_said_to() -> None:
    storerooms = [Storeroom(), Storeroom()]
    with open_door(storerooms[0], doors=2) as first:
        shared = Address(host=LOOPBACK, port=first.smtp_port)
        with open_door(storerooms[1], doors=2, smtp=shared) as second:
            assert second.smtp_port == first.smtp_port
            for _ in range(64):
                with smtplib.SMTP(LOOPBACK, first.smtp_port, timeout=60) as client:
                    client.sendmail("carla@customer.example", ["support@postroom.test"], MAIL)
        assert len(storerooms[0].kept) + len(storerooms[1].kept) == 64
        assert storerooms[0].kept
        assert storerooms[1].kept
    with open_door() as alone:
        taken = Address(host=LOOPBACK, port=alone.smtp_port)
        with pytest.raises(OSError, match="address already in use"), open_door(smtp=taken):
            pass
