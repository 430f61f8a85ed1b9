"""Many evaluations that ask the domain name system, side by side, for whoever waits for all of them.

Laws: never raises for what the network does; when the time is up, what was not answered is trouble, and each evaluation still comes to
its end. Answers are shared among them. Standards: see `core.senders.questions`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TypeVar

from postroom.adapters.dns.remembering import RememberingResolver
from postroom.core.senders.questions import Asking

T = TypeVar("T")
AT_ONCE = 40  # questions under way


def ask_side_by_side(
    askings: Sequence[Asking[T]], *, seconds: float, servers: Sequence[tuple[str, int]] = ()
) -> list[T]:
    """What each came to, in their order. ``servers``: name servers with their ports; none: as the machine is set up."""
    return asyncio.run(_all(askings, time.monotonic() + seconds, servers))


async def _all(askings: Sequence[Asking[T]], deadline: float, servers: Sequence[tuple[str, int]]) -> list[T]:
    resolver = RememberingResolver(servers)
    gate = asyncio.Semaphore(AT_ONCE)

    async def conclude(asking: Asking[T]) -> T:
        try:
            question = next(asking)
            while True:
                async with gate:
                    answer = await resolver.answer(question, deadline=deadline)
                question = asking.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    return list(await asyncio.gather(*(conclude(asking) for asking in askings)))
