"""Deliveries as providers' events find and change them: a constant number of statements for any number of events.

Laws: rows are locked in the order of their numbers. A worker that still holds a delivery loses it only when its state changes: what it
would write then is older than what the provider told. A provider's id is filled in where the answer never came.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import connection

from postroom.core.delivery.tracking import TrackedFact
from postroom.core.terms.states import DeliveryState

_LOCK = """
    SELECT d.id, d.state, d.confirmed_at, d.finished_at, coalesce(d.waits_for->>'code', '') = 'wait.resend',
           d.provider_message_id, lower(d.to_address), d.notification_id, t.contact_id, m.record_id,
           d.company_id
    FROM postroom_delivery d
    LEFT JOIN postroom_notification t ON t.id = d.notification_id
    LEFT JOIN postroom_outgoingmail o ON o.id = d.mail_id
    LEFT JOIN postroom_message m ON m.id = o.message_id
    WHERE (d.id = ANY(%s) AND (d.server_id = %s OR d.server_id IS NULL OR d.state = 'sending'))
       OR (d.provider_message_id <> '' AND d.provider_message_id = ANY(%s) AND d.server_id = %s)
    ORDER BY d.id FOR UPDATE OF d
"""

_CHANGE = """
    WITH n AS (
        SELECT * FROM json_to_recordset(%s) AS n(
            id bigint, state text, confirmed_at timestamptz, finished_at timestamptz, message_id text, failure_type text,
            failure_reason text, blame text)
    ), counted AS (
        INSERT INTO postroom_traffictally (company_number, hour, what, count)
        SELECT d.company_id, date_trunc('hour', n.finished_at, 'UTC'), n.state, count(*)
        FROM n JOIN postroom_delivery d ON d.id = n.id
        WHERE d.state <> n.state AND n.state IN ('sent', 'failed', 'bounced') AND n.finished_at IS NOT NULL
        GROUP BY 1, 2, 3
    )
    UPDATE postroom_delivery d SET
        state = n.state, confirmed_at = n.confirmed_at, server_id = coalesce(d.server_id, %s),
        provider_message_id = CASE WHEN d.provider_message_id = '' THEN n.message_id ELSE d.provider_message_id END,
        finished_at = CASE WHEN n.state = d.state THEN d.finished_at ELSE n.finished_at END,
        failure_type = CASE WHEN n.state = d.state THEN d.failure_type ELSE n.failure_type END,
        failure_reason = CASE WHEN n.state = d.state THEN d.failure_reason ELSE n.failure_reason END,
        blame = CASE WHEN n.state = d.state THEN d.blame ELSE n.blame END,
        waits_for = CASE WHEN n.state = d.state THEN d.waits_for END,
        claimed_by = CASE WHEN n.state = d.state THEN d.claimed_by ELSE '' END,
        lease_until = CASE WHEN n.state = d.state THEN d.lease_until END
    FROM n WHERE d.id = n.id
"""

_NOTIFY = """
    UPDATE postroom_notification t SET state = n.state, failure_type = n.failure_type, failure_reason = n.failure_reason
    FROM json_to_recordset(%s) AS n(id bigint, state text, failure_type text, failure_reason text)
    WHERE t.id = n.id AND t.state <> 'canceled'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRow:
    """A delivery, locked, with what belongs to it."""

    fact: TrackedFact
    provider_message_id: str
    to_address: str
    notification_id: int | None
    contact_id: int | None
    record_id: int | None
    company_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryChange:
    """As it is from now on; failure and moments count only where ``state`` is another one."""

    id: int
    state: str
    confirmed_at: datetime | None
    finished_at: datetime | None
    message_id: str = ""
    failure_type: str = ""
    failure_reason: str = ""
    blame: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationChange:
    id: int
    state: str
    failure_type: str = ""
    failure_reason: str = ""


def lock_tracked(server_id: int, delivery_ids: Collection[int], message_ids: Collection[str]) -> list[TrackedRow]:
    """Deliveries that left through this server, by their own numbers or the provider's ids. Inside a transaction.

    By its own number also one whose server nobody wrote down yet: its worker is still at it, or died over it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [list(delivery_ids), server_id, list(message_ids), server_id])
        return [
            TrackedRow(
                fact=TrackedFact(
                    id=row[0],
                    state=DeliveryState(row[1]),
                    confirmed_at=row[2],
                    finished_at=row[3],
                    waits_to_resend=row[4],
                ),
                provider_message_id=row[5],
                to_address=row[6],
                notification_id=row[7],
                contact_id=row[8],
                record_id=row[9],
                company_id=row[10],
            )
            for row in cursor.fetchall()
        ]


def write_tracked(
    server_id: int,
    changes: Sequence[DeliveryChange],
    notifications: Sequence[NotificationChange],
) -> None:
    """Inside the transaction that locked the rows."""
    with connection.cursor() as cursor:
        if changes:
            cursor.execute(_CHANGE, [_as_json([asdict(one) for one in changes]), server_id])
        if notifications:
            cursor.execute(_NOTIFY, [_as_json([asdict(one) for one in notifications])])


def _as_json(rows: Sequence[Mapping[str, object]]) -> str:
    return json.dumps(rows, ensure_ascii=False, default=str)
