"""Reading the answer to EHLO."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.adapters.smtp.capabilities import Capabilities, read_capabilities


def test_keywords_are_read_in_any_case_and_order() -> None:
    lines = ["peer.example hello", "pipelining", "Size 1000", "8bitmime", "SMTPUTF8", "STARTTLS"]
    lines += ["auth login Plain", "LIMITS MAILMAX=20 RCPTMAX=9"]
    assert read_capabilities("\n".join(lines)) == Capabilities(
        has_size=True,
        size_limit=1000,
        has_pipelining=True,
        has_8bitmime=True,
        has_smtputf8=True,
        has_starttls=True,
        auth=frozenset({"LOGIN", "PLAIN"}),
        mail_limit=20,
    )


def test_the_servers_name_is_no_keyword() -> None:
    assert read_capabilities("PIPELINING") == Capabilities()


@pytest.mark.parametrize("words", ["", " 0", " x", " -1", " ²", f" {'9' * 30}"])
def test_a_size_without_a_limit(words: str) -> None:
    read = read_capabilities(f"peer.example\nSIZE{words}")
    assert read.has_size
    assert read.size_limit is None


def test_the_old_form_of_auth_counts_too() -> None:
    assert read_capabilities("peer.example\nAUTH PLAIN\nAUTH=LOGIN PLAIN").auth == {"LOGIN", "PLAIN"}


@given(st.text() | st.lists(st.sampled_from(["SIZE", "AUTH", "LIMITS", "MAILMAX=", " ", "\n", "=", "9"])).map("".join))
def test_reading_never_raises(text: str) -> None:
    read_capabilities(text)
