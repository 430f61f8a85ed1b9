"""The counters of the pulse: folding what was appended, sampling how late the queue is, reading a day.

Laws: tallies are appended in the statements of what they count (`store.claims`, `store.tracking`, `flows.apply_verdict`,
`flows.record_report`): no lock that two batches share, no count that outlives a rollback. One folds at a time (its caller sees to
it). A day is read from a few hundred rows and what is not folded yet, whatever the number of deliveries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from postroom.core.terms.traffic import Traffic

_FOLD = """
    WITH taken AS (
        DELETE FROM postroom_traffictally WHERE id IN (SELECT id FROM postroom_traffictally ORDER BY id LIMIT %s)
        RETURNING company_number, hour, what, count
    ), folded AS (
        INSERT INTO postroom_traffichour AS h (company_number, hour, what, count)
        SELECT company_number, hour, what, sum(count) FROM taken GROUP BY 1, 2, 3
        ON CONFLICT (hour, company_number, what) DO UPDATE SET count = h.count + excluded.count
    )
    SELECT count(*) FROM taken
"""
_TALLY = "INSERT INTO postroom_traffictally (company_number, hour, what, count) VALUES (%s, date_trunc('hour', %s::timestamptz, 'UTC'), %s, %s)"
_FORGET = """
    WITH hours AS (DELETE FROM postroom_traffichour WHERE hour < %s),
         changes AS (DELETE FROM postroom_queuechange WHERE asked_at < %s)
    DELETE FROM postroom_queuesample WHERE taken_at < %s
"""
_SAMPLE = """
    WITH late AS (
        SELECT c.id, min(d.due_at) AS due_at
        FROM postroom_company c CROSS JOIN (VALUES (0), (1), (2)) AS lanes(lane)
        CROSS JOIN LATERAL (
            SELECT due_at FROM postroom_delivery
            WHERE company_id = c.id AND lane = lanes.lane AND state IN ('deferred', 'queued') AND due_at <= %s
            ORDER BY due_at LIMIT 1
        ) d GROUP BY c.id
    )
    INSERT INTO postroom_queuesample (company_number, taken_at, age_seconds)
    SELECT number, %s::timestamptz, extract(epoch FROM %s::timestamptz - due_at)::int FROM (
        SELECT id AS number, due_at FROM late
        UNION ALL SELECT 0, coalesce(min(due_at), %s::timestamptz) FROM late
    ) AS samples
    RETURNING company_number, age_seconds
"""
_HOURS = """
    SELECT extract(epoch FROM hour)::bigint, what, sum(count)::bigint FROM (
        SELECT company_number, hour, what, count FROM postroom_traffichour WHERE hour >= %(since)s
        UNION ALL SELECT company_number, hour, what, count FROM postroom_traffictally WHERE hour >= %(since)s
    ) AS counted
    WHERE %(companies)s::bigint[] IS NULL OR company_number = ANY(%(companies)s::bigint[])
    GROUP BY 1, 2
    UNION ALL
    SELECT extract(epoch FROM date_trunc('hour', taken_at, 'UTC'))::bigint, 'age', max(age_seconds)::bigint
    FROM postroom_queuesample
    WHERE taken_at >= %(since)s AND company_number = ANY(coalesce(%(companies)s::bigint[], '{0}'))
    GROUP BY 1
    UNION ALL
    SELECT extract(epoch FROM min(taken_at))::bigint, 'first', 0 FROM postroom_queuesample
    WHERE taken_at >= %(since)s AND company_number = 0 HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A day in numbers. ``traffic`` and ``ages`` by the second (since 1970) in which the hour began; an age in seconds.

    ``sampled_since``: before, nobody looked how late the queue was; None: nobody did at all.
    """

    traffic: Mapping[Traffic, Mapping[int, int]]
    ages: Mapping[int, int]
    sampled_since: int | None


def tally(company_id: int, what: Traffic, count: int, at: datetime) -> None:
    """For what no other statement counts. Inside the transaction of what is counted."""
    with connection.cursor() as cursor:
        cursor.execute(_TALLY, [company_id, at, what.value, count])


def fold(most: int) -> int:
    """Adds at most ``most`` tallies to their hours; how many it were. One statement, so nothing is counted twice or lost."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, [most])
        return int(cursor.fetchone()[0])


def sample(now: datetime) -> int:
    """Notes how late the queue is, of each company and of the house; the latter, in seconds. Three looks into an index a company."""
    with connection.cursor() as cursor:
        cursor.execute(_SAMPLE, [now, now, now, now])
        return max((age for number, age in cursor.fetchall() if number == 0), default=0)


def forget(*, hours_before: datetime, samples_before: datetime, changes_before: datetime) -> None:
    """One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [hours_before, changes_before, samples_before])


def read(companies: Sequence[int] | None, since: datetime) -> Counted:
    """Since the beginning of an hour; of these companies, or (None) of the house. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_HOURS, {"since": since, "companies": None if companies is None else list(companies)})
        rows = cursor.fetchall()
    traffic = {what: {hour: count for hour, name, count in rows if name == what.value} for what in Traffic}
    return Counted(
        traffic=traffic,
        ages={hour: age for hour, name, age in rows if name == "age"},
        sampled_since=next((hour for hour, name, _ in rows if name == "first"), None),
    )
