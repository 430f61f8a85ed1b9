"""Places in the gates: what of a batch may leave now by the limits of its servers and destinations, and until when the rest waits.

    limits of the batch -> its gates' rows locked, in order -> `throttle.admit` -> rows written: one short transaction

Laws: limits hold on all machines together, for the rows are locked. A batch without limits costs no query. A constant number of
queries for any number of mails. What is reserved and does not leave is given back (`give_back`), to the same window only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from postroom.core.delivery.destinations import destination_of
from postroom.core.delivery.slowing import Slowness, recovered
from postroom.core.delivery.throttle import Ask, GateKey, Span, admit, daily_limit
from postroom.core.terms.gates import OF_DESTINATIONS
from postroom.core.terms.reasons import Reason, because, reasons_from_json
from postroom.store import gates
from postroom.store.gates import Reservation
from postroom.store.models import Destination, DestinationDomain, OutgoingServer

LOOK_AT_DESTINATIONS_EVERY = timedelta(seconds=1)
_SPAN_OF_CODE = {
    "wait.daily_limit": Span.DAY,
    "wait.warm_up": Span.DAY,
    "wait.per_minute": Span.MINUTE,
    "wait.destination": Span.MINUTE,
    "wait.slowed": Span.MINUTE,
    "wait.server_slowed": Span.MINUTE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationLimit:
    """Mails a minute; ``said`` is what it said when it asked to slow down, None where a person set the limit."""

    per_minute: int
    said: str | None = None


@dataclass(slots=True)
class DestinationsKnown:
    """What a worker knows of slow destinations; looked at anew every second."""

    read_at: datetime | None = None
    limits: Mapping[str, DestinationLimit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A mail that is about to leave through this server. ``held_by`` is the code of what it waited for."""

    id: int
    lane: int
    server_id: int
    domain: str
    held_by: str = ""
    may_pass_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Not now. ``until`` None: another server shall take it, this one's day is full."""

    reason: Reason
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``reserved`` may leave. ``alarms`` are sentences about limits reached now."""

    reserved: Mapping[int, tuple[Reservation, ...]]
    held: Mapping[int, Held]
    alarms: tuple[str, ...] = ()


class Limits:
    """Which limits concern a batch. ``rows`` are the servers; ``domains`` the recipients'."""

    def __init__(
        self, rows: Mapping[int, OutgoingServer], known: DestinationsKnown, domains: Iterable[str], now: datetime
    ) -> None:
        self._rows = rows
        self._now = now
        self._of_server: dict[int, dict[GateKey, int]] = {}
        self._destinations = _destinations(known, now)
        self._destination_of: Mapping[str, str] = {}
        if self._destinations:
            self._destination_of = _destination_of_domains(set(domains))

    def of(self, server_id: int, domain: str) -> dict[GateKey, int]:
        """The gates that such a mail must pass, with their limits."""
        found = self._of_server.get(server_id)
        if found is None:
            found = self._of_server[server_id] = self._server(server_id)
        if self._destinations:
            name = self.destination(domain)
            if (limit := self._destinations.get(name)) is not None:
                return {**found, GateKey(server_id, name, Span.MINUTE): limit.per_minute}
        return found

    def is_free(self, server_ids: Iterable[int]) -> bool:
        """Whether no limit concerns mail through these."""
        return not self._destinations and not any(self.of(server_id, "") for server_id in server_ids)

    def destination(self, domain: str) -> str:
        return self._destination_of.get(domain) or destination_of(domain)

    def of_server(self, server_id: int) -> tuple[int | None, int | None]:
        """Of a day and of a minute, as they were read for this batch; None: no limit."""
        mine = self._of_server.get(server_id, {})
        return mine.get(GateKey(server_id, "", Span.DAY)), mine.get(GateKey(server_id, "", Span.MINUTE))

    def of_destination(self, name: str) -> int | None:
        """Of a minute, as it was known for this batch."""
        known = self._destinations.get(name)
        return known.per_minute if known is not None else None

    def has_day(self, server_id: int) -> bool:
        return GateKey(server_id, "", Span.DAY) in self.of(server_id, "")

    def reason(self, key: GateKey, until: datetime | None) -> Reason:
        """Why a mail waits at this gate."""
        if key.destination:
            limit = self._destinations[key.destination]
            if limit.said is None:
                return because("wait.destination", destination=key.destination, limit=limit.per_minute)
            return because("wait.slowed", destination=key.destination, limit=limit.per_minute, reply=limit.said)
        row = self._rows[key.server]
        limit_now = self._of_server[key.server][key]
        if key.span is Span.MINUTE and limit_now != row.per_minute_limit:
            return because("wait.server_slowed", server=row.name, limit=limit_now, reply=row.slow_reply)
        if key.span is Span.MINUTE:
            return because("wait.per_minute", server=row.name, limit=limit_now)
        facts = {"server": row.name, "limit": str(limit_now), "until": f"{until:%Y-%m-%d %H:%M} UTC" if until else ""}
        if row.warm_up_started_on is not None and limit_now != row.daily_limit:
            return because("wait.warm_up", day=(self._now.date() - row.warm_up_started_on).days + 1, **facts)
        return because("wait.daily_limit", **facts)

    def _server(self, server_id: int) -> dict[GateKey, int]:
        row = self._rows.get(server_id)
        if row is None:
            return {}
        found: dict[GateKey, int] = {}
        if (today := limit_of_today(row, self._now)) is not None:
            found[GateKey(server_id, "", Span.DAY)] = today
        if (a_minute := limit_of_minute(row, self._now)) is not None:
            found[GateKey(server_id, "", Span.MINUTE)] = a_minute
        return found


def limit_of_today(row: OutgoingServer, now: datetime) -> int | None:
    """Mails that this server may send on this day (UTC), its warm-up counted in."""
    started_on, first, growth = row.warm_up_started_on, row.warm_up_first_day, row.warm_up_growth
    return daily_limit(row.daily_limit, now.date(), started_on, first, growth)


def limit_of_minute(row: OutgoingServer, now: datetime) -> int | None:
    """Mails a minute: the lower of what a person set and what the server asked for."""
    asked = recovered(slowness_of(row), now).per_minute
    return min((limit for limit in (row.per_minute_limit, asked) if limit), default=None)


def slowness_of(row: OutgoingServer) -> Slowness:
    """What this server asked for."""
    return Slowness(per_minute=row.learned_per_minute, until=row.slow_until, changed_at=row.slowed_at)


def reserve(limits: Limits, mails: Sequence[Leaving], seen: set[GateKey], now: datetime) -> Places:
    """Places for these, in this order: the better first. ``seen`` are gates whose rows exist. All have a gate at least."""
    asked = {one.id: limits.of(one.server_id, one.domain) for one in mails}
    all_limits = {key: limit for found in asked.values() for key, limit in found.items()}
    gates.ensure(all_limits.keys() - seen)
    seen.update(all_limits)
    with transaction.atomic():
        present = gates.lock(all_limits)
        if gone := all_limits.keys() - present.keys():  # somebody tidied up: next time they are made anew
            seen.difference_update(gone)
        asks = [_ask(one, tuple(key for key in asked[one.id] if key in present), limits) for one in mails]
        found = admit(asks, present, now)
        gates.write(found.gates)
    windows = {gate.key: gate.window_at for gate in found.gates}
    passing = set(found.admitted)
    return Places(
        reserved={
            ask.id: tuple(Reservation(key, windows[key]) for key in ask.gates) for ask in asks if ask.id in passing
        },
        held={
            number: Held(reason=limits.reason(off.gate, off.until), until=off.until)
            for number, off in found.put_off.items()
        },
        alarms=tuple(str(limits.reason(gate.key, gate.ends_at)) for gate in found.reached if gate.key.span is Span.DAY),
    )


def give_back(reservations: Iterable[Reservation]) -> None:
    """These were not used. In the caller's transaction, as its last step."""
    gates.give_back(reservations)


def _ask(one: Leaving, keys: tuple[GateKey, ...], limits: Limits) -> Ask:
    span = _SPAN_OF_CODE.get(one.held_by)
    place = limits.destination(one.domain) if one.held_by in OF_DESTINATIONS else ""
    return Ask(
        id=one.id,
        lane=one.lane,
        gates=keys,
        held_by=(span, place) if span is not None else None,
        may_pass_on=one.may_pass_on,
    )


# -- destinations


def _destinations(known: DestinationsKnown, now: datetime) -> Mapping[str, DestinationLimit]:
    if known.read_at is None or not timedelta() <= now - known.read_at < LOOK_AT_DESTINATIONS_EVERY:
        rows = Destination.objects.filter(Q(per_minute_limit__gt=0) | Q(learned_per_minute__gt=0))
        limits = {row.name: limit for row in rows if (limit := limit_of_destination(row, now)) is not None}
        known.limits, known.read_at = limits, now
    return known.limits


def limit_of_destination(row: Destination, now: datetime) -> DestinationLimit | None:
    """The lower of what a person set and what it asked for."""
    asked = recovered(Slowness(per_minute=row.learned_per_minute, until=row.slow_until), now).per_minute
    limits = [limit for limit in (row.per_minute_limit, asked) if limit]
    if not limits:
        return None
    said = reasons_from_json([row.reason])[0].facts.get("reply", "") if isinstance(row.reason, dict) else ""
    return DestinationLimit(per_minute=min(limits), said=said if asked and asked == min(limits) else None)


def _destination_of_domains(domains: set[str]) -> Mapping[str, str]:
    rows = DestinationDomain.objects.filter(pk__in=domains, resolved_at__isnull=False)
    return dict(rows.values_list("domain", "destination"))
