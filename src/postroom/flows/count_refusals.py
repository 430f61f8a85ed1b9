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


def count_refusals(ports: Ports, refused: Iterable[tuple[str, str]]) -> None:
    """``refused``: sender without sub-address and kind of answer, once for each mail that could have been answered."""
    rows = sorted(Counter((sender[:320], f"{COUNT_OF}{kind}"[:40]) for sender, kind in refused).items())
    if rows:
        ask(
            _COUNT,
            {
                "senders": [sender for (sender, _), _ in rows],
                "kinds": [kind for (_, kind), _ in rows],
                "times": [count for _, count in rows],
                "today": ports.clock.now().date(),
            },
        )
