"""Lists deliveries for programs and for the command line: what waits and for what, what ended and how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import postroom.core.delivery.sentences  # noqa: F401 - what deliveries wait for, in words
from postroom.core.terms.gates import Gate
from postroom.core.terms.states import Blame, DeliveryState, Lane
from postroom.flows.access import company_cut, is_house_administrator, require
from postroom.flows.ports import Ports
from postroom.store.models import Member, OutgoingServer
from postroom.store.models.outgoing import LANE_RANK
from postroom.store.queries.pages import Page
from postroom.store.queries.pages_queue import DeliveryRow, deliveries
from postroom.store.queries.queue_lists import Age, QueueView, QueueWish, all_ids

_ON_THE_WAY = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A delivery in a list. ``gate`` holds it; ``why``: what it waits for, or why it ended as it did."""

    id: int
    state: str
    to: str
    subject: str
    attempts: int
    due_at: datetime
    gate: str
    held_since: datetime | None
    server: str
    created_at: datetime
    finished_at: datetime | None
    blame: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFilter:
    """Which deliveries are meant, in words. ``state``: a state, ``outgoing``, or ``""`` for all; ``server``: its name.

    ``recipient``: an address, or a part of one; ``lane``, ``gate``, ``age`` and ``blame`` by their names.
    """

    state: str = ""
    recipient: str = ""
    server: str = ""
    lane: str = ""
    gate: str = ""
    age: str = ""
    blame: str = ""


def read_filter(wanted: QueueFilter, *, member: Member | None, cursor: str = "") -> QueueWish:
    """The wish that these words are. Raises ValueError naming the word that makes no sense, and `NotAllowed`."""
    require(member, "queue")
    view, state = _view(wanted.state)
    return QueueWish(
        companies=company_cut(member),
        shows_house=is_house_administrator(member),
        view=view if not wanted.gate else QueueView.OUTGOING,
        state=state,
        recipient=wanted.recipient.strip(),
        server=_server(wanted.server) if wanted.server else None,
        lane=LANE_RANK[Lane(wanted.lane)] if wanted.lane else None,
        gate=Gate(wanted.gate) if wanted.gate else None,
        age=Age(wanted.age) if wanted.age else None,
        blame=Blame(wanted.blame) if wanted.blame else None,
        cursor=cursor,
    )


def list_deliveries(
    ports: Ports, wanted: QueueFilter, *, member: Member | None = None, limit: int = 50
) -> list[ListedDelivery]:
    """At most ``limit``: what waits in the order in which it leaves, everything else newest first. Raises as `read_filter`."""
    wish = replace(read_filter(wanted, member=member), size=min(limit, 1000))
    found: list[DeliveryRow] = []
    while len(found) < limit:
        page: Page[DeliveryRow] = deliveries(wish, now=ports.clock.now())
        found += page.rows
        if not page.next:
            break
        wish = replace(wish, cursor=page.next)
    return [_listed(row) for row in found[:limit]]


def matching_ids(ports: Ports, wish: QueueWish, *, most: int | None = None) -> list[int]:
    """The deliveries that match, at most ``most``, in the order of the list."""
    return list(all_ids(wish, ports.clock.now(), most=most))


def _view(state: str) -> tuple[QueueView, DeliveryState | None]:
    if not state:
        return QueueView.ALL, None
    if state in set(QueueView):
        return QueueView(state), None
    found = DeliveryState(state)
    return (QueueView.OUTGOING, found) if found in _ON_THE_WAY else (QueueView(found.value), None)


def _server(name: str) -> int:
    found = OutgoingServer.objects.filter(name=name).values_list("pk", flat=True).first()
    if found is None:
        raise ValueError(f"There is no server {name!r}.")
    return found


def _listed(row: DeliveryRow) -> ListedDelivery:
    return ListedDelivery(
        id=row.id,
        state=row.state.value,
        to=row.to_address,
        subject=row.subject,
        attempts=row.attempt_count,
        due_at=row.due_at,
        gate=row.gate.value if row.gate else "",
        held_since=row.held_since,
        server=row.server,
        created_at=row.created_at,
        finished_at=row.finished_at,
        blame=row.blame,
        why=str(row.waits_for) if row.waits_for else row.failure_reason,
    )
