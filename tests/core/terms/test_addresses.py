"""Mailbox addresses and their normal form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.terms.addresses import (
    Address,
    _normalize_carefully,
    format_address,
    normalize,
    normalize_domain,
    parse_one,
    split_normal,
    strip_plus,
)

ANY = st.text(st.characters(exclude_categories=()), max_size=80)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("bob@ours.example", "bob@ours.example"),
        (" <Bob@OURS.Example> ", "bob@ours.example"),
        ("bob@ours.example.", "bob@ours.example"),
        ("jörg@EXÄMPLE.org", "jörg@xn--exmple-cua.org"),
        ("bob+x@ours.example", "bob+x@ours.example"),
        ("bob@[192.0.2.1]", "bob@[192.0.2.1]"),
        ('"a b"@ours.example', '"a b"@ours.example'),
        ("o'neil@ours.example", "o'neil@ours.example"),
        ("a@b@ours.example", ""),
        ("bob", ""),
        ("@ours.example", ""),
        ("bob@", ""),
        ("bob@ours..example", ""),
        ("bob @ours.example", ""),
        ("bob\r\nrcpt@ours.example", ""),
        ("bob\x00@ours.example", ""),
        ("a" * 65 + "@ours.example", ""),
        ("bob@" + "a" * 64 + ".example", ""),
        ("", ""),
    ],
)
def test_two_spellings_of_a_mailbox_have_one_normal_form(written: str, normal: str) -> None:
    assert normalize(written) == normal


@given(ANY)
def test_a_normal_form_never_raises_and_holds_no_line_break(text: str) -> None:
    normal = normalize(text)
    assert "\n" not in normal
    assert "\r" not in normal


@given(st.from_regex(r"[a-zA-Z0-9._+-]{1,20}@[a-zA-Z0-9-]{1,10}\.[a-z]{2,5}", fullmatch=True))
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text) != ""


@given(st.text("aZ09.!#$%&'*+/=?^_`{|}~-@ <>\n\"", min_size=1, max_size=80))
def test_the_short_way_to_a_normal_form_ends_where_the_long_one_does(text: str) -> None:
    for spec in (text, f"{text}@Ours.example", f"{text[:20]}@{text[20:]}"):
        assert normalize(spec) == _normalize_carefully(spec)


def test_a_domain_is_compared_as_a_labels() -> None:
    assert normalize_domain("EXÄMPLE.org") == normalize_domain("xn--exmple-cua.ORG") == "xn--exmple-cua.org"
    assert normalize_domain("a" * 254) == ""


def test_a_normal_form_is_taken_apart() -> None:
    assert split_normal("Bob@Ours.example") == ("bob", "ours.example")
    assert split_normal("nobody") == ("", "")


@pytest.mark.parametrize(
    ("local", "parts"),
    [
        ("support", ("support", "")),
        ("support+x", ("support", "x")),
        ("a+b+c", ("a", "b+c")),
        ("+x", ("+x", "")),
        ("a+", ("a", "")),
    ],
)
def test_a_sub_address_is_what_follows_the_plus(local: str, parts: tuple[str, str]) -> None:
    """RFC 5233."""
    assert strip_plus(local) == parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bob <bob@ours.example>", Address("Bob", "bob", "ours.example")),
        ('"Doe, Jane" <Jane@Ours.example>', Address("Doe, Jane", "Jane", "Ours.example")),
        ("bob@ours.example", Address("", "bob", "ours.example")),
        ("Bob", None),
        ("Bob <bob>", None),
        ("", None),
    ],
)
def test_an_address_is_read_as_people_type_it(text: str, expected: Address | None) -> None:
    assert parse_one(text) == expected


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters='"\\<>'), max_size=20))
def test_what_is_formatted_is_read_again(name: str) -> None:
    name = name.strip()
    found = parse_one(format_address(name, "bob@ours.example"))
    assert found == Address(name, "bob", "ours.example")


def test_an_address_shows_itself() -> None:
    assert str(Address("Bob", "Bob", "Ours.example")) == "Bob <Bob@Ours.example>"
    assert Address("Bob", "Bob", "Ours.example").normal == "bob@ours.example"
    assert Address("", "postmaster", "").spec == "postmaster"
    assert format_address("Doe, Jane", "jane@ours.example") == '"Doe, Jane" <jane@ours.example>'
