"""What the loop breaker must know: what one author, one alias, one record did within the window, stored and in this batch.

Laws: counting costs no more than its limit, however much mail there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.db.models import Count

from postroom.core.routing.loops import ALIAS_FACTOR
from postroom.core.routing.verdicts import Evidence
from postroom.store.models import Message, Record
from postroom.store.queries.loop_signs import SignTally


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the mails of this batch have done before the one in hand; see `note_created` and `note_appended`."""

    creations: Counter[tuple[int, str]] = field(default_factory=Counter)
    creations_all: Counter[int] = field(default_factory=Counter)
    similar_creations: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    fallback: Counter[tuple[str, str]] = field(default_factory=Counter)
    replies: Counter[tuple[int, str]] = field(default_factory=Counter)
    similar_replies: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    signs: SignTally = field(default_factory=SignTally)

    def note_created(self, evidence: Evidence, alias_id: int | None, kind: str) -> None:
        author = evidence.author_normal
        if alias_id is None:
            self.fallback[(kind, author)] += 1
            return
        self.signs.note_created(evidence, alias_id)
        self.creations[(alias_id, author)] += 1
        self.creations_all[alias_id] += 1
        self.similar_creations[(alias_id, author, evidence.text_digest)] += 1

    def note_appended(self, evidence: Evidence, record_id: int) -> None:
        self.signs.note_appended(evidence, record_id)
        self.replies[(record_id, evidence.author_normal)] += 1
        self.similar_replies[(record_id, evidence.author_normal, evidence.text_digest)] += 1


_CREATIONS = """
SELECT pair.alias_id, pair.author, first.text_digest, count(*)
  FROM unnest(%s::bigint[], %s::text[]) AS pair(alias_id, author)
 CROSS JOIN LATERAL (
       SELECT id FROM postroom_record
        WHERE contact_address = pair.author AND alias_id = pair.alias_id AND created_at >= %s LIMIT %s) AS made
  LEFT JOIN LATERAL (
       SELECT text_digest FROM postroom_message WHERE record_id = made.id ORDER BY id LIMIT 1) AS first ON true
 GROUP BY 1, 2, 3
"""
_CREATIONS_ALL = """
SELECT alias_id, (SELECT count(*) FROM (SELECT 1 FROM postroom_record
                   WHERE alias_id = wanted.alias_id AND created_at >= %s LIMIT %s) AS made)
  FROM unnest(%s::bigint[]) AS wanted(alias_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Creations:
    """Records made within the loop window: by alias and author, with one text, and by alias; never counted past the limit."""

    by_author: Mapping[tuple[int, str], int]
    similar: Mapping[tuple[int, str, str], int]
    by_alias: Mapping[int, int]


def recent_creations(alias_ids: Sequence[int], normals: Collection[str], since: datetime, threshold: int) -> Creations:
    """Two queries whose cost is bounded by the threshold, however many records an alias makes."""
    if not alias_ids or threshold <= 0:
        return Creations(by_author={}, similar={}, by_alias={})
    pairs = [(alias_id, author) for alias_id in alias_ids for author in normals]
    by_author: Counter[tuple[int, str]] = Counter()
    similar: dict[tuple[int, str, str], int] = {}
    with connection.cursor() as cursor:
        cursor.execute(_CREATIONS, [[one for one, _ in pairs], [one for _, one in pairs], since, threshold])
        for alias_id, author, digest, count in cursor.fetchall():
            by_author[(alias_id, author)] += count
            similar[(alias_id, author, digest or "")] = count
        cursor.execute(_CREATIONS_ALL, [since, threshold * ALIAS_FACTOR, list(alias_ids)])
        by_alias = dict(cursor.fetchall())
    return Creations(by_author=by_author, similar=similar, by_alias=by_alias)


def recent_replies(
    record_ids: Collection[int], normals: Collection[str], since: datetime
) -> tuple[Mapping[tuple[int, str], int], Mapping[tuple[int, str, str], int]]:
    if not record_ids:
        return {}, {}
    rows = Message.objects.filter(
        record_id__in=record_ids, author_address__in=normals, posted_at__gte=since, inbound__isnull=False
    )
    pairs: Counter[tuple[int, str]] = Counter()
    triples: dict[tuple[int, str, str], int] = {}
    for record_id, author, digest, count in (
        rows.order_by().values_list("record_id", "author_address", "text_digest").annotate(n=Count("id"))
    ):
        pairs[(record_id, author)] += count
        triples[(record_id, author, digest)] = count
    return pairs, triples


def recent_of_kinds(kinds: Collection[str], normals: Collection[str], since: datetime) -> Mapping[tuple[str, str], int]:
    if not kinds:
        return {}
    rows = Record.objects.filter(kind_id__in=kinds, contact_address__in=normals, created_at__gte=since, alias=None)
    counted = rows.order_by().values_list("kind_id", "contact_address").annotate(n=Count("id"))
    return {(kind, author): count for kind, author, count in counted}
