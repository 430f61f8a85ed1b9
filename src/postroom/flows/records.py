"""Records: made, changed and followed by people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from postroom.core.conversations.changes import Change
from postroom.core.terms.addresses import normalize
from postroom.core.terms.automation import Trigger, Via
from postroom.core.terms.record_values import ValueTrouble, fields_of, read_value, shown
from postroom.flows.access import require, visible_records
from postroom.flows.new_followers import stay_following
from postroom.flows.note_changes import note_changes
from postroom.flows.note_occurrences import by_colleague, note_occurrences
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import Contact, Follower, Member, Record, RecordKind
from postroom.store.queries.colleagues import is_colleague, known_to, works_for

_UNCHANGED: Any = object()


@transaction.atomic
def create_record(
    ports: Ports,
    *,
    company_id: int,
    kind: str,
    title: str,
    author: Member | None,
    contact_id: int | None = None,
    contact_name: str = "",
    contact_address: str = "",
    stage: str = "",
    responsible_id: int | None = None,
    values: dict[str, object] | None = None,
    via: Via = Via.PERSON,
) -> Record:
    """A new record. Its author and its responsible follow it (notes too), its contact follows the comments.

    Raises `NotAllowed`, RecordKind, Member or Contact.DoesNotExist (whoever is of another company is not there).
    """
    now = ports.clock.now()
    record = Record(
        company_id=company_id,
        kind=RecordKind.objects.get(pk=kind, is_active=True),
        title=" ".join(title.split())[:500] or "(no title)",
        contact_id=contact_id,
        contact_name=contact_name[:200],
        contact_address=normalize(contact_address) or contact_address[:320],
        responsible_id=responsible_id,
        values=values or {},
        created_at=now,
        updated_at=now,
    )
    require(author, "write", record)
    record.stage = stage or _first_stage(record.kind)
    if contact_id is not None:
        contact = Contact.objects.filter(known_to([company_id])).get(pk=contact_id)
        record.contact_name, record.contact_address = contact.name, contact.normal
    record.save()
    people = [author.contact_id] if author else []
    if responsible_id is not None:
        people.append(colleague(company_id, responsible_id).contact_id)
    Follower.objects.bulk_create(
        [Follower(record=record, contact_id=one, notes=True) for one in dict.fromkeys(people)]
        + ([Follower(record=record, contact_id=contact_id)] if contact_id and contact_id not in people else [])
    )
    note_occurrences(ports, [by_colleague(record, Trigger.CREATED, via=via)])
    _tell(record.pk)
    return record


@transaction.atomic
def change_record(
    ports: Ports,
    *,
    record_id: int,
    by: Member,
    title: str | None = None,
    stage: str | None = None,
    responsible_id: int | None = _UNCHANGED,
    contact_id: int | None = _UNCHANGED,
    values: Mapping[str, str] | None = None,
) -> Record:
    """Change what is given, and note it in the conversation (what, before, after). The new responsible follows and is told, unless it is
    ``by``. ``values`` are texts by name; ``""`` takes one away; of those that the kind does not name only what is there can be changed.

    Raises `NotAllowed`, `ValueTrouble`, Record, Member or Contact.DoesNotExist (whoever is of another company is not there).
    """
    record = visible_records(by).select_for_update(of=("self",)).select_related("kind").get(pk=record_id)
    require(by, "write", record)
    changes: list[Change] = []
    assigned: Member | None = None
    if title is not None and (title := " ".join(title.split())[:500]) and title != record.title:
        changes.append(("Title", record.title, title))
        record.title = title
    if stage is not None and stage != record.stage:
        changes.append(("Stage", record.stage, stage))
        record.stage = stage[:80]
    if responsible_id is not _UNCHANGED and responsible_id != record.responsible_id:
        assigned = colleague(record.company_id, responsible_id) if responsible_id is not None else None
        changes.append(("Responsible", _name(record.responsible_id), assigned.contact.name if assigned else ""))
        record.responsible = assigned
        if assigned is not None:
            Follower.objects.get_or_create(record=record, contact_id=assigned.contact_id, defaults={"notes": True})
    if contact_id is not _UNCHANGED and contact_id != record.contact_id:
        changes.append(_change_contact(record, contact_id))
    if values is not None:
        changes += _change_values(record, values)
    if changes:
        record.updated_at = ports.clock.now()
        record.save()
        note_changes(ports, record, by, changes, assigned=assigned)
        what = {name for name, _, _ in changes}
        happened = [by_colleague(record, Trigger.STAGE)] if "Stage" in what else []
        happened += [by_colleague(record, Trigger.RESPONSIBLE)] if assigned is not None else []
        note_occurrences(ports, happened)
    return record


def colleague(company_id: int, member_id: int) -> Member:
    """Somebody who works for this company. Raises Member.DoesNotExist."""
    rows = Member.objects.filter(works_for([company_id]))
    return rows.select_related("contact").get(pk=member_id)


def _change_contact(record: Record, contact_id: int | None) -> Change:
    before = record.contact_name or record.contact_address
    contact = None
    if contact_id is not None:
        contact = Contact.objects.filter(known_to([record.company_id]), is_active=True).get(pk=contact_id)
    record.contact = contact
    record.contact_name = contact.name if contact else ""
    record.contact_address = contact.normal if contact else ""
    return ("Contact", before, record.contact_name)


def _change_values(record: Record, values: Mapping[str, str]) -> list[Change]:
    fields = {one.name: one for one in fields_of(record.kind.value_names, record.kind.value_types, record.values)}
    kept = dict(record.values) if isinstance(record.values, dict) else {}
    changes: list[Change] = []
    for name, text in values.items():
        if name not in fields:
            raise ValueTrouble(f"Records of this kind have no {name}.")
        value = read_value(fields[name], text)
        if shown(value) == fields[name].shown:
            continue
        changes.append((name, fields[name].shown, shown(value)))
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    record.values = kept
    return changes


@transaction.atomic
def follow(
    ports: Ports,  # noqa: ARG001 (every flow takes ports)
    *,
    record_id: int,
    contact_id: int,
    by: Member,
) -> Follower:
    """A contact that the record's company knows follows; a colleague hears of notes too. Raises `NotAllowed`,
    Record or Contact.DoesNotExist."""
    record = visible_records(by).get(pk=record_id)
    require(by, "write", record)
    known = Contact.objects.filter(known_to([record.company_id]), is_active=True)
    contact = known.annotate(inside=is_colleague([record.company_id])).get(pk=contact_id)
    follower, _ = Follower.objects.get_or_create(record=record, contact=contact, defaults={"notes": contact.inside})
    stay_following(follower)
    _tell(record.pk)
    return follower


@transaction.atomic
def unfollow(
    ports: Ports,  # noqa: ARG001 (every flow takes ports)
    *,
    record_id: int,
    contact_id: int,
    by: Member,
) -> None:
    """Stop following. Everybody may do it for himself."""
    record = visible_records(by).get(pk=record_id)
    if contact_id != by.contact_id:
        require(by, "write", record)
    Follower.objects.filter(record=record, contact_id=contact_id).delete()
    _tell(record.pk)


@transaction.atomic
def choose_subtypes(
    ports: Ports,  # noqa: ARG001 (every flow takes ports)
    *,
    record_id: int,
    contact_id: int,
    by: Member,
    comments: bool,
    notes: bool,
    changes: bool,
    activities: bool,
) -> Follower:
    """Of what a follower hears. Everybody may choose for himself. Who is no colleague hears of messages alone, whatever is chosen.

    Raises `NotAllowed`, Record or Follower.DoesNotExist.
    """
    record = visible_records(by).get(pk=record_id)
    if contact_id != by.contact_id:
        require(by, "write", record)
    row = Follower.objects.get(record=record, contact_id=contact_id)
    inside = Contact.objects.filter(is_colleague([record.company_id]), pk=contact_id).exists()
    row.comments = comments
    row.notes, row.changes, row.activities = inside and notes, inside and changes, inside and activities
    row.save(update_fields=["comments", "notes", "changes", "activities"])
    stay_following(row)
    _tell(record.pk)
    return row


def default_stages(kinds: Sequence[RecordKind]) -> dict[str, str]:
    """The stage in which records of these kinds begin."""
    return {kind.pk: _first_stage(kind) for kind in kinds}


def _first_stage(kind: RecordKind) -> str:
    return str(kind.stages[0]) if kind.stages else ""


def _name(member_id: int | None) -> str:
    if member_id is None:
        return ""
    return Member.objects.values_list("contact__name", flat=True).get(pk=member_id)


def _tell(record_id: int) -> None:
    tell_pages(f"record:{record_id}", listed=[record_id])
