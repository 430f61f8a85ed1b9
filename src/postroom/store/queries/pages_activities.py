"""What is to be done: on one record, and by one person. Laws: see `store.queries.pages`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.db.models import F, QuerySet

from postroom.core.terms.states import ActivityKind, ActivityState
from postroom.store.models import Activity, Member, Record

MOST = 100


class Due(StrEnum):
    """Where its day lies, seen from a day."""

    OVERDUE = "overdue"
    TODAY = "today"
    PLANNED = "planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFact:
    """Something to be done. ``note`` is plain text."""

    id: int
    record_id: int
    record_title: str
    kind: ActivityKind
    summary: str
    note: str
    due_on: date
    due: Due
    assignee_id: int
    assignee: str
    assignee_address: str
    planned_by: str

    @property
    def is_overdue(self) -> bool:
        return self.due is Due.OVERDUE


def activities_on(record_id: int, today: date, most: int = MOST) -> tuple[ActivityFact, ...]:
    """What is planned on a record, the most urgent first. One query."""
    return _facts(Activity.objects.filter(record_id=record_id), today, most)


def activities_of(member: Member, visible: QuerySet[Record], today: date, most: int = 8) -> tuple[ActivityFact, ...]:
    """What this member has to do on records that he may see, the most urgent first. One query, along an index of what is planned.
    ``today`` is the day where the member lives."""
    return _facts(Activity.objects.filter(assignee=member, record__in=visible), today, most)


def one_activity(visible: QuerySet[Record], activity_id: int, today: date) -> ActivityFact | None:
    """One that is planned on a visible record."""
    found = _facts(Activity.objects.filter(pk=activity_id, record__in=visible), today, 1)
    return found[0] if found else None


def _facts(rows: QuerySet[Activity], today: date, most: int) -> tuple[ActivityFact, ...]:
    found = (
        rows.filter(state=ActivityState.PLANNED)
        .order_by("due_on", "id")
        .values(
            "id",
            "record_id",
            "kind",
            "summary",
            "note",
            "due_on",
            "assignee_id",
            title=F("record__title"),
            name=F("assignee__contact__name"),
            address=F("assignee__contact__address"),
            planner=F("planned_by__contact__name"),
        )[:most]
    )
    return tuple(_fact(row, today) for row in found)


def _fact(row: Mapping[str, Any], today: date) -> ActivityFact:
    due_on: date = row["due_on"]
    return ActivityFact(
        id=row["id"],
        record_id=row["record_id"],
        record_title=row["title"],
        kind=ActivityKind(row["kind"]),
        summary=row["summary"],
        note=row["note"],
        due_on=due_on,
        due=Due.OVERDUE if due_on < today else Due.TODAY if due_on == today else Due.PLANNED,
        assignee_id=row["assignee_id"],
        assignee=row["name"],
        assignee_address=row["address"],
        planned_by=row["planner"] or "",
    )
