"""Activities: something to be done on a record by a colleague until a day.

Laws: who is given one by somebody else is told, the way he hears of everything (U-11); who plans for himself is not. What is done leaves an
entry in the conversation, told to those who asked for it; what is cancelled leaves none. Nothing of it ever leaves the house.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from html import escape

from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.core.conversations.notices import done_html, planned
from postroom.core.terms.states import ActivityKind, ActivityState, MessageKind
from postroom.flows.access import require, visible_records
from postroom.flows.ports import Ports
from postroom.flows.records import colleague
from postroom.flows.tell_pages import tell_pages
from postroom.flows.write_messages import Author, Posting, RecordFact, write_messages
from postroom.store.models import Activity, Follower, Member, MessageBody, Record

LONGEST_NOTE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done. ``summary`` may be empty: then the kind says it. ``note`` is plain text."""

    kind: str
    due_on: date
    assignee_id: int
    summary: str = ""
    note: str = ""


_WORDS = {
    ActivityKind.TO_DO: "To do",
    ActivityKind.CALL: "Call",
    ActivityKind.MEETING: "Meeting",
    ActivityKind.EMAIL: "Email",
    ActivityKind.DOCUMENT: "Document",
}


@transaction.atomic
def plan_activity(ports: Ports, *, record_id: int, plan: Plan, by: Member) -> Activity:
    """Raises `NotAllowed`, `ValidationError` by field, Record.DoesNotExist; Member.DoesNotExist for who is no colleague there."""
    record = visible_records(by).select_related("kind").get(pk=record_id)
    require(by, "write", record)
    return add_activity(ports, record, plan, author=_author(by), planned_by=by)


def add_activity(ports: Ports, record: Record, plan: Plan, *, author: Author, planned_by: Member | None) -> Activity:
    """For who has the right to it, or a rule (``planned_by`` None); the record's kind is loaded. Inside a transaction. Raises
    `ValidationError` by field; Member.DoesNotExist for who is no colleague there."""
    plan = _checked(plan)
    assignee = colleague(record.company_id, plan.assignee_id)
    row = Activity.objects.create(
        company_id=record.company_id,
        record=record,
        kind=plan.kind,
        summary=plan.summary,
        note=plan.note,
        due_on=plan.due_on,
        assignee=assignee,
        planned_by=planned_by,
        planned_at=ports.clock.now(),
    )
    Follower.objects.get_or_create(record=record, contact_id=assignee.contact_id, defaults={"notes": True})
    _ask(ports, record, row, author, planned_by)
    return row


@transaction.atomic
def change_activity(ports: Ports, *, activity_id: int, plan: Plan, by: Member) -> Activity:
    """Of one that is planned. Who is given it now is told. Raises as `plan_activity`, and Activity.DoesNotExist."""
    row = _planned(activity_id, by)
    plan = _checked(plan)
    is_new_to = plan.assignee_id != row.assignee_id
    row.kind, row.summary, row.note, row.due_on = plan.kind, plan.summary, plan.note, plan.due_on
    row.assignee = colleague(row.company_id, plan.assignee_id)
    row.save(update_fields=["kind", "summary", "note", "due_on", "assignee"])
    if is_new_to:
        Follower.objects.get_or_create(
            record_id=row.record_id, contact_id=row.assignee.contact_id, defaults={"notes": True}
        )
        _ask(ports, row.record, row, _author(by), by)
    else:
        _tell(row)
    return row


@transaction.atomic
def finish_activity(ports: Ports, *, activity_id: int, by: Member, feedback: str = "") -> int:
    """It is done: the number of the entry that says so. Raises as `change_activity`."""
    row = _planned(activity_id, by)
    _close(ports, row, ActivityState.DONE)
    feedback = feedback.strip()[:LONGEST_NOTE]
    message_id = write_messages(
        ports,
        [
            Posting(
                record=RecordFact.of(row.record),
                kind=MessageKind.SYSTEM,
                author=_author(by),
                html=done_html(row.summary, feedback),
                text="\n".join(filter(None, (row.summary, feedback))),
                is_activity=True,
                particulars={"activity": {"kind": row.kind, "summary": row.summary, "state": row.state}},
            )
        ],
    )[0]
    MessageBody.objects.filter(pk=message_id).update(text=feedback)
    _tell(row)
    return message_id


@transaction.atomic
def cancel_activity(ports: Ports, *, activity_id: int, by: Member) -> None:
    """It need not be done any more. Raises as `change_activity`."""
    row = _planned(activity_id, by)
    _close(ports, row, ActivityState.CANCELLED)
    _tell(row)


def _checked(plan: Plan) -> Plan:
    wrong = {}
    if plan.kind not in set(ActivityKind):
        wrong["kind"] = f"One of: {', '.join(ActivityKind)}."
    if not date(2000, 1, 1) <= plan.due_on <= date(2200, 1, 1):
        wrong["due_on"] = "A day within this century."
    if len(plan.note) > LONGEST_NOTE:
        wrong["note"] = f"At most {LONGEST_NOTE} characters."
    if wrong:
        raise ValidationError(wrong)
    summary = " ".join(plan.summary.split())[:200] or _WORDS[ActivityKind(plan.kind)]
    return Plan(
        kind=plan.kind, due_on=plan.due_on, assignee_id=plan.assignee_id, summary=summary, note=plan.note.strip()
    )


def _planned(activity_id: int, by: Member) -> Activity:
    rows = Activity.objects.select_for_update(of=("self",)).select_related("record__kind", "assignee__contact")
    row = rows.get(pk=activity_id, state=ActivityState.PLANNED, record__in=visible_records(by))
    require(by, "write", row.record)
    return row


def _close(ports: Ports, row: Activity, state: ActivityState) -> None:
    row.state, row.finished_at = state, ports.clock.now()
    row.save(update_fields=["state", "finished_at"])


def _ask(ports: Ports, record: Record, row: Activity, author: Author, by: Member | None) -> None:
    """The assignee hears of it by an entry in the conversation, which shows whether he was reached."""
    if by is None or row.assignee_id != by.pk:
        name = row.assignee.contact.name
        asked = {"kind": row.kind, "summary": row.summary, "state": row.state, "who": name, "due_on": f"{row.due_on}"}
        posting = Posting(
            record=RecordFact.of(record),
            kind=MessageKind.SYSTEM,
            author=author,
            html=f"<p>{escape(name)}: {escape(row.summary)}</p>",
            text=row.note,
            explicit_contact_ids=[row.assignee.contact_id],
            is_activity=True,
            notifies=True,
            is_urgent=by is not None,
            for_named=planned(author.name, row.summary, row.note, row.due_on),
            particulars={"activity": asked},
        )
        write_messages(ports, [posting])
    _tell(row)


def _author(by: Member) -> Author:
    return Author(contact_id=by.contact_id, name=by.contact.name, address=by.contact.address)


def _tell(row: Activity) -> None:
    """The page of the record, and the first page of whoever has it to do."""
    tell_pages(f"record:{row.record_id}", f"author:{row.assignee.contact_id}")
