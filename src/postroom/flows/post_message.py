"""Posting: a person on the page, or a program, writes on a record; and who would hear of it.

Law: a preview and a posting make the same `Posting` and ask the same `audiences_of`; a preview only makes no contacts of strangers and
no followers. What the page promises is what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, connection, transaction

from postroom.core.conversations.audience import Audience, AudienceMember, Candidate
from postroom.core.terms.addresses import normalize, parse_one
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import MessageKind, Turn
from postroom.flows.access import require, usable_templates, visible_records
from postroom.flows.new_files import NewFile as NewFile  # noqa: PLC0414 - known from here, too
from postroom.flows.new_files import inline_file
from postroom.flows.new_followers import came_with, follow_by_writing
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import prepare_html
from postroom.flows.settings import parameters
from postroom.flows.write_messages import Author, Posting, RecordFact, audiences_of, write_messages
from postroom.store.models import Contact, Draft, Member, Message, Record
from postroom.store.queries.colleagues import known_to
from postroom.store.queries.conversations import contacts_at

P = ParamSpec("P")
R = TypeVar("R")
_TRIES = 3
MOST_ADDRESSES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Somebody who is written to and no contact yet. ``normal`` is the normalised address."""

    name: str
    address: str
    normal: str


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
    mentioned_contact_ids: Sequence[int] = (),
    addresses: Sequence[str] = (),
    to_customer: bool = False,
    template_id: int | None = None,
    may_be_undone: bool = False,
    ends_draft: bool = False,
) -> Message:
    """A person writes on a record. ``html`` may be anything: it is sanitised; pictures in it become inline attachments.

    ``addresses``: whom it also goes to ("Name <local@domain>"); unknown ones become contacts. A note goes to no outside address, whoever
    is named. ``template_id`` gives sender, reply address and server, not the words. What ``may_be_undone`` leaves after
    ``mail.undo.seconds``; until then its author may take it back (`undo_message`). With ``ends_draft`` what the author had begun to write
    on the record is gone with it. Raises `NotAllowed`, Record.DoesNotExist, MailTemplate.DoesNotExist.
    """
    with transaction.atomic():
        record = visible_records(author).select_related("kind", "company").get(pk=record_id)
        require(author, "post", record)
        kind = MessageKind(kind)
        fresh = [follow_customer(record)] if to_customer and kind is MessageKind.COMMENT else []
        fresh.append(follow_by_writing(record, author.contact_id))
        template = usable_templates(author, record).get(pk=template_id) if template_id is not None else None
        ready = prepare_html(ports, html)
        added, strangers = _people(record, kind, addresses, to_customer=to_customer)
        posting = Posting(
            record=RecordFact.of(record),
            kind=kind,
            author=_author(author),
            html=ready.html,
            subject=subject,
            explicit_contact_ids=[
                *_known_contacts(record, extra_contact_ids),
                *added,
                *(_made_contact(record, one) for one in strangers),
            ],
            mentioned_contact_ids=_known_contacts(record, mentioned_contact_ids),
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
        if ends_draft:
            Draft.objects.filter(member=author, record=record).delete()
        return message


def _undo_until(ports: Ports) -> datetime | None:
    seconds = parameters(ports).number("mail.undo.seconds")
    return ports.clock.now() + timedelta(seconds=seconds) if seconds else None


def foresee_audience(
    ports: Ports,
    *,
    record: Record,
    author: Member,
    kind: MessageKind | str,
    extra_contact_ids: Sequence[int] = (),
    mentioned_contact_ids: Sequence[int] = (),
    addresses: Sequence[str] = (),
    to_customer: bool = False,
    values: Parameters | None = None,
    followers: Mapping[int, list[Candidate]] | None = None,
) -> Audience:
    """Exactly who would hear of it and how, and who would not, before it is sent: the decision of `post_message`, without its effects.

    The record is one that the author may see, its kind loaded. Strangers have contact ids below zero. ``followers``: what
    `followers_of` says of the record, where it was asked already.
    """
    kind = MessageKind(kind)
    added, strangers = _people(record, kind, addresses, to_customer=to_customer)
    posting = Posting(
        record=RecordFact.of(record),
        kind=kind,
        author=_author(author),
        html="",
        explicit_contact_ids=[*_known_contacts(record, extra_contact_ids), *added],
        mentioned_contact_ids=_known_contacts(record, mentioned_contact_ids),
        strangers=[
            Candidate(contact_id=-place, name=one.name, address=one.address, normal=one.normal, is_explicit=True)
            for place, one in enumerate(strangers, start=1)
        ],
    )
    return audiences_of([posting], values or parameters(ports), followers)[0]


def preview_audience(
    ports: Ports,
    *,
    record_id: int,
    author: Member,
    kind: MessageKind | str,
    extra_contact_ids: Sequence[int] = (),
    to_customer: bool = False,
) -> tuple[AudienceMember, ...]:
    """Who would hear of it, as `foresee_audience`. Raises Record.DoesNotExist."""
    return foresee_audience(
        ports,
        record=visible_records(author).select_related("kind").get(pk=record_id),
        author=author,
        kind=kind,
        extra_contact_ids=extra_contact_ids,
        to_customer=to_customer,
    ).members


def _author(author: Member) -> Author:
    return Author(contact_id=author.contact_id, name=author.contact.name, address=author.contact.address)


def _known_contacts(record: Record, contact_ids: Sequence[int]) -> list[int]:
    """Of these, the contacts that the record's company knows, in their order: nobody writes to another company's people."""
    if not contact_ids:
        return []
    known = Contact.objects.filter(known_to([record.company_id]), pk__in=list(contact_ids))
    there = set(known.values_list("pk", flat=True))
    return [one for one in dict.fromkeys(contact_ids) if one in there]


def _people(
    record: Record, kind: MessageKind, addresses: Sequence[str], *, to_customer: bool
) -> tuple[list[int], list[Stranger]]:
    """The record's outside person and the addresses written to: contacts that are known, and those who are none yet. A query at most.

    Nobody of a note: it goes to colleagues, who are contacts.
    """
    if kind is not MessageKind.COMMENT:
        return [], []
    asked = [_stranger(text) for text in addresses[:MOST_ADDRESSES]]
    found = []
    if to_customer and record.contact_id is not None:
        found.append(record.contact_id)
    elif to_customer:
        asked.insert(0, _stranger(record.contact_address, record.contact_name))
    wanted = {one.normal: one for one in reversed(asked) if one is not None}
    known = contacts_at(record.company_id, wanted)
    order = [one.normal for one in asked if one is not None]
    found += [known[normal].pk for normal in order if normal in known]
    return found, [wanted[normal] for normal in dict.fromkeys(order) if normal not in known]


def _stranger(text: str, name: str = "") -> Stranger | None:
    parsed = parse_one(text)
    if parsed is None:
        return None
    address = f"{parsed.local}@{parsed.domain}"
    return Stranger(name=name or parsed.name or address, address=address, normal=normalize(address))


def _made_contact(record: Record, one: Stranger) -> int:
    """They become a contact when they are written to, and older messages of theirs have an author then (U-2)."""
    contact = Contact.objects.create(
        company_id=record.company_id, name=one.name[:200], address=one.address, normal=one.normal
    )
    Message.objects.filter(record=record, author=None, author_address=one.normal, is_unverified=False).update(
        author=contact
    )
    return contact.pk


def follow_customer(record: Record) -> int | None:
    """The record's outside person becomes a contact, when still unknown, and follows (U-2). The follower, if new."""
    if record.contact_id is None:
        one = _stranger(record.contact_address, record.contact_name)
        if one is None:
            return None
        known = contacts_at(record.company_id, [one.normal]).get(one.normal)
        record.contact_id = known.pk if known is not None else _made_contact(record, one)
        record.save(update_fields=["contact"])
        Message.objects.filter(
            record=record, author=None, author_address=record.contact_address, is_unverified=False
        ).update(author=record.contact_id)
    return follow_by_writing(record, record.contact_id)
