"""Who was refused how often today, and whether he may be told: once a day per sender and kind, and not more than
`MOST_PER_DOMAIN` senders of one domain a day.

Laws: a sub-address counts as its base, so that a robot with many of them is told once; refusals that are told to nobody count too:
the loop breaker reads them (`store.queries.loop_signs`). Rows are taken in order, so two routers cannot block each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection

from postroom.core.routing.loops import base_of
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import because, catalogue
from postroom.flows.alarms import raise_alarm
from postroom.flows.ports import Ports

MOST_PER_DOMAIN = 100

catalogue(
    {
        "loop.notices": "More than {limit} senders of {domain} were refused today: further ones are not told. Their mails are kept in the inbound log.",
    }
)
_OF_A_DOMAIN = "domain"

_COUNT = """
INSERT INTO postroom_refusalnotice (sender, kind, sent_on, times)
SELECT * FROM unnest(%(senders)s::text[], %(kinds)s::text[], %(days)s::date[], %(times)s::int[])
ON CONFLICT (sender, kind, sent_on) DO UPDATE SET times = postroom_refusalnotice.times + excluded.times
RETURNING sender, kind, times
"""


def first_today(ports: Ports, refused: Sequence[tuple[str, str]]) -> list[bool]:
    """For each sender and kind of answer whether he is to be told; all are counted. Two queries for any number, one where all
    were told before."""
    keys = [notice_key(sender, kind) for sender, kind in refused]
    counted = _count(ports, Counter(keys))
    told = {key for key, (before, _) in counted.items() if before == 0}
    domains = Counter((f"@{sender.rpartition('@')[2]}", _OF_A_DOMAIN) for sender, _ in told)
    room = {domain: max(0, MOST_PER_DOMAIN - before) for (domain, _), (before, _) in _count(ports, domains).items()}
    found = []
    for sender, kind in keys:
        is_first = (sender, kind) in told
        told.discard((sender, kind))
        domain = f"@{sender.rpartition('@')[2]}"
        found.append(is_first and room[domain] > 0)
        if is_first:
            room[domain] -= 1
            if room[domain] < 0:
                _say(ports, domain[1:])
    return found


def notice_key(sender: str, kind: str) -> tuple[str, str]:
    """What is counted together: sub-addresses count as their base."""
    return base_of(normalize(sender))[:320], kind[:40]


def _count(ports: Ports, times: Counter[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """How often before and after these were counted."""
    if not times:
        return {}
    rows = sorted(times.items())
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "senders": [sender for (sender, _), _ in rows],
                "kinds": [kind for (_, kind), _ in rows],
                "days": [ports.clock.now().date()] * len(rows),
                "times": [count for _, count in rows],
            },
        )
        return {(sender, kind): (now - times[(sender, kind)], now) for sender, kind, now in cursor.fetchall()}


def _say(ports: Ports, domain: str) -> None:
    reason = because("loop.notices", domain=domain, limit=MOST_PER_DOMAIN)
    raise_alarm(ports, code="loop.notices", subject=domain, reason=reason, link="/inbound/?state=refused")
