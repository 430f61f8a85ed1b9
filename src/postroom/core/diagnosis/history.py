"""What changed before it broke: changes of settings, and of what is seen outside, joined to the curve of failures; and alarms that nobody
has answered.

Laws: pure. An hour is bad when several mails failed in it and they are a good part of those that left; failures begin in the first bad
hour after a good stretch. A change within a day before, or one of the very thing that is in trouble now, is a clue, never a proof. It
is none where that very thing did its work after it, nor where it is that the thing was set up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import HOUSE, Finding, found
from postroom.core.diagnosis.observed import FactChange
from postroom.core.terms.reasons import Reason, because, catalogue

BAD_COUNT, BAD_SHARE = 3, 0.3
BEFORE = timedelta(hours=24)
LATELY = timedelta(days=3)  # how old a change of a thing in trouble may be
MOST_CLUES = 5
MOST_MOMENTS = 30

catalogue(
    {
        "finding.changed_before": "{changed} was changed at {at}{by}, {when}.",
        "heal.changed_before": "Compare what it was before with what it is now (Settings, Changes), and take the change back if it was that.",
        "finding.observed_change": "{name} of {subject} changed between {until} and {at}, {when}.",
        "heal.observed_change": "If nobody meant that, put it back as it was: {before}",
        "moment.changed": "{subject} was changed{by}{what}",
        "moment.seen": "{name} of {subject} is another one: {after} (before: {before})",
        "moment.failing": "Mail began to fail: {failed} of {total} until {until}",
        "finding.alarm_open": "An alarm is open since {since}: {reason}",
        "heal.alarm_open": "See to it, or dismiss it when you have seen enough of it (postroom alarm list).",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFacts:
    """One hour of traffic."""

    starts_at: datetime
    sent: int
    failed: int

    @property
    def is_bad(self) -> bool:
        return self.failed >= BAD_COUNT and self.failed >= BAD_SHARE * (self.sent + self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFacts:
    """One change of a setting, ``what``: names of the values that differ; or of something outside, then ``seen`` tells it.

    ``is_new``: nothing was there before."""

    at: datetime
    subject: str
    by: str = ""
    what: str = ""
    seen: FactChange | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFacts:
    """An open alarm; ``about``: the subjects of findings that it touches."""

    code: str
    sentence: str
    since: datetime
    about: tuple[str, ...] = ()


def onset(hours: Sequence[HourFacts]) -> datetime | None:
    """When failures began: the first hour of the present bad stretch, if there was a good one before it that we know of."""
    began: datetime | None = None
    was_good = False
    for hour in sorted(hours, key=lambda one: one.starts_at):
        if hour.is_bad:
            began = began or (hour.starts_at if was_good else None)
        elif hour.sent:
            was_good, began = True, None
    return began


_NO_SUCCESS: Mapping[str, datetime] = {}
_THINGS = ("server ", "mailbox ", "domain ")


def check_history(
    hours: Sequence[HourFacts],
    changes: Sequence[ChangeFacts],
    troubled: Iterable[str],
    now: datetime,
    succeeded: Mapping[str, datetime] = _NO_SUCCESS,
) -> list[Finding]:
    """``troubled``: subjects (``server Relay``) with an error now; ``succeeded``: when each did its work last."""
    blamed = [one for one in changes if not _is_innocent(one, succeeded)]
    return list(_clues(hours, blamed, tuple(troubled), now))[:MOST_CLUES]


def _is_innocent(change: ChangeFacts, succeeded: Mapping[str, datetime]) -> bool:
    if change.is_new and change.subject.startswith(_THINGS):
        return True
    return any(
        change.subject.endswith(subject.removeprefix("the ")) and at > change.at for subject, at in succeeded.items()
    )


def _clues(
    hours: Sequence[HourFacts], changes: Sequence[ChangeFacts], troubled: Sequence[str], now: datetime
) -> Iterator[Finding]:
    began = onset(hours)
    for change in sorted(changes, key=lambda one: one.at, reverse=True):
        mine = [subject for subject in troubled if change.subject.endswith(subject.removeprefix("the "))]
        if began is not None and began - BEFORE <= change.at < began + timedelta(hours=1):
            yield _clue(change, f"shortly before mail began to fail ({began:%Y-%m-%d %H}:00 UTC)", HOUSE, mine)
        elif mine and now - change.at < LATELY:
            yield _clue(change, "and it is in trouble now", mine[0], mine)


def _clue(change: ChangeFacts, when: str, subject: str, about: Sequence[str]) -> Finding:
    at = f"{change.at:%Y-%m-%d %H:%M} UTC"
    if change.seen is not None:
        return _seen(change.seen, at, when, subject, about)
    by = f" by {change.by}" if change.by else ""
    return found(
        FindingCode.CHANGED_BEFORE,
        subject,
        evidence=[f"{at}{by}: {change.subject}{f' ({change.what})' if change.what else ''}"],
        about=about,
        detail=f"{change.at.isoformat()} {change.subject}",
        facts={"at": at, "by": by, "when": when, "changed": change.subject},
    )


def _seen(seen: FactChange, at: str, when: str, subject: str, about: Sequence[str]) -> Finding:
    until = f"{seen.until:%Y-%m-%d %H:%M} UTC"
    facts = {"name": seen.name, "subject": seen.subject, "until": until, "at": at, "when": when, "before": seen.before}
    return found(
        FindingCode.CHANGED_BEFORE,
        subject,
        evidence=[f"until {until}: {seen.before}", f"since {at}: {seen.after}"],
        about=about,
        detail=f"{seen.at.isoformat()} {seen.subject} {seen.name}",
        cause=because("finding.observed_change", **facts),
        cure=because("heal.observed_change", **facts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something in the order of time. ``is_trouble``: mail failed then."""

    at: datetime
    what: Reason
    is_trouble: bool = False

    def as_json(self) -> dict[str, object]:
        return {"at": self.at.isoformat(), "what": str(self.what), "is_trouble": self.is_trouble}


def line_up(hours: Sequence[HourFacts], changes: Sequence[ChangeFacts]) -> tuple[Moment, ...]:
    """The curve of failures with the changes among it, the newest first: what changed before it broke. Nothing where nothing broke; bounded."""
    failures = list(_bad_stretches(hours))
    if not failures:
        return ()
    moments = [_moment_of(change) for change in sorted(changes, key=lambda one: one.at)[-MOST_MOMENTS:]]
    return tuple(sorted([*moments, *failures], key=lambda one: one.at, reverse=True)[:MOST_MOMENTS])


def _moment_of(change: ChangeFacts) -> Moment:
    if (seen := change.seen) is not None:
        told = because("moment.seen", name=seen.name, subject=seen.subject, before=seen.before, after=seen.after)
        return Moment(at=change.at, what=told)
    by = f" by {change.by}" if change.by else ""
    what = f": {change.what}" if change.what else ""
    return Moment(at=change.at, what=because("moment.changed", subject=change.subject, by=by, what=what))


def _bad_stretches(hours: Sequence[HourFacts]) -> Iterator[Moment]:
    stretch: list[HourFacts] = []
    for hour in [*sorted(hours, key=lambda one: one.starts_at), None]:
        if hour is not None and hour.is_bad:
            stretch.append(hour)
            continue
        if stretch and (hour is None or hour.sent):
            failed = sum(one.failed for one in stretch)
            until = f"{stretch[-1].starts_at + timedelta(hours=1):%Y-%m-%d %H:%M} UTC"
            total = failed + sum(one.sent for one in stretch)
            told = because("moment.failing", failed=failed, total=total, until=until)
            yield Moment(at=stretch[0].starts_at, what=told, is_trouble=True)
            stretch = []


def check_alarms(alarms: Iterable[AlarmFacts]) -> list[Finding]:
    return [
        found(
            FindingCode.ALARM_OPEN,
            f"alarm {alarm.code}",
            evidence=[alarm.sentence],
            detail=alarm.code,
            about=alarm.about,
            facts={"since": f"{alarm.since:%Y-%m-%d %H:%M} UTC", "reason": alarm.sentence},
        )
        for alarm in alarms
    ]
