"""What came back from addresses, as it is written: a constant number of statements for any number of addresses.

Laws: the row of an address is locked first, in one order for everybody (company, address), so that two who count the same address wait
for each other and neither loses the other's count. A delivery's attempt counts once, whoever tells it how often. A sign of life waits for
nobody: where the row is being written just now, the next sign will do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import connection

from postroom.store.statements import ask

Place = tuple[int, str]  # company and normalised address

_ANCHOR = """
    INSERT INTO postroom_addresshealth (company_id, address, domain, bounce_count, last_status, last_reply, last_blame,
                                        complaint_count, alive_by)
    SELECT n.company_id, n.address, split_part(n.address, '@', -1), 0, '', '', '', 0, ''
    FROM unnest(%s::bigint[], %s::text[]) AS n(company_id, address)
    ORDER BY n.company_id, n.address
    ON CONFLICT (company_id, address) DO UPDATE SET address = excluded.address
    RETURNING id, company_id, address, alive_at
"""

_EVENTS = """
    INSERT INTO postroom_bounceevent (health_id, company_id, kind, source, delivery_id, attempt, inbound_id, status, reply,
                                      blame, fault, is_proof, happened_at, recorded_at)
    SELECT n.health_id, n.company_id, n.kind, n.source, n.delivery_id,
           (SELECT least(count(*), 32767) FROM postroom_attempt a WHERE a.delivery_id = n.delivery_id), n.inbound_id,
           n.status, n.reply, n.blame, n.fault, n.is_proof, n.happened_at, %s
    FROM json_to_recordset(%s) AS n(
        health_id bigint, company_id bigint, kind text, source text, delivery_id bigint, inbound_id bigint,
        status text, reply text, blame text, fault text, is_proof boolean, happened_at timestamptz)
    ORDER BY n.delivery_id, n.kind
    ON CONFLICT (delivery_id, attempt, kind) DO NOTHING
    RETURNING delivery_id, kind
"""

_COUNT = """
    UPDATE postroom_addresshealth h SET
        bounce_count = h.bounce_count + n.bounces,
        first_bounced_at = least(h.first_bounced_at, n.first_at),
        last_status = CASE WHEN h.last_bounced_at > n.last_at OR n.last_at IS NULL THEN h.last_status ELSE n.status END,
        last_reply = CASE WHEN h.last_bounced_at > n.last_at OR n.last_at IS NULL THEN h.last_reply ELSE n.reply END,
        last_blame = CASE WHEN h.last_bounced_at > n.last_at OR n.last_at IS NULL THEN h.last_blame ELSE n.blame END,
        last_bounced_at = greatest(h.last_bounced_at, n.last_at),
        complaint_count = h.complaint_count + n.complaints,
        last_complained_at = greatest(h.last_complained_at, n.complained_at)
    FROM json_to_recordset(%s) AS n(
        id bigint, bounces int, first_at timestamptz, last_at timestamptz, status text, reply text, blame text,
        complaints int, complained_at timestamptz)
    WHERE h.id = n.id
"""

# the contact that was written to, and those who have the same address; each once for each thing that came back
_COUNT_CONTACTS = """
    WITH told AS (
        SELECT * FROM json_to_recordset(%s) AS n(event int, company_id bigint, address text, contact_id bigint)
    ), meant AS (
        SELECT event, contact_id AS id FROM told WHERE contact_id IS NOT NULL
        UNION
        SELECT told.event, c.id FROM told JOIN postroom_contact c ON c.normal = told.address AND c.is_active
        WHERE c.company_id IS NULL OR c.company_id = told.company_id
    ), locked AS (
        SELECT c.id FROM postroom_contact c WHERE c.id IN (SELECT id FROM meant) ORDER BY c.id FOR NO KEY UPDATE
    )
    UPDATE postroom_contact c SET bounce_count = c.bounce_count + n.times
    FROM (SELECT id, count(*)::int AS times FROM meant GROUP BY id) n JOIN locked USING (id)
    WHERE c.id = n.id
"""

_SIGN_OF_LIFE = """
    WITH told AS (
        SELECT address, max(at) AS at FROM unnest(%s::text[], %s::timestamptz[]) AS n(address, at)
        GROUP BY address
    ), locked AS (
        SELECT h.id, told.at FROM postroom_addresshealth h JOIN told USING (address)
        WHERE h.bounce_count > 0 AND h.last_bounced_at <= told.at
        ORDER BY h.id FOR NO KEY UPDATE OF h SKIP LOCKED
    ), alive AS (
        UPDATE postroom_addresshealth h SET bounce_count = 0, first_bounced_at = NULL, alive_at = locked.at, alive_by = %s::text
        FROM locked WHERE h.id = locked.id
        RETURNING h.id
    ), contacts AS (
        UPDATE postroom_contact SET bounce_count = 0
        WHERE id IN (
            SELECT c.id FROM postroom_contact c JOIN told ON told.address = c.normal
            WHERE c.is_active AND c.bounce_count > 0 AND NOT EXISTS (
                SELECT FROM postroom_addresshealth h
                WHERE h.address = c.normal AND h.bounce_count > 0 AND h.last_bounced_at > told.at)
            ORDER BY c.id FOR NO KEY UPDATE OF c SKIP LOCKED)
    )
    SELECT count(*) FROM alive
"""

# a contact's own records, by their address and by their contact
_CONTACT_RECORDS = """
    WITH asked AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) AS n(company_id, address))
    SELECT a.company_id, a.address, r.id FROM asked a
    JOIN postroom_record r ON r.contact_address = a.address AND r.company_id = a.company_id
    WHERE r.kind_id = 'contact' AND r.merged_into_id IS NULL
    UNION
    SELECT a.company_id, a.address, r.id FROM asked a
    JOIN postroom_contact c ON c.normal = a.address AND c.is_active
    JOIN postroom_record r ON r.contact_id = c.id AND r.company_id = a.company_id
    WHERE r.kind_id = 'contact' AND r.merged_into_id IS NULL
    ORDER BY 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The row of an address, locked until the transaction ends."""

    id: int
    alive_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One thing that came back, ready to be written."""

    health_id: int
    company_id: int
    kind: str
    source: str
    delivery_id: int
    inbound_id: int | None
    status: str
    reply: str
    blame: str
    fault: str
    is_proof: bool
    happened_at: datetime

    @property
    def key(self) -> tuple[int, str]:
        return self.delivery_id, self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """By how much the counters of an address grow. ``last_at`` None: it did not bounce."""

    id: int
    bounces: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    status: str = ""
    reply: str = ""
    blame: str = ""
    complaints: int = 0
    complained_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """To whom something was written that came back, number ``event`` of a batch."""

    event: int
    company_id: int
    address: str
    contact_id: int | None


def anchor(places: Collection[Place]) -> Mapping[Place, Anchor]:
    """The rows of these addresses, made where there were none; locked. Inside a transaction."""
    ordered = sorted(set(places))
    with connection.cursor() as cursor:
        cursor.execute(_ANCHOR, [[company for company, _ in ordered], [address for _, address in ordered]])
        return {(company, address): Anchor(id=pk, alive_at=at) for pk, company, address, at in cursor.fetchall()}


def write_events(rows: Sequence[EventRow], now: datetime) -> set[tuple[int, str]]:
    """The keys of those that were not known of this attempt before (the attempt is the last one that is noted)."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, [now, _as_json(rows)])
        return set(cursor.fetchall())


def count(growths: Sequence[Growth]) -> None:
    """Add to the counters of addresses that are anchored."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [_as_json(growths)])


def count_contacts(written: Sequence[Written]) -> None:
    """Add to the counters of the contacts."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_CONTACTS, [_as_json(written)])


def sign_of_life(signs: Mapping[str, datetime], *, by: str) -> int:
    """Begin to count anew, in every company, where the sign is no older than the last bounce; how many had bounced. One statement."""
    ((count,),) = ask(_SIGN_OF_LIFE, [list(signs), list(signs.values()), by])
    return int(count)


def contact_records(places: Collection[Place]) -> list[tuple[Place, int]]:
    """The records of kind contact that stand for these addresses."""
    ordered = sorted(set(places))
    with connection.cursor() as cursor:
        cursor.execute(_CONTACT_RECORDS, [[company for company, _ in ordered], [address for _, address in ordered]])
        return [((company, address), record) for company, address, record in cursor.fetchall()]


def _as_json(rows: Iterable[EventRow | Growth | Written]) -> str:
    return json.dumps([asdict(row) for row in rows], ensure_ascii=False, default=str)
