"""Posting: a person on the page, or a program, writes on a record; and who would hear of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from postroom.core.conversations.audience import AudienceMember, Candidate, decide
from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import MessageKind, Turn
from postroom.flows.access import require, usable_templates, visible_records
from postroom.flows.new_files import NewFile as NewFile  # noqa: PLC0414 - known from here, too
from postroom.flows.new_files import inline_file
from postroom.flows.new_followers import came_with, follow_by_writing
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import prepare_html
from postroom.flows.settings import parameters
from postroom.flows.write_messages import Author, Posting, RecordFact, write_messages
from postroom.store.models import Contact, Member, Message, Record
from postroom.store.queries.conversations import candidates, followers_of

P = ParamSpec("P")
R = TypeVar("R")
_TRIES = 3


def _once_more(work: Callable[P, R]) -> Callable[P, R]:
    """What a message answers may be taken back while it is written: then it answers nobody, or another."""

    @wraps(work)
    def patient(*args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(_TRIES - 1):
            try:
                return work(*args, **kwargs)
            except IntegrityError:
                if connection.in_atomic_block:  # who began the transaction must begin it again
                    raise
        return work(*args, **kwargs)

    return patient


@_once_more
def post_message(
    ports: Ports,
    *,
    record_id: int,
    author: Member,
    html: str,
    kind: MessageKind | str = MessageKind.COMMENT,
    subject: str = "",
    attachments: Sequence[NewFile] = (),
    extra_contact_ids: Sequence[int] = (),
    to_customer: bool = False,
    template_id: int | None = None,
    may_be_undone: bool = False,
) -> Message:
    """A person writes on a record. ``html`` may be anything: it is sanitised; pictures in it become inline attachments.

    ``template_id`` gives sender, reply address and server, not the words. What ``may_be_undone`` leaves after
    ``mail.undo.seconds``; until then its author may take it back (`undo_message`). Raises `NotAllowed`, Record.DoesNotExist,
    MailTemplate.DoesNotExist.
    """
    with transaction.atomic():
        record = visible_records(author).select_related("kind", "company").get(pk=record_id)
        require(author, "post", record)
        kind = MessageKind(kind)
        fresh = [_follow_customer(record)] if to_customer and kind is MessageKind.COMMENT else []
        fresh.append(follow_by_writing(record, author.contact_id))
        template = usable_templates(author, record).get(pk=template_id) if template_id is not None else None
        ready = prepare_html(ports, html)
        posting = Posting(
            record=RecordFact.of(record),
            kind=kind,
            author=Author(contact_id=author.contact_id, name=author.contact.name, address=author.contact.address),
            html=ready.html,
            subject=subject,
            explicit_contact_ids=_known_contacts(record, extra_contact_ids),
            files=(*attachments, *map(inline_file, ready.pictures)),
            from_address=template.from_address if template else "",
            reply_to_address=template.reply_to if template else "",
            server_id=template.server_id if template else None,
            signature=ports.html.sanitize(author.signature) if author.signature else "",
            undo_until=_undo_until(ports) if may_be_undone else None,
            turn=Turn.ANSWERS if kind is MessageKind.COMMENT else None,
        )
        message = Message.objects.get(pk=write_messages(ports, [posting])[0])
        if message.undo_until is not None:
            came_with(message, fresh)
        return message


def _undo_until(ports: Ports) -> datetime | None:
    seconds = parameters(ports).number("mail.undo.seconds")
    return ports.clock.now() + timedelta(seconds=seconds) if seconds else None


def preview_audience(
    ports: Ports,
    *,
    record_id: int,
    author: Member,
    kind: MessageKind | str,
    extra_contact_ids: Sequence[int] = (),
    to_customer: bool = False,
) -> tuple[AudienceMember, ...]:
    """Exactly who would hear of it and how, before it is sent: the decision of `post_message`, without its effects."""
    record = visible_records(author).get(pk=record_id)
    kind = MessageKind(kind)
    people = [*followers_of([record.pk]).get(record.pk, ())]
    people += candidates(_known_contacts(record, extra_contact_ids)).values()
    if to_customer and kind is MessageKind.COMMENT and (customer := _customer(record)) is not None:
        people.append(customer)
    return decide(
        kind,
        people,
        author_contact_id=author.contact_id,
        author_normal=author.contact.normal,
        notes_by_mail=parameters(ports).is_on("mail.note.by_mail"),
    ).members


def _known_contacts(record: Record, contact_ids: Sequence[int]) -> list[int]:
    """Of these, the contacts that the record's company knows: nobody writes to another company's people."""
    known = Contact.objects.filter(Q(company=None) | Q(company_id=record.company_id), pk__in=list(contact_ids))
    return list(known.values_list("pk", flat=True)) if contact_ids else []


def _follow_customer(record: Record) -> int | None:
    """The record's outside person becomes a contact, when still unknown, and follows (U-2). The follower, if new."""
    if record.contact_id is None:
        if not normalize(record.contact_address):
            return None
        record.contact = _contact_for(record)
        record.save(update_fields=["contact"])
        Message.objects.filter(
            record=record, author=None, author_address=record.contact_address, is_unverified=False
        ).update(author=record.contact)
    return None if record.contact_id is None else follow_by_writing(record, record.contact_id)


def _contact_for(record: Record) -> Contact:
    normal = normalize(record.contact_address)
    known = Contact.objects.filter(normal=normal, is_active=True, company_id__in=[record.company_id]).first()
    known = known or Contact.objects.filter(normal=normal, is_active=True, company=None).first()
    return known or Contact.objects.create(
        company_id=record.company_id,
        name=record.contact_name or record.contact_address,
        address=record.contact_address,
        normal=normal,
    )


def _customer(record: Record) -> Candidate | None:
    """The outside person as a follower to be."""
    if record.contact_id is not None:
        known = candidates([record.contact_id]).get(record.contact_id)
        return replace(known, is_explicit=True) if known else None
    normal = normalize(record.contact_address)
    if not normal:
        return None
    return Candidate(
        contact_id=0,
        name=record.contact_name or record.contact_address,
        address=record.contact_address,
        normal=normal,
        is_explicit=True,
    )
