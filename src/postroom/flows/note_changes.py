"""What was changed about a record stands in its conversation: who, when, what it was and what it is now.

Laws: in the transaction of the change. Several changes of one person within a minute are one entry, unless somebody was told of it
already. Nobody is written to because of a change but those who asked for it, and who was given the record to do (U-12).
"""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.conversations.changes import Change, changes_html, changes_text, folded, folds
from postroom.core.conversations.notices import assigned as assigned_words
from postroom.core.terms.states import MessageKind
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import tell_pages
from postroom.flows.write_messages import Author, Posting, RecordFact, write_messages
from postroom.store.models import Member, Message, Notification, Record


def note_changes(
    ports: Ports, record: Record, by: Member, changes: Sequence[Change], *, assigned: Member | None = None
) -> int | None:
    """The number of the entry; None when all came back to where it was. Inside a transaction that has locked the record; its kind is loaded."""
    earlier = _foldable(ports, record, by)
    if earlier is not None:
        changes = folded(earlier.body.changes, changes)
        earlier.delete()
    if not changes:
        tell_pages(f"record:{record.pk}")
        return None
    posting = Posting(
        record=RecordFact.of(record),
        kind=MessageKind.SYSTEM,
        author=Author(contact_id=by.contact_id, name=by.contact.name, address=by.contact.address),
        html=changes_html(changes),
        text=changes_text(changes),
        changes=changes,
        explicit_contact_ids=[assigned.contact_id] if assigned is not None else (),
        for_named=assigned_words(by.contact.name, record.kind.label, record.title) if assigned is not None else None,
    )
    return write_messages(ports, [posting])[0]


def _foldable(ports: Ports, record: Record, by: Member) -> Message | None:
    """The entry before, when it is of the same person, of this minute, and nobody was told of it. It is replaced by a new one, so that open
    pages see it leave and come."""
    last = Message.objects.filter(record=record).select_related("body").order_by("-id").first()
    if last is None or last.kind != MessageKind.SYSTEM or last.author_id != by.contact_id or not last.body.changes:
        return None
    if not folds(last_at=last.posted_at, now=ports.clock.now()) or any(row[0] == "Merged" for row in last.body.changes):
        return None
    return None if Notification.objects.filter(message=last).exists() else last
