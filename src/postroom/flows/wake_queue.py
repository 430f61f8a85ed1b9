"""A gate opened: what waited for it looks again at once, not when its time has come.

Duty: parked mail (its server was paused, in trouble, slow, or there was none) comes back, by its own index; so does what waits for a
limit that a person raised.
Laws: what deliverers see for themselves, they see again and again (`wake_parked`, every second), so no call is ever missed; as many
wake as there is room for, and for a server that has to prove itself a handful. What a person changed wakes everybody whom it may
concern, a first portion at once and the rest in the background. The urgent first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from postroom.core.terms.gates import OF_DESTINATIONS, OF_LIMITS
from postroom.flows.defer_job import defer_job
from postroom.flows.ports import Ports
from postroom.store import gates
from postroom.store.models import Delivery, OutgoingServer
from postroom.store.models.outgoing import PARKED, WAITING

CHANNEL = "postroom_outgoing"
OF_A_SERVER = ("wait.paused", "wait.broken", "wait.busy")  # parked for a server that works some day by itself
OF_THE_HOUSE = "wait.no_house_server"  # rare, and so not parked by the index of those who are
FOR_SERVERS = (*PARKED, "wait.secret", "wait.dkim", OF_THE_HOUSE, *OF_LIMITS)
AT_ONCE = 5_000
ROOM = 3_000
BY_LANE, BY_DUE = ("server_id", "lane", "due_at", "id"), ("server_id", "due_at")  # in the order of their indexes
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
            theirs = _parked(now).filter(server_id=pk, waits_for__code__in=OF_A_SERVER)
            woken += _wake(theirs, room, now, opens=not trouble_count)
    if configured_works and ports.configuration.server_host:
        codes = (*OF_A_SERVER, "wait.no_server")  # the server of the configuration serves where there is no other
        nobodys = _parked(now).filter(server=None, waits_for__code__in=codes)
        woken += _wake(nobodys, min(rooms.get(0, ROOM), ROOM), now)
    return ServersNow(woken=woken, paused=frozenset(paused))


def _parked(now: datetime) -> QuerySet[Delivery]:
    """In the words of its index."""
    return Delivery.objects.filter(state__in=WAITING, waits_for__code__in=PARKED, due_at__gt=now)


def _wake(
    rows: QuerySet[Delivery],
    most: int,
    now: datetime,
    *,
    opens: bool = True,
    order: Sequence[str] = BY_LANE,
) -> int:
    """Due now. Unless the gate ``opens``, they still wait for the same, should it turn out."""
    if most <= 0:
        return 0
    with transaction.atomic():
        chosen = rows.order_by(*order).select_for_update(skip_locked=True, of=("self",))
        ids = list(chosen.values_list("pk", flat=True)[:most])
        woken = Delivery.objects.filter(pk__in=ids)
        if ids and opens:
            woken.update(due_at=now, waits_for=None, held_since=None)
        elif ids:
            woken.update(due_at=now)
    return len(ids)


# -- what a person or a server changed


def wake_queue(ports: Ports, *, server_ids: Collection[int] | None = None) -> int:
    """All that wait for servers, or for these, are due now: a first portion in the caller's transaction, the rest by a job. How many
    were in that portion. Those that wait because of themselves (a temporary refusal) keep their time."""
    with transaction.atomic():
        gates.forget_promises(server_ids)
        return _wake_all(ports, _All(server_ids=server_ids, codes=FOR_SERVERS))


def wake_for(ports: Ports, server_id: int) -> int:
    """A person lets this server work again: as `wake_queue`, for what is parked for it or for another. Limits stay as they are."""
    own = _wake_all(ports, _All(server_ids=[server_id], codes=OF_A_SERVER))
    return own + wake_parked_elsewhere(ports, [server_id])


def wake_for_destination(ports: Ports, name: str) -> int:
    """Another limit holds for this destination from now on: whoever waits for it asks anew."""
    with transaction.atomic():
        gates.forget_promises(destination=name)
        return _wake_all(ports, _All(server_ids=None, codes=OF_DESTINATIONS))


def wake_parked_elsewhere(ports: Ports, server_ids: Collection[int]) -> int:
    """These work again: what was parked for another may go by one of them. (What was parked for them, `wake_parked` sees.)"""
    others = OutgoingServer.objects.exclude(pk__in=server_ids).values_list("pk", flat=True)
    return _wake_all(ports, _All(server_ids=list(others), codes=OF_A_SERVER)) if others else 0


def wake_rest(ports: Ports, server_ids: str, codes: str, before: str) -> int:
    """What was left to the background: all that waited already at that moment. How many. Safe to be done twice."""
    numbers = None if server_ids == "all" else [int(number) for number in server_ids.split(",") if number]
    wanted = _All(server_ids=numbers, codes=tuple(codes.split(",")))
    woken, is_over = 0, False
    while not is_over:
        count, is_over = _wake_portion(wanted, ports.clock.now(), datetime.fromisoformat(before))
        woken += count
    return woken


@dataclass(frozen=True, slots=True, kw_only=True)
class _All:
    """Whom to wake: who waits for these servers (None: for any, or for nobody in particular) with one of these reasons."""

    server_ids: Collection[int] | None
    codes: tuple[str, ...]


def _wake_all(ports: Ports, wanted: _All) -> int:
    now = ports.clock.now()
    with transaction.atomic():
        count, is_over = _wake_portion(wanted, now, now)
        if not is_over:
            ids = wanted.server_ids
            numbers = "all" if ids is None else ",".join(map(str, sorted(ids)))
            defer_job("wake_queue", server_ids=numbers, codes=",".join(wanted.codes), before=now.isoformat())
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return count


def _wake_portion(wanted: _All, now: datetime, before: datetime) -> tuple[int, bool]:
    """How many of those that waited ``before``, and whether these were all. What was held again since then is left alone."""
    ids, nobodys, of_the_house = wanted.server_ids, Delivery.objects.none(), Delivery.objects.none()
    if ids is None:
        ids = list(OutgoingServer.objects.values_list("pk", flat=True))
        nobodys = _parked(now).filter(server=None, waits_for__code__in=wanted.codes)
        if OF_THE_HOUSE in wanted.codes:
            of_the_house = Delivery.objects.filter(
                state__in=WAITING, waits_for__code=OF_THE_HOUSE, due_at__gt=now, server=None
            )
    parked = _parked(now).filter(server_id__in=ids, waits_for__code__in=wanted.codes)
    others = [code for code in wanted.codes if code not in PARKED]
    promised = Delivery.objects.filter(state__in=WAITING, due_at__gt=now, server_id__in=ids, waits_for__code__in=others)
    left = AT_ONCE
    for rows, order in (
        (parked.filter(lane=0), BY_LANE),
        (parked, BY_LANE),
        (promised, BY_DUE),
        (nobodys, BY_LANE),
        (of_the_house, BY_LANE),
    ):
        since = rows.filter(Q(held_since__lte=before) | Q(held_since=None))
        left -= _wake(since, left, now, order=order)
    return AT_ONCE - left, left > 0
