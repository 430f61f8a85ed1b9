"""Many records changed at once: done or open, stage, responsible, followed; each change in its record's history, and undoable.

*Done* means: nothing is left to do. A done record leaves the lists of open ones, keeps its stage, and is open again when
somebody outside writes (`write_messages`), or when a person says so.
Laws: what is not visible or not allowed stays as it is and is counted, never touched. Nobody files away what he has not
seen: a record on which something was written later than his page showed (``seen``) stays open. Undo gives back only what is still as this change left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from postroom.core.terms.automation import Trigger
from postroom.core.terms.states import MessageKind
from postroom.flows.access import may, require, visible_records
from postroom.flows.note_occurrences import by_colleague, note_occurrences
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.store.bulk import insert
from postroom.store.models import Follower, Member, Message, MessageBody, Record
from postroom.store.queries.colleagues import works_for

MOST = 200  # records at once

Value = bool | str | int | None


class What(StrEnum):
    """What is changed. ``done``: True or False; ``stage``: its name; ``responsible``: a member's number or None; ``follow``: True or
    False, for oneself."""

    DONE = "done"
    STAGE = "stage"
    RESPONSIBLE = "responsible"
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """``before``: what each changed record had. ``fresh`` stayed, because something new was written on them; ``unfit`` were
    as wanted already, or cannot have that value."""

    what: What
    after: Value
    before: Mapping[int, Value]
    fresh: int = 0
    unfit: int = 0


@transaction.atomic
def change_records(
    ports: Ports,
    *,
    record_ids: Sequence[int],
    what: What | str,
    value: Value,
    by: Member,
    seen: Mapping[int, datetime] | None = None,
) -> Changed:
    """Change the first `MOST` of these, as far as they are visible. ``seen``: up to when each was read. Raises `NotAllowed`."""
    what = What(what)
    require(by, "view" if what is What.FOLLOW else "write")
    rows = _locked(by, record_ids)
    filed = what is What.DONE and value is True
    fresh = [row for row in rows if filed and seen and row.pk in seen and row.updated_at > seen[row.pk]]
    rows = [row for row in rows if row not in fresh]
    known = _values(rows, what, by)
    others = {row.pk: value for row in rows if known[row.pk] != value}
    wanted = _fitting(rows, what, others, by)
    _apply(ports, wanted, what, dict.fromkeys([row.pk for row in wanted], value), known, by)
    _note_for_rules(ports, wanted, what, value)
    return Changed(
        what=what,
        after=value,
        before={row.pk: known[row.pk] for row in wanted},
        fresh=len(fresh),
        unfit=len(rows) - len(wanted),
    )


def _note_for_rules(ports: Ports, rows: Sequence[Record], what: What, value: Value) -> None:
    """Automation rules wait for a stage, and for somebody who is responsible. Undo is no such event."""
    if what is What.STAGE:
        note_occurrences(ports, [by_colleague(row, Trigger.STAGE, stage=str(value)) for row in rows])
    if what is What.RESPONSIBLE and isinstance(value, int):
        note_occurrences(ports, [by_colleague(row, Trigger.RESPONSIBLE, responsible_id=value) for row in rows])


@transaction.atomic
def undo_change(ports: Ports, *, what: What | str, after: Value, before: Mapping[int, Value], by: Member) -> int:
    """Give back what each had, where it is still ``after``; how many. Raises `NotAllowed`."""
    what = What(what)
    require(by, "view" if what is What.FOLLOW else "write")
    rows = _locked(by, list(before))
    known = _values(rows, what, by)
    mine = _fitting(rows, what, {pk: value for pk, value in before.items() if known.get(pk) == after}, by)
    _apply(ports, mine, what, {row.pk: before[row.pk] for row in mine}, known, by)
    return len(mine)


def note_returned(brought_back: Mapping[int, int]) -> None:
    """These records were done and are open again, because of these messages (record -> message): said in their conversations."""
    if not brought_back:
        return
    causes = Message.objects.in_bulk(brought_back.values())
    notes = [
        Message(
            company_id=cause.company_id,
            record_id=record_id,
            kind=MessageKind.SYSTEM,
            author_id=cause.author_id,
            author_name=cause.author_name or cause.author_address,
            author_address=cause.author_address,
            posted_at=cause.posted_at,
        )
        for record_id, message_id in brought_back.items()
        for cause in (causes[message_id],)
    ]
    _write(notes, [[["State", "Done", "Open"]]] * len(notes))


def _locked(by: Member, record_ids: Sequence[int]) -> list[Record]:
    """In the order of their numbers: two who change the same wait for each other."""
    rows = visible_records(by).filter(pk__in=list(dict.fromkeys(record_ids))[:MOST], merged_into=None)
    return list(rows.select_for_update(of=("self",)).select_related("kind").order_by("pk"))


def _values(rows: Sequence[Record], what: What, by: Member) -> dict[int, Value]:
    match what:
        case What.DONE:
            return {row.pk: row.is_done for row in rows}
        case What.STAGE:
            return {row.pk: row.stage for row in rows}
        case What.RESPONSIBLE:
            return {row.pk: row.responsible_id for row in rows}
        case What.FOLLOW:
            ids = [row.pk for row in rows]
            mine = set(
                Follower.objects.filter(record_id__in=ids, contact_id=by.contact_id).values_list("record_id", flat=True)
            )
            return {row.pk: row.pk in mine for row in rows}


def _fitting(rows: Sequence[Record], what: What, wanted: Mapping[int, Value], by: Member) -> list[Record]:
    """Of these the records that may have what is ``wanted`` of them. A query for each company, where colleagues are wanted."""
    right = "view" if what is What.FOLLOW else "write"
    rows = [row for row in rows if row.pk in wanted and may(by, right, row)]
    if what is What.STAGE:
        return [row for row in rows if wanted[row.pk] in row.kind.stages]
    if what is What.RESPONSIBLE:
        people: set[Value] = {one for one in wanted.values() if one is not None}
        fit = _colleagues({row.company_id for row in rows}, people) if people else set()
        return [row for row in rows if wanted[row.pk] is None or (row.company_id, wanted[row.pk]) in fit]
    return rows


def _colleagues(company_ids: set[int], members: set[Value]) -> set[tuple[int, Value]]:
    rows = Member.objects.filter(pk__in=[one for one in members if isinstance(one, int)])
    return {(one, pk) for one in company_ids for pk in rows.filter(works_for([one])).values_list("pk", flat=True)}


def _apply(
    ports: Ports,
    rows: Sequence[Record],
    what: What,
    values: Mapping[int, Value],
    known: Mapping[int, Value],
    by: Member,
) -> None:
    if not rows:
        return
    if what is What.FOLLOW:
        _follow(values, by)
    else:
        now = ports.clock.now()
        column = {What.DONE: "is_done", What.STAGE: "stage", What.RESPONSIBLE: "responsible_id"}[what]
        moved = {} if what is What.DONE else {"updated_at": now}  # filed away, nothing was written on it
        for value in dict.fromkeys(values.values()):
            ids = [pk for pk, one in values.items() if one == value]
            Record.objects.filter(pk__in=ids).update(**{column: value}, **moved)
        if what is What.RESPONSIBLE:
            _responsible_follow(values)
        _note(rows, what, values, known, by, now)
    _tell(rows)


def _follow(values: Mapping[int, Value], by: Member) -> None:
    fresh = [Follower(record_id=pk, contact_id=by.contact_id, notes=True) for pk, follows in values.items() if follows]
    Follower.objects.bulk_create(fresh, ignore_conflicts=True)
    gone = [pk for pk, follows in values.items() if not follows]
    Follower.objects.filter(record_id__in=gone, contact_id=by.contact_id).delete()


def _responsible_follow(values: Mapping[int, Value]) -> None:
    people = dict(Member.objects.filter(pk__in={one for one in values.values() if one}).values_list("pk", "contact_id"))
    rows = [
        Follower(record_id=pk, contact_id=people[one], notes=True)
        for pk, one in values.items()
        if isinstance(one, int) and one
    ]
    Follower.objects.bulk_create(rows, ignore_conflicts=True)


def _note(
    rows: Sequence[Record],
    what: What,
    values: Mapping[int, Value],
    known: Mapping[int, Value],
    by: Member,
    now: datetime,
) -> None:
    """Only on the page: nobody is written to because of it."""
    word = {What.DONE: "State", What.STAGE: "Stage", What.RESPONSIBLE: "Responsible"}[what]
    names = _names(what, {*values.values(), *known.values()})
    notes = [
        Message(
            company_id=row.company_id,
            record=row,
            kind=MessageKind.SYSTEM,
            author_id=by.contact_id,
            author_name=by.contact.name,
            author_address=by.contact.normal,
            posted_at=now,
        )
        for row in rows
    ]
    _write(notes, [[[word, names[known[row.pk]], names[values[row.pk]]]] for row in rows])


def _names(what: What, values: set[Value]) -> Mapping[Value, str]:
    if what is What.DONE:
        return {True: "Done", False: "Open"}
    if what is What.STAGE:
        return {value: str(value) for value in values}
    people = Member.objects.filter(pk__in={value for value in values if value}).values_list("pk", "contact__name")
    return {None: "", **dict(people)}


def _write(notes: Sequence[Message], changes: Sequence[list[list[str]]]) -> None:
    insert(notes)
    insert(
        [MessageBody(message=note, changes=change) for note, change in zip(notes, changes, strict=True)],
    )


def _tell(rows: Sequence[Record]) -> None:
    lists = of_companies("records", (row.company_id for row in rows))
    tell_pages(*lists, *(f"record:{row.pk}" for row in rows))
