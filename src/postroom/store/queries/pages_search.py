"""Messages by their words, newest first, cut to companies in the question itself.

Laws: see `store.queries.pages`. A common word is in a million messages, and an index of words knows no order: so the
numbers of messages are searched block by block from the newest down (each message bears the names of its blocks as words), in larger
blocks while little is found. An unfinished word is looked for in the newest messages first, one by one. A page looks at `MOST_STEPS` blocks at most and then says where to go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Left

from postroom.core.conversations.words import SHIFTS, Piece, Question, asked_as, block_mark, excerpt, question_of
from postroom.store.models import Message, MessageBody, MessageIdentifier, Record
from postroom.store.queries.pages import Page, read_id
from postroom.store.queries.pages_records import RecordWish

PAGE_HITS = 30
MOST_STEPS = 6
MOST_AT_ONCE = 400  # messages of one block that are looked at closer
FEW = 16  # hits in a block: fewer, and the next block is a larger one
WALKED = 1024  # messages that are looked at one by one, before the index is asked for a beginning
SELDOM = 8  # among them: fewer, and the beginning is a rare one
READ = 8_000  # signs of a text in which the words are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRow:
    """A record in which a message has the words: the newest such message of this page."""

    message_id: int
    record_id: int
    title: str
    kind: str
    contact: str
    contact_address: str
    author: str
    message_kind: str
    stage: str
    is_done: bool
    posted_at: datetime
    said: tuple[Piece, ...]


class _Way(StrEnum):
    """How a block is searched. The index gathers all messages of a beginning before it cuts them to the block, which is dear for
    one that is in every other message: those are walked, or found by the other words and looked at."""

    INDEX = "index"
    WALK = "walk"
    MIXED = "mixed"


_BY_INDEX = "SELECT message_id FROM postroom_searchentry WHERE words @@ %(asked)s::tsquery AND message_id < %(before)s AND message_id >= %(start)s"
_BY_WALKING = """SELECT message_id FROM block WHERE words @@ %(asked)s::tsquery"""
_WALKED = "SELECT message_id, words FROM postroom_searchentry WHERE message_id < %(before)s AND message_id >= %(start)s"
_MIXED = """SELECT message_id, words FROM postroom_searchentry
     WHERE words @@ %(whole)s::tsquery AND message_id < %(before)s AND message_id >= %(start)s"""
_HITS = """
WITH {block} hits AS MATERIALIZED ({hits})
SELECT message.id, message.record_id
  FROM hits JOIN postroom_message message ON message.id = hits.message_id
  JOIN postroom_record record ON record.id = message.record_id
 WHERE message.company_id = ANY(%(companies)s::bigint[]) AND record.company_id = ANY(%(companies)s::bigint[])
   {narrowed}
 ORDER BY message.id DESC LIMIT %(most)s
"""
_IS_SELDOM = """
SELECT count(*) < %(seldom)s FROM (
    SELECT FROM (SELECT words FROM postroom_searchentry WHERE message_id < %(before)s AND message_id >= %(start)s OFFSET 0) AS block
     WHERE words @@ %(beginning)s::tsquery LIMIT %(seldom)s) AS begun
"""


def search_messages(
    wish: RecordWish, typed: str, company_ids: Sequence[int], after: str = "", most: int = PAGE_HITS
) -> Page[HitRow]:
    """Records of these companies with a message that has all the words, as far as ``wish`` lets them in. A query a block, and three."""
    question = question_of(typed)
    before = read_id(after) or _end()
    if question.is_empty or not company_ids:
        return Page(rows=())
    found: dict[int, int] = {}  # record -> message
    way = _Way.WALK if question.beginning else _Way.INDEX
    level, last = 0, before
    for _ in range(MOST_STEPS):
        if before <= 0:
            break
        block = (before - 1) >> SHIFTS[level]
        start = max(0, before - WALKED) if way is _Way.WALK else block << SHIFTS[level]
        hits = _hits(way, wish, question, company_ids, before, start, block_mark(level, block))
        for message, record in hits:
            if record not in found:
                if len(found) == most:
                    return Page(rows=_rows(found, question), next=str(last))
                found[record] = message
            last = message
        if way is _Way.WALK and len(hits) < SELDOM:
            way = _Way.INDEX if _is_seldom(question, company_ids, before, start) else _Way.MIXED
        elif way is not _Way.WALK and len(hits) < FEW:
            level = min(level + 1, len(SHIFTS) - 1)
        before = hits[-1][0] if len(hits) == MOST_AT_ONCE else start
    return Page(rows=_rows(found, question), next=str(before) if before > 0 else "")


def _end() -> int:
    """One more than the newest message's number; 0 without any."""
    newest = Message.objects.order_by("-pk").values_list("pk", flat=True).first()
    return (newest or -1) + 1


def _is_seldom(question: Question, company_ids: Sequence[int], before: int, start: int) -> bool:
    """Whether few of the messages that were walked have the beginning. Alone it is: few were found."""
    if not question.words:
        return True
    beginning = asked_as(Question(words=(), beginning=question.beginning), company_ids)
    values: dict[str, Any] = {"beginning": beginning, "before": before, "start": start, "seldom": SELDOM}
    with connection.cursor() as cursor:
        cursor.execute(_IS_SELDOM, values)
        return bool(cursor.fetchone()[0])


def _hits(
    way: _Way,
    wish: RecordWish,
    question: Question,
    company_ids: Sequence[int],
    before: int,
    start: int,
    mark: str,
) -> list[tuple[int, int]]:
    """Messages and their records, newest first, at most `MOST_AT_ONCE`."""
    narrowed, values = _narrowed(wish)
    whole = Question(words=question.words)
    values |= {
        "asked": asked_as(question, company_ids, mark if way is _Way.INDEX else ""),
        "whole": asked_as(whole, company_ids, mark),
        "companies": list(company_ids),
        "before": before,
        "start": start,
        "most": MOST_AT_ONCE,
    }
    looked_at = {_Way.INDEX: "", _Way.WALK: _WALKED, _Way.MIXED: _MIXED}[way]
    block = f"block AS MATERIALIZED ({looked_at})," if looked_at else ""
    statement = _HITS.format(block=block, hits=_BY_WALKING if looked_at else _BY_INDEX, narrowed=narrowed)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[int, int]] = cursor.fetchall()
    return rows


_FOLLOWED = (
    "EXISTS (SELECT FROM postroom_follower one WHERE one.record_id = record.id AND one.contact_id = %(follower)s)"
)
_FAILED = """EXISTS (SELECT FROM postroom_message said JOIN postroom_notification told ON told.message_id = said.id
              WHERE said.record_id = record.id AND told.author_id = %(failed_author)s AND told.state IN ('bounce', 'exception'))"""


def _narrowed(wish: RecordWish) -> tuple[str, dict[str, Any]]:
    """What the wish asks of the record beside the words, as conditions and their values."""
    asked: list[tuple[bool, str, str, Any]] = [
        (bool(wish.kind), "record.kind_id = %(kind)s", "kind", wish.kind),
        (bool(wish.stage), "record.stage = %(stage)s", "stage", wish.stage),
        (wish.responsible == 0, "record.responsible_id IS NULL", "", None),
        (bool(wish.responsible), "record.responsible_id = %(responsible)s", "responsible", wish.responsible),
        (wish.contact is not None, "record.contact_id = %(contact)s", "contact", wish.contact),
        (wish.is_done is not None, "record.is_done = %(is_done)s", "is_done", wish.is_done),
        (wish.is_unanswered, "record.unanswered_since IS NOT NULL AND NOT record.is_done", "", None),
        (wish.follower is not None, _FOLLOWED, "follower", wish.follower),
        (wish.failed_author is not None, _FAILED, "failed_author", wish.failed_author),
    ]
    held = [(condition, name, value) for holds, condition, name, value in asked if holds]
    return "".join(f" AND {condition}" for condition, _name, _value in held), {
        name: value for _condition, name, value in held if name
    }


def _rows(found: Mapping[int, int], question: Question) -> tuple[HitRow, ...]:
    """Newest first."""
    rows = (
        MessageBody.objects.filter(message_id__in=found.values())
        .order_by("-message_id")
        .values(
            "message_id",
            record=F("message__record_id"),
            title=F("message__record__title"),
            kind=F("message__record__kind_id"),
            contact=F("message__record__contact_name"),
            contact_known=F("message__record__contact__name"),
            contact_address=F("message__record__contact_address"),
            stage=F("message__record__stage"),
            is_done=F("message__record__is_done"),
            author=F("message__author_name"),
            message_kind=F("message__kind"),
            posted_at=F("message__posted_at"),
            said=Left("text", READ),
        )
    )
    return tuple(_row(row, question) for row in rows)


def _row(row: Mapping[str, Any], question: Question) -> HitRow:
    return HitRow(
        message_id=row["message_id"],
        record_id=row["record"],
        title=row["title"],
        kind=row["kind"],
        contact=row["contact_known"] or row["contact"],
        contact_address=row["contact_address"],
        author=row["author"],
        message_kind=row["message_kind"],
        stage=row["stage"],
        is_done=row["is_done"],
        posted_at=row["posted_at"],
        said=excerpt(row["said"], question),
    )


def exactly(visible: QuerySet[Record], typed: str) -> tuple[int, ...]:
    """The visible records that a number (``#1042``, ``1042``) or a Message-ID names. At most one query each."""
    text = typed.strip()
    number = read_id(text.removeprefix("#"))
    if number is not None:
        return tuple(visible.filter(pk=number).values_list("pk", flat=True))
    if "@" not in text or " " in text or len(text) > 998:
        return ()
    name = f"<{text.strip('<>')}>"
    messages = MessageIdentifier.objects.filter(identifier=name).values("message__record_id")[:10]
    return tuple(visible.filter(pk__in=messages).order_by("-pk").values_list("pk", flat=True))
