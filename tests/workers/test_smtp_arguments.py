"""Reading the arguments of MAIL and RCPT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.workers.smtp_arguments import Path, Refused, read_path


def mail_from(text: str | None, *, utf8: bool = False) -> str:
    """The address, or the code of the refusal."""
    found = read_path(text, "FROM", utf8=utf8)
    return found.address if isinstance(found, Path) else f"refused {found.reply[:9]}"


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<alice@customer.example>", "alice@customer.example"),
        ("from:<alice@customer.example>", "alice@customer.example"),
        ("FROM: <alice@customer.example>", "alice@customer.example"),
        ("FROM : <alice@customer.example>", "alice@customer.example"),
        ("FROM:alice@customer.example", "alice@customer.example"),
        ("FROM:<>", ""),
        ("FROM:< >", ""),
        ("FROM:<@relay.example,@other.example:alice@customer.example>", "alice@customer.example"),
        ('FROM:<"al ice>@"@customer.example>', '"al ice>@"@customer.example'),
        ("FROM:<alice>", "alice"),
    ],
)
def test_an_address_is_found_however_it_is_written(argument: str, address: str) -> None:
    assert mail_from(argument) == address


@pytest.mark.parametrize(
    "argument",
    [
        None,
        "",
        "<alice@customer.example>",
        "FROM",
        "FROM:",
        "TO:<a@b.example>",
        "FROM:<a@b.example",
        "FROM:<a@b.example>SIZE=1",
    ],
)
def test_what_is_no_path_is_a_syntax_error(argument: str | None) -> None:
    assert mail_from(argument) == "refused 501 5.5.4"


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("FROM:<a\tb@customer.example>", "501 5.1.3"),
        ("FROM:<a\x00@customer.example>", "501 5.1.3"),
        ("FROM:<\udcff@customer.example>", "501 5.1.3"),
        ("FROM:<@customer.example>", "501 5.1.3"),
        ("FROM:<alice@>", "501 5.1.3"),
        (f"FROM:<{'a' * 400}@customer.example>", "501 5.1.3"),
        ("FROM:<jürgen@customer.example>", "553 5.6.7"),
    ],
)
def test_an_address_that_would_do_harm_is_refused(argument: str, code: str) -> None:
    assert mail_from(argument) == f"refused {code}"


def test_smtputf8_admits_an_address_beyond_ascii() -> None:
    assert mail_from("FROM:<jürgen@customer.example> SMTPUTF8") == "jürgen@customer.example"
    assert mail_from("FROM:<jürgen@customer.example>", utf8=True) == "jürgen@customer.example"


def test_parameters_are_read() -> None:
    found = read_path("FROM:<a@b.example> size=100 Body=8BITMIME SMTPUTF8", "FROM")
    assert isinstance(found, Path)
    assert found.parameters == {"SIZE": "100", "BODY": "8BITMIME", "SMTPUTF8": ""}


@pytest.mark.parametrize("parameters", ["SIZE=", "=1", "-X", "S!ZE=1", "a<b"])
def test_malformed_parameters_are_a_syntax_error(parameters: str) -> None:
    assert isinstance(read_path(f"FROM:<a@b.example> {parameters}", "FROM"), Refused)


@given(st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    for argument in (text, f"TO:{text}", f"TO:<{text}>"):
        found = read_path(argument, "TO")
        if isinstance(found, Path):
            found.address.encode("utf-8")
            assert "\r" not in found.address
            assert "\n" not in found.address
        else:
            assert found.reply[:1] == "5"
