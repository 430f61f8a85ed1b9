"""Prepared statements: what is bound arrives as it was sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from postroom.store.statements import ask

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["plain", 'quoted "so"', "back\\slash", "{braces}, commas", "NULL", "", " ", "two\nlines", "ü 漢", None],
        [None, None],
    ],
)
def test_lists_of_texts_arrive_as_they_were_sent(values: list[str | None]) -> None:
    assert ask("SELECT %s::text[]", [values]) == [(values,)]


@pytest.mark.parametrize("values", [[1, -2, None, 2**62], [0]])
def test_lists_of_numbers_arrive_as_they_were_sent(values: list[int | None]) -> None:
    assert ask("SELECT %s::bigint[]", [values]) == [(values,)]


def test_lists_of_other_things_are_left_to_the_driver() -> None:
    moments = [datetime(2026, 1, 2, 3, 4, tzinfo=UTC), None]
    assert ask("SELECT %s::timestamptz[], %s::boolean[]", [moments, [True, False]]) == [(moments, [True, False])]
