"""Writes down the words of messages, so that they are found again: beside the way of the mail, never on it.

Duty: new messages within a second or two (a resident of the scheduler), old ones newest first while it has nothing
else to do, and once an hour (a scheduled action) what is left of them and whatever slipped through.
Laws: who accepts, routes or posts mail pays nothing. What was written down is remembered in one row (`SearchProgress`), so every
pass goes on where the last one stopped; a message is written down once, whoever else does the same at the time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from postroom.core.conversations.words import MOST_TEXT, kept_as, marks_of, words_of
from postroom.flows.ports import Ports
from postroom.store.models import Message, SearchEntry, SearchProgress

CHANNEL = "postroom_search"  # nobody has to call: the resident looks once a second
BATCH = 500
BATCHES = 8  # in one go, before anybody looks whether it is time to stop
SETTLES_AFTER = timedelta(minutes=2)  # a transaction that took its numbers has written its messages by then
MOST_MENDED = 200_000  # messages that the hourly look goes back over

_MISSING = """
SELECT message.id, message.company_id, message.posted_at, message.subject, message.author_name, message.author_address,
       record.title, record.contact_name, record.contact_address, left(body.text, %(most)s), body.addressed::text,
       (SELECT array_agg(file.name) FROM postroom_attachment file WHERE file.message_id = message.id AND message.attachment_count > 0)
  FROM postroom_message message
  LEFT JOIN postroom_messagebody body ON body.message_id = message.id
  LEFT JOIN postroom_record record ON record.id = message.record_id
 WHERE {range} AND message.kind <> 'system'
   AND NOT EXISTS (SELECT FROM postroom_searchentry entry WHERE entry.message_id = message.id)
 ORDER BY message.id {order} LIMIT %(batch)s
"""
_NEW = _MISSING.format(range="message.id > %(after)s", order="")
_OLD = _MISSING.format(range="message.id <= %(upto)s", order="DESC")
_BETWEEN = _MISSING.format(range="message.id > %(after)s AND message.id <= %(upto)s", order="")
_ONE = _MISSING.format(range="message.id = %(one)s", order="")
_WRITE = """
INSERT INTO postroom_searchentry (message_id, words)
SELECT new.id, new.words::tsvector FROM unnest(%s::bigint[], %s::text[]) AS new(id, words)
ON CONFLICT (message_id) DO NOTHING
"""


def index_new(ports: Ports) -> int:
    """Messages that came since, some batches of them; how many. What is left over waits a second, with what comes: then 0.

    The mark of what is complete moves on behind them, also while more come than one goes through: whatever lies above the mark is
    looked at again each time.
    """
    mark = _mark()
    written, after = 0, mark.newest
    for _ in range(BATCHES):
        rows = _missing(_NEW, after=after)
        _write(rows)
        if len(rows) < BATCH:
            _move_on(mark, ports.clock.now())
            return written
        written, after = written + len(rows), rows[-1][0]
    _move_on(mark, ports.clock.now(), upto=after)
    return written


def index_some(ports: Ports) -> int:
    """New ones first, and while there are none a batch of old ones; how much was done, 0 when nothing waits."""
    return index_new(ports) or _some_old(_mark())


def index_again(message_id: int) -> None:
    """Its words were changed. Inside a transaction. What was never written down is left to those who will."""
    if SearchEntry.objects.filter(pk=message_id).delete()[0]:
        _write(_missing(_ONE, one=message_id))


def index_old(ports: Ports, is_over: Callable[[], bool]) -> str:  # noqa: ARG001 (every flow takes ports)
    """Whatever was there before, from the newest down; then the messages that the resident missed. Goes on where it stopped."""
    written = 0
    mark = _mark()
    while mark.oldest and not is_over():
        written += _some_old(mark)
    mended = 0 if is_over() else _mend(mark.newest)
    if mark.oldest:
        return f"{written} old messages written down for the search; those before message {mark.oldest} come next"
    return f"{written} old messages written down for the search, {mended} that were missed"


def _some_old(mark: SearchProgress) -> int:
    if not mark.oldest:
        return 0
    with transaction.atomic():
        rows = _missing(_OLD, upto=mark.oldest)
        _write(rows)
        mark.oldest = rows[-1][0] - 1 if rows else 0
        SearchProgress.objects.filter(pk=mark.pk).update(oldest=mark.oldest)
    return len(rows)


def _mark() -> SearchProgress:
    """Made at the first use: what is there by then is old."""
    known = SearchProgress.objects.order_by("pk").first()
    if known is not None:
        return known
    newest = Message.objects.aggregate(newest=Max("pk"))["newest"] or 0
    return SearchProgress.objects.get_or_create(pk=1, defaults={"newest": newest, "oldest": newest})[0]


def _mend(newest: int) -> int:
    mended, after = 0, newest - MOST_MENDED
    while rows := _missing(_BETWEEN, after=after, upto=newest):
        _write(rows)
        mended += len(rows)
        after = rows[-1][0]
    return mended


def _move_on(mark: SearchProgress, now: datetime, upto: int | None = None) -> None:
    """Numbers are given before they are committed, so only what is a while ago counts as complete."""
    rows = Message.objects.filter(pk__gt=mark.newest, posted_at__lt=now - SETTLES_AFTER)
    if upto is not None:
        rows = rows.filter(pk__lte=upto)
    settled = rows.aggregate(newest=Max("pk"))["newest"]
    if settled is not None:
        SearchProgress.objects.filter(pk=mark.pk, newest__lt=settled).update(newest=settled)


def _missing(question: str, **places: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, {**places, "most": MOST_TEXT, "batch": BATCH})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _write(rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_WRITE, [[row[0] for row in rows], [_words(row) for row in rows]])


def _words(row: Sequence[Any]) -> str:
    number, company_id, _at, subject, name, address, title, contact_name, contact_address, text, addressed, files = row
    people = _people(json.loads(addressed or "{}"))
    texts = [subject, title or "", name, contact_name or "", *(files or ()), *(who for who, _ in people), text or ""]
    addresses = [address, contact_address or "", *(spec for _, spec in people)]
    return kept_as([*words_of(texts, addresses), *marks_of(number, company_id)])


def _people(addressed: Mapping[str, Any], most: int = 50) -> list[tuple[str, str]]:
    """To and Cc of a mail that came in: names and addresses."""
    rows = [*addressed.get("to", ()), *addressed.get("cc", ())]
    return [(str(name), str(spec)) for name, spec in rows[:most]]
