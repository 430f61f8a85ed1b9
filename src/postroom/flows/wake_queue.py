"""A gate opened: what waited for it looks again at once, not when its time has come.

Duty: parked mail (its server was paused, in trouble, slow, or there was none) comes back, by its own index; so does what waits for a
limit that a person raised.
Laws: what deliverers see for themselves, they see again and again (`wake_parked`, every second), so no call is ever missed; as many
wake as there is room for, and for a server that has to prove itself a handful. What a person changed wakes everybody whom it may
concern, a first portion at once and the rest in the background. The urgent first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from postroom.flows.defer_job import defer_job
from postroom.flows.ports import Ports
from postroom.flows.reserve_sending import OF_LIMITS
from postroom.store import gates
from postroom.store.models import Delivery, OutgoingServer
from postroom.store.models.outgoing import PARKED, WAITING

CHANNEL = "postroom_outgoing"
OF_A_SERVER = ("wait.paused", "wait.broken", "wait.busy")  # parked for a server that works some day by itself
FOR_SERVERS = (*PARKED, "wait.secret", *OF_LIMITS)
AT_ONCE = 5_000
ROOM = 500
PROBES = 5  # for a server whose circuit was open


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersNow:
    """``woken`` deliveries are due again. ``paused`` are the servers that get nothing now."""

    woken: int
    paused: frozenset[int]


# -- what deliverers see


def wake_parked(ports: Ports, rooms: Mapping[int, int], *, configured_works: bool = True) -> ServersNow:
    """For each server that works, as many of its parked as there is room (``rooms``; `ROOM` where nothing is said). One query, and
    one or two for each server that has some."""
    now = ports.clock.now()
    parked = _parked(now).filter(server=OuterRef("pk"), waits_for__code__in=OF_A_SERVER)
    rows = OutgoingServer.objects.annotate(has_parked=Exists(parked)).order_by("pk")
    woken = 0
    paused = set[int]()
    for pk, is_active, paused_at, broken_until, trouble_count, has_parked in rows.values_list(
        "pk", "is_active", "paused_at", "broken_until", "trouble_count", "has_parked"
    ):
        if paused_at is not None or not is_active:
            paused.add(pk)
        elif has_parked and (broken_until is None or broken_until <= now):
            room = min(rooms.get(pk, ROOM), PROBES if trouble_count else ROOM)
            woken += _wake(_parked(now).filter(server_id=pk, waits_for__code__in=OF_A_SERVER), room, now)
    if configured_works and ports.configuration.server_host:
        nobodys = _parked(now).filter(server=None, waits_for__code__in=OF_A_SERVER)
        woken += _wake(nobodys, min(rooms.get(0, ROOM), ROOM), now)
    return ServersNow(woken=woken, paused=frozenset(paused))


def _parked(now: datetime) -> QuerySet[Delivery]:
    """In the words of its index."""
    return Delivery.objects.filter(state__in=WAITING, waits_for__code__in=PARKED, due_at__gt=now)


def _wake(rows: QuerySet[Delivery], most: int, now: datetime) -> int:
    if most <= 0:
        return 0
    with transaction.atomic():
        chosen = rows.order_by("lane", "due_at", "id").select_for_update(skip_locked=True, of=("self",))
        ids = list(chosen.values_list("pk", flat=True)[:most])
        if ids:
            Delivery.objects.filter(pk__in=ids).update(due_at=now, waits_for=None, held_since=None)
    return len(ids)


# -- what a person or a server changed


def wake_queue(ports: Ports, *, server_ids: Collection[int] | None = None) -> int:
    """All that wait for servers, or for these, are due now: a first portion in the caller's transaction, the rest by a job. How many
    were in that portion. Those that wait because of themselves (a temporary refusal) keep their time."""
    with transaction.atomic():
        gates.forget_promises(server_ids)
        count, last = _wake_portion(ports.clock.now(), server_ids, 0)
        if last:
            numbers = ",".join(map(str, sorted(server_ids))) if server_ids is not None else ""
            defer_job("wake_queue", server_ids=numbers, after=last)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return count


def wake_rest(ports: Ports, server_ids: str, after: int) -> int:
    """What `wake_queue` left to the background, once through the queue; how many. Safe to be done twice."""
    chosen = [int(number) for number in server_ids.split(",") if number] if server_ids else None
    woken, last = 0, after
    while last:
        with transaction.atomic():
            count, last = _wake_portion(ports.clock.now(), chosen, last)
        woken += count
    return woken


def _wake_portion(now: datetime, server_ids: Collection[int] | None, after: int) -> tuple[int, int]:
    """How many, and the id behind which more may wait; 0: no more."""
    waiting = Delivery.objects.filter(state__in=WAITING, waits_for__code__in=FOR_SERVERS, pk__gt=after)
    if server_ids is not None:
        waiting = waiting.filter(server_id__in=server_ids)
    chosen = waiting.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    ids = list(chosen.values_list("pk", flat=True)[:AT_ONCE])
    if ids:
        Delivery.objects.filter(pk__in=ids).update(due_at=now, waits_for=None, held_since=None)
    return len(ids), ids[-1] if len(ids) == AT_ONCE else 0
