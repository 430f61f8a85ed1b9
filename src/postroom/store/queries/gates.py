"""Which gate holds a waiting mail, since when, until when, and what a person can do about it.

Laws: see `store.queries.pages`. A mail that is due and not yet taken waits its turn in its lane; what is stored of an earlier gate
does not count then. ``until`` is None where nobody knows: a person must act, or a server must work again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import F, QuerySet

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.delivery.slowing import Slowness, recovered
from postroom.core.delivery.throttle import Span, day_of
from postroom.core.terms.reasons import Reason, because, reasons_from_json
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Delivery, Destination, OutgoingServer, SendingGate
from postroom.store.models.outgoing import PARKED, WAITING


class GateKind(StrEnum):
    """What holds a mail."""

    NOT_DUE = "not_due"  # scheduled for later
    RETRY = "retry"  # met a temporary trouble of its own
    PAUSED = "paused"  # its server is paused
    CIRCUIT = "circuit"  # its server is in trouble
    SERVER = "server"  # there is none, or its password cannot be read
    DAY = "day"  # daily limit, warm-up
    MINUTE = "minute"  # limit a minute
    DESTINATION = "destination"  # the recipients' provider, limited or slowed down
    LANE = "lane"  # others go first
    SENDING = "sending"  # none: it is on its way


_KINDS = {
    "wait.paused": GateKind.PAUSED,
    "wait.broken": GateKind.CIRCUIT,
    "wait.busy": GateKind.LANE,
    "wait.no_server": GateKind.SERVER,
    "wait.archived": GateKind.SERVER,
    "wait.secret": GateKind.SERVER,
    "wait.daily_limit": GateKind.DAY,
    "wait.warm_up": GateKind.DAY,
    "wait.per_minute": GateKind.MINUTE,
    "wait.destination": GateKind.DESTINATION,
    "wait.slowed": GateKind.DESTINATION,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFact:
    """What holds one mail. ``cures`` are sentences, the best first."""

    kind: GateKind
    reason: Reason
    since: datetime
    until: datetime | None = None
    cures: tuple[Reason, ...] = ()


def gates_of(visible: QuerySet[Delivery], delivery_ids: Iterable[int], now: datetime) -> dict[int, GateFact]:
    """Of those that wait or are on their way. One query."""
    rows = visible.filter(pk__in=list(delivery_ids), state__in=[*WAITING, DeliveryState.SENDING]).values(
        "id", "state", "due_at", "created_at", "waits_for", "held_since", broken_until=F("server__broken_until")
    )
    return {row["id"]: _gate(row, now) for row in rows}


def _gate(row: Mapping[str, Any], now: datetime) -> GateFact:
    since = row["held_since"] or row["created_at"]
    if row["state"] == DeliveryState.SENDING:
        return GateFact(kind=GateKind.SENDING, reason=because("gate.sending"), since=since)
    due_at = row["due_at"]
    if due_at <= now:
        return GateFact(kind=GateKind.LANE, reason=because("gate.lane"), since=max(due_at, row["created_at"]))
    waits_for = row["waits_for"]
    if not isinstance(waits_for, dict):
        return GateFact(kind=GateKind.NOT_DUE, reason=because("gate.not_due"), since=since, until=due_at)
    (reason,) = reasons_from_json([waits_for])
    kind = _KINDS.get(reason.code, GateKind.RETRY)
    until = row["broken_until"] if kind is GateKind.CIRCUIT else None if reason.code in PARKED else due_at
    return GateFact(kind=kind, reason=reason, since=since, until=until, cures=tuple(_cures(kind, reason)))


def _cures(kind: GateKind, reason: Reason) -> list[Reason]:
    server = reason.facts.get("server", "")
    if kind is GateKind.SERVER and not server:
        return [because("cure.add_server")]
    return [because(code, server=server) for code in _CURES.get(kind, ())]


_CURES = {
    GateKind.DAY: ("cure.raise_limit", "cure.another_server", "cure.in_app"),
    GateKind.MINUTE: ("cure.raise_limit",),
    GateKind.PAUSED: ("cure.resume",),
    GateKind.CIRCUIT: ("cure.mend", "cure.another_server"),
    GateKind.SERVER: ("cure.mend",),
    GateKind.LANE: ("cure.send_now",),
    GateKind.NOT_DUE: ("cure.send_now",),
}


# -- limits as they stand


@dataclass(frozen=True, slots=True, kw_only=True)
class FullServer:
    """A server whose limit of today is reached, and until when."""

    id: int
    name: str
    used: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFact:
    """A destination with a limit. ``per_minute`` 0: free by now. ``said``: what it said when it asked us to slow down."""

    name: str
    per_minute: int
    set_by_person: int
    said: str
    until: datetime | None


def full_servers(servers: QuerySet[OutgoingServer], now: datetime, most: int = 10) -> tuple[FullServer, ...]:
    """Those that send no more today. Two queries."""
    today = day_of(now)
    full = dict(
        SendingGate.objects.filter(span=Span.DAY, window_at=today, reached_at__isnull=False).values_list(
            "server_number", "used"
        )[: 10 * most]
    )
    if not full:
        return ()
    rows = servers.filter(pk__in=full, is_active=True).order_by("name").values_list("pk", "name")[:most]
    return tuple(FullServer(id=pk, name=name, used=full[pk], until=today + Span.DAY.length) for pk, name in rows)


def used_today(server_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """How many mails of their day these servers with a limit have used. One query."""
    rows = SendingGate.objects.filter(
        server_number__in=list(server_ids), destination="", span=Span.DAY, window_at=day_of(now)
    )
    return dict(rows.values_list("server_number", "used"))


def slow_destinations(now: datetime, most: int = 100) -> tuple[DestinationFact, ...]:
    """Those with a limit, learned or set. One query."""
    return tuple(_destination(row, now) for row in Destination.objects.order_by("name")[:most])


def _destination(row: Destination, now: datetime) -> DestinationFact:
    present = recovered(Slowness(per_minute=row.learned_per_minute, until=row.slow_until), now)
    said = reasons_from_json([row.reason])[0].facts.get("reply", "") if isinstance(row.reason, dict) else ""
    limits = [limit for limit in (present.per_minute, row.per_minute_limit) if limit]
    return DestinationFact(
        name=row.name,
        per_minute=min(limits, default=0),
        set_by_person=row.per_minute_limit,
        said=said if present.per_minute else "",
        until=present.until,
    )
