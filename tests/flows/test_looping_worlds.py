"""Robots, redirections and Postrooms that write to each other: real door, router and queue; a clock turned by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.cli.benching.looping import crowd, play, scenarios

pytestmark = pytest.mark.django_db

STOPPED_BY_THEMSELVES = (  # well-behaved programs end it, and our own mail is known by its mark: no breaker is needed
    "well-behaved autoresponders",
    "two Postrooms that follow each other",
    "a customer's rule sends our mail back",
)
LOOPS = [name for name in scenarios() if name not in STOPPED_BY_THEMSELVES]


@pytest.mark.slow
@pytest.mark.parametrize("name", LOOPS)
def test_whatever_keeps_writing_is_held_within_five_rounds_and_said_aloud(name: str) -> None:
    result = play(name)
    print(result)
    assert result.rounds <= 5
    assert result.held >= 1
    assert result.alarms == ("loop.breaker",)
    assert result.exchanged <= 40, "and then nobody writes any more"


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED_BY_THEMSELVES)
def test_what_is_marked_ends_by_itself_and_nothing_is_held(name: str) -> None:
    result = play(name)
    print(result)
    assert result.rounds <= 1
    assert (result.held, result.alarms) == (0, ())
    assert result.exchanged <= 6


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "robot answers, with references",
        "two Postrooms, a relay strips all marks",
        "… with new Message-IDs and all marks stripped",
    ],
)
def test_without_the_breaker_it_would_go_on_and_on(name: str) -> None:
    """So the scenarios are loops indeed."""
    result = play(name, length=timedelta(seconds=40), is_braked=False)
    print(result)
    assert result.rounds > 5
    assert result.stopped_after > 30


@pytest.mark.slow
def test_a_crowd_of_strangers_is_held_at_the_wide_cap_and_all_of_it_let_in_at_once() -> None:
    result = crowd(250)
    print(result)
    assert (result.passed, result.held, result.released) == (100, 150, 150)
