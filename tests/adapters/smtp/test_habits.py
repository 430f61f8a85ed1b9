"""How many mails a server takes on one connection."""

from __future__ import annotations

import pytest

from postroom.adapters.smtp.habits import ConnectionHabits


@pytest.mark.parametrize(
    "farewell",
    [
        "too many messages in this connection",
        "Too many mails, closing the connection",
        "Error: too many SMTP transactions",
        "Maximum number of messages per session reached",
        "messages per connection limit exceeded",
    ],
)
def test_a_server_that_says_so_is_believed_at_once(farewell: str) -> None:
    habits = ConnectionHabits()
    habits.ended(20, farewell)
    assert habits.mails == 20


def test_a_server_that_goes_down_teaches_nothing() -> None:
    habits = ConnectionHabits()
    habits.ended(20, "Service not available, closing transmission channel")
    habits.ended(7, "")
    habits.ended(0, "too many connections from your address")
    assert habits.mails == 0


def test_a_server_that_always_leaves_behind_the_same_number_is_understood() -> None:
    habits = ConnectionHabits()
    for _ in range(2):
        habits.ended(50, "")
        assert habits.mails == 0
    habits.ended(50, "")
    assert habits.mails == 50


def test_what_was_learned_only_becomes_less() -> None:
    habits = ConnectionHabits()
    for served in (10, 20, 5):
        habits.ended(served, "too many messages")
    assert habits.mails == 5
