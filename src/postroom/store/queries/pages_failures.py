"""Messages that I wrote and somebody did not get, by kind of record (U-4, U-6). Only their author sees them.

Laws: see `store.queries.pages`; one walk along the index of the few, bounded, whatever is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet

from postroom.core.terms.states import NotificationState
from postroom.store.models import Notification, Record
from postroom.store.queries.pages_chatter import FAILED

MANY = 99
LOOKED_AT = 4 * MANY  # notifications
_SHOWN = 3  # messages of a kind

COUNT = """
SELECT count(DISTINCT message_id) FROM (
    SELECT message_id FROM postroom_notification
    WHERE author_id = %s AND state IN ('bounce', 'exception') AND company_id = ANY(%s) LIMIT %s
) AS failed
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFact:
    """A message of mine that somebody did not get. ``others``: how many more did not."""

    message_id: int
    record_id: int
    record_title: str
    recipient: str
    state: NotificationState
    failure_type: str
    reason: str
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfFailures:
    """Those on records of one kind: how many messages, and the newest of them."""

    key: str
    label: str
    icon: str
    messages: int
    newest: tuple[FailureFact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresFact:
    """``messages``: how many of mine, at most ``MANY + 1``."""

    kinds: tuple[KindOfFailures, ...] = ()
    messages: int = 0


def my_failed(contact_id: int, companies: list[int]) -> int:
    """How many of my messages did not reach everybody, at most ``MANY + 1``: the badge of every page. One query."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [contact_id, companies, LOOKED_AT])
        return min(int(cursor.fetchone()[0]), MANY + 1)


def my_failures(contact_id: int, visible: QuerySet[Record], most: int = _SHOWN) -> FailuresFact:
    """By kind of record, the kinds and in each the messages newest first (D-32). One query."""
    rows = list(
        Notification.objects.filter(author_id=contact_id, state__in=FAILED, message__record__in=visible)
        .order_by("-id")
        .values(
            "message_id",
            "state",
            "failure_type",
            "failure_reason",
            record=F("message__record_id"),
            title=F("message__record__title"),
            key=F("message__record__kind_id"),
            label=F("message__record__kind__label_plural"),
            icon=F("message__record__kind__icon"),
            who=F("contact__name"),
            address=F("contact__address"),
        )[:LOOKED_AT]
    )
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["key"], []).append(row)
    return FailuresFact(
        kinds=tuple(_kind(key, mine, most) for key, mine in kinds.items()),
        messages=min(len({row["message_id"] for row in rows}), MANY + 1),
    )


def _kind(key: str, rows: list[Mapping[str, Any]], most: int) -> KindOfFailures:
    by_message: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_message.setdefault(row["message_id"], []).append(row)
    return KindOfFailures(
        key=key,
        label=rows[0]["label"],
        icon=rows[0]["icon"],
        messages=min(len(by_message), MANY + 1),
        newest=tuple(_failure(mine) for mine in list(by_message.values())[:most]),
    )


def _failure(rows: list[Mapping[str, Any]]) -> FailureFact:
    row = rows[0]
    return FailureFact(
        message_id=row["message_id"],
        record_id=row["record"],
        record_title=row["title"],
        recipient=row["who"] or row["address"],
        state=NotificationState(row["state"]),
        failure_type=row["failure_type"],
        reason=row["failure_reason"],
        others=len(rows) - 1,
    )
