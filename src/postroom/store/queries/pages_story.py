"""What lies around one delivery: who wrote the message and why this person hears of it by mail, and what came back as an answer.

Laws: see `store.queries.pages`; bounded, whatever was answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import Delivery, Message
from postroom.store.queries.pages_chatter import verdict_reasons

MOST_ANSWERS = 20
AUTOMATIC = "auto_reply"  # in the code of the reason why such a mail was only put beside what it answers


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedFact:
    """The message that it carries. ``reasons``: why this person, and why by mail. ``others``: how many hear of it besides, if known."""

    message_id: int
    record_id: int | None
    record_title: str
    author: str
    author_address: str
    kind: str
    posted_at: datetime
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFact:
    """What the recipient wrote back. ``is_automatic``: an out-of-office answer or its like."""

    message_id: int
    record_id: int | None
    inbound_id: int | None
    words: str
    answered_at: datetime
    is_automatic: bool


def posted(delivery_id: int) -> PostedFact | None:
    """None for what no message caused: an automatic answer. One query."""
    row = (
        Delivery.objects.filter(pk=delivery_id, mail__message__isnull=False)
        .values(
            message=F("mail__message_id"),
            record=F("mail__message__record_id"),
            title=F("mail__message__record__title"),
            known_as=F("mail__message__author__name"),
            author_name=F("mail__message__author_name"),
            author_address=F("mail__message__author_address"),
            kind=F("mail__message__kind"),
            at=F("mail__message__posted_at"),
            why=F("notification__reasons"),
        )
        .first()
    )
    if row is None:
        return None
    return PostedFact(
        message_id=row["message"],
        record_id=row["record"],
        record_title=row["title"] or "",
        author=row["known_as"] or row["author_name"] or row["author_address"],
        author_address=row["author_address"],
        kind=row["kind"],
        posted_at=row["at"],
        reasons=reasons_from_json(row["why"] or ()),
    )


def answers(message_id: int, address: str) -> tuple[AnswerFact, ...]:
    """What came from this address as an answer to this message, newest first. One query, along the index of answers."""
    rows = (
        Message.objects.filter(parent_id=message_id, author_address__iexact=address, pk__gt=message_id)
        .order_by("-id")
        .values("id", "record_id", "inbound_id", "posted_at", words=F("body__text"), verdict=F("inbound__verdict"))
    )
    return tuple(_answer(row) for row in rows[:MOST_ANSWERS])


def _answer(row: Mapping[str, Any]) -> AnswerFact:
    reasons = verdict_reasons(row["verdict"] or ())
    return AnswerFact(
        message_id=row["id"],
        record_id=row["record_id"],
        inbound_id=row["inbound_id"],
        words=" ".join((row["words"] or "")[:400].split())[:200],
        answered_at=row["posted_at"],
        is_automatic=any(AUTOMATIC in reason.code for reason in reasons),
    )
