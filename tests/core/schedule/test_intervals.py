"""When something that happens again and again happens next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from postroom.core.schedule.intervals import is_late, next_run, retry_after_failure

FIVE = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)

times = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
intervals = st.timedeltas(MINUTE, timedelta(days=40))


def test_what_runs_daily_at_five_runs_at_five_tomorrow() -> None:
    assert next_run(FIVE, DAY, FIVE + timedelta(seconds=3)) == FIVE + DAY


def test_after_three_days_off_it_runs_once_and_then_at_five_again() -> None:
    assert next_run(FIVE, DAY, FIVE + 3 * DAY + 4 * HOUR) == FIVE + 4 * DAY


def test_what_is_planned_for_later_stays_planned() -> None:
    assert next_run(FIVE, DAY, FIVE - MINUTE) == FIVE


@given(times, intervals, times)
def test_the_next_run_is_in_the_future_on_the_beat_and_no_later_than_needed(
    planned: datetime, interval: timedelta, now: datetime
) -> None:
    following = next_run(planned, interval, now)
    assert following > now
    assert (following - planned) % interval == timedelta(0)
    assert following == planned or following - interval <= now


def test_a_failure_is_tried_again_sooner_than_the_beat_with_growing_pauses() -> None:
    tries = [retry_after_failure(FIVE + DAY, failures, DAY, FIVE) - FIVE for failures in (1, 2, 3, 4, 20)]
    assert tries == [MINUTE, 4 * MINUTE, 16 * MINUTE, 64 * MINUTE, DAY]


def test_a_failure_is_never_tried_again_later_than_the_beat() -> None:
    assert retry_after_failure(FIVE + MINUTE, 3, 5 * MINUTE, FIVE) == FIVE + MINUTE


def test_late_is_what_waits_for_more_than_its_interval_or_an_hour() -> None:
    assert not is_late(FIVE, DAY, FIVE + 59 * MINUTE)
    assert is_late(FIVE, DAY, FIVE + 61 * MINUTE)
    assert not is_late(FIVE, MINUTE, FIVE + 4 * MINUTE)
    assert is_late(FIVE, MINUTE, FIVE + 6 * MINUTE)
