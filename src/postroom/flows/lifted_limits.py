"""Mail that was put off by a limit which a person lifted in that very moment, after the limits of the batch were read.

Laws: runs in the transaction that wrote the putting off, after it. The rows of the limits are locked for reading: whoever lifts one
either comes first, then it is seen here, or waits until the mail is written, and wakes it himself. Costs nothing where no limit holds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from postroom.core.terms.gates import OF_DESTINATIONS, OF_LIMITS
from postroom.flows.reserve_sending import (
    DestinationsKnown,
    Limits,
    limit_of_destination,
    limit_of_minute,
    limit_of_today,
)
from postroom.store import gates
from postroom.store.claims import Mark
from postroom.store.models import Delivery, Destination, OutgoingServer

_SERVERS = "SELECT * FROM postroom_outgoingserver WHERE id = ANY(%s) ORDER BY id FOR SHARE"
_DESTINATIONS = "SELECT * FROM postroom_destination WHERE name = ANY(%s) ORDER BY name FOR SHARE"


def wake_if_lifted(
    limits: Limits, known: DestinationsKnown, marks: Sequence[Mark], written: Collection[int], now: datetime
) -> int:
    """How many of the mails that were just put off are due again."""
    by_server: dict[int, list[int]] = {}
    by_destination: dict[str, list[int]] = {}
    for mark in marks:
        reason = mark.waits_for or {}
        if mark.id not in written or reason.get("code") not in OF_LIMITS:
            continue
        facts = reason.get("facts")
        if reason["code"] in OF_DESTINATIONS and isinstance(facts, dict):
            by_destination.setdefault(str(facts["destination"]), []).append(mark.id)
        elif mark.server_id:
            by_server.setdefault(mark.server_id, []).append(mark.id)
    free: list[int] = []
    if by_server:
        lifted = [
            row.pk for row in OutgoingServer.objects.raw(_SERVERS, [list(by_server)]) if _is_lifted(limits, row, now)
        ]
        free += [number for pk in lifted for number in by_server[pk]]
        if lifted:
            gates.forget_promises(lifted)
    if by_destination:
        for row in Destination.objects.raw(_DESTINATIONS, [list(by_destination)]):
            present, before = limit_of_destination(row, now), limits.of_destination(row.name)
            if before is not None and (present is None or present.per_minute > before):
                free += by_destination[row.name]
                known.read_at = None
                gates.forget_promises(destination=row.name)
    if free:
        Delivery.objects.filter(pk__in=free).update(due_at=now, waits_for=None, held_since=None)
    return len(free)


def _is_lifted(limits: Limits, row: OutgoingServer, now: datetime) -> bool:
    day, minute = limits.of_server(row.pk)
    return _more(limit_of_today(row, now), day) or _more(limit_of_minute(row, now), minute)


def _more(present: int | None, before: int | None) -> bool:
    return before is not None and (present is None or present > before)
