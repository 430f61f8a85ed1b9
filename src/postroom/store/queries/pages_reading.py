"""What reaches me in the app (U-15): what I have not read, and what I marked with a star.

Laws: see `store.queries.pages`; along the index of what nobody has read yet, and along my own stars.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Left

from postroom.core.terms.states import Channel
from postroom.store.models import Notification, Record, Star
from postroom.store.queries.pages import Page, page_of, read_id

_GLIMPSE = 160  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingFact:
    """A message for me. ``notification_id`` None: it is read, and shown for its star."""

    notification_id: int | None
    message_id: int
    record_id: int
    record_title: str
    author: str
    kind: str
    words: str
    posted_at: datetime
    is_starred: bool


_OF_A_MESSAGE = {
    "record": F("message__record_id"),
    "title": F("message__record__title"),
    "known_as": F("message__author__name"),
    "author_name": F("message__author_name"),
    "author_address": F("message__author_address"),
    "kind": F("message__kind"),
    "words": Left("message__body__text", _GLIMPSE),
    "posted_at": F("message__posted_at"),
}


def unread(
    contact_id: int, member_id: int, visible: QuerySet[Record], *, before: str = "", size: int = 8
) -> Page[ReadingFact]:
    """Newest first. One query."""
    rows = Notification.objects.filter(
        contact_id=contact_id, channel=Channel.INBOX, is_read=False, message__record__in=visible
    )
    if (number := read_id(before)) is not None:
        rows = rows.filter(pk__lt=number)
    star = Star.objects.filter(member_id=member_id, message=OuterRef("message")).values("pk")[:1]
    found = rows.order_by("-id").values("id", "message_id", star=Subquery(star), **_OF_A_MESSAGE)[: size + 1]
    return page_of(found, size, lambda row: _fact(row, row["id"], row["star"] is not None), lambda row: str(row["id"]))


def starred(member_id: int, visible: QuerySet[Record], *, before: str = "", size: int = 30) -> Page[ReadingFact]:
    """The newest star first. One query."""
    rows = Star.objects.filter(member_id=member_id, message__record__in=visible)
    if (number := read_id(before)) is not None:
        rows = rows.filter(pk__lt=number)
    found = rows.order_by("-id").values("id", "message_id", **_OF_A_MESSAGE)[: size + 1]
    return page_of(found, size, lambda row: _fact(row, None, is_starred=True), lambda row: str(row["id"]))


def _fact(row: dict[str, Any], notification_id: int | None, is_starred: bool) -> ReadingFact:
    return ReadingFact(
        notification_id=notification_id,
        message_id=row["message_id"],
        record_id=row["record"],
        record_title=row["title"],
        author=row["known_as"] or row["author_name"] or row["author_address"],
        kind=row["kind"],
        words=" ".join((row["words"] or "").split()),
        posted_at=row["posted_at"],
        is_starred=is_starred,
    )
