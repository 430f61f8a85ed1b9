"""What a deliverer holds in memory: the claimed mails, and for each server a counter with its queue and its connections.

Laws: urgent mail goes to the wire before normal mail, this before campaigns, also among what is claimed already: a pool gets only
what its connections can take up soon. A body that many recipients share counts once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from postroom.flows.deliver_mail import ReadyMail

if TYPE_CHECKING:
    from postroom.wiring import EspPool, SmtpPool

WORK_AHEAD = 4  # mails given to the pool for each connection it may have
LEAST_AHEAD = 40


@dataclass(slots=True, eq=False)
class Counter:
    """One server. ``outstanding`` mails are with the pool."""

    pool: SmtpPool | EspPool
    max_connections: int
    outstanding: int = 0
    idle_since: float | None = None
    _lanes: tuple[deque[ReadyMail], ...] = field(default_factory=lambda: (deque(), deque(), deque()))

    def add(self, ready: ReadyMail) -> None:
        self._lanes[min(max(ready.ticket.lane, 0), 2)].append(ready)

    def take(self) -> ReadyMail | None:
        """The next one, when the pool wants more."""
        if self.outstanding >= max(LEAST_AHEAD, WORK_AHEAD * self.max_connections):
            return None
        return next((lane.popleft() for lane in self._lanes if lane), None)

    def clear(self) -> list[ReadyMail]:
        """All that waits here, out of the queue."""
        found = [ready for lane in self._lanes for ready in lane]
        for lane in self._lanes:
            lane.clear()
        return found

    @property
    def is_idle(self) -> bool:
        return not self.outstanding and not any(self._lanes)


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
