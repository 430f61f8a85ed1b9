"""Which providers take our recipients' mail: asked of the DNS in the background, and kept.

    new domains among the latest deliveries, old answers -> MX -> destination -> what was learned moves along

Laws: never on the hot path. A run asks few domains and ends in time; when the DNS does not answer, the run ends and nothing is
forgotten: the domain stands alone until then. In capture mode nobody is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F

from postroom.core.delivery.destinations import OF_DOMAINS, destination_of
from postroom.core.delivery.slowing import Slowness, recovered
from postroom.core.terms.addresses import normalize_domain
from postroom.flows.guard_installation import is_capturing
from postroom.flows.ports import Ports
from postroom.store.models import Destination, DestinationDomain

A_RUN = 300  # domains
LATEST = 50_000  # deliveries that are looked at for new domains
OLD_AFTER = timedelta(days=7)
SILENT_AFTER = 3  # questions in a row without an answer
TIME_BUDGET = timedelta(seconds=60)

_NEW_DOMAINS = """
    INSERT INTO postroom_destinationdomain (domain, destination, mail_hosts)
    SELECT domain, domain, '[]' FROM (
        SELECT DISTINCT lower(split_part(d.to_address, '@', 2)) AS domain FROM postroom_delivery d
        WHERE d.id > (SELECT max(id) FROM postroom_delivery) - %s
    ) AS found
    WHERE domain <> '' AND length(domain) <= 253 AND NOT domain = ANY(%s)
    ORDER BY domain ON CONFLICT DO NOTHING
"""


def resolve_destinations(ports: Ports, is_over: Callable[[], bool] = lambda: False) -> str:
    """One run; what it did, in a line for people."""
    now = ports.clock.now()
    _forget_slowness(now)
    if is_capturing():
        return "all mail is captured: nobody is asked"
    with connection.cursor() as cursor:
        cursor.execute(_NEW_DOMAINS, [LATEST, list(OF_DOMAINS)])
    asked = silent = 0
    for domain in _due_domains(now):
        if is_over() or silent >= SILENT_AFTER or ports.clock.now() - now > TIME_BUDGET:
            break
        hosts = ports.mail_hosts(normalize_domain(domain) or domain)
        if hosts is None:
            silent += 1
            continue
        asked, silent = asked + 1, 0
        _keep(domain, hosts, now)
    if silent >= SILENT_AFTER:
        return f"{asked} domains asked; then the DNS did not answer"
    return f"{asked} domains asked"


def _due_domains(now: datetime) -> Iterator[str]:
    """Those of whom nothing is known, then the oldest answers."""
    rows = DestinationDomain.objects.order_by(F("resolved_at").asc(nulls_first=True), "domain")
    for domain, resolved_at in rows.values_list("domain", "resolved_at")[:A_RUN]:
        if resolved_at is None or now - resolved_at > OLD_AFTER:
            yield domain


@transaction.atomic
def _keep(domain: str, hosts: tuple[str, ...], now: datetime) -> None:
    name = destination_of(domain, hosts)
    DestinationDomain.objects.filter(pk=domain).update(destination=name, mail_hosts=list(hosts), resolved_at=now)
    if name != domain:
        _move_slowness(domain, name)


def _move_slowness(domain: str, name: str) -> None:
    """What was learned while the domain stood alone is its provider's. What a person set for the domain stays there."""
    alone = Destination.objects.select_for_update().filter(pk=domain, learned_per_minute__gt=0).first()
    if alone is None:
        return
    provider, is_new = Destination.objects.get_or_create(
        pk=name,
        defaults={
            "learned_per_minute": alone.learned_per_minute,
            "slow_until": alone.slow_until,
            "reason": alone.reason,
            "changed_at": alone.changed_at,
        },
    )
    if not is_new and not provider.learned_per_minute:
        provider.learned_per_minute, provider.slow_until = alone.learned_per_minute, alone.slow_until
        provider.reason, provider.changed_at = alone.reason, alone.changed_at
        provider.save()
    Destination.objects.filter(pk=domain).update(learned_per_minute=0, slow_until=None, reason=None)
    Destination.objects.filter(pk=domain, per_minute_limit=0).delete()


def _forget_slowness(now: datetime) -> None:
    """Those who are free again, and whom no person limited, need no row."""
    for row in Destination.objects.filter(learned_per_minute__gt=0, slow_until__lt=now):
        present = Slowness(per_minute=row.learned_per_minute, until=row.slow_until)
        if recovered(present, now).per_minute == 0:
            done = Destination.objects.filter(pk=row.pk, changed_at=row.changed_at)
            done.update(learned_per_minute=0, slow_until=None, reason=None)
    Destination.objects.filter(learned_per_minute=0, per_minute_limit=0).delete()
