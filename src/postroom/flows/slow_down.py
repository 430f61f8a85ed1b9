"""A destination, or a server, asked us to slow down: it is heeded, by every worker on every machine.

Laws: the first rate is half of what it took in the last minute, as the attempts tell; the many mails that met the same
refusal count once. What a server says before it knows the recipient concerns the server; one that took nothing in the last minute wants
no smaller rate but a rest, and its circuit sees to that. Whoever is slowed down is told of, once. Runs in the transaction that records the outcomes, and costs nothing
when nobody asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from postroom.core.delivery.destinations import OF_DOMAINS, destination_of
from postroom.core.delivery.slowing import (
    Slowness,
    asks_to_slow_down,
    recovered,
    server_asks_to_slow_down,
    slowed,
)
from postroom.core.delivery.wire import WireOutcome
from postroom.core.terms.reasons import because
from postroom.flows.change_scheduled_action import trigger_early
from postroom.flows.reserve_sending import slowness_of
from postroom.store.models import Destination, DestinationDomain, OutgoingServer

DESTINATIONS_ACTION = "destinations"
_LOOKED_AT = 20_000  # attempts: more are not counted

_OBSERVED = """
    SELECT count(*) FROM postroom_attempt a JOIN postroom_delivery d ON d.id = a.delivery_id
    WHERE a.id > (SELECT max(id) FROM postroom_attempt) - %s AND a.tried_at > %s AND a.state = 'sent'
      AND lower(split_part(d.to_address, '@', 2)) = ANY(%s)
"""


_OBSERVED_OF_SERVER = """
    SELECT count(*) FROM postroom_attempt a
    WHERE a.id > (SELECT max(id) FROM postroom_attempt) - %s AND a.tried_at > %s AND a.state = 'sent' AND a.server_id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowed:
    """A destination that is slower from now on: its domains, and a sentence about it."""

    domains: frozenset[str]
    alarm: str


def slow_down(outcomes: Iterable[tuple[str, WireOutcome]], now: datetime) -> list[Slowed]:
    """``outcomes`` with the recipients' domains."""
    asked = {domain: outcome for domain, outcome in outcomes if domain and asks_to_slow_down(outcome)}
    if not asked:
        return []
    known = dict(DestinationDomain.objects.filter(pk__in=asked).values_list("domain", "destination"))
    said: dict[str, WireOutcome] = {}
    domains: dict[str, list[str]] = {}
    for domain, outcome in asked.items():
        name = known.get(domain) or destination_of(domain)
        said.setdefault(name, outcome)
        domains.setdefault(name, []).append(domain)
    _ask_for(asked.keys() - known.keys() - OF_DOMAINS.keys(), now)
    fresh = [Destination(name=name, changed_at=now) for name in sorted(said)]
    Destination.objects.bulk_create(fresh, ignore_conflicts=True)
    slower = []
    for row in Destination.objects.filter(pk__in=said).order_by("name").select_for_update():
        was = row.changed_at if row.learned_per_minute else None
        present = Slowness(per_minute=row.learned_per_minute, until=row.slow_until, changed_at=was)
        all_domains = _all_domains(row.name, domains[row.name])
        found = slowed(present, _observed(all_domains, now), now)
        if found is None:
            continue
        reply = said[row.name].reply
        row.learned_per_minute, row.slow_until, row.changed_at = found.per_minute, found.until, now
        row.reason = because("wait.transient", reply=reply).as_json()
        row.save(update_fields=["learned_per_minute", "slow_until", "changed_at", "reason"])
        alarm = f"destination {row.name} asked to slow down: {found.per_minute} mails a minute. It said: {reply}"
        slower.append(Slowed(domains=all_domains, alarm=alarm))
    return slower


def slow_down_servers(outcomes: Iterable[tuple[int, WireOutcome]], now: datetime) -> list[str]:
    """``outcomes`` with the servers' numbers. Sentences about servers that get less from now on."""
    said = {server_id: outcome for server_id, outcome in outcomes if server_id and server_asks_to_slow_down(outcome)}
    if not said:
        return []
    alarms = []
    for row in OutgoingServer.objects.filter(pk__in=said).order_by("pk").select_for_update():
        present = slowness_of(row)
        observed = _observed_of_server(row.pk, now)
        found = slowed(present, observed, now) if observed or recovered(present, now).per_minute else None
        if found is None:
            continue
        row.learned_per_minute, row.slow_until, row.slowed_at = found.per_minute, found.until, now
        row.slow_reply = str(said[row.pk].reply)[:500]
        row.save(update_fields=["learned_per_minute", "slow_until", "slowed_at", "slow_reply"])
        alarms.append(
            f"outgoing server {row.name} asked to slow down: {found.per_minute} mails a minute. It said: {row.slow_reply}"
        )
    return alarms


def _observed_of_server(server_id: int, now: datetime) -> int:
    """Mails that it took in the last minute."""
    with connection.cursor() as cursor:
        cursor.execute(_OBSERVED_OF_SERVER, [_LOOKED_AT, now - timedelta(minutes=1), server_id])
        return int(cursor.fetchone()[0])


def _all_domains(name: str, domains: Collection[str]) -> frozenset[str]:
    """Of this destination; the first thousand."""
    same = DestinationDomain.objects.filter(destination=name).values_list("domain", flat=True)[:1000]
    return frozenset({*domains, *same, *(domain for domain, provider in OF_DOMAINS.items() if provider == name)})


def _observed(domains: Collection[str], now: datetime) -> int:
    """Mails that they took in the last minute."""
    with connection.cursor() as cursor:
        cursor.execute(_OBSERVED, [_LOOKED_AT, now - timedelta(minutes=1), list(domains)])
        return int(cursor.fetchone()[0])


def _ask_for(domains: Collection[str], now: datetime) -> None:
    """Whose mail hosts nobody has asked for yet: soon, in the background."""
    if not domains:
        return
    rows = [DestinationDomain(domain=domain, destination=domain) for domain in sorted(domains)]
    DestinationDomain.objects.bulk_create(rows, ignore_conflicts=True)
    trigger_early(DESTINATIONS_ACTION, now)
