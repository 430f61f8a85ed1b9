"""Robots, redirections and Postrooms that write to each other: real door, router and queue; a clock turned by hand."""

from __future__ import annotations

import pytest

from postroom.cli.benching.looping import play, scenarios

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.mark.parametrize("name", scenarios())
def test_whatever_keeps_writing_is_stopped_within_five_rounds(name: str) -> None:
    result = play(name, scenarios()[name])
    print(result)
