"""When a mailbox has been silent for much longer than it usually is.

Duty: what a mailbox is used to, learned from its own arrivals; whether its silence now is out of all proportion. Laws: pure; what is
kept is bounded (the longest gap of each of the last weeks), whatever arrives; a week that is not known to the end teaches nothing
yet; who gets mail rarely, or has been watched only for days, is never called silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median

WEEKS = 8  # how far back
FEWEST_WEEKS = 2  # that must be known
FEWEST_ARRIVALS = 20  # in the weeks that are known
FACTOR = 5  # times the usual longest gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """By week (days since 1970 / 7): how many arrivals there were, and the longest gap before one of them, in seconds."""

    arrivals: Mapping[int, int] = field(default_factory=dict)
    gaps: Mapping[int, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, list[int]]:
        return {str(week): [count, self.gaps.get(week, 0)] for week, count in sorted(self.arrivals.items())}

    @classmethod
    def from_json(cls, stored: object) -> Habit:
        """What is stored; nothing known where it cannot be read."""
        arrivals: dict[int, int] = {}
        gaps: dict[int, int] = {}
        for week, facts in stored.items() if isinstance(stored, dict) else ():
            if str(week).isdecimal() and isinstance(facts, list) and len(facts) == 2:
                arrivals[int(week)], gaps[int(week)] = (int(fact) for fact in facts)
        return cls(arrivals=arrivals, gaps=gaps)


def after_arrival(habit: Habit, *, last_at: datetime | None, now: datetime, count: int = 1) -> Habit:
    """The habit, with ``count`` mails that came now after one at ``last_at``."""
    week = _week(now)
    gap = int((now - last_at).total_seconds()) if last_at is not None and last_at < now else 0
    arrivals = {**habit.arrivals, week: habit.arrivals.get(week, 0) + count}
    gaps = {**habit.gaps, week: max(habit.gaps.get(week, 0), gap)}
    kept = [known for known in arrivals if known > week - WEEKS]
    return Habit(
        arrivals={known: arrivals[known] for known in kept},
        gaps={known: gaps.get(known, 0) for known in kept},
    )


def usual_gap(habit: Habit, now: datetime) -> timedelta | None:
    """The longest gap of an ordinary week (the median of the last ones); None while too little is known."""
    this_week = _week(now)
    known = [week for week in habit.arrivals if this_week - WEEKS <= week < this_week and habit.gaps.get(week)]
    if len(known) < FEWEST_WEEKS or sum(habit.arrivals[week] for week in known) < FEWEST_ARRIVALS:
        return None
    return timedelta(seconds=median(habit.gaps[week] for week in known))


def is_silent(habit: Habit, *, last_at: datetime | None, now: datetime, at_least: timedelta) -> bool:
    """Whether nothing has come for `FACTOR` times the usual longest gap, and for ``at_least``."""
    usual = usual_gap(habit, now)
    if usual is None or last_at is None:
        return False
    return now - last_at > max(FACTOR * usual, at_least)


def _week(moment: datetime) -> int:
    return int(moment.timestamp()) // (7 * 86_400)
