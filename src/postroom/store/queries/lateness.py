"""How late the queue is. Apart from the queue's page: whoever asks how it is needs this alone."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from postroom.store.models import Delivery
from postroom.store.models.outgoing import WAITING


def oldest_waiting(visible: QuerySet[Delivery], now: datetime) -> datetime | None:
    """Since when the delivery that is due and waits longest is due; None when nothing is late. One look into the index per lane."""
    due = visible.filter(state__in=WAITING, due_at__lte=now).order_by("due_at").values_list("due_at", flat=True)
    lanes = [due.filter(lane=lane)[:1] for lane in (0, 1, 2)]
    return min(lanes[0].union(*lanes[1:], all=True), default=None)
