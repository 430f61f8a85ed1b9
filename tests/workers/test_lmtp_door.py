"""The LMTP door (RFC 2033): one reply per recipient."""

from __future__ import annotations

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from tests.workers.open_door import Peer, Storeroom, open_door

MAIL = b"Subject: A question\r\n\r\nHow are you?\r\n"


def test_a_mail_is_kept_once_for_all_its_recipients() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.lmtp_port, greet="LHLO") as peer:
        peer.begin_mail("alice@postroom.test", "bob@postroom.test")
        peer.send(MAIL)
        assert peer.say(".").startswith("250 ")
    [arrival] = storeroom.kept
    assert arrival.door is Door.LMTP
    assert arrival.envelope == Envelope(
        mail_from="carla@customer.example", rcpt_to=("alice@postroom.test", "bob@postroom.test")
    )
    assert b" with LMTP id " in arrival.raw
    assert storeroom.contents == [MAIL]


def test_each_accepted_recipient_has_a_reply_of_its_own() -> None:
    with open_door() as door, Peer(door.lmtp_port, greet="LHLO") as peer:
        peer.say("MAIL FROM:<carla@customer.example>")
        assert peer.say("RCPT TO:<alice@postroom.test>").startswith("250 ")
        assert peer.say("RCPT TO:<nobody@postroom.test>") == "550 5.1.1 <nobody@postroom.test>: no such mailbox here"
        assert peer.say("RCPT TO:<bob@postroom.test>").startswith("250 ")
        assert peer.say("RCPT TO:<alice@postroom.test>").startswith("250 ")
        peer.say("DATA")
        peer.send(MAIL)
        assert peer.say(".") == "250 2.0.0 <alice@postroom.test> Ok, kept as 1"
        assert peer.reply() == "250 2.0.0 <bob@postroom.test> Ok, kept as 1"
        assert peer.reply() == "250 2.0.0 <alice@postroom.test> Ok, kept as 1"
        assert peer.say("NOOP") == "250 2.0.0 Ok"


def test_the_null_sender_is_null() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.lmtp_port, greet="LHLO") as peer:
        peer.begin_mail(sender="")
        peer.send(MAIL)
        assert peer.say(".").startswith("250 ")
    assert storeroom.kept[0].envelope == Envelope(mail_from="", rcpt_to=("support@postroom.test",))


def test_our_fault_is_told_for_each_recipient() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.lmtp_port, greet="LHLO") as peer:
        peer.begin_mail("alice@postroom.test", "bob@postroom.test")
        storeroom.is_down = True
        peer.send(MAIL)
        assert peer.say(".").startswith("451 4.3.0 ")
        assert peer.reply().startswith("451 4.3.0 ")
        assert peer.say("NOOP") == "250 2.0.0 Ok"
    assert storeroom.kept == []


def test_only_lhlo_opens_a_session() -> None:
    with open_door() as door, Peer(door.lmtp_port) as peer:
        assert peer.reply() == "220 mx.postroom.test LMTP Postroom"
        assert peer.say("EHLO mta.example") == "500 5.5.2 Not a command"
        assert peer.say("HELO mta.example") == "500 5.5.2 Not a command"
        assert peer.say("MAIL FROM:<a@customer.example>") == "503 5.5.1 Say LHLO first"
        assert peer.say("LHLO mta.example").startswith("250-mx.postroom.test")


def test_data_without_a_valid_recipient_is_refused_as_the_standard_says() -> None:
    with open_door() as door, Peer(door.lmtp_port, greet="LHLO") as peer:
        peer.say("MAIL FROM:<carla@customer.example>")
        peer.say("RCPT TO:<nobody@postroom.test>")
        assert peer.say("DATA").startswith("503 ")
