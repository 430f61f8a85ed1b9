"""The head of one record's page. Laws: see `store.queries.pages`."""

from __future__ import annotations

import json

from django.db import connection
from django.db.models import QuerySet

from postroom.core.terms.record_values import fields_of
from postroom.store.models import Record
from postroom.store.queries.colleagues import colleague_in_sql
from postroom.store.queries.pages import text_of
from postroom.store.queries.pages_records import MOST_FOLLOWERS, FollowerFact, KindFact, RecordFact

_HEAD = """
SELECT record.id, record.title, record.stage, record.company_id, record.contact_id, record.contact_name, record.contact_address,
       record.responsible_id, record."values", record.created_at, record.updated_at, record.merged_into_id, record.is_done,
       record.unanswered_since, kind.key, kind.label, kind.label_plural, kind.icon, kind.stages, kind.value_names, kind.value_types,
       company.name AS company, contact.name AS known_name, contact.address AS known_address, contact.language,
       person.name AS responsible, alias.name || '@' || domain.name AS alias, (
           SELECT jsonb_agg(to_jsonb(one)) FROM (
               SELECT follower.contact_id, hears.name, hears.address, {is_colleague} AS is_colleague,
                      follower.comments, follower.notes, follower.changes, follower.activities
                 FROM postroom_follower follower
                 JOIN postroom_contact hears ON hears.id = follower.contact_id
                 LEFT JOIN postroom_member member ON member.contact_id = hears.id
                WHERE follower.record_id = record.id
                ORDER BY member.id ASC NULLS LAST, hears.name, follower.id LIMIT %s
           ) AS one
       ) AS followers
  FROM postroom_record record
  JOIN postroom_recordkind kind ON kind.key = record.kind_id
  JOIN postroom_company company ON company.id = record.company_id
  LEFT JOIN postroom_contact contact ON contact.id = record.contact_id
  LEFT JOIN postroom_member responsible ON responsible.id = record.responsible_id
  LEFT JOIN postroom_contact person ON person.id = responsible.contact_id
  LEFT JOIN postroom_alias alias ON alias.id = record.alias_id
  LEFT JOIN postroom_aliasdomain domain ON domain.id = alias.domain_id
 WHERE record.id IN ({seen})
"""
_JSON = ("values", "stages", "value_names", "value_types", "followers")


def record_head(visible: QuerySet[Record], record_id: int) -> RecordFact | None:
    """One record with its followers; None when it is not there or not visible. One query.

    Written as SQL, for the ORM took longer to build seven tables and their sub-question than the database to answer. Who may see the
    record is told at one place all the same: the condition of ``visible`` is built, which is small, and stands in the statement as it is."""
    seen, values = text_of(visible.filter(pk=record_id).order_by().values("pk"))
    with connection.cursor() as cursor:
        cursor.execute(_HEAD.format(is_colleague=colleague_in_sql(), seen=seen), [MOST_FOLLOWERS, *values])
        row = cursor.fetchone()
        if row is None:
            return None
        found = dict(zip((column.name for column in cursor.description), row, strict=True))
    found |= {name: json.loads(found[name]) for name in _JSON if found[name] is not None}
    return RecordFact(
        id=found["id"],
        title=found["title"],
        kind=KindFact(
            key=found["key"],
            label=found["label"],
            label_plural=found["label_plural"],
            icon=found["icon"],
            stages=tuple(str(stage) for stage in found["stages"]),
        ),
        stage=found["stage"],
        company_id=found["company_id"],
        company=found["company"],
        contact_id=found["contact_id"],
        contact_name=found["contact_name"] if found["known_name"] is None else found["known_name"],
        contact_address=found["known_address"] or found["contact_address"],
        contact_language=found["language"] or "",
        responsible_id=found["responsible_id"],
        responsible=found["responsible"] or "",
        values=found["values"],
        fields=fields_of(found["value_names"], found["value_types"], found["values"]),
        alias=found["alias"] or "",
        created_at=found["created_at"],
        updated_at=found["updated_at"],
        merged_into=found["merged_into_id"],
        is_done=found["is_done"],
        unanswered_since=found["unanswered_since"],
        followers=tuple(FollowerFact(**one) for one in found["followers"] or ()),
    )
