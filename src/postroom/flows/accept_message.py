"""Accepting: a mail becomes durable, and only then is it acknowledged (law 1). Four doors call this, and nothing else stores mail.

Raw mail up to `IN_ROW` bytes lies in the row's transaction (one commit, one fsync for all of a group); larger ones are blobs,
synced to disk before the commit. Raises only what disk and database raise: a temporary failure to the peer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from psycopg import Cursor

from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse_headers
from postroom.core.mime.words import storable
from postroom.core.routing.arrival import comes_from_home
from postroom.core.routing.authenticity import authenticity_as_json, not_asked
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.ports import Ports

IN_ROW = 256 * 1024  # bytes
_FROM_HOME = json.dumps(authenticity_as_json(not_asked()))  # nothing to find out about its author


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A mail at a door. Without envelope (fetched, piped without ``--rcpt``) recipient headers will decide."""

    door: Door
    raw: bytes
    envelope: Envelope | None
    peer: str = ""
    mailbox_id: int | None = None
    hook_id: int | None = None


def accept_messages(ports: Ports, arrivals: Sequence[Arrival]) -> list[int]:
    """Store these mails durably, all or none, and wake the routers; the numbers of the inbound rows, in order.

    One statement is one transaction and one round trip, whatever the number of mails.
    """
    if not arrivals:
        return []
    blobs = [ports.blobs.put(arrival.raw) if len(arrival.raw) > IN_ROW else "" for arrival in arrivals]
    rows = [_row(arrival, blob) for arrival, blob in zip(arrivals, blobs, strict=True)]
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        Cursor(connection.connection) as cursor,
    ):  # binds on the server: bytes stay bytes
        cursor.execute(_STORE, {"now": ports.clock.now(), **_columns(rows)})
        return [number for number, _ in cursor.fetchall()]


_STORE = """
WITH arrived AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('postroom_inboundmessage', 'id')) AS id, new.*
    FROM unnest(
        %(door)s::text[], %(mailbox_id)s::bigint[], %(peer)s::text[], %(mail_from)s::text[], %(rcpt_to)s::text[],
        %(size)s::bigint[], %(subject)s::text[], %(header_from)s::text[], %(message_id)s::text[],
        %(raw)b::bytea[], %(sha256)s::text[], %(authentication)s::text[], %(hook_id)s::bigint[]
    ) WITH ORDINALITY AS new(
        door, mailbox_id, peer, mail_from, rcpt_to, size, subject, header_from, message_id, raw, sha256, authentication, hook_id, place
    )
), inbound AS (
    INSERT INTO postroom_inboundmessage (
        id, door, mailbox_id, peer, mail_from, rcpt_to, size, subject, header_from, message_id,
        state, due_at, received_at, attempt_count, error, verdict, authentication, hook_id
    )
    SELECT id, door, mailbox_id, peer, mail_from, ARRAY(SELECT jsonb_array_elements_text(rcpt_to::jsonb)), size,
        subject, header_from, message_id, 'received', %(now)s, %(now)s, 0, '', '[]', authentication::jsonb, hook_id
    FROM arrived
), raw_mail AS (
    INSERT INTO postroom_rawmail (inbound_id, raw, sha256) SELECT id, raw, sha256 FROM arrived
), told AS (
    SELECT pg_notify('postroom_inbound', '')
)
SELECT arrived.id, told FROM arrived, told ORDER BY place
"""


def accept_message(ports: Ports, arrival: Arrival) -> int:
    """One mail; see `accept_messages`."""
    return accept_messages(ports, [arrival])[0]


def _row(arrival: Arrival, blob: str) -> dict[str, object]:
    head = parse_headers(arrival.raw)
    author = head.author
    recipients = arrival.envelope.rcpt_to if arrival.envelope else ()
    return {
        "door": arrival.door.value,
        "mailbox_id": arrival.mailbox_id,
        "peer": storable(arrival.peer)[:300],
        "mail_from": storable(arrival.envelope.mail_from)[:320] if arrival.envelope else "",
        "rcpt_to": json.dumps([storable(one)[:320] for one in recipients]),
        "size": len(arrival.raw),
        "subject": head.subject[:1000],
        "header_from": str(author)[:500] if author else "",
        "message_id": head.message_id[:1000],
        "raw": None if blob else arrival.raw,
        "sha256": blob,
        "hook_id": arrival.hook_id,
        "authentication": _FROM_HOME if _comes_from_home(arrival, head) else None,
    }


def _comes_from_home(arrival: Arrival, head: ParsedMail) -> bool:
    return comes_from_home(arrival.door, arrival.peer, (name for name, _ in head.headers))


def _columns(rows: Sequence[dict[str, object]]) -> dict[str, list[object]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
