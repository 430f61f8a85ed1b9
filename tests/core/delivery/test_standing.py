"""How the queue stands, as the first page says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.core.delivery.standing import LATE_AFTER, Sender, how_it_stands
from postroom.core.terms.standing import Stand

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
RELAY = Sender(name="Relay", is_paused=False)
PAUSED = Sender(name="Old relay", is_paused=True)
BROKEN = Sender(name="Provider", is_paused=False, broken_until=NOW + timedelta(minutes=3))
LATE = NOW - LATE_AFTER - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("senders", "oldest_due", "stand"),
    [
        ([], None, Stand.MOVING),
        ([RELAY], None, Stand.MOVING),
        ([RELAY], NOW - LATE_AFTER, Stand.MOVING),
        ([RELAY, PAUSED], None, Stand.PARTLY_PAUSED),
        ([RELAY, PAUSED, BROKEN], None, Stand.IN_TROUBLE),
        ([RELAY, BROKEN], LATE, Stand.LATE),
        ([PAUSED], None, Stand.PAUSED),
        ([PAUSED], LATE, Stand.PAUSED),
        ([], LATE, Stand.LATE),
    ],
)
def test_what_keeps_most_mail_is_said(senders: list[Sender], oldest_due: datetime | None, stand: Stand) -> None:
    assert how_it_stands(senders, oldest_due=oldest_due, now=NOW).stand is stand


def test_a_circuit_that_has_closed_again_is_no_trouble() -> None:
    mended = Sender(name="Provider", is_paused=False, broken_until=NOW)
    assert how_it_stands([mended], oldest_due=None, now=NOW).stand is Stand.MOVING


def test_the_sentence_names_the_servers_and_stops_at_three() -> None:
    two = how_it_stands([RELAY, PAUSED], oldest_due=None, now=NOW)
    assert str(two.reason) == "Mail for Old relay waits."
    many = [RELAY, *(Sender(name=f"S{n}", is_paused=True) for n in range(5))]
    assert "S0, S1, S2, …" in str(how_it_stands(many, oldest_due=None, now=NOW).reason)


def test_since_when_something_is_late_is_known_also_when_all_is_paused() -> None:
    assert how_it_stands([PAUSED], oldest_due=LATE, now=NOW).since == LATE
    assert how_it_stands([PAUSED], oldest_due=NOW, now=NOW).since is None
