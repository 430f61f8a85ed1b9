"""Failures by reason, by domain and by server: of the newest that failed or bounced, counted within bounds.

Laws: see `store.queries.pages`; `LOOKED_AT` rows at the most, along the indexes of what ended, whatever is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection

from postroom.core.diagnosis.refusals import reason_of_refusal
from postroom.core.reports.delivery_reports import ReportKind
from postroom.core.terms.states import DeliveryState

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


# The states stand in the text, so that the indexes of what ended are known to have them.
_STATES = (DeliveryState.FAILED.value, DeliveryState.BOUNCED.value)
_OF_COMPANIES = """
SELECT ended.id FROM unnest(%(companies)s::bigint[]) AS of(company) CROSS JOIN LATERAL (
    SELECT id FROM postroom_delivery WHERE company_id = of.company AND state = '{state}'{seen} ORDER BY id DESC LIMIT %(most)s
) AS ended
"""
_OF_ALL = "(SELECT id FROM postroom_delivery WHERE state = '{state}'{seen} ORDER BY id DESC LIMIT %(most)s)"
_OF_MANY = """
(SELECT id FROM postroom_delivery WHERE state = '{state}' AND company_id = ANY(%(companies)s::bigint[]){seen} ORDER BY id DESC LIMIT %(most)s)
"""
_FAILED = """
WITH newest(id) AS MATERIALIZED ({pieces} ORDER BY 1 DESC LIMIT %(most)s)
SELECT delivery.id, delivery.to_address, delivery.failure_type, delivery.failure_reason, delivery.blame, delivery.created_at,
       server.name, last.code, last.enhanced, last.text, (
           SELECT reason FROM postroom_reportedrecipient WHERE delivery_id = delivery.id AND action <> %(receipt)s ORDER BY id DESC LIMIT 1
       )
  FROM newest JOIN postroom_delivery delivery ON delivery.id = newest.id
  LEFT JOIN postroom_outgoingserver server ON server.id = delivery.server_id
  LEFT JOIN LATERAL (
       SELECT code, enhanced, text FROM postroom_attempt WHERE delivery_id = delivery.id ORDER BY id DESC LIMIT 1
  ) AS last ON true
 ORDER BY delivery.id DESC
"""


def grouped_failures(companies: Sequence[int] | None, *, shows_house: bool) -> GroupedFailures:
    """``shows_house`` as of `QueueWish`. One query."""
    found = _newest(companies, shows_house)
    rows = [_row(*row) for row in found[:LOOKED_AT]]
    return GroupedFailures(
        total=len(rows),
        is_all=len(found) <= LOOKED_AT,
        since=rows[-1]["created_at"] if rows else None,
        by_reason=_groups(rows, "cause"),
        by_domain=_groups(rows, "domain"),
        by_server=_groups(rows, "server_name"),
    )


def _newest(companies: Sequence[int] | None, shows_house: bool) -> list[tuple[Any, ...]]:
    piece = _OF_ALL if companies is None else _OF_COMPANIES if len(companies) <= _MOST_PIECES else _OF_MANY
    seen = "" if shows_house else " AND NOT is_of_the_house"
    pieces = " UNION ALL ".join(piece.format(state=state, seen=seen) for state in _STATES)
    values: dict[str, Any] = {
        "companies": list(companies or ()),
        "most": LOOKED_AT + 1,
        "receipt": ReportKind.MDN.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FAILED.format(pieces=pieces), values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _row(
    number: int,
    to_address: str,
    failure_type: str,
    failure_reason: str,
    blame: str,
    created_at: datetime,
    server_name: str | None,
    code: int | None,
    enhanced: str | None,
    text: str | None,
    reported: str | None,
) -> dict[str, Any]:
    return {
        "id": number,
        "failure_reason": failure_reason,
        "blame": blame,
        "created_at": created_at,
        "server_name": server_name,
        "domain": to_address.rpartition("@")[2].lower(),
        "cause": _cause_of(failure_type, blame, code or 0, enhanced or "", text or "", reported or ""),
    }


@lru_cache(maxsize=1024)
def _cause_of(failure_type: str, blame: str, code: int, enhanced: str, text: str, reported: str) -> str:
    """Of a failure, in the taxonomy. Remembered, for what fails in great numbers fails alike."""
    return reason_of_refusal(
        failure_type=failure_type, blame=blame, code=code, enhanced=enhanced, text=text, reported=reported
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
