"""Two records that are about the same become one: its conversation is that of both, and every answer still finds it.

Laws: what was written moves, so a reply to an old mail finds the record that lives on. A merged record points at the one that lives,
never at another merged one: chains are shortened when they would arise, and a ring cannot, because only records that live take part.
Whoever waits for an answer on either waits on; what somebody has begun to write on either is not lost.
"""

from __future__ import annotations

from django.db import connection, transaction

from postroom.core.terms.states import MessageKind
from postroom.flows.access import require, visible_records
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import (
    Activity,
    Alias,
    Draft,
    DraftFile,
    Follower,
    Member,
    Message,
    MessageBody,
    Record,
    ScheduledMessage,
)

_FOLLOWERS = """
INSERT INTO postroom_follower (record_id, contact_id, comments, notes, changes, activities)
SELECT %s, contact_id, comments, notes, changes, activities FROM postroom_follower WHERE record_id = %s
ON CONFLICT (record_id, contact_id) DO UPDATE
   SET comments = postroom_follower.comments OR excluded.comments,
       notes = postroom_follower.notes OR excluded.notes,
       changes = postroom_follower.changes OR excluded.changes,
       activities = postroom_follower.activities OR excluded.activities
"""


class CannotMerge(ValueError):  # noqa: N818 (an answer to a person, not a fault)
    """The two cannot become one; the text says why."""


@transaction.atomic
def merge_records(ports: Ports, *, record_id: int, into_id: int, by: Member) -> Record:
    """The first goes into the second, which lives on and is returned. Raises `CannotMerge`, `NotAllowed`, `Record.DoesNotExist`."""
    if record_id == into_id:
        raise CannotMerge("A record cannot be merged into itself.")
    rows = {row.pk: row for row in _locked(by, record_id, into_id)}
    old, new = rows.get(record_id), rows.get(into_id)
    if old is None or new is None:
        raise Record.DoesNotExist
    for row in (old, new):
        require(by, "write", row)
        if row.merged_into_id is not None:
            raise CannotMerge(f"{row.title} was merged into another record already.")
    if (old.company_id, old.kind_id) != (new.company_id, new.kind_id):
        raise CannotMerge("Records of two companies or two kinds stay apart.")
    _move(old.pk, new.pk)
    now = ports.clock.now()
    Record.objects.filter(merged_into_id=old.pk).update(merged_into_id=new.pk)
    Record.objects.filter(pk=old.pk).update(merged_into_id=new.pk, is_done=True, updated_at=now)
    waiting = [row.unanswered_since for row in (old, new) if row.unanswered_since is not None and not row.is_done]
    waits: dict[str, object] = {"unanswered_since": min(waiting), "is_done": False} if waiting else {}
    Record.objects.filter(pk=new.pk).update(updated_at=now, **waits)
    _note(ports, old, new, by)
    return new


def _locked(by: Member, record_id: int, into_id: int) -> list[Record]:
    """In the order of their numbers, so that two people who merge the same two the other way round wait for each other."""
    rows = visible_records(by).select_for_update(of=("self",)).filter(pk__in=[record_id, into_id])
    return list(rows.order_by("pk"))


def _move(old_id: int, new_id: int) -> None:
    Message.objects.filter(record_id=old_id).update(record_id=new_id)
    ScheduledMessage.objects.filter(record_id=old_id).update(record_id=new_id)
    _move_drafts(old_id, new_id)
    Activity.objects.filter(record_id=old_id).update(record_id=new_id)
    Alias.objects.filter(forced_record_id=old_id).update(forced_record_id=new_id)
    Alias.objects.filter(owner_record_id=old_id).update(owner_record_id=new_id)
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWERS, [new_id, old_id])
    Follower.objects.filter(record_id=old_id).delete()


def _move_drafts(old_id: int, new_id: int) -> None:
    """Who has begun to write on both has one draft of both: a note if either was one, what is in doubt stays in the house."""
    there = {draft.member_id: draft for draft in Draft.objects.select_for_update().filter(record_id=new_id)}
    for draft in Draft.objects.select_for_update().filter(record_id=old_id).order_by("pk"):
        other = there.get(draft.member_id)
        if other is None:
            Draft.objects.filter(pk=draft.pk).update(record_id=new_id)
            continue
        other.html, other.subject = other.html + draft.html, other.subject or draft.subject
        other.kind = MessageKind.NOTE if MessageKind.NOTE in (other.kind, draft.kind) else other.kind
        other.extra_contact_ids = list(dict.fromkeys([*other.extra_contact_ids, *draft.extra_contact_ids]))
        other.version += 1
        other.save(update_fields=["html", "subject", "kind", "extra_contact_ids", "version"])
        DraftFile.objects.filter(draft=draft).update(draft=other)
        draft.delete()


def _note(ports: Ports, old: Record, new: Record, by: Member) -> None:
    """Said in the conversation; nobody is written to because of it."""
    message = Message.objects.create(
        company_id=new.company_id,
        record=new,
        kind=MessageKind.SYSTEM,
        author_id=by.contact_id,
        author_name=by.contact.name,
        author_address=by.contact.normal,
        posted_at=ports.clock.now(),
    )
    MessageBody.objects.create(message=message, changes=[["Merged", old.title, new.title]])
    tell_pages(f"record:{old.pk}", f"record:{new.pk}")
