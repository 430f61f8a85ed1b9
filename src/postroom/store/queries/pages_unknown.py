"""What is known of deliveries whose outcome is not: how far it came, through which server, when, under which Message-ID."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Length

from postroom.store.models import Attempt, Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFact:
    """``tried_at`` None: the machine that sent it is gone, with what it knew. ``on_the_wire``: bytes of the mail's body."""

    message_id: str
    server: str
    preset: str
    host: str
    tried_at: datetime | None
    phase: str
    connection: str
    tls: str
    what_happened: str
    on_the_wire: int


def unknown_facts(delivery_ids: list[int]) -> Mapping[int, UnknownFact]:
    """One query."""
    if not delivery_ids:
        return {}
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    rows = Delivery.objects.filter(pk__in=delivery_ids).values(
        "id",
        "failure_reason",
        identifier=F("mail__header_message_id"),
        size=Length("mail__content__body"),
        server_name=F("server__name"),
        preset=F("server__preset"),
        host=F("server__host"),
        tried_at=Subquery(last.values("tried_at")[:1]),
        phase=Subquery(last.values("phase")[:1]),
        connection=Subquery(last.values("connection")[:1]),
        tls=Subquery(last.values("tls")[:1]),
    )
    return {row["id"]: _fact(row) for row in rows}


def _fact(row: Mapping[str, Any]) -> UnknownFact:
    return UnknownFact(
        message_id=row["identifier"],
        server=row["server_name"] or "",
        preset=row["preset"] or "",
        host=row["host"] or "",
        tried_at=row["tried_at"],
        phase=row["phase"] or "",
        connection=row["connection"] or "",
        tls=row["tls"] or "",
        what_happened=row["failure_reason"],
        on_the_wire=row["size"] or 0,
    )
