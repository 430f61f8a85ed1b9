"""Which deliveries a list of the queue shows: filters, order, and pages that cost the same at any size.

Laws: see `store.queries.pages`. A list is read in pieces, each along an index that already has its order (by company, by gate, by
server, by recipient), and the pieces are merged. What no index knows is looked for in a bounded window of that order: a page
may then come out short, and its cursor says where to search further. Nobody waits for a walk through a million rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Lower

from postroom.core.terms.addresses import normalize
from postroom.core.terms.gates import CODES, KNOWN_CODES, Gate
from postroom.core.terms.states import Blame, DeliveryState
from postroom.store.models import Company, Delivery
from postroom.store.models.outgoing import WAITING
from postroom.store.queries.pages import PAGE_ROWS, read_cursor, read_id, text_of

WINDOW = 2000  # rows that one page looks at, at most
GLANCE = 300  # rows that are looked at first: mostly enough
LANES = (0, 1, 2)
MOST_PIECES = 60

Rows = QuerySet[Delivery]


class QueueView(StrEnum):
    """The lists of the queue."""

    ALL = "all"
    OUTGOING = "outgoing"  # queued, deferred and sending
    SENT = "sent"
    FAILED = "failed"
    BOUNCED = "bounced"
    UNKNOWN = "unknown"
    COMPLAINED = "complained"
    CANCELLED = "cancelled"


class Age(StrEnum):
    """How old a delivery is at the least, since it was put into the queue."""

    FIVE_MINUTES = "minutes"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


AGES = {
    Age.FIVE_MINUTES: timedelta(minutes=5),
    Age.HOUR: timedelta(hours=1),
    Age.DAY: timedelta(days=1),
    Age.WEEK: timedelta(days=7),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueWish:
    """What a list shall show. ``companies``: only theirs, None for all; ``shows_house``: also what administrators of the whole house
    alone may see. ``recipient``: an address, or a part of one.

    ``state`` narrows the view to one state; ``gate`` and what waits at it are a matter of the outgoing list alone.
    """

    companies: Sequence[int] | None
    shows_house: bool = False
    view: QueueView = QueueView.OUTGOING
    state: DeliveryState | None = None
    recipient: str = ""
    server: int | None = None
    lane: int | None = None
    gate: Gate | None = None
    age: Age | None = None
    blame: Blame | None = None
    cursor: str = ""
    size: int = PAGE_ROWS

    @property
    def is_narrowed(self) -> bool:
        chosen = (self.gate, self.age, self.blame, self.server, self.lane)
        return bool(self.recipient) or any(one is not None for one in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The rows of a page in their order, and the cursor of the next (``""``: there is none)."""

    ids: tuple[int, ...]
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Pieces that an index serves, their common order, and what is left to be checked row by row."""

    pieces: Sequence[Rows]
    order: tuple[str, ...]
    rest: Q


def find(wish: QueueWish, now: datetime) -> Found:
    """One page. Three queries at most."""
    plan = _plan(wish, now)
    plan = replace(plan, rest=plan.rest & _beside(wish, now))
    first = _on_the_way(wish, now) if plan.order == _QUEUE and not wish.cursor else []
    room = wish.size + 1 - len(first)
    pieces = [_after(_seen(piece, wish), plan.order, wish.cursor) for piece in plan.pieces]
    rows, kept, window = _looked_at(pieces, plan, room)
    ids = (*first, *(row[-1] for row in kept))
    if len(ids) > wish.size:
        kept = kept[: wish.size - len(first)]
        return Found(ids=ids[: wish.size], next=_cursor(kept[-1]) if kept else "")
    is_cut = bool(plan.rest) and len(rows) == window
    return Found(ids=ids, next=_cursor(rows[-1]) if is_cut else "")


def _looked_at(
    pieces: Sequence[Rows], plan: _Plan, room: int
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], int]:
    """The rows of a window, those of them that fit, and how large the window was: a glance, and only if that is not enough a long look."""
    if not plan.rest:
        rows = _merged(pieces, plan.order, room)
        return rows, rows, room
    for window in (min(GLANCE, WINDOW), WINDOW):
        rows, kept = _checked(pieces, plan, window)
        if len(kept) >= room or len(rows) < window:
            break
    return rows, kept, window


def all_ids(wish: QueueWish, now: datetime, *, most: int | None = None) -> Iterator[int]:
    """Every delivery that matches, page by page; at most ``most``."""
    wish, count = replace(wish, size=WINDOW // 2), 0
    while True:
        found = find(wish, now)
        for number in found.ids:
            if count == most:
                return
            yield number
            count += 1
        if not found.next:
            return
        wish = replace(wish, cursor=found.next)


_QUEUE = ("lane", "due_at", "id")
_NEWEST = ("-id",)


def _plan(wish: QueueWish, now: datetime) -> _Plan:
    address = normalize(wish.recipient) if "@" in wish.recipient.strip("@") else ""
    if address:
        rows = Delivery.objects.alias(lower=Lower("to_address")).filter(lower=wish.recipient.strip().lower())
        in_index = rows.exclude(state=DeliveryState.SENDING)
        return _Plan(
            pieces=[in_index], order=_NEWEST, rest=_of_view(wish) & _of_server(wish) & _at_gate(wish, now) & _rest(wish)
        )
    match wish.view:
        case QueueView.OUTGOING if wish.state is DeliveryState.SENDING:
            piece = Delivery.objects.filter(state=DeliveryState.SENDING)
            return _Plan(pieces=[piece], order=_NEWEST, rest=_of_server(wish) & _containing(wish) & _rest(wish))
        case QueueView.OUTGOING:
            return _outgoing(wish, now)
        case QueueView.ALL:
            rest = _of_server(wish) & _containing(wish) & _rest(wish)
            return _Plan(pieces=[Delivery.objects.all()], order=_NEWEST, rest=rest)
        case _:
            return _ended(wish)


def _outgoing(wish: QueueWish, now: datetime) -> _Plan:
    """In the order in which it leaves."""
    waiting = Delivery.objects.filter(state__in=WAITING)
    if wish.lane is not None:
        waiting = waiting.filter(lane=wish.lane)
    rest = _containing(wish)
    if wish.state is not None:
        rest &= Q(state=wish.state)
    lanes = LANES if wish.lane is None else (wish.lane,)
    match wish.gate:
        case None if wish.server is not None:
            return _Plan(pieces=[waiting.filter(server_id=wish.server)], order=_QUEUE, rest=rest & _company(wish))
        case None:
            if wish.companies is None or len(wish.companies) > MOST_PIECES:
                return _Plan(pieces=[waiting], order=_QUEUE, rest=rest & _company(wish))
            pieces = [waiting.filter(company_id=company) for company in wish.companies]
            return _Plan(pieces=pieces, order=_QUEUE, rest=rest)
        case Gate.TURN | Gate.NOT_DUE:
            when = Q(due_at__gt=now) if wish.gate is Gate.NOT_DUE else Q(due_at__lte=now)
            pieces = [waiting.filter(when, lane=lane) for lane in lanes]
            rest &= Q(waits_for__isnull=True)
        case Gate.OTHER:
            pieces = [waiting.filter(waits_for__isnull=False)]
            rest &= _at_gate(wish, now)
        case gate:
            held = waiting.filter(waits_for__isnull=False).alias(code=KeyTextTransform("code", "waits_for"))
            pieces = [held.filter(code=code) for code in CODES[gate]]
    return _Plan(pieces=pieces, order=_QUEUE, rest=rest & _of_server(wish) & _company(wish))


def _ended(wish: QueueWish) -> _Plan:
    """Newest first."""
    rest = _of_server(wish) & _containing(wish)
    if wish.lane is not None:
        rest &= Q(lane=wish.lane)
    companies = wish.companies
    if companies is None and wish.view is QueueView.SENT:
        companies = list(Company.objects.order_by().values_list("pk", flat=True))
    if companies is None or len(companies) > MOST_PIECES:
        piece = Delivery.objects.filter(state=wish.view.value)
        return _Plan(pieces=[piece], order=_NEWEST, rest=rest & _company(wish))
    ended = Delivery.objects.filter(state=wish.view.value)
    return _Plan(pieces=[ended.filter(company_id=one) for one in companies], order=_NEWEST, rest=rest)


# -- what is checked row by row


def _rest(wish: QueueWish) -> Q:
    rest = _company(wish)
    if wish.lane is not None:
        rest &= Q(lane=wish.lane)
    if wish.state is not None:
        rest &= Q(state=wish.state)
    return rest


def _beside(wish: QueueWish, now: datetime) -> Q:
    """What no order of a list has: how old it is at the least, and whose fault it was."""
    found = Q()
    if wish.age is not None:
        found &= Q(created_at__lte=now - AGES[wish.age])
    if wish.blame is not None:
        found &= Q(blame=wish.blame.value)
    return found


def _company(wish: QueueWish) -> Q:
    return Q() if wish.companies is None else Q(company_id__in=list(wish.companies))


def _of_server(wish: QueueWish) -> Q:
    return Q() if wish.server is None else Q(server_id=wish.server)


def _containing(wish: QueueWish) -> Q:
    return Q(to_address__icontains=wish.recipient.strip()) if wish.recipient.strip() else Q()


def _of_view(wish: QueueWish) -> Q:
    match wish.view:
        case QueueView.ALL:
            return Q()
        case QueueView.OUTGOING:
            return Q(state__in=WAITING)
        case _:
            return Q(state=wish.view.value)


def _at_gate(wish: QueueWish, now: datetime) -> Q:
    match wish.gate:
        case None:
            return Q()
        case Gate.TURN:
            return Q(waits_for__isnull=True, due_at__lte=now)
        case Gate.NOT_DUE:
            return Q(waits_for__isnull=True, due_at__gt=now)
        case Gate.OTHER:
            return Q(waits_for__isnull=False) & ~Q(waits_for__code__in=list(KNOWN_CODES))
        case gate:
            return Q(waits_for__code__in=list(CODES[gate]))


# -- reading


def _on_the_way(wish: QueueWish, now: datetime) -> list[int]:
    """What is on the wire at this moment stands above what waits: a handful."""
    if wish.gate is not None or wish.state is not None:
        return []
    rest = _of_server(wish) & _containing(wish) & _rest(wish) & _beside(wish, now)
    rows = _seen(Delivery.objects.filter(rest, state=DeliveryState.SENDING), wish)
    return list(rows.order_by("id").values_list("id", flat=True)[: wish.size // 2])


def _seen(rows: Rows, wish: QueueWish) -> Rows:
    return rows if wish.shows_house else rows.filter(is_of_the_house=False)


def _after(rows: Rows, order: tuple[str, ...], cursor: str) -> Rows:
    """From the cursor on; a cursor that makes no sense is the beginning."""
    if order == _NEWEST:
        number = read_id(cursor)
        return rows if number is None else rows.filter(pk__lt=number)
    lane, _, place = cursor.partition("~")
    after = read_cursor(place)
    if after is None or lane not in ("0", "1", "2"):
        return rows
    due_at, pk = after
    later = Q(due_at__gte=due_at) & (Q(due_at__gt=due_at) | Q(id__gt=pk))
    return rows.filter(Q(lane__gte=int(lane)) & (Q(lane__gt=int(lane)) | later))


def _merged(pieces: Sequence[Rows], order: tuple[str, ...], most: int) -> list[tuple[Any, ...]]:
    """The first ``most`` of all pieces together, as keys of the order; the number comes last."""
    return list(_of_all(pieces, order, most)) if pieces and most > 0 else []


def _of_all(pieces: Sequence[Rows], order: tuple[str, ...], most: int) -> QuerySet[Delivery, Any]:
    names = [name.lstrip("-") for name in order]
    first, *others = [piece.order_by(*order).values_list(*names)[:most] for piece in pieces]
    return first.union(*others, all=True).order_by(*order)[:most] if others else first


# a scalar question, as in `newest_first`: each row of the window is looked at once, where it lies
_FITTING = """
WITH near({names}) AS MATERIALIZED ({near}) SELECT near.*, ({fits}) IS NOT NULL FROM near ORDER BY {order}
"""


def _checked(pieces: Sequence[Rows], plan: _Plan, window: int) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The keys of a window's rows, and of those that fit: one question, whose numbers do not travel to us and back."""
    if not pieces:
        return [], []
    try:
        near, values = _of_all(pieces, plan.order, window).query.sql_with_params()
    except EmptyResultSet:  # Django knows that nothing can be in it
        return [], []
    fits, fit_values = text_of(Delivery.objects.filter(plan.rest, pk=RawSQL("near.id", [])).order_by().values("pk"))
    names = [name.lstrip("-") for name in plan.order]
    order = ", ".join(
        f"near.{name} DESC" if sign.startswith("-") else f"near.{name}"
        for name, sign in zip(names, plan.order, strict=True)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _FITTING.format(names=", ".join(names), near=near, fits=fits, order=order), [*values, *fit_values]
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return [row[:-1] for row in found], [row[:-1] for row in found if row[-1]]


def _cursor(key: tuple[Any, ...]) -> str:
    if len(key) == 1:
        return str(key[0])
    lane, due_at, pk = key
    return f"{lane}~{due_at.isoformat()}~{pk}"
