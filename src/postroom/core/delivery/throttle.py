"""How much may leave: the limits of a server and of a destination, what a batch may use of them, when the rest may come.

A gate is a limit over a span: of a server a day or a minute, of a server at one destination a minute. Its window is the present day
(UTC) or minute (which begins with the first mail after a rest).
Laws: pure. No window lets more pass than its limit. Who finds no room is promised a slot in a later window, once: slots follow each
other at the pace of the limit (the ``frontiers``, one for each lane), so that a hundred thousand who wait come back when they can
leave, and not before. A lane queues behind its own promises and those of better lanes, never behind worse ones. Who was
promised a slot that a better lane took goes to the head of the next window. Promises that nobody keeps
are forgotten when their window is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

LANES = 3
NO_LIMIT_FROM = 50_000  # a day: where a warm-up without a daily limit ends
SLACK = 0.05  # of a window: so far promises may lag behind before others use what they leave


class Span(StrEnum):
    """Over what a limit counts."""

    DAY = "day"
    MINUTE = "minute"

    @property
    def length(self) -> timedelta:
        return timedelta(days=1) if self is Span.DAY else timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class GateKey:
    """``server`` 0 is the server of the configuration; ``destination`` empty: whatever the destination."""

    server: int
    destination: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A limit and what is used of it. ``frontiers``: up to where time is promised, by lane. ``ahead``: how many were put at the head of
    the next window. ``reached_at``: when this window was first found full."""

    key: GateKey
    limit: int
    window_at: datetime
    used: int = 0
    ahead: int = 0
    frontiers: tuple[datetime | None, ...] = (None,) * LANES
    reached_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        return self.window_at + self.key.span.length


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One mail that wants to pass ``gates``. ``held_by``: the span and destination of the gate at which it waited before;
    ``may_pass_on``: another server would take it when this one's day is full, so it needs no promise."""

    id: int
    lane: int
    gates: tuple[GateKey, ...]
    held_by: tuple[Span, str] | None = None
    may_pass_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """Not now: at ``gate``, until then. None: it goes to another server."""

    gate: GateKey
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """``gates`` as they are now; ``reached`` are those that were found full for the first time in this window."""

    admitted: tuple[int, ...]
    put_off: Mapping[int, PutOff]
    gates: tuple[Gate, ...]
    reached: tuple[Gate, ...] = ()


# -- how much


def daily_limit(
    limit: int, today: date, started_on: date | None = None, first_day: int = 50, growth: int = 50
) -> int | None:
    """Mails on this day; None is no limit. ``limit`` 0: none. A warm-up grows by ``growth`` percent a day until it exceeds the limit."""
    plain = limit or None
    if started_on is None or today < started_on:
        return plain
    allowed = warm_up_allows((today - started_on).days, first_day, growth, limit or NO_LIMIT_FROM)
    return plain if allowed is None else allowed


def warm_up_allows(day: int, first_day: int, growth: int, ceiling: int) -> int | None:
    """On day 0, 1, 2 … of a warm-up; None when it is over: the plan has come to the ceiling."""
    allowed = max(1, first_day)
    for _ in range(day):
        if allowed >= ceiling:
            break
        allowed = max(allowed + allowed * growth // 100, allowed + (1 if growth else 0))
        if not growth:
            break
    return None if allowed >= ceiling else allowed


# -- windows


def day_of(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def fresh(key: GateKey, limit: int, now: datetime) -> Gate:
    return Gate(key=key, limit=limit, window_at=day_of(now) if key.span is Span.DAY else now)


def opened(gate: Gate, now: datetime) -> Gate:
    """In the window of ``now``. A clock that goes behind the others' stays in theirs."""
    if now < gate.ends_at:
        return gate
    length = gate.key.span.length
    passed = (now - gate.window_at) // length
    last = max((each for each in gate.frontiers if each is not None), default=None)
    is_kept = passed == 1 and 2 * gate.used >= gate.limit and last is not None and last > gate.ends_at
    keeps_step = is_kept or gate.key.span is Span.DAY
    return Gate(
        key=gate.key,
        limit=gate.limit,
        window_at=gate.window_at + passed * length if keeps_step else now,
        frontiers=gate.frontiers if is_kept else (None,) * LANES,
    )


def is_full(gate: Gate, now: datetime) -> bool:
    return opened(gate, now).used >= gate.limit


# -- who passes


def admit(asks: Sequence[Ask], gates: Mapping[GateKey, Gate], now: datetime) -> Admission:
    """In the order given, the better first. Each passes all its gates, or uses none of them."""
    meters = {key: _Meter(opened(gate, now), now) for key, gate in gates.items()}
    admitted: list[int] = []
    put_off: dict[int, PutOff] = {}
    for ask in asks:
        mine = [meters[key] for key in ask.gates]
        closed = next((meter for meter in mine if not meter.lets_pass(ask)), None)
        if closed is None:
            for meter in mine:
                meter.used += 1
            admitted.append(ask.id)
        else:
            passes_on = ask.may_pass_on and closed.key.span is Span.DAY
            until = None if passes_on else closed.promise(ask)
            put_off[ask.id] = PutOff(gate=closed.key, until=until)
    changed = tuple(meter.as_gate() for meter in meters.values())
    news = tuple(meter.as_gate() for meter in meters.values() if meter.is_news)
    return Admission(admitted=tuple(admitted), put_off=put_off, gates=changed, reached=news)


@dataclass(slots=True)
class _Meter:
    """A gate during one batch."""

    gate: Gate
    now: datetime
    key: GateKey = field(init=False)
    used: int = field(init=False)
    ahead: int = field(init=False)
    frontiers: list[datetime | None] = field(init=False)
    reached_at: datetime | None = field(init=False)
    is_news: bool = False

    def __post_init__(self) -> None:
        self.key, self.used, self.ahead = self.gate.key, self.gate.used, self.gate.ahead
        self.frontiers, self.reached_at = list(self.gate.frontiers), self.gate.reached_at

    def lets_pass(self, ask: Ask) -> bool:
        if self.used >= self.gate.limit:
            if self.reached_at is None:
                self.reached_at, self.is_news = self.now, True
            return False
        if self._waited_here(ask):
            return True
        before = self._promised(ask.lane)
        if before is None or before <= self.gate.ends_at:
            return True
        return self.used + 1 <= self._due_by_now()

    def promise(self, ask: Ask) -> datetime:
        """A slot of its own."""
        ends_at = self.gate.ends_at
        if self._waited_here(ask) and self.ahead < self.gate.limit:
            self.ahead += 1
            return ends_at
        slot = max(self._promised(ask.lane) or ends_at, ends_at)
        length = self.key.span.length
        self.frontiers[_lane(ask.lane)] = slot - (-length // max(1, self.gate.limit))
        return day_of(slot) if self.key.span is Span.DAY else slot

    def as_gate(self) -> Gate:
        return Gate(
            key=self.key,
            limit=self.gate.limit,
            window_at=self.gate.window_at,
            used=self.used,
            ahead=self.ahead,
            frontiers=tuple(self.frontiers),
            reached_at=self.reached_at,
        )

    def _waited_here(self, ask: Ask) -> bool:
        return ask.held_by == (self.key.span, self.key.destination)

    def _promised(self, lane: int) -> datetime | None:
        """Up to where it is promised to this lane and better ones."""
        return max((each for each in self.frontiers[: _lane(lane) + 1] if each is not None), default=None)

    def _due_by_now(self) -> float:
        """What those who were promised this window have used by now, if they came."""
        share = max(0.0, (self.now - self.gate.window_at) / self.key.span.length)
        return self.gate.limit * (share - SLACK)


def _lane(lane: int) -> int:
    return min(max(lane, 0), LANES - 1)
