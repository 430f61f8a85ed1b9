"""The queue as people see it: deliveries by state, what each waits for, and one delivery's whole story.

Laws: see `store.queries.pages`; which rows a list has is decided in `queue_lists`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTransform

from postroom.core.delivery.cures import cures_of
from postroom.core.terms.gates import Gate, gate_of
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Attempt, Delivery, OutgoingServer
from postroom.store.models.outgoing import WAITING
from postroom.store.queries.delivery_histories import (
    AttemptFact,
    EventFact,
    ReportFact,
    ResolutionFact,
    WaitedFact,
    histories_of,
    waited_of,
)
from postroom.store.queries.pages import Page
from postroom.store.queries.pages_chatter import reply_text
from postroom.store.queries.queue_lists import QueueWish, find


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
    gate: Gate | None  # None: it does not wait
    held_since: datetime | None
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
class DeliveryFact:
    """One delivery's whole story. ``confirmed_at``: the provider said that it was delivered; ``cures``: what helps it to leave."""

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
    resolutions: tuple[ResolutionFact, ...]
    events: tuple[EventFact, ...]
    cures: tuple[Reason, ...]
    confirmed_at: datetime | None
    provider_message_id: str
    waited: tuple[WaitedFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Whether a server sends at this moment. ``broken_until``: its circuit is open until then, because of ``trouble``."""

    id: int
    name: str
    paused_at: datetime | None
    broken_until: datetime | None
    trouble: str
    test_failed: bool = False


def server_states(rows: QuerySet[OutgoingServer], most: int = 50) -> tuple[ServerState, ...]:
    """One query."""
    names = ("id", "name", "paused_at", "broken_until", "trouble")
    found = rows.annotate(tested=KeyTransform("ok", "test_result")).values(*names, "tested")[:most]
    return tuple(
        ServerState(**{name: row[name] for name in names}, test_failed=row["tested"] is False) for row in found
    )


def deliveries(wish: QueueWish, *, now: datetime) -> Page[DeliveryRow]:
    """A list of the queue. Four queries at most."""
    found = find(wish, now)
    return Page(rows=rows_of(found.ids, now=now), next=found.next)


def rows_of(ids: Sequence[int], *, now: datetime) -> tuple[DeliveryRow, ...]:
    """These deliveries, in this order. One query."""
    rows = {row["id"]: _row(row, now) for row in _rows(Delivery.objects.filter(pk__in=ids))} if ids else {}
    return tuple(rows[number] for number in ids if number in rows)


def _rows(rows: QuerySet[Delivery], *more: str, **named: F) -> QuerySet[Delivery, Any]:
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    found: QuerySet[Delivery, Any] = rows.values(
        "id",
        "state",
        "to_name",
        "to_address",
        "lane",
        "due_at",
        "waits_for",
        "held_since",
        "attempt_count",
        "failure_reason",
        "blame",
        "created_at",
        "finished_at",
        *more,
        subject=F("mail__subject"),
        from_address=F("mail__from_address"),
        server_name=F("server__name"),
        record=F("mail__message__record_id"),
        title=F("mail__message__record__title"),
        company_name=F("company__name"),
        code=Subquery(last.values("code")[:1]),
        enhanced=Subquery(last.values("enhanced")[:1]),
        said=Subquery(last.values("text")[:1]),
        **named,
    )
    return found


def _row(row: Mapping[str, Any], now: datetime) -> DeliveryRow:
    waits_for = reasons_from_json([row["waits_for"]])[0] if isinstance(row["waits_for"], dict) else None
    state = DeliveryState(row["state"])
    is_waiting = state.value in WAITING
    return DeliveryRow(
        id=row["id"],
        state=state,
        to_name=row["to_name"],
        to_address=row["to_address"],
        subject=row["subject"],
        from_address=row["from_address"],
        lane=row["lane"],
        due_at=row["due_at"],
        waits_for=waits_for if is_waiting else None,
        gate=gate_of(waits_for.code if waits_for else "", row["due_at"], now) if is_waiting else None,
        held_since=(row["held_since"] or row["created_at"]) if is_waiting else None,
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


def delivery(visible: QuerySet[Delivery], delivery_id: int, *, now: datetime) -> DeliveryFact | None:
    """One delivery with its attempts (newest first, at most 100), reports, events and what people decided. Five queries."""
    found = _rows(
        visible.filter(pk=delivery_id),
        "deadline_at",
        "failure_type",
        "claimed_by",
        "lease_until",
        "reasons",
        "waited",
        "confirmed_at",
        "provider_message_id",
        from_name=F("mail__from_name"),
        reply_to=F("mail__reply_to_address"),
        identifier=F("mail__header_message_id"),
        null=F("mail__null_return_path"),
        message=F("mail__message_id"),
    ).first()
    if found is None:
        return None
    row, told = _row(found, now), histories_of([delivery_id])[delivery_id]
    return DeliveryFact(
        row=row,
        deadline_at=found["deadline_at"],
        from_name=found["from_name"],
        reply_to=found["reply_to"],
        message_id=found["identifier"],
        null_return_path=found["null"],
        failure_type=found["failure_type"],
        claimed_by=found["claimed_by"],
        lease_until=found["lease_until"],
        message_row=found["message"],
        reasons=reasons_from_json(found["reasons"]),
        attempts=told.attempts,
        reports=told.reports,
        resolutions=told.resolutions,
        events=told.events,
        cures=cures_of(row.gate, row.waits_for),
        confirmed_at=found["confirmed_at"],
        provider_message_id=found["provider_message_id"],
        waited=waited_of(found["waited"]),
    )
