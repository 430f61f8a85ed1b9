"""From mails with a way out to those that may take it now: the gates of each server, and the next server where the day of one is full.

Laws: as `reserve_sending`. A mail that may go by another server is passed on, and waits for nobody. The order stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from postroom.core.delivery.identity import Sender
from postroom.core.delivery.servers import Choice
from postroom.core.delivery.throttle import GateKey
from postroom.core.terms.gates import OF_LIMITS
from postroom.core.terms.reasons import Reason
from postroom.flows.reserve_sending import Leaving, Limits, reserve
from postroom.store.claims import ClaimedRow
from postroom.store.gates import Reservation
from postroom.store.queries.outgoing import MailFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A mail with its way out. ``reserved``: its places in the gates of the way."""

    row: ClaimedRow
    mail: MailFacts
    recipient: str
    choice: Choice
    sender: Sender
    reserved: tuple[Reservation, ...] = ()

    @property
    def domain(self) -> str:
        return self.recipient.rpartition("@")[2]


class Router(Protocol):
    """Who chose the ways."""

    now: datetime

    def other_way(self, routed: Routed, full: frozenset[int]) -> Routed | None:
        """By another server than these, whose days are full."""

    def wait_at_gate(self, routed: Routed, reason: Reason, until: datetime) -> None: ...


def domains_of(routed: Sequence[Routed]) -> Iterator[str]:
    """Where those go that leave the house."""
    return (one.domain for one in routed if not one.choice.server.is_letterbox)


def pass_gates(
    router: Router, routed: Sequence[Routed], seen: set[GateKey], limits: Limits
) -> tuple[list[Routed], list[str]]:
    """Those that may leave now, with their places, and sentences about limits that were reached. The others wait."""
    if limits.is_free({one.choice.server.id for one in routed}):
        return list(routed), []
    passing: dict[int, Routed] = {}
    alarms: list[str] = []
    tried: dict[int, frozenset[int]] = {}  # by mail: it grows each time, so this ends
    rest: Sequence[Routed] = routed
    while rest:
        asking = []
        for one in rest:
            server = one.choice.server
            has_gates = not server.is_letterbox and limits.of(server.id, one.domain)
            asking.append(one) if has_gates else passing.setdefault(one.row.id, one)
        if not asking:
            break
        tried = {one.row.id: tried.get(one.row.id, frozenset()) | {one.choice.server.id} for one in asking}
        others = {one.row.id: _other(router, one, limits, tried[one.row.id]) for one in asking}
        places = reserve(limits, [_leaving(one, others[one.row.id]) for one in asking], seen, router.now)
        alarms += places.alarms
        rest = []
        for one in asking:
            held, other = places.held.get(one.row.id), others[one.row.id]
            if held is None:
                passing[one.row.id] = replace(one, reserved=places.reserved[one.row.id])
            elif held.until is not None:
                router.wait_at_gate(one, held.reason, held.until)
            elif other is not None:
                rest.append(other)
    return [passing[one.row.id] for one in routed if one.row.id in passing], alarms


def _other(router: Router, one: Routed, limits: Limits, tried: frozenset[int]) -> Routed | None:
    """Nobody is asked where no day can be full."""
    return router.other_way(one, tried) if limits.has_day(one.choice.server.id) else None


def _leaving(one: Routed, other: Routed | None) -> Leaving:
    return Leaving(
        id=one.row.id,
        lane=one.row.lane,
        server_id=one.choice.server.id,
        domain=one.domain,
        held_by=one.row.held_by if one.row.held_by in OF_LIMITS else "",
        may_pass_on=other is not None,
    )
