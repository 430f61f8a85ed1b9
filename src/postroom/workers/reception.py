"""What all conversations of a door process share: the desks, the limits, the list of who is in, the room for mails.

Laws: whoever entered leaves again, and room that was taken is given back, whatever happens in between.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from postroom.core.routing.verdicts import RecipientVerdict
from postroom.flows.accept_message import Arrival
from postroom.flows.ports import Clock, Ids
from postroom.workers.group_commit import Desk
from postroom.workers.limits import ByteBudget, ConnectionCount, DoorLimits
from postroom.workers.trace_header import MAX_HOPS, count_hops

END_OF_MAIL = b"\r\n.\r\n"


class Session(Protocol):
    """A conversation, as the door sees it when it closes."""

    def say_goodbye(self) -> None: ...

    def abort(self) -> None: ...


class LatelyAccepted:
    """Recipients that were accepted within the last second: they are not asked about again.

    A mail to an address that was given up meanwhile is safe: the router decides where it goes. A refusal is never remembered: an
    alias that was just made takes mail at once.
    """

    MOST = 10_000

    def __init__(self, now: Callable[[], float] = time.monotonic, seconds: float = 1.0) -> None:
        self._now = now
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def __contains__(self, address: str) -> bool:
        return self._until.get(address, 0.0) > self._now()

    def add(self, address: str) -> None:
        if len(self._until) >= self.MOST:
            self._until.clear()
        self._until[address] = self._now() + self._seconds

    def forget(self) -> None:
        """When nothing can be stored, nobody is told to go on."""
        self._until.clear()


@dataclass(slots=True, kw_only=True, eq=False)
class Reception:
    """What all sessions of a door process share."""

    hostname: str
    limits: DoorLimits
    clock: Clock
    ids: Ids
    recipients: Desk[str, RecipientVerdict]
    arrivals: Desk[Arrival, int]
    tls: ssl.SSLContext | None = None
    connections: ConnectionCount = field(init=False)
    budget: ByteBudget = field(init=False)
    lately: LatelyAccepted = field(default_factory=LatelyAccepted)
    sessions: set[Session] = field(default_factory=set)
    is_empty: asyncio.Event = field(default_factory=asyncio.Event)
    is_closing: bool = False

    def __post_init__(self) -> None:
        self.connections = ConnectionCount(self.limits)
        self.budget = ByteBudget(self.limits.bytes_in_flight)
        self.is_empty.set()

    def enter(self, session: Session) -> None:
        self.sessions.add(session)
        self.is_empty.clear()

    def leave(self, session: Session) -> None:
        self.sessions.discard(session)
        if not self.sessions:
            self.is_empty.set()


class MailReading:
    """A mail that is being read, within its own bound and within the budget of all."""

    def __init__(self, reception: Reception) -> None:
        self.size = 0
        self.refusal = ""
        self.raw = b""
        self._reception = reception
        self._blocks: list[bytes] = []
        self._taken = 0

    def add(self, block: bytes) -> None:
        self.size += len(block)
        if self.refusal:
            return
        limit = self._reception.limits.message_size
        if self.size - len(END_OF_MAIL) > limit:  # three bytes of it, and the line end put in front
            self._refuse(f"552 5.3.4 A mail may have {limit} bytes at most")
        elif not self._reception.budget.take(len(block)):
            self._refuse("452 4.3.1 Too many mails at once, please try again later")
        else:
            self._taken += len(block)
            self._blocks.append(block)

    def finish(self, trace: bytes) -> None:
        """Make ``raw``: the trace line and the content, without the dot at the end and without transparency (4.5.2).

        The line end that was put in front of the content ends the trace line: big mails are copied as rarely as can be.
        """
        blocks, self._blocks = self._blocks, []
        blocks[-1] = blocks[-1][:-3]
        self.raw = b"".join((trace.removesuffix(b"\r\n"), *blocks)).replace(b"\r\n.", b"\r\n")
        if count_hops(self.raw) > MAX_HOPS:
            self._refuse("554 5.4.6 This mail goes round in circles: too many Received fields")

    def forget(self) -> None:
        self._blocks.clear()
        self.raw = b""
        self._reception.budget.give_back(self._taken)
        self._taken = 0

    def _refuse(self, reply: str) -> None:
        self.refusal = reply
        self.forget()
