"""Limits as they stand: which servers are full, how much of each limit is used up, who asked for less.

Laws: see `store.queries.pages`. Which gate holds a mail is not decided here but in `core.terms.gates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from postroom.core.delivery.destinations import OF_DOMAINS
from postroom.core.delivery.slowing import Slowness, recovered
from postroom.core.delivery.throttle import Span, daily_limit, day_of
from postroom.core.terms.reasons import reasons_from_json
from postroom.store.models import Destination, OutgoingServer, SendingGate


@dataclass(frozen=True, slots=True, kw_only=True)
class FullServer:
    """A server whose limit of today is reached, and until when."""

    id: int
    name: str
    used: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UseFact:
    """How many mails a server has given to somewhere in a window that is not over."""

    server: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFact:
    """A destination with a limit, learned or set. ``per_minute`` 0: free by now. ``learned``: what it asked for, as fast as it may be by now;
    ``said``: its words then; ``until``: then a step faster. ``domains``: some of those whose mail it takes."""

    name: str
    per_minute: int
    set_by_person: int
    learned: int
    said: str
    until: datetime | None
    domains: tuple[str, ...] = ()
    uses: tuple[UseFact, ...] = ()


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


def slow_destinations(now: datetime, *, search: str = "", most: int = 100) -> tuple[DestinationFact, ...]:
    """Those with a limit, or that had one; ``search``: a part of the name. Three queries."""
    rows = list(Destination.objects.filter(name__contains=search.lower()).order_by("name")[:most])
    names = [row.name for row in rows]
    domains, uses = _domains_of(names), _uses_of(names, now)
    return tuple(_destination(row, now, domains.get(row.name, ()), uses.get(row.name, ())) for row in rows)


def _destination(
    row: Destination, now: datetime, domains: tuple[str, ...], uses: tuple[UseFact, ...]
) -> DestinationFact:
    present = recovered(Slowness(per_minute=row.learned_per_minute, until=row.slow_until), now)
    said = reasons_from_json([row.reason])[0].facts.get("reply", "") if isinstance(row.reason, dict) else ""
    limits = [limit for limit in (present.per_minute, row.per_minute_limit) if limit]
    return DestinationFact(
        name=row.name,
        per_minute=min(limits, default=0),
        set_by_person=row.per_minute_limit,
        learned=present.per_minute,
        said=said if present.per_minute else "",
        until=present.until,
        domains=domains,
        uses=uses,
    )


_SOME_DOMAINS = """
    SELECT n.name, d.domain FROM unnest(%s::text[]) AS n(name)
    CROSS JOIN LATERAL (
        SELECT domain FROM postroom_destinationdomain WHERE destination = n.name ORDER BY domain LIMIT 5
    ) AS d
"""


def _domains_of(names: list[str]) -> dict[str, tuple[str, ...]]:
    """A few of each: those that everybody knows first."""
    found = {name: [domain for domain, provider in OF_DOMAINS.items() if provider == name] for name in names}
    with connection.cursor() as cursor:
        cursor.execute(_SOME_DOMAINS, [names])
        for name, domain in cursor.fetchall():
            if domain not in found[name]:
                found[name].append(domain)
    return {name: tuple(domains[:5]) for name, domains in found.items()}


def _uses_of(names: list[str], now: datetime) -> dict[str, tuple[UseFact, ...]]:
    """What of each was used in the minute that is not over, by server."""
    rows = SendingGate.objects.filter(
        destination__in=names, span=Span.MINUTE, window_at__gt=now - Span.MINUTE.length, used__gt=0
    )
    used = list(rows.order_by("-used").values_list("destination", "server_number", "used")[:1000])
    servers = dict(OutgoingServer.objects.filter(pk__in={row[1] for row in used}).values_list("pk", "name"))
    found: dict[str, list[UseFact]] = {}
    for name, number, count in used:
        found.setdefault(name, []).append(UseFact(server=servers.get(number, ""), used=count))
    return {name: tuple(uses) for name, uses in found.items()}


# -- servers


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimitFact:
    """A server's limits and what is used of them. ``day_limit``: of today, its warm-up counted in; None: none. ``learned``: the rate that
    it asked for, 0: free."""

    id: int
    name: str
    day_limit: int | None
    used_today: int
    set_by_person: int
    learned: int
    said: str
    until: datetime | None


def limited_servers(servers: QuerySet[OutgoingServer], now: datetime, most: int = 100) -> tuple[ServerLimitFact, ...]:
    """Those with a limit of any kind, by name. Two queries."""
    has_limit = Q(daily_limit__gt=0) | Q(per_minute_limit__gt=0) | Q(learned_per_minute__gt=0)
    has_limit |= Q(warm_up_started_on__isnull=False)
    rows = list(servers.filter(has_limit, is_active=True).order_by("name", "id")[:most])
    return limits_of(rows, now)


def limits_of(rows: Sequence[OutgoingServer], now: datetime) -> tuple[ServerLimitFact, ...]:
    """What holds for these servers today. One query."""
    used = used_today([row.pk for row in rows], now)
    return tuple(_server(row, used.get(row.pk, 0), now) for row in rows)


def _server(row: OutgoingServer, used: int, now: datetime) -> ServerLimitFact:
    asked = Slowness(per_minute=row.learned_per_minute, until=row.slow_until, changed_at=row.slowed_at)
    present = recovered(asked, now)
    today = daily_limit(row.daily_limit, now.date(), row.warm_up_started_on, row.warm_up_first_day, row.warm_up_growth)
    return ServerLimitFact(
        id=row.pk,
        name=row.name,
        day_limit=today,
        used_today=used,
        set_by_person=row.per_minute_limit,
        learned=present.per_minute,
        said=row.slow_reply if present.per_minute else "",
        until=present.until,
    )
