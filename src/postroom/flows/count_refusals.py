"""How often each sender was refused today, whether he was told or not: the loop breaker reads it (`store.queries.loop_signs`).

Laws: a sub-address counts as its base; one statement for any number, its rows in order, so that two routers cannot block each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from postroom.flows.ports import Ports
from postroom.store.queries.loop_signs import COUNT_OF
from postroom.store.statements import ask

_COUNT = """
INSERT INTO postroom_refusalnotice (sender, kind, sent_on, times)
SELECT sender, kind, %(today)s::date, times
  FROM unnest(%(senders)s::text[], %(kinds)s::text[], %(times)s::int[]) AS new(sender, kind, times)
ON CONFLICT (sender, kind, sent_on) DO UPDATE SET times = postroom_refusalnotice.times + excluded.times
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
                "times": [count for _, count in rows],
                "today": ports.clock.now().date(),
            },
        )
