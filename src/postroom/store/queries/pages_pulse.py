"""The last day in numbers, by the hour: of the house, of companies, or of the records that I am responsible for.

Laws: see `store.queries.pages`. Counts come from `store.pulse`, never from counting deliveries; what is mine is counted on at most
`MINE` records and `DEEP` messages of each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from postroom.core.terms.traffic import Traffic
from postroom.store import pulse

HOURS = 24
MINE, DEEP = 300, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One hour. ``value`` None: nobody looked."""

    starts_at: datetime
    value: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """``name``: received, sent, failed, age (seconds), came_in or written."""

    name: str
    points: tuple[Point, ...]

    @property
    def total(self) -> int:
        return sum(point.value or 0 for point in self.points)

    @property
    def highest(self) -> int:
        return max((point.value or 0 for point in self.points), default=0)

    @property
    def last(self) -> int:
        return self.points[-1].value or 0


def day_of(companies: Sequence[int] | None, now: datetime) -> tuple[Series, ...]:
    """Received, sent, failed (with bounced), and how late the queue was; None: of the whole house. One query."""
    hours = _hours(now)
    found = pulse.read(companies, hours[0])
    failed: dict[int, int] = {}
    for what in (Traffic.FAILED, Traffic.BOUNCED):
        for hour, count in found.traffic[what].items():
            failed[hour] = failed.get(hour, 0) + count
    since = found.sampled_since
    unseen = {hour for hour in hours if since is None or hour + timedelta(hours=1) <= _moment(since)}
    return (
        _series("received", hours, found.traffic[Traffic.RECEIVED]),
        _series("sent", hours, found.traffic[Traffic.SENT]),
        _series("failed", hours, failed),
        _series("age", hours, found.ages, unseen),
    )


_MY_DAY = """
WITH mine AS (
    SELECT id FROM postroom_record WHERE responsible_id = %s AND updated_at >= %s AND company_id = ANY(%s)
    ORDER BY updated_at DESC, id DESC LIMIT %s
)
SELECT extract(epoch FROM date_trunc('hour', m.posted_at, 'UTC'))::bigint, m.author_id IS NOT DISTINCT FROM %s, count(*)
FROM mine CROSS JOIN LATERAL (
    SELECT author_id, inbound_id, posted_at, kind FROM postroom_message WHERE record_id = mine.id ORDER BY id DESC LIMIT %s
) AS m
WHERE m.posted_at >= %s AND (m.inbound_id IS NOT NULL OR (m.author_id = %s AND m.kind = 'comment'))
GROUP BY 1, 2
"""


def my_day(member_id: int, contact_id: int, companies: Sequence[int], now: datetime) -> tuple[Series, ...]:
    """What came in on my records, and what I wrote on them. One query."""
    hours = _hours(now)
    with connection.cursor() as cursor:
        values: list[Any] = [member_id, hours[0], list(companies), MINE, contact_id, DEEP, hours[0], contact_id]
        cursor.execute(_MY_DAY, values)
        rows = cursor.fetchall()
    came_in = {hour: count for hour, is_mine, count in rows if not is_mine}
    written = {hour: count for hour, is_mine, count in rows if is_mine}
    return _series("came_in", hours, came_in), _series("written", hours, written)


def _hours(now: datetime) -> list[datetime]:
    """The beginnings of the last hours, the present one last."""
    this = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [this - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]


def _series(
    name: str, hours: Sequence[datetime], counts: Mapping[int, int], unseen: Collection[datetime] = ()
) -> Series:
    points = (
        Point(starts_at=hour, value=None if hour in unseen else int(counts.get(int(hour.timestamp()), 0)))
        for hour in hours
    )
    return Series(name=name, points=tuple(points))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
