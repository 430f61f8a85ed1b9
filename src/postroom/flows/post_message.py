"""Posting: a message on a record, its notifications and its mails, in one transaction.

`post_messages` does it for many at once in a constant number of queries (the router posts a whole batch of incoming mail);
`post_message` is a batch of one, for a person on the page or a program. What a message needs of the sender's side (audience,
words, reply address) is decided in the core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from postroom.core.conversations.audience import Audience, AudienceMember, Candidate, decide
from postroom.core.conversations.letters import Letter, letter_html, letter_subject, reply_to
from postroom.core.mime.composing import OutgoingAttachment
from postroom.core.mime.markup import html_to_text
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.message_ids import make_message_id, thread_references
from postroom.core.terms.reasons import reasons_as_json
from postroom.core.terms.states import Channel, Lane, MessageKind, NotificationState
from postroom.core.tokens.addresses import TokenPurpose, make_token
from postroom.flows.access import require, usable_templates, visible_records
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mails
from postroom.flows.new_files import NewFile as NewFile  # noqa: PLC0414 - known from here, too
from postroom.flows.new_files import attachment_row, inline_file
from postroom.flows.new_followers import came_with, follow_by_writing
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import prepare_html
from postroom.flows.settings import parameters
from postroom.store.bulk import insert
from postroom.store.models import (
    Contact,
    Member,
    Message,
    MessageBody,
    MessageIdentifier,
    Notification,
    Record,
)
from postroom.store.queries.conversations import (
    Home,
    aliases_owned,
    candidates,
    first_messages,
    followers_of,
    homes,
    identifiers_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who says it: a contact, or just a name and an address."""

    contact_id: int | None
    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One message to be posted. ``record`` is saved, with kind and company loaded. HTML is sanitised."""

    record: Record
    kind: MessageKind
    author: Author
    html: str
    quoted_html: str = ""
    text: str = ""
    subject: str = ""
    parent_id: int | None = None
    is_answer: bool = True
    explicit_contact_ids: Sequence[int] = ()
    files: Sequence[NewFile] = ()
    notifies: bool = True
    signature: str = ""
    undo_until: datetime | None = None
    # of a template
    from_address: str = ""
    reply_to_address: str = ""
    server_id: int | None = None
    # of an incoming mail
    message_id: str = ""
    inbound_id: int | None = None
    is_unverified: bool = False
    is_automatic: bool = False
    already_addressed: frozenset[str] = frozenset()
    addressed: Mapping[str, object] | None = None
    text_digest: str = ""


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
            record=record,
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
        )
        message = post_messages(ports, [posting])[0]
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


def post_messages(ports: Ports, postings: Sequence[Posting]) -> list[Message]:
    """Write messages, notifications and mails of these postings. Inside a transaction; about fifteen queries for any number."""
    if not postings:
        return []
    now = ports.clock.now()
    record_ids = {posting.record.pk for posting in postings}
    roots = first_messages(record_ids)
    places = homes({posting.record.company_id for posting in postings})
    postings = [_with_thread(posting, roots) for posting in postings]
    own_ids = [
        make_message_id(unique=ports.ids.hex(12), domain=places[posting.record.company_id].domain)
        for posting in postings
    ]
    messages = insert([_message(posting, own_id, now) for posting, own_id in zip(postings, own_ids, strict=True)])
    insert([_body(m, p) for m, p in zip(messages, postings, strict=True)])
    _identify(messages, postings, own_ids)
    _attach(ports, messages, postings)
    Record.objects.filter(pk__in=record_ids).update(updated_at=now)
    audiences = _audiences(ports, postings)
    notifications = _notify(messages, postings, audiences)
    _send(ports, messages, postings, audiences, notifications, places, own_ids)
    _tell_pages(record_ids)
    return messages


def _with_thread(posting: Posting, roots: Mapping[int, int]) -> Posting:
    """Flat threads: without a parent it answers the record's first message (O-4)."""
    root = roots.get(posting.record.pk)
    return replace(posting, parent_id=posting.parent_id or root, is_answer=root is not None)


def _message(posting: Posting, own_id: str, now: datetime) -> Message:
    return Message(
        company_id=posting.record.company_id,
        record_id=posting.record.pk,
        parent_id=posting.parent_id,
        kind=posting.kind,
        author_id=posting.author.contact_id,
        author_name=posting.author.name[:200],
        author_address=normalize(posting.author.address) or posting.author.address[:320],
        subject=posting.subject[:1000],
        message_id=(posting.message_id or own_id)[:1000],
        inbound_id=posting.inbound_id,
        text_digest=posting.text_digest,
        is_unverified=posting.is_unverified,
        attachment_count=len(posting.files),
        posted_at=now,
        undo_until=posting.undo_until,
    )


def _body(message: Message, posting: Posting) -> MessageBody:
    return MessageBody(
        message=message,
        html=posting.html,
        quoted_html=posting.quoted_html,
        text=posting.text or html_to_text(posting.html),
        addressed=dict(posting.addressed or {}),
    )


def _identify(messages: Sequence[Message], postings: Sequence[Posting], own_ids: Sequence[str]) -> None:
    """An incoming message is known by the sender's id and by the one that its relayed copies bear (O-66 done better)."""
    rows = []
    for message, posting, own_id in zip(messages, postings, own_ids, strict=True):
        if posting.message_id:
            rows.append(MessageIdentifier(message=message, identifier=posting.message_id[:1000]))
        rows.append(MessageIdentifier(message=message, identifier=own_id))
    insert(rows)


def _attach(ports: Ports, messages: Sequence[Message], postings: Sequence[Posting]) -> None:
    rows = [
        attachment_row(ports, message, file)
        for message, posting in zip(messages, postings, strict=True)
        for file in posting.files
    ]
    if rows:
        insert(rows)


def _audiences(ports: Ports, postings: Sequence[Posting]) -> list[Audience]:
    asking = [posting for posting in postings if posting.notifies]
    has_notes = any(posting.kind is MessageKind.NOTE for posting in asking)
    notes_by_mail = not has_notes or parameters(ports).is_on("mail.note.by_mail")
    following = followers_of({posting.record.pk for posting in asking}) if asking else {}
    named = {contact_id for posting in asking for contact_id in posting.explicit_contact_ids}
    explicit = candidates(named) if named else {}
    found = []
    for posting in postings:
        if not posting.notifies:
            found.append(Audience(members=(), left_out=()))
            continue
        people = [explicit[one] for one in posting.explicit_contact_ids if one in explicit]
        people += following.get(posting.record.pk, ())
        found.append(
            decide(
                posting.kind,
                people,
                author_contact_id=posting.author.contact_id,
                author_normal=normalize(posting.author.address),
                already_addressed=posting.already_addressed,
                notes_by_mail=notes_by_mail,
            )
        )
    return found


def _notify(
    messages: Sequence[Message], postings: Sequence[Posting], audiences: Sequence[Audience]
) -> Mapping[tuple[int, int], Notification]:
    rows = [
        _notification(message, posting, member)
        for message, posting, audience in zip(messages, postings, audiences, strict=True)
        for member in audience.members
    ]
    insert(rows)
    return {(row.message_id, row.contact_id): row for row in rows}


def _notification(message: Message, posting: Posting, member: AudienceMember) -> Notification:
    is_lost = member.channel is Channel.MAIL and not member.candidate.address
    settled = NotificationState.EXCEPTION if is_lost else NotificationState.SENT
    return Notification(
        company_id=message.company_id,
        message=message,
        contact_id=member.candidate.contact_id,
        author_id=posting.author.contact_id,
        channel=member.channel,
        state=NotificationState.READY if member.needs_mail else settled,
        failure_type="mail_email_missing" if is_lost else "",
        failure_reason=f"{member.candidate.name} has no mail address." if is_lost else "",
        reasons=reasons_as_json(member.reasons),
        is_read=member.channel is not Channel.INBOX,
    )


def _send(
    ports: Ports,
    messages: Sequence[Message],
    postings: Sequence[Posting],
    audiences: Sequence[Audience],
    notifications: Mapping[tuple[int, int], Notification],
    places: Mapping[int, Home],
    own_ids: Sequence[str],
) -> None:
    """One mail per message and group of readers: colleagues get a button to the record, outside people do not."""
    with_mail = [i for i, audience in enumerate(audiences) if any(_hears_by_mail(one) for one in audience.members)]
    if not with_mail:
        return
    values = parameters(ports)
    owned = aliases_owned({postings[i].record.pk for i in with_mail})
    answered = identifiers_of({parent for i in with_mail if (parent := postings[i].parent_id)})
    drafts = []
    for i in with_mail:
        posting, message, audience = postings[i], messages[i], audiences[i]
        home = places[posting.record.company_id]
        draft = _draft(ports, message, posting, home, own_ids[i], answered.get(posting.parent_id or 0, []))
        to = _reply_address(
            ports, message, posting, home, owned.get(posting.record.pk), values.is_on("mail.reply.signed")
        )
        urgent = sum(member.needs_mail for member in audience.members) <= values.number("mail.mail.force.send.limit")
        for for_colleague in (True, False):
            readers = [m for m in audience.members if _hears_by_mail(m) and m.candidate.is_colleague is for_colleague]
            if readers:
                drafts.append(
                    replace(
                        draft,
                        html=letter_html(_letter(ports, posting, home), for_colleague=for_colleague),
                        reply_to=parse_one(posting.reply_to_address) or to,
                        lane=Lane.URGENT if urgent else Lane.NORMAL,
                        recipients=[_recipient(message, reader.candidate, notifications) for reader in readers],
                    )
                )
    enqueue_mails(ports, drafts)


def _hears_by_mail(member: AudienceMember) -> bool:
    """Also who has no address: that delivery fails at once, visibly, and can be sent again to a better one."""
    return member.needs_mail or (member.channel is Channel.MAIL and not member.candidate.address)


def _draft(
    ports: Ports, message: Message, posting: Posting, home: Home, own_id: str, parent_ids: Sequence[str]
) -> MailDraft:
    """What all groups share. A relayed mail's own Message-ID goes into References."""
    before = (*parent_ids, posting.message_id) if posting.message_id else tuple(parent_ids)
    answers = posting.message_id or (parent_ids[0] if parent_ids else "")
    extra = [("X-Postroom-Objects", f"{ports.our_mark}; record={posting.record.pk}; message={message.pk}")]
    if posting.is_automatic or posting.kind is MessageKind.SYSTEM:
        extra.append(("Auto-Submitted", "auto-generated"))
    return MailDraft(
        company_id=message.company_id,
        header_from=parse_one(posting.from_address) or _header_from(posting.author, home),
        recipients=(),
        subject=letter_subject(posting.subject, posting.record.title, is_answer=posting.is_answer),
        html="",
        header_message_id=own_id,
        in_reply_to=answers,
        references=thread_references(before, answers, own_id),
        attachments=[
            OutgoingAttachment(
                name=file.name, content_type=file.content_type, content=file.content, content_id=file.content_id
            )
            for file in posting.files
        ],
        message_id=message.pk,
        due_at=posting.undo_until,
        alias_domain_id=home.domain_id,
        forced_server_id=posting.server_id,
        extra_headers=extra,
    )


def _header_from(author: Author, home: Home) -> Address:
    """The author's own address where there is one; which server may really send as it is decided at delivery."""
    found = parse_one(author.address)
    if found is not None:
        return Address(author.name or found.name, found.local, found.domain)
    return Address(author.name or home.company_name, home.catchall, home.domain)


def _letter(ports: Ports, posting: Posting, home: Home) -> Letter:
    record = posting.record
    return Letter(
        kind=posting.kind,
        body_html=posting.html,
        record_title=record.title,
        kind_label=record.kind.label,
        record_url=f"{ports.configuration.public_url}/records/{record.pk}/",
        company=home.company_name,
        signature=posting.signature,
    )


def _reply_address(
    ports: Ports, message: Message, posting: Posting, home: Home, owned: tuple[str, str] | None, is_signed: bool
) -> Address | None:
    """``alias+TOKEN@`` for a record that owns an alias, else ``catchall+TOKEN@``; plain where plus-addresses do not arrive."""
    local, domain = owned or (home.catchall, home.domain)
    if not domain:
        return None
    if is_signed and home.plus_addresses_arrive:
        local = f"{local}+{make_token(ports.address_keys, TokenPurpose.REPLY, message.pk)}"
    return reply_to(home.company_name, posting.record.title, local, domain)


def _recipient(
    message: Message, candidate: Candidate, notifications: Mapping[tuple[int, int], Notification]
) -> DraftRecipient:
    return DraftRecipient(
        name=candidate.name,
        address=candidate.address,
        notification_id=notifications[(message.pk, candidate.contact_id)].pk,
    )


def _tell_pages(record_ids: set[int]) -> None:
    """Open pages hear of it with the commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify('postroom_live', 'record:' || id) FROM unnest(%s::bigint[]) AS id", [sorted(record_ids)]
        )


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
        Message.objects.filter(record=record, author=None, author_address=record.contact_address).update(
            author=record.contact
        )
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
