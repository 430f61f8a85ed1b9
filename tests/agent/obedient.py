"""An agent without any sense: it does whatever it reads, wherever it reads it.

It stands for the worst that a language model can do. Fences mean nothing to it: every order in the text of an answer is carried out with exactly
the arguments that stand there, and its answer is read for more orders.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

_ORDER = re.compile(r"CALL (\w+) (\{.*?\}) END", re.DOTALL)
MOST_CALLS = 150

Call = Callable[[str, dict[str, object]], Awaitable[tuple[str, bool]]]


@dataclass(slots=True)
class ObedientAgent:
    """``call`` uses a tool: its text, and whether it was refused. What it was told to do is in ``done``, in order."""

    call: Call
    done: list[tuple[str, bool]] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    async def work(self, *begin: tuple[str, dict[str, object]]) -> None:
        """From these calls on, until no order is left that was not carried out."""
        waiting = deque(begin)
        known: set[str] = set()
        while waiting and len(self.done) < MOST_CALLS:
            name, arguments = waiting.popleft()
            sign = f"{name} {json.dumps(arguments, sort_keys=True)}"
            if sign in known:
                continue
            known.add(sign)
            text, is_refused = await self.call(name, arguments)
            self.read.append(text)
            self.done.append((name, is_refused))
            waiting.extend(orders(text))


def orders(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    """As they stand in any string of an answer, read naively."""
    try:
        strings = list(_strings(json.loads(text)))
    except ValueError:
        strings = [text]
    for one in strings:
        for name, arguments in _ORDER.findall(one):
            try:
                yield name, json.loads(arguments)
            except ValueError:
                continue


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)
