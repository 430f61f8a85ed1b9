"""Lists deliveries for programs and for the command line: what waits and for what, what ended and how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

import postroom.core.delivery.sentences  # noqa: F401 - what deliveries wait for, in words
from postroom.core.terms.reasons import reasons_from_json
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Delivery
from postroom.store.models.outgoing import WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """A delivery in a list. ``why``: what it waits for, or why it ended as it did."""

    id: int
    state: str
    to: str
    subject: str
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    blame: str
    why: str


def list_deliveries(*, state: str = "", limit: int = 50) -> list[ListedDelivery]:
    """At most ``limit``: what waits in the order in which it leaves, everything else newest first."""
    rows = _chosen(state)
    rows = rows.order_by("lane", "due_at", "id") if state in WAITING else rows.order_by("-id")
    return [_listed(row) for row in rows.select_related("mail")[:limit]]


def delivery_ids(*, state: str) -> list[int]:
    """All deliveries in this state, oldest first."""
    return list(_chosen(state).order_by("id").values_list("pk", flat=True))


def _chosen(state: str) -> QuerySet[Delivery]:
    return Delivery.objects.filter(state=DeliveryState(state)) if state else Delivery.objects.all()


def _listed(row: Delivery) -> ListedDelivery:
    waits = reasons_from_json([row.waits_for])[0] if row.waits_for and row.state in WAITING else None
    return ListedDelivery(
        id=row.pk,
        state=row.state,
        to=row.to_address,
        subject=row.mail.subject,
        attempts=row.attempt_count,
        due_at=row.due_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
        blame=row.blame,
        why=str(waits) if waits else row.failure_reason,
    )
