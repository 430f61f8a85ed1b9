"""Signed sub-addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.terms.addresses import MAX_LOCAL, normalize
from postroom.core.tokens.addresses import AddressToken, TokenPurpose, derive_key, make_token, read_token

KEY, NEXT = derive_key("one secret"), derive_key("another secret")
PURPOSES = st.sampled_from(TokenPurpose)
NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


@given(PURPOSES, NUMBERS)
def test_what_was_signed_is_read(purpose: TokenPurpose, number: int) -> None:
    token = make_token([KEY], purpose, number)
    assert read_token([KEY], token) == AddressToken(purpose, number)
    assert token.isascii()
    assert token.isalnum()
    assert token == token.lower()


@given(PURPOSES, NUMBERS)
def test_a_peer_that_changes_the_case_does_no_harm(purpose: TokenPurpose, number: int) -> None:
    assert read_token([KEY], make_token([KEY], purpose, number).upper()) == AddressToken(purpose, number)


@given(PURPOSES, NUMBERS, st.data())
def test_a_changed_letter_makes_it_void(purpose: TokenPurpose, number: int, data: st.DataObject) -> None:
    token = make_token([KEY], purpose, number)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
    changed = token[:place] + letter + token[place + 1 :]
    found = read_token([KEY], changed)
    # the last letter of base32 may hold bits that mean nothing; no other token may come of it
    assert found is None or found == AddressToken(purpose, number)


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_reading_never_raises(text: str) -> None:
    assert read_token([KEY], text) is None


@given(NUMBERS)
def test_a_reply_token_is_no_bounce_token(number: int) -> None:
    token = make_token([KEY], TokenPurpose.REPLY, number)
    assert read_token([KEY], TokenPurpose.BOUNCE.value + token[1:]) is None


def test_every_key_verifies_and_the_first_one_signs() -> None:
    old = make_token([KEY], TokenPurpose.REPLY, 7)
    assert read_token([NEXT, KEY], old) == AddressToken(TokenPurpose.REPLY, 7)
    assert read_token([NEXT], old) is None
    assert make_token([NEXT, KEY], TokenPurpose.REPLY, 7) == make_token([NEXT], TokenPurpose.REPLY, 7) != old


def test_without_keys_nothing_is_genuine() -> None:
    assert read_token([], make_token([KEY], TokenPurpose.REPLY, 7)) is None


@pytest.mark.parametrize("number", [0, 1, 255, 256, 10_000_000_000, 2**63 - 1])
def test_a_token_is_short_enough_for_a_local_part(number: int) -> None:
    token = make_token([KEY], TokenPurpose.BOUNCE, number)
    assert len(token) <= 28
    address = f"notifications-bounce+{token}@ours.example"
    assert len(address.partition("@")[0]) <= MAX_LOCAL
    assert normalize(address) == address


def test_one_secret_gives_one_key() -> None:
    assert derive_key("s") == derive_key("s") != derive_key("t")
    assert len(derive_key("")) == 32
