"""Counts of the loop breaker: what everybody made through one alias, and one author by a mailbox's fallback, within the window.

What one author did at one target is seen in `loop_signs`. Laws: counting costs no more than its limit, however much mail there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count

from postroom.core.routing.loops import ALIAS_FACTOR
from postroom.core.routing.verdicts import Evidence
from postroom.store.models import Record
from postroom.store.queries.loop_signs import SignTally
from postroom.store.statements import ask


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the mails of this batch have done before the one in hand; see `note_created` and `note_appended`."""

    creations_all: Counter[int] = field(default_factory=Counter)
    fallback: Counter[tuple[str, str]] = field(default_factory=Counter)
    signs: SignTally = field(default_factory=SignTally)

    def note_created(self, evidence: Evidence, alias_id: int | None, kind: str) -> None:
        if alias_id is None:
            self.fallback[(kind, evidence.author_normal)] += 1
            return
        self.creations_all[alias_id] += 1
        self.signs.note_created(evidence, alias_id)

    def note_appended(self, evidence: Evidence, record_id: int) -> None:
        self.signs.note_appended(evidence, record_id)


_CREATIONS_ALL = """
SELECT alias_id, (SELECT count(*) FROM (SELECT 1 FROM postroom_record
                   WHERE alias_id = wanted.alias_id AND created_at >= %s::timestamptz LIMIT %s::bigint) AS made)
  FROM unnest(%s::bigint[]) AS wanted(alias_id)
"""


def recent_creations(alias_ids: Sequence[int], since: datetime, threshold: int) -> Mapping[int, int]:
    """Records made by each alias, never counted past the wide cap."""
    if not alias_ids or threshold <= 0:
        return {}
    return dict(ask(_CREATIONS_ALL, [since, threshold * ALIAS_FACTOR, list(alias_ids)]))


def recent_of_kinds(kinds: Collection[str], normals: Collection[str], since: datetime) -> Mapping[tuple[str, str], int]:
    if not kinds:
        return {}
    rows = Record.objects.filter(kind_id__in=kinds, contact_address__in=normals, created_at__gte=since, alias=None)
    counted = rows.order_by().values_list("kind_id", "contact_address").annotate(n=Count("id"))
    return {(kind, author): count for kind, author, count in counted}
