"""The queue as people see it: deliveries by state, what each waits for, and one delivery's whole story.

Laws: see `store.queries.pages`. What waits is listed in the order in which it leaves (lane, due time); everything else newest first,
each list along an index of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Attempt, Delivery, ReportedRecipient
from postroom.store.models.outgoing import SHOWN_APART, WAITING
from postroom.store.queries.pages import PAGE_ROWS, Page, page_of, read_cursor, read_id
from postroom.store.queries.pages_chatter import reply_text


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery in the list. ``last_reply`` is the server's, verbatim."""

    id: int
    state: DeliveryState
    to_name: str
    to_address: str
    subject: str
    from_address: str
    lane: int
    due_at: datetime
    waits_for: Reason | None
    attempt_count: int
    server: str
    failure_reason: str
    blame: str
    created_at: datetime
    finished_at: datetime | None
    last_reply: str
    record_id: int | None
    record_title: str
    company: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFact:
    """One try, with what the server said."""

    tried_at: datetime
    duration_ms: int
    phase: str
    reply: str
    server: str
    connection: str
    tls: str
    state: DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFact:
    """What a report that came back said of this delivery."""

    action: str
    status: str
    reply: str
    blame: str
    inbound_id: int
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFact:
    """One delivery's whole story."""

    row: DeliveryRow
    deadline_at: datetime
    from_name: str
    reply_to: str
    message_id: str
    null_return_path: bool
    failure_type: str
    claimed_by: str
    lease_until: datetime | None
    message_row: int | None
    reasons: tuple[Reason, ...]
    attempts: tuple[AttemptFact, ...]
    reports: tuple[ReportFact, ...]


def deliveries(
    visible: QuerySet[Delivery], view: QueueView, *, cursor: str = "", size: int = PAGE_ROWS
) -> Page[DeliveryRow]:
    """A list of the queue. One query."""
    if view is QueueView.OUTGOING:
        return _outgoing(visible, cursor, size)
    match view:
        case QueueView.ALL:
            rows = visible
        case QueueView.SENT:
            rows = visible.filter(state=DeliveryState.SENT)
        case _:
            rows = visible.filter(state=view.value, state__in=SHOWN_APART)
    if (number := read_id(cursor)) is not None:
        rows = rows.filter(pk__lt=number)
    return page_of(_rows(rows.order_by("-id"))[: size + 1], size, _row, lambda row: str(row["id"]))


def _outgoing(visible: QuerySet[Delivery], cursor: str, size: int) -> Page[DeliveryRow]:
    """What is on its way (a handful: only on the first page), then what waits, in the order of the queue."""
    lane, _, place = cursor.partition("~")
    after = read_cursor(place)
    waiting = visible.filter(state__in=WAITING)
    first: list[Any] = []
    if after is not None and lane in ("0", "1", "2"):
        waiting = waiting.filter(_after(int(lane), *after))
    else:
        first = list(_rows(visible.filter(state=DeliveryState.SENDING).order_by("id"))[: size // 2])
    found = [*first, *_rows(waiting.order_by("lane", "due_at", "id"))[: size + 1 - len(first)]]
    return page_of(found, size, _row, lambda row: f"{row['lane']}~{row['due_at'].isoformat()}~{row['id']}")


def _after(lane: int, due_at: datetime, pk: int) -> Q:
    later = Q(due_at__gte=due_at) & (Q(due_at__gt=due_at) | Q(id__gt=pk))
    return Q(lane__gte=lane) & (Q(lane__gt=lane) | later)


def _rows(rows: QuerySet[Delivery]) -> QuerySet[Delivery, Any]:
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    return rows.values(
        "id",
        "state",
        "to_name",
        "to_address",
        "lane",
        "due_at",
        "waits_for",
        "attempt_count",
        "failure_reason",
        "blame",
        "created_at",
        "finished_at",
        subject=F("mail__subject"),
        from_address=F("mail__from_address"),
        server_name=F("server__name"),
        record=F("mail__message__record_id"),
        title=F("mail__message__record__title"),
        company_name=F("company__name"),
        code=Subquery(last.values("code")[:1]),
        enhanced=Subquery(last.values("enhanced")[:1]),
        said=Subquery(last.values("text")[:1]),
    )


def _row(row: Mapping[str, Any]) -> DeliveryRow:
    waits_for = row["waits_for"]
    return DeliveryRow(
        id=row["id"],
        state=DeliveryState(row["state"]),
        to_name=row["to_name"],
        to_address=row["to_address"],
        subject=row["subject"],
        from_address=row["from_address"],
        lane=row["lane"],
        due_at=row["due_at"],
        waits_for=reasons_from_json([waits_for])[0] if isinstance(waits_for, dict) else None,
        attempt_count=row["attempt_count"],
        server=row["server_name"] or "",
        failure_reason=row["failure_reason"],
        blame=row["blame"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        last_reply=reply_text(row["code"], row["enhanced"], row["said"]),
        record_id=row["record"],
        record_title=row["title"] or "",
        company=row["company_name"],
    )


def delivery(visible: QuerySet[Delivery], delivery_id: int) -> DeliveryFact | None:
    """One delivery with its attempts (newest first, at most 100) and reports. Four queries."""
    one = visible.filter(pk=delivery_id)
    head = _rows(one).first()
    if head is None:
        return None
    more = one.values(
        "deadline_at",
        "failure_type",
        "claimed_by",
        "lease_until",
        "reasons",
        from_name=F("mail__from_name"),
        reply_to=F("mail__reply_to_address"),
        identifier=F("mail__header_message_id"),
        null=F("mail__null_return_path"),
        message=F("mail__message_id"),
    )[0]
    return DeliveryFact(
        row=_row(head),
        deadline_at=more["deadline_at"],
        from_name=more["from_name"],
        reply_to=more["reply_to"],
        message_id=more["identifier"],
        null_return_path=more["null"],
        failure_type=more["failure_type"],
        claimed_by=more["claimed_by"],
        lease_until=more["lease_until"],
        message_row=more["message"],
        reasons=reasons_from_json(more["reasons"]),
        attempts=_attempts(delivery_id),
        reports=_reports(delivery_id),
    )


def _attempts(delivery_id: int) -> tuple[AttemptFact, ...]:
    rows = Attempt.objects.filter(delivery_id=delivery_id).select_related("server").order_by("-id")[:100]
    return tuple(
        AttemptFact(
            tried_at=row.tried_at,
            duration_ms=row.duration_ms,
            phase=row.phase,
            reply=reply_text(row.code, row.enhanced, row.text),
            server=row.server.name if row.server else "",
            connection=row.connection,
            tls=row.tls,
            state=DeliveryState(row.state),
        )
        for row in rows
    )


def _reports(delivery_id: int) -> tuple[ReportFact, ...]:
    rows = ReportedRecipient.objects.filter(delivery_id=delivery_id).select_related("inbound").order_by("-id")[:50]
    return tuple(
        ReportFact(
            action=row.action,
            status=row.status,
            reply=row.reply,
            blame=row.blame,
            inbound_id=row.inbound_id,
            received_at=row.inbound.received_at,
        )
        for row in rows
    )


def oldest_waiting(visible: QuerySet[Delivery], now: datetime) -> datetime | None:
    """Since when the delivery that is due and waits longest is due; None when nothing is late. One look into the index per lane."""
    due = visible.filter(state__in=WAITING, due_at__lte=now).order_by("due_at").values_list("due_at", flat=True)
    lanes = [due.filter(lane=lane)[:1] for lane in (0, 1, 2)]
    return min(lanes[0].union(*lanes[1:], all=True), default=None)
