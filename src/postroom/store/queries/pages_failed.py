"""Failures by reason, by domain and by server: of the newest that failed or bounced, counted within bounds.

Laws: see `store.queries.pages`; `LOOKED_AT` rows at the most, along the indexes of what ended, whatever is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery

from postroom.core.reports.delivery_reports import ReportKind
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Attempt, Delivery, ReportedRecipient
from postroom.store.models.outgoing import ENDED, SHOWN_APART
from postroom.store.queries.pages_envelope import cause_of

LOOKED_AT = 1000
SHOWN = 12
_MOST_PIECES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What failed alike. ``example`` is the newest one's reply, verbatim."""

    key: str
    blame: str
    count: int
    example: str
    newest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedFailures:
    """``is_all``: nothing failed beyond what was looked at; ``since``: when the oldest of these was made."""

    total: int
    is_all: bool
    since: datetime | None
    by_reason: tuple[Group, ...]
    by_domain: tuple[Group, ...]
    by_server: tuple[Group, ...]


def grouped_failures(companies: Sequence[int] | None, *, shows_house: bool) -> GroupedFailures:
    """``shows_house`` as of `QueueWish`. Three queries."""
    ids = _newest(companies, shows_house)
    rows: list[dict[str, Any]] = [dict(row) for row in _rows(ids[:LOOKED_AT])]
    tries = Attempt.objects.in_bulk([row["last"] for row in rows if row["last"]])
    for row in rows:
        row["cause"] = cause_of(row["failure_type"], row["blame"], tries.get(row["last"]), row["reported"] or "")
        row["domain"] = row["to_address"].rpartition("@")[2].lower()
    return GroupedFailures(
        total=len(rows),
        is_all=len(ids) <= LOOKED_AT,
        since=rows[-1]["created_at"] if rows else None,
        by_reason=_groups(rows, "cause"),
        by_domain=_groups(rows, "domain"),
        by_server=_groups(rows, "server_name"),
    )


def _newest(companies: Sequence[int] | None, shows_house: bool) -> list[int]:
    states = [DeliveryState.FAILED.value, DeliveryState.BOUNCED.value]
    pieces: list[QuerySet[Delivery]]
    if companies is None or len(companies) > _MOST_PIECES:
        pieces = [Delivery.objects.filter(state=state, state__in=SHOWN_APART) for state in states]
        if companies is not None:
            pieces = [piece.filter(company_id__in=list(companies)) for piece in pieces]
    else:
        ended = Delivery.objects.filter(state__in=ENDED)
        pieces = [ended.filter(company_id=company, state=state) for company in companies for state in states]
    if not shows_house:
        pieces = [piece.filter(is_of_the_house=False) for piece in pieces]
    if not pieces:
        return []
    first, *others = [piece.order_by("-id").values_list("pk")[: LOOKED_AT + 1] for piece in pieces]
    return [pk for (pk,) in first.union(*others, all=True).order_by("-id")[: LOOKED_AT + 1]]


def _rows(ids: list[int]) -> QuerySet[Delivery, Any]:
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    reported = ReportedRecipient.objects.filter(delivery=OuterRef("pk")).exclude(action=ReportKind.MDN).order_by("-id")
    return (
        Delivery.objects.filter(pk__in=ids)
        .order_by("-id")
        .values(
            "id",
            "to_address",
            "failure_type",
            "failure_reason",
            "blame",
            "created_at",
            server_name=F("server__name"),
            last=Subquery(last.values("pk")[:1]),
            reported=Subquery(reported.values("reason")[:1]),
        )
    )


def _groups(rows: list[dict[str, Any]], name: str) -> tuple[Group, ...]:
    """The largest first."""
    newest: dict[str, dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        key = row[name] or ""
        counts[key] += 1
        newest.setdefault(key, row)
    return tuple(
        Group(
            key=key,
            blame=newest[key]["blame"],
            count=count,
            example=newest[key]["failure_reason"],
            newest=newest[key]["id"],
        )
        for key, count in counts.most_common(SHOWN)
    )
