"""Languages, dates and numbers of templates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from postroom.core.terms.templates import best_language, spoken_date, spoken_number


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("de", ["en", "de"], "de"),
        ("de-AT", ["en", "de"], "de"),
        ("de_AT", ["en", "de", "de-at"], "de-at"),
        ("pt", ["en", "pt-br"], "pt-br"),
        ("fr", ["en", "de"], None),
        ("", ["en"], None),
    ],
)
def test_the_language_that_suits_best_is_taken(wanted: str, offered: list[str], found: str | None) -> None:
    assert best_language(wanted, offered) == found


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "2 March 2026"),
        ("de-at", "2. März 2026"),
        ("es", "2 de marzo de 2026"),
        ("fr", "2 mars 2026"),
        ("xx", "2026-03-02"),
    ],
)
def test_a_date_is_written_as_its_readers_write_it(language: str, words: str) -> None:
    assert spoken_date(date(2026, 3, 2), language) == words


@pytest.mark.parametrize(
    ("language", "words"), [("en", "1,234,567.50"), ("de", "1.234.567,50"), ("xx", "1\u00a0234\u00a0567.50")]
)
def test_a_number_has_the_marks_of_its_language(language: str, words: str) -> None:
    assert spoken_number(Decimal("1234567.5"), language, 2) == words
