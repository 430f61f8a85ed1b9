"""The Letterbox: mail that did not leave, listed as the mailboxes of those who would have got it. Laws: see `store.queries.pages`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet

from postroom.store.models import Alias, LetterboxMail
from postroom.store.queries.pages import Page, page_of, read_id

LETTERBOX_ROWS = 40
NEWEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonBox:
    """The mailbox of one outside person."""

    address: str
    unread: int
    newest_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """A mail in such a mailbox."""

    id: int
    to_address: str
    sender: str
    subject: str
    captured_at: datetime
    is_read: bool
    delivery_id: int | None
    delivery_state: str
    record_id: int | None
    return_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail with its bytes."""

    row: LetterRow
    raw: bytes


def boxes(visible: QuerySet[LetterboxMail], most: int = 50) -> tuple[PersonBox, ...]:
    """Who got mail lately (of the newest ``NEWEST`` mails), latest first."""
    newest = visible.order_by("-id")[:NEWEST].values("pk")
    rows = (
        LetterboxMail.objects.filter(pk__in=newest)
        .order_by()
        .values("to_address")
        .annotate(newest=Max("id"), unread=Count("id", filter=Q(is_read=False)))
        .order_by("-newest")[:most]
    )
    return tuple(PersonBox(address=row["to_address"], unread=row["unread"], newest_id=row["newest"]) for row in rows)


def letters(
    visible: QuerySet[LetterboxMail], address: str, *, cursor: str = "", size: int = LETTERBOX_ROWS
) -> Page[LetterRow]:
    """One person's mail, newest first (everybody's for an empty address)."""
    rows = visible.filter(to_address=address) if address else visible
    if (number := read_id(cursor)) is not None:
        rows = rows.filter(pk__lt=number)
    return page_of(_rows(rows.order_by("-id"))[: size + 1], size, _row, lambda row: str(row["id"]))


def addresses_to_write_to(aliases: QuerySet[Alias], most: int = 50) -> tuple[str, ...]:
    """The addresses of these aliases that are in use, by name."""
    rows = aliases.filter(retired_at=None).order_by("name", "domain__name").values_list("name", "domain__name")
    return tuple(f"{name}@{domain}" for name, domain in rows[:most])


def letter(visible: QuerySet[LetterboxMail], letter_id: int) -> Letter | None:
    """One mail, whole. Two queries."""
    one = visible.filter(pk=letter_id)
    head = _rows(one).first()
    if head is None:
        return None
    raw = one.values_list("raw", flat=True)[0]
    return Letter(row=_row(head), raw=bytes(raw))


def _rows(rows: QuerySet[LetterboxMail]) -> QuerySet[LetterboxMail, Any]:
    return rows.values(
        "id",
        "to_address",
        "from_display",
        "subject",
        "captured_at",
        "is_read",
        "delivery_id",
        "return_path",
        state=F("delivery__state"),
        record=F("delivery__mail__message__record_id"),
    )


def _row(row: Mapping[str, Any]) -> LetterRow:
    return LetterRow(
        id=row["id"],
        to_address=row["to_address"],
        sender=row["from_display"],
        subject=row["subject"],
        captured_at=row["captured_at"],
        is_read=row["is_read"],
        delivery_id=row["delivery_id"],
        delivery_state=row["state"] or "",
        record_id=row["record"],
        return_path=row["return_path"],
    )
