"""How is it? Everything that a person who runs this asks first, in one look: what waits, what failed, what is held, what is late.

Laws: reads only; a dozen bounded questions, whatever is stored; each point says by itself whether it is well, so that a program that
watches needs no rules of its own. What is not well has a sentence that says what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from postroom import __version__
from postroom.core.diagnosis.signs import silent
from postroom.core.schedule.actions import ACTION_NAMES
from postroom.core.schedule.intervals import is_late
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows.guard_installation import is_capturing
from postroom.flows.ports import Ports
from postroom.flows.watch_receiving import LEAST_ROOM
from postroom.store.models import Alarm, Delivery, InboundMessage, Mailbox, OutgoingServer, ScheduledAction
from postroom.store.models.outgoing import WAITING
from postroom.store.queries.lateness import oldest_waiting
from postroom.store.signs import read_signs

MANY = 10_000  # more are not counted
LATE_IN = timedelta(minutes=10)  # that a mail may wait to be routed
LATE_OUT = timedelta(minutes=30)  # that a mail may be due and not tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One thing that was looked at. ``facts`` are for programs, ``sentence`` is for people."""

    name: str
    is_well: bool
    sentence: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """All of it."""

    version: str
    at: datetime
    points: tuple[Point, ...]

    @property
    def is_well(self) -> bool:
        return all(point.is_well for point in self.points)


def how_is_it(ports: Ports) -> Condition:
    """Raises only what a lost database raises."""
    now = ports.clock.now()
    looks = (_workers, _incoming, _outgoing, _mailboxes, _servers, _schedule, _alarms, _disk)
    points = [point for look in looks for point in look(ports, now)]
    return Condition(version=__version__, at=now, points=tuple(points))


def _count(rows: QuerySet[Any]) -> int:
    """At most ``MANY + 1``."""
    return rows.order_by()[: MANY + 1].count()


def _in_words(count: int) -> str:
    return f"more than {MANY}" if count > MANY else str(count)


def _seconds_since(moment: datetime | None, now: datetime) -> int:
    return max(0, int((now - moment).total_seconds())) if moment is not None else 0


def _workers(_ports: Ports, _now: datetime) -> Iterator[Point]:
    """By their signs of life; how many there should be, `postroom up` knows."""
    signs, now = read_signs()
    hung = silent(signs, now)
    there = Counter(one.role for one in signs)
    told = ", ".join(f"{count} {role}" for role, count in sorted(there.items())) or "none has given a sign yet"
    named = [f"{one.role} (process {one.pid} on {one.machine}, since {one.seen_at:%H:%M} UTC)" for one in hung]
    yield Point(
        name="workers",
        is_well=not hung,
        sentence=f"At work: {told}" + (f"; hangs: {', '.join(named[:5])} (see: postroom doctor)" if hung else "") + ".",
        facts={
            "there": dict(there),
            "hung": [asdict(one) for one in hung],
        },
    )


def _incoming(_ports: Ports, now: datetime) -> Iterator[Point]:
    rows = InboundMessage.objects.all()
    due = rows.filter(state=InboundState.RECEIVED, due_at__lte=now)
    oldest = due.order_by("due_at", "id").values_list("due_at", flat=True).first()
    age, waiting = _seconds_since(oldest, now), _count(due)
    failed = _count(rows.filter(state=InboundState.FAILED))
    held = _count(rows.filter(state=InboundState.HELD))
    is_late_in = age > LATE_IN.total_seconds()
    yield Point(
        name="incoming",
        is_well=not is_late_in and not failed,
        sentence=f"{_in_words(waiting)} wait to be routed"
        + (f", the oldest for {age} s: does a router run?" if is_late_in else "")
        + f"; {_in_words(failed)} failed"
        + (" (see: postroom inbound list --state failed)" if failed else "")
        + f", {_in_words(held)} held for a person.",
        facts={"waiting": waiting, "oldest_seconds": age, "failed": failed, "held": held},
    )


def _outgoing(_ports: Ports, now: datetime) -> Iterator[Point]:
    rows = Delivery.objects.all()
    waiting = _count(rows.filter(state__in=WAITING))
    age = _seconds_since(oldest_waiting(rows, now), now)
    unknown = _count(rows.filter(state=DeliveryState.UNKNOWN))
    failed = _count(rows.filter(state=DeliveryState.FAILED))
    is_late_out = age > LATE_OUT.total_seconds()
    yield Point(
        name="outgoing",
        is_well=not is_late_out
        and (not unknown or is_capturing()),  # what was captured reached nobody: as the doctor says
        sentence=f"{_in_words(waiting)} wait"
        + (f", the oldest is due for {age} s (see: postroom queue list)" if is_late_out else "")
        + f"; {_in_words(failed)} failed"
        + (f"; of {_in_words(unknown)} nobody knows whether they arrived: decide" if unknown else "")
        + (". All mail is captured: nothing leaves." if is_capturing() else "."),
        facts={
            "waiting": waiting,
            "oldest_seconds": age,
            "failed": failed,
            "unknown": unknown,
            "captured": is_capturing(),
        },
    )


def _mailboxes(_ports: Ports, _now: datetime) -> Iterator[Point]:
    rows = list(Mailbox.objects.filter(is_active=True).values_list("name", "is_confirmed", "last_error")[:1000])
    bad = [name for name, is_confirmed, error in rows if is_confirmed and error]
    unconfirmed = [name for name, is_confirmed, _ in rows if not is_confirmed]
    told = f"{len(rows)} are read" if rows else "There are none"
    yield Point(
        name="mailboxes",
        is_well=not bad,
        sentence=told
        + (f"; trouble: {', '.join(bad[:5])} (see: postroom mailbox list)" if bad else "")
        + (f"; not confirmed yet: {', '.join(unconfirmed[:5])}" if unconfirmed else "")
        + ".",
        facts={"active": len(rows), "in_trouble": bad, "unconfirmed": unconfirmed},
    )


def _servers(_ports: Ports, _now: datetime) -> Iterator[Point]:
    rows = OutgoingServer.objects.filter(is_active=True)
    bad = list(rows.exclude(Q(trouble="")).values_list("name", flat=True)[:100])
    yield Point(
        name="servers",
        is_well=not bad,
        sentence=f"Trouble: {', '.join(bad[:5])} (see: postroom server list)." if bad else "All outgoing servers work.",
        facts={"in_trouble": bad},
    )


def _schedule(_ports: Ports, now: datetime) -> Iterator[Point]:
    rows = ScheduledAction.objects.filter(key__in=ACTION_NAMES)
    off = [row.key for row in rows if not row.is_active]
    late = [
        row.key
        for row in rows
        if row.is_active and is_late(row.next_run_at, timedelta(seconds=row.interval_seconds), now)
    ]
    yield Point(
        name="schedule",
        is_well=not late and not off,
        sentence=(f"Late: {', '.join(late)}: does the scheduler run? " if late else "")
        + (f"Switched off: {', '.join(off)}." if off else "")
        or "All actions run when they are due.",
        facts={"late": late, "off": off},
    )


def _alarms(_ports: Ports, _now: datetime) -> Iterator[Point]:
    codes = list(Alarm.objects.filter(ended_at=None).order_by("-last_at").values_list("code", flat=True)[:100])
    yield Point(
        name="alarms",
        is_well=not codes,
        sentence=f"{len(codes)} open: {', '.join(dict.fromkeys(codes))} (see: postroom alarm list)."
        if codes
        else "None is open.",
        facts={"open": len(codes), "codes": list(dict.fromkeys(codes))},
    )


def _disk(ports: Ports, _now: datetime) -> Iterator[Point]:
    room = ports.blobs.room()
    is_well = not room.trouble and room.free >= max(LEAST_ROOM, 10 * ports.configuration.max_message_size)
    yield Point(
        name="disk",
        is_well=is_well,
        sentence=f"{room.place} cannot be written to: {room.trouble}."
        if room.trouble
        else f"{room.free // 1024**2} MB are free at {room.place}" + (": make room." if not is_well else "."),
        facts={"free_bytes": room.free, "place": room.place, "trouble": room.trouble},
    )
