"""Signed links to attachments: nobody guesses one, stretches one, or makes one of another token."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.core.tokens.links import make_link_token, read_link_token

KEYS = (b"k" * 32,)
UNTIL = datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC)


@given(st.integers(0, 2**63 - 1), st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)))
def test_a_token_is_read_back(number: int, until: datetime) -> None:
    until = until.replace(microsecond=0, tzinfo=UTC)
    read = read_link_token(KEYS, make_link_token(KEYS, number, until))
    assert read is not None
    assert (read.attachment_id, read.expires_at) == (number, until)


def test_a_token_fits_into_an_address_as_it_is() -> None:
    token = make_link_token(KEYS, 7, UNTIL)
    assert len(token) == 39
    assert token.replace("-", "").replace("_", "").isalnum()


@given(st.integers(0, 38), st.sampled_from("ABCDEFabcdef0123456789-_"))
def test_a_changed_sign_is_no_token_or_says_the_same(place: int, sign: str) -> None:
    token = make_link_token(KEYS, 12345, UNTIL)
    changed = token[:place] + sign + token[place + 1 :]
    read = read_link_token(KEYS, changed)
    assert read is None or (read.attachment_id, read.expires_at) == (12345, UNTIL)


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=80))
def test_no_text_is_too_strange(text: str) -> None:
    assert read_link_token(KEYS, text) is None


def test_another_key_opens_nothing_and_an_old_one_still_does() -> None:
    token = make_link_token((b"old" * 11,), 7, UNTIL)
    assert read_link_token((b"new" * 11,), token) is None
    assert read_link_token((b"new" * 11, b"old" * 11), token) is not None


def test_the_token_of_an_address_is_no_link() -> None:
    for purpose in TokenPurpose:
        assert read_link_token(KEYS, make_token(KEYS, purpose, 7)) is None
