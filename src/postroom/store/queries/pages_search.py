"""Messages by their words, newest first, cut to companies in the question itself.

Laws: see `store.queries.pages`. A common word is in a million messages, and an index of words knows no order: so the
numbers of messages are searched block by block from the newest down (each message bears the names of its blocks as words), in ever larger
blocks until enough is found: all in one question, of which the database answers no more than it must. An unfinished word is looked for in the newest messages first, one by one. A page looks at `MOST_STEPS` blocks at most and then says where to go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import Exists, F, QuerySet
from django.db.models.functions import Left

from postroom.core.conversations.words import SHIFTS, Piece, Question, asked_as, block_mark, excerpt, question_of
from postroom.store.models import Message, MessageBody, MessageIdentifier, Record, SearchProgress
from postroom.store.queries.pages import Page, read_id
from postroom.store.queries.pages_records import RecordWish

PAGE_HITS = 30
MOST_STEPS = 6
MOST_ROUNDS = 2  # the second where many messages were of few records
MOST_AT_ONCE = 100  # messages of one round
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HitPage(Page[HitRow]):
    """What was found. ``is_complete``: old messages are found, too."""

    is_complete: bool = True


class _Way(StrEnum):
    """How a block is searched. The index gathers all messages of a beginning before it cuts them to the block, which is dear for
    one that is in every other message: those are walked, or found by the other words and looked at."""

    INDEX = "index"
    WALK = "walk"
    MIXED = "mixed"


_BY_INDEX = "SELECT message_id FROM postroom_searchentry WHERE words @@ %({n}asked)s::tsquery AND {span}"
_BY_WALKING = "SELECT message_id FROM block WHERE words @@ %({n}asked)s::tsquery"
_WALKED = "block AS MATERIALIZED (SELECT message_id, words FROM postroom_searchentry WHERE {span}),"
_MIXED = """block AS MATERIALIZED (
    SELECT message_id, words FROM postroom_searchentry WHERE words @@ %({n}whole)s::tsquery AND {span}),"""
_SPAN = "message_id < %({n}before)s AND message_id >= %({n}start)s"
_HITS = """
WITH {block} hits AS MATERIALIZED ({hits})
SELECT message.id, message.record_id
  FROM hits JOIN postroom_message message ON message.id = hits.message_id
  JOIN postroom_record record ON record.id = message.record_id
 WHERE message.company_id = ANY(%(companies)s::bigint[]) AND record.company_id = ANY(%(companies)s::bigint[])
   {narrowed}
 ORDER BY message.id DESC LIMIT %(most)s
"""
_FIRST = "SELECT * FROM ({pieces}) AS found LIMIT %(most)s"
_BEGUN = """
WITH {walked}
begun AS (SELECT count(*) AS seen FROM (SELECT FROM block WHERE words @@ %(beginning)s::tsquery LIMIT %(seldom)s) AS few)
SELECT found.id, found.record_id, begun.seen FROM begun LEFT JOIN ({hits}) AS found ON true ORDER BY found.id DESC
"""


def search_messages(
    wish: RecordWish, typed: str, company_ids: Sequence[int], after: str = "", most: int = PAGE_HITS
) -> HitPage:
    """Records of these companies with a message that has all the words, as far as ``wish`` lets them in. Five queries at most."""
    question = question_of(typed)
    if question.is_empty or not company_ids:
        return HitPage(rows=())
    end, is_complete = _standing()
    before = read_id(after) or end
    search = _Search(wish=wish, question=question, company_ids=company_ids)
    found: dict[int, int] = {}  # record -> message
    way, last = _Way.INDEX, before
    if question.beginning and before > 0:
        hits, way = search.begun(before)
        before = _behind(hits, max(0, before - WALKED))
        last = _gather(found, hits, most + 1, last)
    for _ in range(MOST_ROUNDS):
        if before <= 0 or len(found) > most:
            break
        spans = _spans(way, before)
        hits = search.hits(way, spans)
        before = _behind(hits, spans[-1].start)
        last = _gather(found, hits, most + 1, last)
        if len(hits) < MOST_AT_ONCE:
            break
    if len(found) > most:
        found.popitem()
        return HitPage(rows=_rows(found, question), next=str(last), is_complete=is_complete)
    return HitPage(rows=_rows(found, question), next=str(before) if before > 0 else "", is_complete=is_complete)


def _gather(found: dict[int, int], hits: Sequence[tuple[int, int]], most: int, last: int) -> int:
    """Adds the newest message of each record until there are ``most``; the last message before the one that was too many."""
    for message, record in hits:
        if record not in found:
            found[record] = message
            if len(found) == most:
                return last
        last = message
    return last


def _behind(hits: Sequence[tuple[int, int]], start: int) -> int:
    """Where to go on: behind the last hit when there may be more, else behind what was looked through."""
    return hits[-1][0] if len(hits) == MOST_AT_ONCE else start


def _standing() -> tuple[int, bool]:
    """One more than the newest message's number (0 without any), and whether old messages are found, too. One query."""
    old = SearchProgress.objects.filter(oldest__gt=0)
    found = Message.objects.order_by("-pk").values_list("pk", ~Exists(old))[:1]
    newest, is_complete = next(iter(found), (-1, True))
    return newest + 1, is_complete


@dataclass(frozen=True, slots=True)
class _Span:
    """Messages from ``start`` on, but before ``before``; ``mark`` is the word that all of the block bear."""

    start: int
    before: int
    mark: str


def _spans(way: _Way, before: int) -> tuple[_Span, ...]:
    """What one question looks through, the newest first: blocks of growing size. Those behind the one that fills the page are not read."""
    found: list[_Span] = []
    for step in range(MOST_STEPS):
        if before <= 0:
            break
        level = min(step, len(SHIFTS) - 1)
        block = (before - 1) >> SHIFTS[level]
        start = max(0, before - WALKED) if way is _Way.WALK else block << SHIFTS[level]
        found.append(_Span(start, before, block_mark(level, block)))
        before = start
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """What is asked, and of whom."""

    wish: RecordWish
    question: Question
    company_ids: Sequence[int]

    def begun(self, before: int) -> tuple[list[tuple[int, int]], _Way]:
        """The newest messages, one by one; and how those behind them are searched, by how often the beginning was seen."""
        span = _Span(max(0, before - WALKED), before, "")
        statement, values = self._piece(_Way.WALK, span, "", is_inner=True)
        beginning = asked_as(Question(words=(), beginning=self.question.beginning), self.company_ids)
        values |= {"beginning": beginning, "seldom": SELDOM}
        walked = _WALKED.format(span=_SPAN.format(n=""))
        rows = _asked(_BEGUN.format(walked=walked, hits=statement), values)
        hits = [(message, record) for message, record, _seen in rows if message is not None]
        if len(hits) >= SELDOM:
            return hits, _Way.WALK
        return hits, _Way.INDEX if rows[0][2] < SELDOM or not self.question.words else _Way.MIXED

    def hits(self, way: _Way, spans: Sequence[_Span]) -> list[tuple[int, int]]:
        """Messages and their records, newest first, at most `MOST_AT_ONCE`: the database reads one span after the other until it has
        so many. A union of questions with their values in them, because only those tell the planner how rare a word is."""
        pieces: list[str] = []
        values: dict[str, Any] = {}
        for place, span in enumerate(spans):
            piece, its_values = self._piece(way, span, f"s{place}_")
            pieces.append(f"({piece})")
            values |= its_values
        rows = _asked(_FIRST.format(pieces=" UNION ALL ".join(pieces)), values)
        return sorted(rows, reverse=True)

    def _piece(self, way: _Way, span: _Span, n: str, *, is_inner: bool = False) -> tuple[str, dict[str, Any]]:
        """The question for one span, its own values named with ``n``. ``is_inner``: the block is there already."""
        narrowed, values = _narrowed(self.wish)
        values |= {"companies": list(self.company_ids), "most": MOST_AT_ONCE}
        mark = span.mark if way is _Way.INDEX else ""
        values |= {
            f"{n}asked": asked_as(self.question, self.company_ids, mark),
            f"{n}whole": asked_as(Question(words=self.question.words), self.company_ids, span.mark),
            f"{n}before": span.before,
            f"{n}start": span.start,
        }
        where = _SPAN.format(n=n)
        block = {_Way.INDEX: "", _Way.WALK: _WALKED, _Way.MIXED: _MIXED}[way].format(n=n, span=where)
        hits = (_BY_INDEX if way is _Way.INDEX else _BY_WALKING).format(n=n, span=where)
        return _HITS.format(block="" if is_inner else block, hits=hits, narrowed=narrowed), values


def _asked(statement: str, values: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


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
