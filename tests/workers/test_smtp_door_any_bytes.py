"""Any bytes at the door: nothing crashes, nothing is lost, and no fault of ours is called the peer's."""

from __future__ import annotations

import random
import re
import smtplib
import socket

import pytest

from postroom.workers.limits import DoorLimits
from tests.laboratory.waiting import wait_until
from tests.workers.open_door import LOOPBACK, Peer, Storeroom, open_door

SEEDS = (
    b"From: carla@customer.example\r\nTo: support@postroom.test\r\nSubject: Hello\r\n\r\nHello,\r\n\r\n.\r\n..\r\nCarla\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: image/png\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n",
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nReceived: from a by b\r\n\tfor <c>;\r\n\r\n" + bytes(range(256)),
    b"\r\n" * 20,
    b"",
)
FRAGMENTS = (b"\r\n.\r\n", b"\n.\n", b"\r", b"\n", b"\0", b"\r\n..", b".", b"\xff", b"\r\n", b"RSET\r\n", b"--b--")
COMMANDS = (
    b"EHLO x", b"HELO x", b"LHLO x", b"MAIL FROM:<a@customer.example>", b"MAIL FROM:<>", b"RCPT TO:<b@postroom.test>",
    b"RCPT TO:<nobody@postroom.test>", b"DATA", b"RSET", b"NOOP", b"QUIT", b"STARTTLS", b"VRFY b", b".", b"", b"\0",
    b"MAIL FROM:<\xff\xfe@x>", b"MAIL FROM:<a@x> SIZE=99999999999999999999999", b"RCPT TO:<" + b"b" * 600 + b">",
    b"RCPT TO:<postmaster>", b"XYZZY \xe4\xf6", b"DATA\r\nfoo\r\n.", b"BDAT 5 LAST", b"AUTH LOGIN",
)  # fmt: skip


def mutated(dice: random.Random) -> bytes:
    mail = bytearray(dice.choice(SEEDS))
    for _ in range(dice.randrange(8)):
        place = dice.randrange(len(mail) + 1)
        match dice.randrange(4):
            case 0:
                mail[place:place] = dice.choice(FRAGMENTS)
            case 1:
                del mail[place : place + dice.randrange(1, 30)]
            case 2:
                mail[place:place] = dice.randbytes(dice.randrange(1, 200))
            case _:
                mail[place:place] = mail[: dice.randrange(1, 2000)] * dice.randrange(1, 40)
    return bytes(mail)


@pytest.mark.slow
def test_a_thousand_strange_mails_are_kept_to_the_byte() -> None:
    dice = random.Random(20260302)
    storeroom = Storeroom()
    sent: list[bytes] = []
    with open_door(storeroom) as door, Peer(door.smtp_port, greet="EHLO") as peer:
        for _ in range(1000):
            mail = mutated(dice)
            peer.begin_mail()
            ended = mail if mail.endswith(b"\r\n") or not mail else mail + b"\r\n"
            stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", ended)
            peer.send(stuffed + b".\r\n")
            assert peer.reply() == f"250 2.0.0 Ok, kept as {len(sent) + 1}"
            sent.append(ended)
    assert storeroom.contents == sent


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SMTP", "LMTP"])
def test_a_thousand_strange_conversations_break_nothing(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every reply is one of the language, none is our fault, each 250 to a mail has its mail, and the door lives on."""
    dice = random.Random(f"{kind} 20260302")
    storeroom = Storeroom()
    claimed = 0
    limits = DoorLimits(message_size=100_000, bad_commands=10, command_timeout=20)
    with open_door(storeroom, limits=limits) as door:
        port = door.smtp_port if kind == "SMTP" else door.lmtp_port
        for _ in range(1000):
            replies = conversation(port, dice)
            lines = replies.splitlines()
            assert all(re.match(rb"[2345]\d\d[ -]", line) for line in lines), replies
            assert not any(line.startswith(b"451") for line in lines), replies
            claimed += len(set(re.findall(rb"kept as (\d+)", replies)))
        wait_until(lambda: not door.open_sessions(), "all sessions are over")
        with smtplib.SMTP(LOOPBACK, door.smtp_port, timeout=60) as client:
            client.sendmail("carla@customer.example", ["support@postroom.test"], SEEDS[0])
    assert storeroom.contents[-1] == SEEDS[0]
    assert claimed <= len(storeroom.kept) - 1  # a reply may be lost with its connection, a mail may not
    assert claimed > 20
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def conversation(port: int, dice: random.Random) -> bytes:
    """Say strange things all at once, hear all that comes back."""
    greeting = dice.choice([b"EHLO x\r\n", b"LHLO x\r\n", b""])
    usual = b"MAIL FROM:<a@customer.example>\r\nRCPT TO:<b@postroom.test>\r\nDATA\r\n" if dice.random() < 0.7 else b""
    parts = [greeting + usual]
    for _ in range(dice.randrange(12)):
        match dice.randrange(4):
            case 0:
                parts.append(dice.choice(COMMANDS) + b"\r\n")
            case 1:
                parts.append(mutated(dice) + b"\r\n.\r\n")
            case 2:
                parts.append(dice.randbytes(dice.randrange(300)))
            case _:
                parts.append(usual + SEEDS[0] + dice.choice([b".\r\n", b"\r\n.\r\n"]))
    heard = b""
    with socket.create_connection((LOOPBACK, port), timeout=90) as connection:
        try:
            connection.sendall(b"".join(parts))
            connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(65536):
                heard += block
        except OSError:  # sent away in the middle of a sentence
            return heard[: heard.rfind(b"\n") + 1]
    return heard
