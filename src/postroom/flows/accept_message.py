"""Accepting: a mail becomes durable, and only then is it acknowledged (law 1). Four doors call this, and nothing else stores mail.

Raw mail up to `IN_ROW` bytes lies in the row's transaction (one commit, one fsync for all of a group); larger ones are blobs,
synced to disk before the commit. Raises only what disk and database raise: a temporary failure to the peer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from postroom.core.mime.parsing import parse_headers
from postroom.core.mime.words import storable
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.ports import Ports
from postroom.store.models import InboundMessage, RawMail

IN_ROW = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A mail at a door. Without envelope (fetched, piped without ``--rcpt``) recipient headers will decide."""

    door: Door
    raw: bytes
    envelope: Envelope | None
    peer: str = ""
    mailbox_id: int | None = None


def accept_messages(ports: Ports, arrivals: Sequence[Arrival]) -> list[int]:
    """Store these mails in one durable transaction and wake the routers; the numbers of the inbound rows, in order."""
    blobs = [ports.blobs.put(arrival.raw) if len(arrival.raw) > IN_ROW else "" for arrival in arrivals]
    now = ports.clock.now()
    with transaction.atomic(durable=not connection.in_atomic_block):
        rows = InboundMessage.objects.bulk_create([_row(arrival, now) for arrival in arrivals])
        RawMail.objects.bulk_create(
            [
                RawMail(inbound=row, raw=None if blob else arrival.raw, sha256=blob)
                for row, arrival, blob in zip(rows, arrivals, blobs, strict=True)
            ]
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('postroom_inbound', '')")
    return [row.pk for row in rows]


def accept_message(ports: Ports, arrival: Arrival) -> int:
    """One mail; see `accept_messages`."""
    return accept_messages(ports, [arrival])[0]


def _row(arrival: Arrival, now: object) -> InboundMessage:
    head = parse_headers(arrival.raw)
    author = head.author
    return InboundMessage(
        door=arrival.door,
        mailbox_id=arrival.mailbox_id,
        peer=storable(arrival.peer)[:300],
        mail_from=storable(arrival.envelope.mail_from)[:320] if arrival.envelope else "",
        rcpt_to=[storable(one)[:320] for one in arrival.envelope.rcpt_to] if arrival.envelope else [],
        size=len(arrival.raw),
        subject=head.subject[:1000],
        header_from=str(author)[:500] if author else "",
        message_id=head.message_id[:1000],
        due_at=now,
        received_at=now,
    )
