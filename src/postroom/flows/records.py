"""Records: made, changed and followed by people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import MessageKind
from postroom.flows.access import require, visible_records
from postroom.flows.new_followers import stay_following
from postroom.flows.ports import Ports
from postroom.store.models import Contact, Follower, Member, Message, MessageBody, Record, RecordKind

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
) -> Record:
    """A new record. Its author and its responsible follow it (notes too), its contact follows the comments."""
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
        contact = Contact.objects.get(pk=contact_id)
        record.contact_name, record.contact_address = contact.name, contact.normal
    record.save()
    people = [author.contact_id] if author else []
    if responsible_id is not None:
        people.append(Member.objects.values_list("contact_id", flat=True).get(pk=responsible_id))
    Follower.objects.bulk_create(
        [Follower(record=record, contact_id=one, notes=True) for one in dict.fromkeys(people)]
        + ([Follower(record=record, contact_id=contact_id)] if contact_id and contact_id not in people else [])
    )
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
) -> Record:
    """Change what is given, and note it in the conversation (what, before, after). The new responsible follows."""
    record = visible_records(by).select_for_update().get(pk=record_id)
    require(by, "write", record)
    changes: list[list[str]] = []
    if title is not None and (title := " ".join(title.split())[:500]) and title != record.title:
        changes.append(["Title", record.title, title])
        record.title = title
    if stage is not None and stage != record.stage:
        changes.append(["Stage", record.stage, stage])
        record.stage = stage[:80]
    if responsible_id is not _UNCHANGED and responsible_id != record.responsible_id:
        changes.append(["Responsible", _name(record.responsible_id), _name(responsible_id)])
        record.responsible_id = responsible_id
        if responsible_id is not None:
            contact_id = Member.objects.values_list("contact_id", flat=True).get(pk=responsible_id)
            Follower.objects.get_or_create(record=record, contact_id=contact_id, defaults={"notes": True})
    if changes:
        record.updated_at = ports.clock.now()
        record.save()
        _note_changes(ports, record, by, changes)
    return record


@transaction.atomic
def follow(
    ports: Ports,  # noqa: ARG001 (every flow takes ports)
    *,
    record_id: int,
    contact_id: int,
    by: Member,
) -> Follower:
    """A contact of the record's company follows; a colleague hears of notes too."""
    record = visible_records(by).get(pk=record_id)
    require(by, "write", record)
    contact = Contact.objects.select_related("member").get(pk=contact_id, is_active=True)
    if contact.company_id not in (None, record.company_id):
        raise Contact.DoesNotExist
    is_colleague = getattr(contact, "member", None) is not None
    follower, _ = Follower.objects.get_or_create(record=record, contact=contact, defaults={"notes": is_colleague})
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


def default_stages(kinds: Sequence[RecordKind]) -> dict[str, str]:
    """The stage in which records of these kinds begin."""
    return {kind.pk: _first_stage(kind) for kind in kinds}


def _first_stage(kind: RecordKind) -> str:
    return str(kind.stages[0]) if kind.stages else ""


def _name(member_id: int | None) -> str:
    if member_id is None:
        return ""
    return Member.objects.values_list("contact__name", flat=True).get(pk=member_id)


def _note_changes(ports: Ports, record: Record, by: Member, changes: list[list[str]]) -> None:
    """Only on the page: nobody is written to because a stage changed."""
    message = Message.objects.create(
        company_id=record.company_id,
        record=record,
        kind=MessageKind.SYSTEM,
        author_id=by.contact_id,
        author_name=by.contact.name,
        author_address=by.contact.normal,
        posted_at=ports.clock.now(),
    )
    MessageBody.objects.create(message=message, changes=changes)
    _tell(record.pk)


def _tell(record_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify('postroom_live', word) FROM unnest(%s::text[]) AS word",
            [["records", f"record:{record_id}"]],
        )
