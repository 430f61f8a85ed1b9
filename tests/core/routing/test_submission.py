"""Where a mail entered the house, and whether its sender had signed in there: what Received fields of known writers say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.mime.parsing import parse_headers
from postroom.core.routing.submission import Submission, read_submission
from postroom.core.terms.networks import read_networks
from postroom.core.terms.states import Door

OURS = "from mail.house.test ([127.0.0.1]) by door.test (Postroom) with LMTP id 1; Sat, 21 Nov 2026 09:00:00 +0000"
SIGNED_IN = (
    "from laptop (unknown [198.51.100.20]) (Authenticated sender: bob) by mail.house.test (Postfix) with ESMTPSA id 2"
)
STRANGER = "from evil.example (evil.example [203.0.113.9]) by mail.house.test (Postfix) with ESMTPS id 3"
FORGED = "from laptop (unknown [10.0.0.4]) by mail.house.test (Postfix) with ESMTPSA id 9"
LAST_STEP = "from mail.house.test by mail.house.test with LMTP id 4 (envelope-from <bob@box.test>)"


def test_at_the_lmtp_door_the_server_before_us_tells_who_signed_in() -> None:
    found = read_submission([OURS, SIGNED_IN], door=Door.LMTP)
    assert found == Submission(server="mail.house.test", is_signed_in=True, is_named=True, is_from_outside=True)
    assert found.is_ours


def test_a_stranger_who_writes_a_field_of_ours_below_is_still_a_stranger() -> None:
    found = read_submission([OURS, STRANGER, FORGED], door=Door.LMTP)
    assert (found.server, found.is_signed_in) == ("mail.house.test", False)


def test_a_fetched_mail_counts_only_by_the_word_of_a_named_server() -> None:
    unnamed = read_submission([LAST_STEP, SIGNED_IN], door=Door.IMAP)
    assert (unnamed.is_signed_in, unnamed.is_ours) == (True, False)
    assert read_submission([LAST_STEP, SIGNED_IN], door=Door.IMAP, servers={"mail.house.test"}).is_ours
    assert not read_submission([LAST_STEP, STRANGER, FORGED], door=Door.IMAP, servers={"mail.house.test"}).is_ours


def test_a_filter_on_the_way_is_passed_only_where_it_is_named() -> None:
    through_filter = "from localhost (localhost [127.0.0.1]) by mail.house.test (amavis) with ESMTP id 5"
    chain = [OURS, through_filter, SIGNED_IN]
    assert not read_submission(chain, door=Door.LMTP).is_signed_in
    assert read_submission(chain, door=Door.LMTP, relays=read_networks(["127.0.0.1"])).is_ours


@pytest.mark.parametrize(
    "entrance",
    [
        "from [127.0.0.1] (unknown [203.0.113.9]) by mail.house.test with ESMTP id 6",
        "from evil.example (helo=[127.0.0.1] [203.0.113.9]) by mail.house.test with ESMTP id 6",
        "from evil.example ([203.0.113.9] helo=[127.0.0.1]) by mail.house.test with ESMTP id 6",
    ],
)
def test_who_calls_himself_our_filter_is_not_taken_for_it(entrance: str) -> None:
    found = read_submission([OURS, entrance, FORGED], door=Door.LMTP, relays=read_networks(["127.0.0.1"]))
    assert not found.is_signed_in


@pytest.mark.parametrize(
    "field",
    [
        "from x by mail.house.test with ESMTPSA (unknown [203.0.113.9]) by mail.house.test with ESMTP id 7",
        "from x y (unknown [203.0.113.9]) by mail.house.test with ESMTPSA id 7",
        "by mail.house.test with ESMTPSA id 7",
        "from x (a) by",
        "",
        "(" * 5000,
    ],
)
def test_a_name_with_blanks_in_it_opens_nothing(field: str) -> None:
    found = read_submission([OURS, field], door=Door.LMTP)
    assert not found.is_signed_in or field.startswith("from x by")


def test_encoded_words_in_received_stay_encoded() -> None:
    """A peer chooses its own name: decoded, it could hold whole clauses."""
    name = "=?us-ascii?q?x_by_mail.house.test_with_ESMTPSA?="
    raw = f"Received: from {name} (unknown [203.0.113.9])\r\n\tby mail.house.test with ESMTP id 8\r\n\r\n".encode()
    received = parse_headers(raw).all_headers("received")
    assert name in received[0]
    assert not read_submission([OURS, *received], door=Door.LMTP).is_signed_in


@given(st.lists(st.text(max_size=200), max_size=5), st.sampled_from(Door))
def test_whatever_stands_there_reading_never_raises(received: list[str], door: Door) -> None:
    assert not read_submission(received, door=door).is_ours or "ESMTP" in "".join(received).upper()
