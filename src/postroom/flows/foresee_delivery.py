"""Whether mail written now would leave soon, told before it is sent: the choice that the deliverer will make, with what today's limits have left.

Law: it says what holds at this moment; others may take the last places meanwhile, then the queue tells what the mail waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from postroom.core.delivery.identity import DomainFact, default_from
from postroom.core.delivery.servers import Choice, MailFact, Wait, choose
from postroom.core.delivery.throttle import day_of
from postroom.core.terms.addresses import normalize
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.flows.ports import Ports
from postroom.flows.ways_out import WaysOut, load_ways_out
from postroom.store.models import MailTemplate, Member, OutgoingServer, Record
from postroom.store.queries.gates import ServerLimitFact, limits_of

catalogue(
    {
        "foresee.few_left": "{server} sends {left} more mails today. The rest waits until {until}.",
    }
)


def foresee_delivery(
    ports: Ports,
    *,
    record: Record,
    author: Member,
    mails: int,
    template: MailTemplate | None = None,
    values: Parameters | None = None,
) -> Reason | None:
    """What ``mails`` from this author on this record would wait for; None when nothing holds them up. One query where no server is
    limited, paused or in trouble, else five, and one more for who has no parameters at hand."""
    rows, now = list(OutgoingServer.objects.all()) if mails else [], ports.clock.now()
    if not mails or not _may_wait(rows, now):
        return None
    ways = load_ways_out(ports, values=values, rows=rows)
    fact = MailFact(
        header_from=normalize(template.from_address if template and template.from_address else author.contact.address),
        default_from=default_from(_domain(ways, record), ports.configuration.email_from),
        company_id=record.company_id,
        forced_server_id=template.server_id if template else None,
    )
    found = _choose(ways, fact, now, frozenset())
    if isinstance(found, Wait):
        return found.reason
    in_use = [row for row in rows if row.is_active]
    limits = {one.id: one for one in limits_of(in_use, now) if one.day_limit is not None}
    limit = limits.get(found.server.id)
    if limit is None or found.server.is_letterbox or _left(limit) >= mails:
        return None
    full = frozenset(one.id for one in limits.values() if not _left(one))
    if found.server.id in full and isinstance(_choose(ways, fact, now, full), Choice) and not fact.forced_server_id:
        return None  # another one takes over
    facts = {"server": limit.name, "until": f"{day_of(now) + timedelta(days=1):%Y-%m-%d %H:%M} UTC"}
    if _left(limit):
        return because("foresee.few_left", left=_left(limit), **facts)
    return because("wait.daily_limit", limit=limit.day_limit, **facts)


def _may_wait(rows: Sequence[OutgoingServer], now: datetime) -> bool:
    """Whether any server could make anybody wait."""
    in_use = [row for row in rows if row.is_active]
    if all(row.company_id is not None for row in in_use):
        return True
    return any(
        row.daily_limit or row.warm_up_started_on or row.paused_at or (row.broken_until and row.broken_until > now)
        for row in in_use
    )


def _choose(ways: WaysOut, fact: MailFact, now: datetime, full: frozenset[int]) -> Choice | Wait:
    servers = tuple(replace(one, is_full=one.id in full) for one in ways.servers)
    return choose(fact, servers, ways.order, now, configured=ways.configured, capturing=ways.capturing)


def _domain(ways: WaysOut, record: Record) -> DomainFact | None:
    for number in (ways.domain_of_company.get(record.company_id), ways.default_domain_id):
        if number is not None and number in ways.domains:
            return ways.domains[number]
    return None


def _left(limit: ServerLimitFact) -> int:
    return max(0, (limit.day_limit or 0) - limit.used_today)
