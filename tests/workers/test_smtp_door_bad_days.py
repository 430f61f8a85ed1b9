"""The SMTP door on bad days: our faults, the peers' faults, and what either must not cost."""

from __future__ import annotations

import logging
import re
import select
import smtplib
import socket
from contextlib import suppress

import pytest

from postroom.workers import smtp_session
from postroom.workers.limits import DoorLimits
from postroom.workers.smtp_listener import Address
from postroom.workers.smtp_session import BARE_LINE_END
from tests.laboratory.ports import Port
from tests.laboratory.waiting import wait_until
from tests.workers.open_door import LOOPBACK, Peer, Storeroom, open_door

MAIL = b"From: carla@customer.example\r\nSubject: A question\r\n\r\nHow are you?\r\n"
OUR_FAULT = "451 4.3.0 We have a problem of our own; please try again later"


# ---- our faults


def test_while_the_database_is_down_a_recipient_is_neither_refused_nor_accepted() -> None:
    storeroom = Storeroom(is_down=True)
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert peer.say("MAIL FROM:<carla@customer.example>") == "250 2.1.0 Ok"
        assert peer.say("RCPT TO:<support@postroom.test>") == OUR_FAULT
        storeroom.is_down = False
        assert peer.say("RCPT TO:<support@postroom.test>") == "250 2.1.5 Ok"


def test_a_mail_that_cannot_be_stored_stays_with_the_peer_who_may_try_again() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
        client.ehlo("client.example")
        client.mail("carla@customer.example")
        client.rcpt("support@postroom.test")
        storeroom.is_down = True
        assert client.data(MAIL) == (451, b"4.3.0 We have a problem of our own; please try again later")
        storeroom.is_down = False
        client.sendmail("carla@customer.example", ["support@postroom.test"], MAIL)
    assert storeroom.contents == [MAIL]


def test_a_bug_of_ours_is_a_451_for_one_mail_and_nothing_for_the_next(caplog: pytest.LogCaptureFixture) -> None:
    storeroom = Storeroom(chokes_on=b"X-Poison")
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(b"X-Poison: yes\r\n" + MAIL)
        assert peer.say(".") == OUR_FAULT
        peer.begin_mail()
        peer.send(MAIL)
        assert peer.say(".") == "250 2.0.0 Ok, kept as 1"
    assert "a bug of ours" in caplog.text
    assert "X-Poison" not in caplog.text


def test_a_bug_in_the_session_is_a_451_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    storeroom = Storeroom()

    def broken(**_: object) -> bytes:
        raise ZeroDivisionError("a bug in the session")

    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        with monkeypatch.context() as patch:
            patch.setattr(smtp_session, "received_line", broken)
            peer.begin_mail()
            peer.send(MAIL)
            assert peer.say(".") == OUR_FAULT
        peer.begin_mail()
        peer.send(MAIL)
        assert peer.say(".") == "250 2.0.0 Ok, kept as 1"
    assert "a bug in the session" in caplog.text


def test_a_verdict_that_was_forgotten_is_our_fault(caplog: pytest.LogCaptureFixture) -> None:
    with open_door(check=lambda _addresses: {}) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert peer.say("MAIL FROM:<carla@customer.example>") == "250 2.1.0 Ok"
        assert peer.say("RCPT TO:<support@postroom.test>") == OUR_FAULT
    assert "KeyError" in caplog.text


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    storeroom = Storeroom()
    with (
        caplog.at_level(logging.WARNING, "postroom"),
        open_door(storeroom) as door,
        Peer(door.smtp_port, greet="EHLO") as peer,
    ):
        peer.say("MAIL FROM:<carla@customer.example>")
        storeroom.is_down = True
        for _ in range(3):
            peer.say("RCPT TO:<support@postroom.test>")
        storeroom.is_down = False
        peer.say("RCPT TO:<support@postroom.test>")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("postroom.workers")] == [
        "recipients: does not work: connection refused",
        "recipients: works again",
    ]


# ---- mails that are not as they should be


def test_a_mail_that_says_it_is_too_big_is_refused_before_it_comes() -> None:
    with open_door(limits=DoorLimits(message_size=1000)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert (
            peer.say("MAIL FROM:<carla@customer.example> SIZE=1001") == "552 5.3.4 A mail may have 1000 bytes at most"
        )
        assert peer.say("MAIL FROM:<carla@customer.example> SIZE=1000") == "250 2.1.0 Ok"


def test_a_mail_of_exactly_the_limit_is_kept_and_one_byte_more_is_not() -> None:
    storeroom = Storeroom()
    with open_door(storeroom, limits=DoorLimits(message_size=1000)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(b"x" * 998 + b"\r\n")
        assert peer.say(".") == "250 2.0.0 Ok, kept as 1"
        peer.begin_mail()
        peer.send(b"x" * 999 + b"\r\n")
        assert peer.say(".") == "552 5.3.4 A mail may have 1000 bytes at most"
        assert peer.say("NOOP") == "250 2.0.0 Ok"
        assert door.door._reception is not None
        assert door.door._reception.budget.taken == 0
    assert len(storeroom.kept) == 1


def test_a_mail_without_end_is_cut_off() -> None:
    limits = DoorLimits(message_size=1000)
    with open_door(limits=limits) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            peer.send(b"x" * 100_000_000)
        wait_until(lambda: not door.open_sessions(), "the session is over")


def test_all_mails_under_way_together_have_a_bound() -> None:
    limits = DoorLimits(bytes_in_flight=300_000)
    with open_door(limits=limits) as door:
        with Peer(door.smtp_port, greet="EHLO") as greedy, Peer(door.smtp_port, greet="EHLO") as late:
            greedy.begin_mail()
            greedy.send(b"x" * 250_000)
            reception = door.door._reception
            assert reception is not None
            wait_until(lambda: reception.budget.taken > 100_000, "the first mail takes its room")
            late.begin_mail()
            late.send(b"x" * 290_000 + b"\r\n")
            assert late.say(".") == "452 4.3.1 Too many mails at once, please try again later"
        wait_until(lambda: reception.budget.taken == 0, "the room is free again")
        with Peer(door.smtp_port, greet="EHLO") as late:
            late.begin_mail()
            late.send(b"x" * 290_000 + b"\r\n")
            assert late.say(".").startswith("250 ")


def test_half_a_mail_is_no_mail() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door:
        with Peer(door.smtp_port, greet="EHLO") as peer:
            peer.begin_mail()
            peer.send(MAIL)
        with Peer(door.smtp_port, greet="EHLO") as peer:
            peer.begin_mail()
            peer.send(MAIL + b".")
            peer.socket.shutdown(socket.SHUT_WR)
            assert peer.reply() == ""
        wait_until(lambda: not door.open_sessions(), "both sessions are over")
    assert storeroom.kept == []


def test_a_mail_that_goes_round_in_circles_is_refused() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(b"Received: from a by b\r\n" * 101 + MAIL)
        assert peer.say(".").startswith("554 5.4.6 ")
    assert storeroom.kept == []


@pytest.mark.parametrize(
    "false_end",
    [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n", b"\r\n.\r\0\n"],
)
def test_no_second_mail_is_smuggled_behind_a_false_end(false_end: bytes) -> None:
    storeroom = Storeroom()
    smuggled = (
        b"MAIL FROM:<boss@postroom.test>\r\nRCPT TO:<bob@postroom.test>\r\nDATA\r\nSubject: forged\r\n\r\npay\r\n"
    )
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(b"Subject: innocent\r\n\r\ntext" + false_end + smuggled)
        assert peer.say(".").startswith("250 ")
        assert peer.say("NOOP") == "250 2.0.0 Ok"
    [arrival] = storeroom.kept
    assert b"Subject: forged" in arrival.raw


# ---- peers who want too much


def test_too_many_recipients_are_put_off_to_the_next_transaction() -> None:
    storeroom = Storeroom()
    recipients = [f"person{number}@postroom.test" for number in range(5)]
    with open_door(storeroom, limits=DoorLimits(recipients=3)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.say("MAIL FROM:<carla@customer.example>")
        replies = [peer.say(f"RCPT TO:<{recipient}>") for recipient in recipients]
        assert replies == ["250 2.1.5 Ok"] * 3 + ["452 4.5.3 At most 3 recipients in one transaction"] * 2
        assert peer.say("DATA").startswith("354 ")
        peer.send(MAIL)
        assert peer.say(".").startswith("250 ")
    assert storeroom.kept[0].envelope is not None
    assert storeroom.kept[0].envelope.rcpt_to == tuple(recipients[:3])


@pytest.mark.parametrize(
    ("limits", "reply"),
    [
        (DoorLimits(connections=2), "421 4.7.0 Too many connections, please try again later"),
        (
            DoorLimits(connections_per_peer=2),
            "421 4.7.0 Too many connections from your address, please try again later",
        ),
    ],
)
def test_connections_are_limited_and_a_place_becomes_free_again(limits: DoorLimits, reply: str) -> None:
    with open_door(limits=limits) as door:
        with Peer(door.smtp_port, greet="EHLO"), Peer(door.lmtp_port, greet="LHLO"), Peer(door.smtp_port) as third:
            assert third.reply() == reply
            assert third.is_hung_up()
        wait_until(lambda: not door.open_sessions(), "everybody left")
        with Peer(door.smtp_port, greet="EHLO") as peer:
            assert peer.say("NOOP") == "250 2.0.0 Ok"


def test_who_talks_nonsense_is_sent_away() -> None:
    with open_door(limits=DoorLimits(bad_commands=4)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert peer.say("FROBNICATE") == "500 5.5.2 Not a command"
        assert peer.say("") == "500 5.5.2 Not a command"
        assert peer.say("BDAT 100 LAST") == "502 5.5.1 Not implemented"
        assert peer.say("MAIL FROM:<<>>") == "501 5.5.4 Syntax: MAIL FROM:<address>"
        assert peer.say("RCPT TO:<bob@postroom.test>") == "421 4.7.0 Too many errors, goodbye"
        assert peer.is_hung_up()


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<a@customer.example> SIZE=99999999999"], "552 "),
        (["MAIL FROM:<a@customer.example>", *["DATA"] * 100], "503 5.5.1 There is no valid recipient"),
    ],
)
def test_what_brings_no_mail_has_an_end(commands: list[str], reply: str) -> None:
    with open_door(limits=DoorLimits(idle_commands=5)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        replies: list[str] = []
        while len(replies) < 100 and not any(one.startswith("421") for one in replies):
            replies.append(peer.say(commands[len(replies) % len(commands)]))
        assert replies[-1] == "421 4.7.0 Too many commands without a mail, goodbye"
        assert sum(one.startswith(reply) for one in replies) == 4, "the greeting was one, too"


def test_a_long_list_sent_at_once_is_heard_to_its_end_but_not_for_ever() -> None:
    limits = DoorLimits(bad_commands=4, recipients=1, turned_away=50)
    with open_door(limits=limits) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.say("MAIL FROM:<a@customer.example>")
        replies = [peer.say("RCPT TO:<bob@postroom.test>")[:3] for _ in range(56)]
        assert replies == ["250", *["452"] * 54, "421"]
        assert peer.is_hung_up()


def test_a_browser_that_was_led_here_is_sent_away_at_once() -> None:
    with open_door() as door, Peer(door.smtp_port) as peer:
        peer.reply()
        peer.send("POST / HTTP/1.1\r\nHost: mx\r\n\r\nMAIL FROM:<a@customer.example>\r\n")
        assert peer.reply() == "421 4.7.0 This is a mail server, goodbye"
        assert peer.is_hung_up()


def test_who_never_brings_a_mail_is_sent_away() -> None:
    with open_door(limits=DoorLimits(idle_commands=5)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        replies = [peer.say(command) for command in ("NOOP", "RSET", "VRFY bob", "EHLO again", "NOOP")]
        assert replies[-1] == "421 4.7.0 Too many commands without a mail, goodbye"
        assert peer.is_hung_up()


def test_a_mail_earns_new_patience() -> None:
    with open_door(limits=DoorLimits(idle_commands=3)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        for _ in range(4):
            assert [peer.say("RSET"), peer.say("NOOP")] == ["250 2.0.0 Ok"] * 2
            peer.begin_mail()
            peer.send(MAIL)
            assert peer.say(".").startswith("250 ")


def test_who_harvests_addresses_is_sent_away() -> None:
    with open_door(limits=DoorLimits(unknown_recipients=3)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.say("MAIL FROM:<mallory@customer.example>")
        replies = [peer.say("RCPT TO:<nobody@postroom.test>")[:9] for _ in range(4)]
        assert replies == ["550 5.1.1"] * 3 + ["421 4.7.0"]
        assert peer.is_hung_up()


def test_a_line_that_is_too_long_is_refused_and_read_away() -> None:
    with open_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        for length in (5_000, 70_000, 500_000):
            assert peer.say("NOOP " + "x" * length) == "500 5.5.2 The line is too long"
        assert peer.say("NOOP") == "250 2.0.0 Ok"


def test_a_command_ends_with_cr_lf_and_with_nothing_else() -> None:
    """What stands behind a bare line feed is no command: a proxy before us may not have seen it as one (RFC 5321 2.3.8)."""
    with open_door() as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.send("NOOP\n")
        assert peer.reply() == BARE_LINE_END, "at once: who types by hand shall know"
        peer.send("MAIL FROM:<mallory@customer.example>\nRCPT TO:<bob@postroom.test>\nDATA\n\r\n")
        assert peer.say("RCPT TO:<bob@postroom.test>") == "503 5.5.1 Say MAIL first"
        assert peer.say("NOOP\rMAIL FROM:<mallory@customer.example>") == BARE_LINE_END
        assert peer.say("NOOP x\nMAIL FROM:<mallory@customer.example>") == BARE_LINE_END
        assert peer.say("NOOP " + "x" * 70_000 + "\nNOOP") == BARE_LINE_END
        assert peer.say("MAIL FROM:<carla@customer.example>") == "250 2.1.0 Ok"
        assert peer.say("RCPT TO:<bob@postroom.test>") == "250 2.1.5 Ok"


def test_who_sends_nothing_but_bare_line_ends_is_sent_away() -> None:
    with open_door(limits=DoorLimits(bad_commands=2)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        assert [peer.say("NOOP\nNOOP") for _ in range(2)] == [BARE_LINE_END] * 2
        peer.send("NOOP\n")
        assert peer.reply() == "421 4.7.0 Too many errors, goodbye"
        assert peer.is_hung_up()


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["MAIL FROM:<a@customer.example>"], "503 5.5.1 Say EHLO first"),
        (["HELO"], "501 5.5.4 Syntax: HELO name"),
        (["EHLO x", "RCPT TO:<a@customer.example>"], "503 5.5.1 Say MAIL first"),
        (["EHLO x", "MAIL FROM:<a@customer.example>", "MAIL FROM:<b@customer.example>"], "503 5.5.1 There is a transaction already"),
        (["EHLO x", "MAIL FROM:<a@customer.example>", "RCPT TO:<>"], "501 5.1.3 There is no recipient"),
        (["EHLO x", "MAIL FROM:<a@customer.example>", "RCPT TO:<b@postroom.test> NOTIFY=NEVER"], "555 5.5.4 Unknown parameter NOTIFY"),
        (["EHLO x", "MAIL FROM:<a@customer.example>", "DATA now"], "501 5.5.4 Syntax: DATA"),
        (["EHLO x", "MAIL FROM:<a@customer.example>", "DATA"], "503 5.5.1 There is no valid recipient"),
        (["EHLO x", "MAIL FROM:<a@customer.example> SIZE=many"], "501 5.5.4 Syntax: SIZE=number"),
        (["EHLO x", "MAIL FROM:<a@customer.example> SIZE=²"], "501 5.5.4 Syntax: SIZE=number"),
        (["EHLO x", "MAIL FROM:<a@customer.example> BODY=BINARYMIME"], "501 5.5.4 BODY is 7BIT or 8BITMIME"),
        (["EHLO x", "MAIL FROM:<a@customer.example> SMTPUTF8=1"], "501 5.5.4 SMTPUTF8 takes no value"),
        (["EHLO x", "MAIL FROM:<a@customer.example> RET=FULL"], "555 5.5.4 Unknown parameter RET"),
        (["EHLO x", "AUTH PLAIN AGEAYg=="], "502 5.5.1 Not implemented"),
        (["EHLO x", "STARTTLS"], "503 5.5.1 STARTTLS is not possible here"),
    ],
)  # fmt: skip
def test_what_is_said_wrongly_is_answered_clearly(commands: list[str], reply: str) -> None:
    with open_door() as door, Peer(door.smtp_port) as peer:
        peer.reply()
        assert [peer.say(command) for command in commands][-1] == reply


# ---- peers who take their time


def test_a_peer_that_drips_a_command_is_timed_out() -> None:
    with open_door(limits=DoorLimits(command_timeout=0.4)) as door, Peer(door.smtp_port) as peer:
        assert peer.reply().startswith("220 ")
        peer.socket.settimeout(0.02)
        heard = b""
        while not heard.endswith(b"\n"):
            try:
                peer.send(b"N")
                heard += peer.socket.recv(100)
            except TimeoutError:
                continue
        assert heard == b"421 4.4.2 You took too long, goodbye\r\n"


def test_a_peer_that_stops_within_a_mail_is_timed_out() -> None:
    storeroom = Storeroom()
    limits = DoorLimits(data_block_timeout=0.2)
    with open_door(storeroom, limits=limits) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(MAIL)
        assert peer.reply() == "421 4.4.2 You took too long, goodbye"
        assert peer.is_hung_up()
    assert storeroom.kept == []


def test_a_peer_that_drips_a_mail_is_timed_out_in_the_end() -> None:
    limits = DoorLimits(data_block_timeout=30, data_timeout=0.3)
    with open_door(limits=limits) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        with suppress(ConnectionError):  # what a slow machine sends too late
            peer.send(b"x" * 70_000)
        assert peer.reply() == "421 4.4.2 You took too long, goodbye"


def is_cut_off(sock: socket.socket) -> bool:
    """Whether the other side has ended the connection; what it said before is not read."""
    poller = select.poll()
    poller.register(sock, select.POLLRDHUP)
    return bool(poller.poll(0))


@pytest.mark.slow
def test_a_peer_that_takes_no_replies_is_cut_off() -> None:
    limits = DoorLimits(command_timeout=0.5, idle_commands=10_000_000)
    with open_door(limits=limits) as door, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((LOOPBACK, door.smtp_port))
        deaf.settimeout(0.2)
        with suppress(TimeoutError, ConnectionError):
            deaf.sendall(b"EHLO x\r\n" * 100_000)  # the replies are more than all buffers hold
        wait_until(lambda: is_cut_off(deaf), "the door has cut it off")
        wait_until(lambda: not door.open_sessions(), "the session is over")


def test_a_peer_that_does_not_even_take_the_farewell_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_session, "FAREWELL", 0.1)
    limits = DoorLimits(idle_commands=90_000, stop_patience=0.3)
    with open_door(limits=limits) as door, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((LOOPBACK, door.smtp_port))
        deaf.settimeout(0.2)
        wait_until(door.open_sessions, "the session began")
        with suppress(TimeoutError, ConnectionError):
            deaf.sendall(b"EHLO x\r\n" * 100_000)
        door.stop().result(60)
        assert not door.open_sessions()


# ---- the end


def test_a_door_that_closes_says_goodbye_to_who_waits() -> None:
    port = Port()  # stays reserved, so that nobody else listens there afterwards
    with open_door(smtp=Address(host=LOOPBACK, port=int(port))) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        door.stop().result(60)
        assert peer.reply() == "421 4.3.2 We are closing, please try again later"
        assert peer.is_hung_up()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, door.smtp_port), timeout=60)
    port.release()


def test_a_mail_under_way_is_finished_before_the_door_closes() -> None:
    storeroom = Storeroom()
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(MAIL)
        stopping = door.stop()
        door.in_loop(lambda: None)
        peer.send(b".\r\n")
        assert peer.reply() == "250 2.0.0 Ok, kept as 1"
        assert peer.reply() == "421 4.3.2 We are closing, please try again later"
        stopping.result(60)
    assert storeroom.contents == [MAIL]


def test_a_peer_that_never_ends_its_mail_does_not_keep_the_door_open() -> None:
    storeroom = Storeroom()
    with open_door(storeroom, limits=DoorLimits(stop_patience=0.2)) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        peer.begin_mail()
        peer.send(MAIL)
        door.stop().result(60)
        assert peer.is_hung_up()
    assert storeroom.kept == []


def test_no_reply_is_longer_than_the_standard_allows() -> None:
    address = "x" * 300 + "@postroom.test"
    with (
        open_door(check=Strict().check) as door,
        Peer(door.smtp_port, greet="EHLO") as peer,
    ):
        peer.say("MAIL FROM:<carla@customer.example>")
        reply = peer.say(f"RCPT TO:<{address}>")
        assert re.match(r"550 5\.1\.1 <x+@postroom\.test>: no such mailbox here$", reply)
        assert len(reply) <= 510


class Strict(Storeroom):
    """Nobody has a mailbox."""

    def check(self, addresses):  # type: ignore[no-untyped-def]
        from postroom.core.routing.verdicts import RecipientVerdict

        return {address: RecipientVerdict(accepted=False) for address in addresses}
