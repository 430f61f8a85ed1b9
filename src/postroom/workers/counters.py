"""What a deliverer holds in memory: the claimed mails, and for each server a counter with its queue and its connections.

Laws: urgent mail goes to the wire before normal mail, this before campaigns, also among what is claimed already: a pool gets only
what its connections can take up soon. A server that is slow holds no more than its share, so that there is always room for the others'
mail. A body that many recipients share counts once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from postroom.core.delivery.wire import ApiEndpoint, Endpoint
from postroom.flows.deliver_mail import ReadyMail

if TYPE_CHECKING:
    from postroom.wiring import EspPool, SmtpPool

WORK_AHEAD = 4  # mails given to the pool for each connection it may have
LEAST_AHEAD = 40
SLOW_AFTER = 2.0  # seconds that a mail waits at a counter
SHARE = 600  # of the slow servers together, of what a worker holds


@dataclass(slots=True, eq=False)
class Counter:
    """One server. ``outstanding`` mails are with the pool."""

    pool: SmtpPool | EspPool
    max_connections: int
    outstanding: int = 0
    idle_since: float | None = None
    told: tuple[int, int] = (0, 0)  # of the server's habits: what the database knows by us
    _lanes: tuple[deque[tuple[float, ReadyMail]], ...] = field(default_factory=lambda: (deque(), deque(), deque()))

    def add(self, ready: ReadyMail, now: float = 0.0) -> None:
        """``now`` in the event loop's seconds."""
        self._lanes[min(max(ready.ticket.lane, 0), 2)].append((now, ready))

    def take(self) -> ReadyMail | None:
        """The next one, when the pool wants more."""
        if self.outstanding >= max(LEAST_AHEAD, WORK_AHEAD * self.max_connections):
            return None
        return next((lane.popleft()[1] for lane in self._lanes if lane), None)

    def clear(self) -> list[ReadyMail]:
        """All that waits here, out of the queue."""
        return self.shed(0)

    def shed(self, kept: int) -> list[ReadyMail]:
        """All that waits here beyond these, the latest of the worst lane first."""
        found = []
        surplus = self.waiting - max(0, kept)
        for lane in reversed(self._lanes):
            while lane and surplus > 0:
                found.append(lane.pop()[1])
                surplus -= 1
        return found

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lanes))

    def is_slow(self, now: float) -> bool:
        """Whether one waits here for long, urgent mail aside: that goes first, however slow."""
        return any(lane and now - lane[0][0] > SLOW_AFTER for lane in self._lanes[1:])

    @property
    def is_idle(self) -> bool:
        return not self.outstanding and not any(self._lanes)


def slow_servers(counters: Mapping[tuple[int | None, Endpoint | ApiEndpoint], Counter], now: float) -> dict[int, int]:
    """The servers at whose counters mail waits for long, and how many each may hold."""
    slow = {key[0] for key, counter in counters.items() if key[0] is not None and counter.is_slow(now)}
    return {server_id: SHARE // len(slow) for server_id in slow}


class Held:
    """Claimed by us and not settled yet."""

    def __init__(self) -> None:
        self._mails: dict[int, ReadyMail] = {}
        self._bodies: dict[int, int] = {}  # by identity of the bytes: how many share them
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._mails)

    def __iter__(self) -> Iterator[int]:
        return iter(self._mails)

    def add(self, ready: ReadyMail) -> None:
        self._mails[ready.ticket.delivery_id] = ready
        head, *bodies = ready.wire.chunks
        self.bytes += len(head)
        for body in bodies:
            sharers = self._bodies.get(id(body), 0)
            self._bodies[id(body)] = sharers + 1
            self.bytes += 0 if sharers else len(body)

    def drop(self, delivery_id: int) -> None:
        ready = self._mails.pop(delivery_id, None)
        if ready is None:
            return
        head, *bodies = ready.wire.chunks
        self.bytes -= len(head)
        for body in bodies:
            sharers = self._bodies.pop(id(body)) - 1
            if sharers:
                self._bodies[id(body)] = sharers
            else:
                self.bytes -= len(body)
