"""The queue at its two ends: taking deliveries out under a lease, and writing what became of them.

What was sent and what failed is counted in the statement that marks it (`store.pulse` folds the counts).

Laws: nobody waits for a row that another worker holds (SKIP LOCKED). The urgent lane first, in a lane the one that is due
longest. What a worker writes counts only while the row is still its own (`claimed_by`): a worker that was given up changes
nothing, except that it may still tell the outcome of what was booked as ``unknown`` in its absence. One statement a batch,
whatever its size.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from django.db import connection

LANES = (0, 1, 2)
URGENT = 0

_CLAIM = """
    WITH due AS (
        SELECT id FROM postroom_delivery
        WHERE lane = %s AND state IN ('deferred', 'queued') AND due_at <= %s
        ORDER BY due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE postroom_delivery d SET state = 'sending', claimed_by = %s, lease_until = %s
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.mail_id, d.company_id, d.notification_id, d.to_name, d.to_address, d.lane, d.attempt_count,
              d.deadline_at, d.due_at, coalesce(d.waits_for->>'code', '')
"""

_MARK = """
    WITH changed AS (
    UPDATE postroom_delivery d SET
        waited = CASE WHEN d.waits_for IS NULL OR d.waits_for->>'code' IS NOT DISTINCT FROM n.waits_for->>'code'
                OR jsonb_array_length(coalesce(d.waited, '[]')) >= 20 THEN d.waited
            ELSE coalesce(d.waited, '[]') || jsonb_build_array(d.waits_for || jsonb_build_object(
                'since', coalesce(d.held_since, d.created_at), 'until', coalesce(n.held_at, n.finished_at, now()))) END,
        state = n.state, due_at = coalesce(n.due_at, d.due_at), waits_for = n.waits_for,
        held_since = CASE WHEN n.waits_for IS NULL THEN NULL
            WHEN d.waits_for->>'code' = n.waits_for->>'code' AND d.server_id IS NOT DISTINCT FROM coalesce(s.id, d.server_id)
            THEN coalesce(d.held_since, n.held_at) ELSE n.held_at END,
        attempt_count = d.attempt_count + coalesce(n.attempts, 0), server_id = coalesce(s.id, d.server_id),
        reasons = coalesce(n.reasons, d.reasons), failure_type = coalesce(n.failure_type, ''),
        failure_reason = coalesce(n.failure_reason, ''), blame = coalesce(n.blame, ''), finished_at = n.finished_at, lease_until = NULL,
        provider_message_id = coalesce(nullif(n.provider_message_id, ''), d.provider_message_id),
        claimed_by = CASE WHEN n.keeps_claim THEN d.claimed_by ELSE '' END
    FROM json_to_recordset(%s) AS n(
        id bigint, state text, due_at timestamptz, waits_for jsonb, attempts int, server_id bigint, reasons jsonb,
        failure_type text, failure_reason text, blame text, finished_at timestamptz, held_at timestamptz,
        keeps_claim bool, provider_message_id text)
    LEFT JOIN postroom_outgoingserver s ON s.id = n.server_id
    WHERE d.id = n.id AND d.claimed_by = %s AND d.state IN ('sending', 'unknown')
    RETURNING d.id, d.company_id, d.state, d.finished_at
    ), counted AS (
    INSERT INTO postroom_traffictally (company_number, hour, what, count)
    SELECT company_id, date_trunc('hour', finished_at, 'UTC'), state, count(*) FROM changed
    WHERE state IN ('sent', 'failed') AND finished_at IS NOT NULL GROUP BY 1, 2, 3
    )
    SELECT id FROM changed
"""

_ATTEMPTS = """
    INSERT INTO postroom_attempt
        (delivery_id, server_id, tried_at, duration_ms, phase, code, enhanced, text, connection, tls, state)
    SELECT n.delivery_id, s.id, n.tried_at, coalesce(n.duration_ms, 0), n.phase, coalesce(n.code, 0), coalesce(n.enhanced, ''),
        coalesce(n.text, ''), coalesce(n.connection, ''), coalesce(n.tls, ''), n.state
    FROM json_to_recordset(%s) AS n(
        delivery_id bigint, server_id bigint, tried_at timestamptz, duration_ms int, phase text, code int, enhanced text,
        text text, connection text, tls text, state text)
    LEFT JOIN postroom_outgoingserver s ON s.id = n.server_id
"""

_NOTIFICATIONS = """
    WITH changed AS (
        UPDATE postroom_notification t
        SET state = n.state, failure_type = coalesce(n.failure_type, ''), failure_reason = coalesce(n.failure_reason, '')
        FROM json_to_recordset(%s) AS n(id bigint, state text, failure_type text, failure_reason text)
        WHERE t.id = n.id AND t.state IN ('ready', 'exception')
        RETURNING t.author_id, t.state
    )
    SELECT pg_notify('postroom_live', 'author:' || author_id)
    FROM (SELECT DISTINCT author_id FROM changed WHERE state = 'exception' AND author_id IS NOT NULL) failed
"""

_RELEASE = """
    UPDATE postroom_delivery SET state = CASE WHEN attempt_count > 0 THEN 'deferred' ELSE 'queued' END,
        claimed_by = '', lease_until = NULL
    WHERE claimed_by = %s AND state IN ('sending', 'unknown')
"""

_PLACES = """
    SELECT DISTINCT CASE WHEN d.is_of_the_house THEN NULL ELSE d.company_id END, m.record_id FROM postroom_delivery d
    LEFT JOIN postroom_outgoingmail o ON o.id = d.mail_id LEFT JOIN postroom_message m ON m.id = o.message_id
    WHERE d.id = ANY(%s)
"""

_TICKETS = """
    SELECT id, notification_id, server_id, lane, attempt_count, deadline_at FROM postroom_delivery
    WHERE id = ANY(%s) AND claimed_by = %s AND state IN ('sending', 'unknown')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The companies of deliveries (None: seen by administrators of the whole house alone), and the records whose conversations they
    belong to."""

    companies: frozenset[int | None]
    records: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A delivery as it was claimed, in the order of the query above."""

    id: int
    mail_id: int
    company_id: int
    notification_id: int | None
    to_name: str
    to_address: str
    lane: int
    attempt_count: int
    deadline_at: datetime
    due_at: datetime
    held_by: str = ""  # the code of what it waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a delivery becomes. ``waits_for`` and ``reasons`` as they go into JSON; ``reasons`` None leaves what was noted before.
    ``held_at`` is since when it waits, unless it waited for the same before. With ``keeps_claim`` the worker may write once more,
    should it come back."""

    id: int
    state: str
    due_at: datetime | None = None
    waits_for: Mapping[str, object] | None = None
    attempts: int = 0
    server_id: int | None = None
    reasons: Sequence[Mapping[str, object]] | None = None
    failure_type: str = ""
    failure_reason: str = ""
    blame: str = ""
    finished_at: datetime | None = None
    held_at: datetime | None = None
    keeps_claim: bool = False
    provider_message_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One try on the wire."""

    delivery_id: int
    server_id: int | None
    tried_at: datetime
    duration_ms: int
    phase: str
    code: int
    enhanced: str
    text: str
    connection: str
    tls: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationMark:
    """What the chatter shows of it."""

    id: int
    state: str
    failure_type: str = ""
    failure_reason: str = ""


@dataclass(frozen=True, slots=True)
class TicketRow:
    """What recording an outcome must know of a delivery."""

    id: int
    notification_id: int | None
    server_id: int | None
    lane: int
    attempt_count: int
    deadline_at: datetime


def claim(
    worker: str, limit: int, *, now: datetime, lease_until: datetime, lanes: Sequence[int] = LANES
) -> list[ClaimedRow]:
    """At most ``limit`` deliveries that are due, oldest first; they are the worker's until then.

    Urgent ones come alone: they shall not wait until a batch of others is composed with them.
    """
    taken: list[ClaimedRow] = []
    with connection.cursor() as cursor:
        for lane in lanes:
            if len(taken) >= limit:
                break
            cursor.execute(_CLAIM, [lane, now, limit - len(taken), worker, lease_until])
            rows = [ClaimedRow(*row) for row in cursor.fetchall()]
            taken += sorted(rows, key=lambda row: (row.due_at, row.id))
            if taken and lane == URGENT:
                break
    return taken


def mark(worker: str, marks: Sequence[Mark]) -> set[int]:
    """Writes what became of deliveries that are still this worker's; which ones were."""
    if not marks:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [_as_json(marks), worker])
        return {row[0] for row in cursor.fetchall()}


def note_attempts(rows: Sequence[AttemptRow]) -> None:
    """Appends to the histories of deliveries that exist."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ATTEMPTS, [_as_json(rows)])


def mark_notifications(marks: Sequence[NotificationMark]) -> None:
    """Those that a person cancelled, or that bounced meanwhile, stay as they are. Authors hear of failures with the commit (O-99)."""
    if not marks:
        return
    with connection.cursor() as cursor:
        cursor.execute(_NOTIFICATIONS, [_as_json(marks)])


def release(worker: str, delivery_ids: Iterable[int] | None = None) -> int:
    """Back into the queue, as if never claimed: these, or (None) all that the worker still holds. How many."""
    with connection.cursor() as cursor:
        if delivery_ids is None:
            cursor.execute(_RELEASE, [worker])
        else:
            cursor.execute(_RELEASE + " AND id = ANY(%s)", [worker, list(delivery_ids)])
        return int(cursor.rowcount)


def release_these(worker: str, delivery_ids: Iterable[int]) -> set[int]:
    """As `release`; which ones were still the worker's."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE + " AND id = ANY(%s) RETURNING id", [worker, list(delivery_ids)])
        return {row[0] for row in cursor.fetchall()}


def release_strays(worker: str, kept: Iterable[int]) -> int:
    """Back into the queue what the worker claimed and does not know of: all but ``kept``. How many."""
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE + " AND id <> ALL(%s::bigint[])", [worker, list(kept)])
        return int(cursor.rowcount)


def renew(worker: str, lease_until: datetime) -> int:
    """Longer leases for all that the worker holds; how many that is."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE postroom_delivery SET lease_until = %s WHERE claimed_by = %s AND state = 'sending'",
            [lease_until, worker],
        )
        return int(cursor.rowcount)


def holders_of_expired(now: datetime) -> dict[str, list[int]]:
    """Deliveries whose leases ran out, by worker; at most 1,000."""
    found: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT claimed_by, id FROM postroom_delivery WHERE state = 'sending' AND lease_until < %s"
            " ORDER BY id LIMIT 1000",
            [now],
        )
        for worker, delivery_id in cursor.fetchall():
            found.setdefault(worker, []).append(delivery_id)
    return found


def tickets(worker: str, delivery_ids: Iterable[int]) -> list[TicketRow]:
    """Those of these deliveries that are still this worker's."""
    with connection.cursor() as cursor:
        cursor.execute(_TICKETS, [list(delivery_ids), worker])
        return [TicketRow(*row) for row in cursor.fetchall()]


def places_of(delivery_ids: Iterable[int]) -> Places:
    """Where these deliveries are seen."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACES, [list(delivery_ids)])
        rows = cursor.fetchall()
    records = {record for _, record in rows if record is not None}
    return Places(companies=frozenset(company for company, _ in rows), records=tuple(sorted(records)))


def _as_json(rows: Sequence[Mark | AttemptRow | NotificationMark]) -> str:
    """One parameter for a whole batch: PostgreSQL takes it apart faster than the driver would put arrays together.

    Without NUL and lone surrogates, which PostgreSQL does not keep, and without what is empty: most of it is.
    """
    names = [field.name for field in fields(rows[0])]
    text = json.dumps(
        [{name: value for name in names if (value := getattr(row, name))} for row in rows],
        ensure_ascii=False,
        default=str,
    )
    if "\\u0000" in text:
        text = json.dumps(_without_nul(json.loads(text)), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_nul(value: object) -> object:
    match value:
        case str():
            return value.replace("\0", "")
        case list():
            return [_without_nul(one) for one in value]
        case dict():
            return {name: _without_nul(one) for name, one in value.items()}
        case _:
            return value
