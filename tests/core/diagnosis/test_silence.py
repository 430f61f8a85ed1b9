"""A mailbox is silent when its silence is out of all proportion to what it is used to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from postroom.core.diagnosis.silence import WEEKS, Habit, after_arrival, is_silent, usual_gap

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def weeks_of_mail(weeks: int, every: timedelta = timedelta(hours=4)) -> tuple[Habit, datetime]:
    """Mail on working days alone; the habit, and when the last one came."""
    habit, last, now = Habit(), None, MONDAY
    while now < MONDAY + timedelta(weeks=weeks):
        if now.weekday() < 5:
            habit, last = after_arrival(habit, last_at=last, now=now), now
        now += every
    assert last is not None
    return habit, last


def test_the_weekend_is_part_of_the_habit() -> None:
    habit, last = weeks_of_mail(4)
    usual = usual_gap(habit, last)
    assert usual is not None
    assert timedelta(days=2) <= usual <= timedelta(days=3)
    assert not is_silent(habit, last_at=last, now=last + 3 * DAY, at_least=DAY)
    assert is_silent(habit, last_at=last, now=last + 16 * DAY, at_least=DAY)


def test_a_busy_mailbox_is_missed_sooner_but_not_before_the_parameter_says() -> None:
    habit = Habit()
    last, now = None, MONDAY
    while now < MONDAY + timedelta(weeks=3):
        habit, last, now = after_arrival(habit, last_at=last, now=now), now, now + timedelta(minutes=30)
    assert last is not None
    assert not is_silent(habit, last_at=last, now=last + timedelta(hours=5), at_least=DAY)
    assert is_silent(habit, last_at=last, now=last + timedelta(hours=5), at_least=timedelta(hours=4))


def test_who_is_known_for_days_only_is_never_called_silent() -> None:
    habit, last = weeks_of_mail(1)
    assert usual_gap(habit, last + DAY) is None
    assert not is_silent(habit, last_at=last, now=last + 300 * DAY, at_least=DAY)


def test_who_gets_mail_rarely_is_never_called_silent() -> None:
    habit, last = weeks_of_mail(4, every=timedelta(days=3))
    assert not is_silent(habit, last_at=last, now=last + 60 * DAY, at_least=DAY)


def test_one_outage_does_not_spoil_the_habit() -> None:
    habit, last = weeks_of_mail(4)
    later = last + 9 * DAY
    habit = after_arrival(habit, last_at=last, now=later)
    usual = usual_gap(habit, later + 7 * DAY)
    assert usual is not None
    assert usual <= timedelta(days=3)


def test_what_is_kept_does_not_grow() -> None:
    habit, _ = weeks_of_mail(30)
    assert len(habit.arrivals) <= WEEKS + 1
    assert Habit.from_json(habit.as_json()) == habit


def test_what_cannot_be_read_is_nothing() -> None:
    assert Habit.from_json(["x"]) == Habit()
    assert Habit.from_json({"x": [1, 2], "5": 3, "6": [1, 2]}) == Habit(arrivals={6: 1}, gaps={6: 2})
