"""What relays call a mail, read from their answers: whatever they are, within bounds."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from postroom.core.diagnosis.relay_ids import LONGEST, MOST_IDS, MOST_READ, asked_id, relay_ids

NAMED = {
    "Postfix": ("Ok: queued as 4Zx9QK1dLpz2", "4Zx9QK1dLpz2"),
    "Postfix of old": ("Ok: queued as 9ABC123DEF", "9ABC123DEF"),
    "Exim": ("OK id=1rAbCd-00000001abC-2dEf", "1rAbCd-00000001abC-2dEf"),
    "Microsoft": (
        "<a.1@in.test> [InternalId=72374684123, Hostname=AM0.example] 8123 bytes in 0.1, 55 KB/sec Queued mail for delivery",
        "72374684123",
    ),
    "Gmail": ("OK  1700000000 d9443c01a7336-1cc.123 - gsmtp", "d9443c01a7336-1cc.123"),
    "Sendmail": ("h1AB2Cd3012345 Message accepted for delivery", "h1AB2Cd3012345"),
    "SES": (
        "Ok 0100018c2f3a4b5c-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000",
        "0100018c2f3a4b5c-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d-000000",
    ),
    "qmail": ("ok 1234567890 qp 12345", "1234567890 qp 12345"),
    "Haraka": ("Message Queued (A1B2C3D4-1111-2222-3333-444455556666.1)", "A1B2C3D4-1111-2222-3333-444455556666.1"),
    "Mimecast": ("SmtpThread-3947-0a1b [x.uk123]", "SmtpThread-3947-0a1b"),
    "on several lines": ("Thank you\nOk: queued as\n4Zx9QK1dLpz2", "4Zx9QK1dLpz2"),
}


@pytest.mark.parametrize("whose", NAMED)
def test_each_relay_names_the_mail_in_its_own_words(whose: str) -> None:
    reply, name = NAMED[whose]
    assert relay_ids(reply) == (name,)
    assert asked_id(f"Nov 21 10:00:00 mx postfix/smtp[7]: to=<carla@x.test>, status=sent (250 {reply})") == name


def test_a_filter_and_the_server_behind_it_both_name_it() -> None:
    assert relay_ids("queued as F1LTER99 from MTA(smtp:[127.0.0.1]:10025): 250 Ok: queued as 9ABC123") == (
        "F1LTER99",
        "9ABC123",
    )


@pytest.mark.parametrize("reply", ["", "Ok", "Queued mail for delivery", "Ok: queued as delivery", "Message accepted"])
def test_words_of_the_language_are_no_ids(reply: str) -> None:
    assert relay_ids(reply) == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("4Zx9QK1dLpz2", "4Zx9QK1dLpz2"),
        (" <4Zx9QK1dLpz2>, ", "4Zx9QK1dLpz2"),
        ("4Zx9QK1dLpz2: removed", "4Zx9QK1dLpz2"),
        ("", ""),
    ],
)
def test_what_was_copied_from_a_log_is_brought_down_to_the_id(text: str, name: str) -> None:
    assert asked_id(text) == name


@given(some.text(max_size=3_000))
def test_whatever_a_server_says_is_read_without_a_fault(reply: str) -> None:
    found = relay_ids(reply)
    assert len(found) <= MOST_IDS
    assert all(4 <= len(name) <= LONGEST for name in found)
    assert len(set(found)) == len(found)
    assert len(asked_id(reply)) <= LONGEST


@given(some.from_regex(r"[0-9][0-9A-Z]{5,14}", fullmatch=True), some.text(alphabet=" abc.,;", max_size=50))
def test_an_id_that_postfix_gives_is_always_found(name: str, rest: str) -> None:
    assert name in relay_ids(f"2.0.0 Ok: queued as {name} {rest}")


@pytest.mark.parametrize("piece", ["queued as ", "a" * 130 + " ", "ok 1234567890 ", " x Message", "OK id=", "1-"])
def test_a_huge_answer_costs_no_more_than_a_long_one(piece: str) -> None:
    long, huge = (piece * size for size in (2_000, 400_000))
    began = time.perf_counter()
    assert relay_ids(huge) == relay_ids(long[: len(huge)][:MOST_READ])
    assert asked_id(huge)[:LONGEST] == asked_id(huge)
    print(f"{time.perf_counter() - began:.4f} s")
