"""Signed sub-addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.terms.addresses import MAX_LOCAL, Address, normalize
from postroom.core.tokens.addresses import (
    AddressToken,
    TokenPurpose,
    derive_key,
    is_sealed_for,
    make_personal_token,
    make_token,
    personal_reply_to,
    read_token,
)

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


@given(NUMBERS)
def test_a_personal_token_is_sealed_for_its_reader_alone(number: int) -> None:
    text = make_personal_token([KEY], number, "bob@box.test")
    token = read_token([KEY], text.upper())
    assert token is not None
    assert (token.purpose, token.number) == (TokenPurpose.REPLY, number)
    assert is_sealed_for([NEXT, KEY], token, "bob@box.test")
    assert not is_sealed_for([KEY], token, "carol@box.test")
    assert not is_sealed_for([NEXT], token, "bob@box.test")
    assert not is_sealed_for([KEY], token, "")
    assert len(f"catchall+{text}") <= MAX_LOCAL


@given(NUMBERS)
def test_a_place_for_a_reader_leads_to_the_message_and_proves_nobody(number: int) -> None:
    place = make_personal_token([KEY], number)
    token = read_token([KEY], place)
    assert token is not None
    assert not is_sealed_for([KEY], token, "bob@box.test")
    own = personal_reply_to([KEY], (Address("House", f"catchall+{place}", "in.test"),), "bob@box.test")
    assert own == (Address("House", f"catchall+{make_personal_token([KEY], number, 'bob@box.test')}", "in.test"),)


def test_other_reply_addresses_stay_as_they_are() -> None:
    same = (
        Address("", f"catchall+{make_token([KEY], TokenPurpose.REPLY, 7)}", "in.test"),
        Address("", "sales+private", "in.test"),
    )
    assert personal_reply_to([KEY], same, "bob@box.test") == same


def test_a_seal_does_not_go_with_another_message() -> None:
    token = read_token([KEY], make_personal_token([KEY], 7, "bob@box.test"))
    assert token is not None
    assert not is_sealed_for([KEY], AddressToken(TokenPurpose.REPLY, 8, token.seal), "bob@box.test")
