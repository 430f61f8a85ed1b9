"""Mails that just came, as witnesses of the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import postroom.core.diagnosis.checks  # noqa: F401 - the sentences
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.mail_clocks import MOST_READ, MailWitness, check_mail_clocks, read_witness
from postroom.core.diagnosis.outside_clocks import ClockWitness

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = b"Received: from x ([203.0.113.9])\r\n\tby post.in.test (Postroom) with ESMTP id 1;\r\n\tSun, 01 Mar 2026 12:00:00 +0000\r\n"
THEIRS = b"Received: from desk (desk [10.0.0.5])\r\n\tby mx.customer.example (Postfix) with ESMTPSA id 4Zx;\r\n\tSun,  1 Mar 2026 13:10:00 +0100 (CET)\r\n"
PEER = "203.0.113.9 (mx.customer.example)"


def relay(number: int, minutes: float, *, network: str = "", at: datetime = AT) -> MailWitness:
    clock = ClockWitness(name=f"mx.sender{number}.example", says=at + timedelta(minutes=minutes), at=at)
    return MailWitness(network=network or f"203.{number}.0.0/16", clock=clock)


def test_the_stamp_of_the_relay_that_knocked_at_our_door_is_read_and_not_our_own() -> None:
    told = read_witness(OURS + THEIRS + b"Subject: x\r\n\r\nHello", door="smtp", peer=PEER, at=AT)
    assert told is not None
    assert (told.network, told.domain, told.clock.name) == ("203.0.0.0/16", "customer.example", "mx.customer.example")
    assert told.clock.skew == timedelta(minutes=10)


def test_of_a_fetched_mail_the_first_stamp_is_the_mailbox_s() -> None:
    told = read_witness(THEIRS + b"\r\nHello", door="imap", peer="support@in.test at imap.Provider.example", at=AT)
    assert told is not None
    assert (told.network, told.clock.skew) == ("imap.provider.example", timedelta(minutes=10))


@pytest.mark.parametrize(
    ("head", "door", "peer"),
    [
        (OURS + b"\r\nHello", "smtp", PEER),  # handed in by a program, which stamps nothing
        (OURS + THEIRS, "smtp", "192.168.1.5 (relay)"),  # our own machines
        (OURS + THEIRS, "smtp", "the demo"),
        (THEIRS, "lmtp", PEER),
        (OURS + b"Received: nonsense\r\n", "smtp", PEER),
        (OURS + b"Received: by mx.a.example; 99 Foo 2026 99:99:99 +9999\r\n", "smtp", PEER),
        (OURS + b"\r\n\r\n" + THEIRS, "smtp", PEER),  # in the body
        (b"X: " + b"y" * MOST_READ + b"\r\n" + OURS + THEIRS, "smtp", PEER),
        (b"\xff\x00" * 5000, "imap", "a at b"),
        (b"", "smtp", ""),
    ],
)
def test_what_tells_no_time_is_no_witness(head: bytes, door: str, peer: str) -> None:
    assert read_witness(head, door=door, peer=peer, at=AT) is None


def test_three_relays_in_our_future_that_agree_prove_that_our_clock_is_behind() -> None:
    (finding,) = check_mail_clocks([relay(4, -40), relay(1, 12), relay(2, 12.5), relay(3, 12.9)])
    assert (finding.code, finding.detail) == (FindingCode.CLOCK_WRONG, "mails")
    assert "at least 720 seconds behind" in str(finding.cause)


def test_a_delay_in_one_queue_does_not_weaken_what_a_later_mail_of_the_same_relay_says() -> None:
    witnesses = [relay(1, -30), relay(2, 12), relay(3, 12), relay(1, 12)]
    assert len(check_mail_clocks(witnesses)) == 1


@pytest.mark.parametrize(
    "witnesses",
    [
        [],
        [relay(1, 12), relay(2, 12)],
        [relay(1, 12), relay(1, 12), relay(1, 12)],  # one relay three times
        [relay(1, 12), relay(2, 12, network="203.1.0.0/16"), relay(3, 12, network="203.1.0.0/16")],  # one network
        [relay(1, 12), relay(1, 12, network="203.2.0.0/16"), relay(1, 12, network="203.3.0.0/16")],  # one domain
        [relay(1, 4), relay(2, 4), relay(3, 4)],  # not far enough
        [relay(1, 12), relay(2, 14), relay(3, 16)],  # they do not agree
        [relay(1, -12), relay(2, -12), relay(3, -12)],  # a delay
        [
            relay(1, 12),
            relay(2, 12),
            relay(3, 12),
            *(relay(number, 0) for number in range(4, 7)),
        ],  # as many say otherwise
        [relay(1, 12), relay(2, 12), relay(3, 12), relay(4, 0, at=AT + timedelta(minutes=5))],  # it was set since then
    ],
)
def test_less_proves_nothing(witnesses: list[MailWitness]) -> None:
    assert check_mail_clocks(witnesses) == []


def test_a_clock_that_was_asked_just_now_and_says_that_ours_is_right_is_believed() -> None:
    right = ClockWitness(name="mta-sts.in.test", says=AT, at=AT)
    assert check_mail_clocks([relay(1, 12), relay(2, 12), relay(3, 12)], [right]) == []
