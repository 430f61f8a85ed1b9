"""Writes messages on records, with their notifications and their mails, in one transaction, many at once.

A person posts one (`post_message`), the router a whole batch of incoming mail: about fifteen statements for any number. Rows go
to the database as values, without model instances: this is the hottest path of what comes in. What a message needs of the sender's
side (audience, words, reply address) is decided in the core.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from postroom.core.conversations.audience import Audience, AudienceMember, Candidate, decide
from postroom.core.conversations.letters import Letter, letter_html, letter_subject, letter_text, reply_to, voice_of
from postroom.core.mime.composing import OutgoingAttachment
from postroom.core.mime.markup import html_to_text
from postroom.core.routing.loops import text_digest
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.message_ids import make_message_id, thread_references
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.reasons import reasons_as_json
from postroom.core.terms.states import Channel, Lane, MessageKind, NotificationState, Turn
from postroom.core.tokens.addresses import TokenPurpose, make_personal_token, make_token
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mails
from postroom.flows.new_files import NewFile, attachment_row
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.store.bulk import insert, insert_rows
from postroom.store.models import Message, MessageBody, MessageIdentifier, Notification, Record
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
class RecordFact:
    """The record that is written on. ``kind_label`` is what people call its kind."""

    id: int
    company_id: int
    title: str
    kind_label: str
    is_done: bool = False

    @classmethod
    def of(cls, record: Record) -> RecordFact:
        """Of a row whose kind is loaded."""
        return cls(
            id=record.pk,
            company_id=record.company_id,
            title=record.title,
            kind_label=record.kind.label,
            is_done=record.is_done,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One message to be posted. HTML is sanitised."""

    record: RecordFact
    kind: MessageKind
    author: Author
    html: str
    quoted_html: str = ""
    text: str = ""
    subject: str = ""
    parent_id: int | None = None
    is_answer: bool = True
    explicit_contact_ids: Sequence[int] = ()
    mentioned_contact_ids: Sequence[int] = ()
    strangers: Sequence[Candidate] = ()  # written to, and no contacts before it is posted: for previews
    files: Sequence[NewFile] = ()
    notifies: bool = True
    signature: str = ""
    undo_until: datetime | None = None
    is_urgent: bool = True  # a person wants it read, not a rule
    turn: Turn | None = None  # None: it neither asks nor answers
    # of the system
    changes: Sequence[Sequence[str]] = ()
    is_activity: bool = False
    for_named: Mapping[str, str] | None = None  # what those who are named read instead, by voice
    # of a template
    from_address: str = ""
    reply_to_address: str = ""
    server_id: int | None = None
    # of an incoming mail
    is_first: bool = False  # it made the record, in this transaction
    message_id: str = ""
    inbound_id: int | None = None
    is_unverified: bool = False
    is_automatic: bool = False
    already_addressed: frozenset[str] = frozenset()
    addressed: Mapping[str, object] | None = None
    particulars: Mapping[str, object] | None = None
    text_digest: str = ""
    trace: tuple[str, ...] = ()  # marks of the installations that relayed it


def write_messages(ports: Ports, postings: Sequence[Posting], values: Parameters | None = None) -> list[int]:
    """Write messages, notifications and mails of these postings; the numbers of the messages. Inside a transaction.

    ``values`` are the parameters in force, for who has them at hand.
    """
    if not postings:
        return []
    now = ports.clock.now()
    values = values or parameters(ports)
    standing = {posting.record.id for posting in postings if not posting.is_first}
    roots = first_messages(standing)
    places = homes({posting.record.company_id for posting in postings})
    postings = [_with_thread(posting, roots) for posting in postings]
    own_ids = [
        make_message_id(unique=ports.ids.hex(12), domain=places[posting.record.company_id].domain)
        for posting in postings
    ]
    messages = _write(postings, own_ids, now)
    _write_bodies(messages, postings)
    _write_changes(messages, postings)
    _identify(messages, postings, own_ids)
    _attach(ports, messages, postings)
    _touch(postings, standing, now)
    audiences = audiences_of(postings, values)
    notifications = _notify(messages, postings, audiences)
    _send(ports, messages, postings, audiences, notifications, places, own_ids, values)
    _tell_pages([posting.record for posting in postings], audiences)
    return messages


_TOUCH = """
UPDATE postroom_record AS record
   SET updated_at = %s, is_done = record.is_done AND new.turn <> 'asks',
       unanswered_since = CASE new.turn WHEN 'asks' THEN CASE WHEN record.is_done THEN %s ELSE coalesce(record.unanswered_since, %s) END
                                        WHEN 'answers' THEN NULL ELSE record.unanswered_since END
  FROM unnest(%s::bigint[], %s::text[]) AS new(id, turn) WHERE record.id = new.id
"""


def _touch(postings: Sequence[Posting], standing: Collection[int], now: datetime) -> None:
    """Something was written on these records: whose turn it is now. A question brings back what was done."""
    if not standing:
        return
    turns = dict.fromkeys(sorted(standing), "")
    for posting in postings:
        if posting.turn is not None and posting.record.id in turns:
            turns[posting.record.id] = posting.turn.value
    with connection.cursor() as cursor:
        cursor.execute(_TOUCH, [now, now, now, list(turns), list(turns.values())])


def _with_thread(posting: Posting, roots: Mapping[int, int]) -> Posting:
    """Flat threads: without a parent it answers the record's first message (O-4)."""
    root = roots.get(posting.record.id)
    return replace(posting, parent_id=posting.parent_id or root, is_answer=root is not None)


_MESSAGE = (
    "company_id", "record_id", "parent_id", "kind", "author_id", "author_name", "author_address", "subject", "message_id",
    "inbound_id", "text_digest", "is_unverified", "attachment_count", "posted_at", "undo_until",
)  # fmt: skip


def _write(postings: Sequence[Posting], own_ids: Sequence[str], now: datetime) -> list[int]:
    rows = [
        (
            posting.record.company_id,
            posting.record.id,
            posting.parent_id,
            posting.kind.value,
            posting.author.contact_id,
            posting.author.name[:200],
            normalize(posting.author.address) or posting.author.address[:320],
            posting.subject[:1000],
            (posting.message_id or own_id)[:1000],
            posting.inbound_id,
            posting.text_digest or text_digest(posting.subject, posting.text or html_to_text(posting.html)),
            posting.is_unverified,
            len(posting.files),
            now,
            posting.undo_until,
        )
        for posting, own_id in zip(postings, own_ids, strict=True)
    ]
    return insert_rows(Message, _MESSAGE, rows)


def _write_bodies(messages: Sequence[int], postings: Sequence[Posting]) -> None:
    rows = [
        (
            message,
            posting.html,
            posting.quoted_html,
            posting.text or html_to_text(posting.html),
            json.dumps(posting.addressed or {}),
            json.dumps(posting.particulars) if posting.particulars is not None else None,
        )
        for message, posting in zip(messages, postings, strict=True)
    ]
    insert_rows(MessageBody, ("message_id", "html", "quoted_html", "text", "addressed", "particulars"), rows)


def _write_changes(messages: Sequence[int], postings: Sequence[Posting]) -> None:
    """A statement for each of the few that have some: never for what comes in."""
    for message, posting in zip(messages, postings, strict=True):
        if posting.changes:
            MessageBody.objects.filter(pk=message).update(changes=[list(one) for one in posting.changes])


def _identify(messages: Sequence[int], postings: Sequence[Posting], own_ids: Sequence[str]) -> None:
    """An incoming message is known by the sender's id and by the one that its relayed copies bear (O-66 done better)."""
    rows = []
    for message, posting, own_id in zip(messages, postings, own_ids, strict=True):
        if posting.message_id:
            rows.append((message, posting.message_id[:1000]))
        rows.append((message, own_id))
    insert_rows(MessageIdentifier, ("message_id", "identifier"), rows)


def _attach(ports: Ports, messages: Sequence[int], postings: Sequence[Posting]) -> None:
    insert(
        [
            attachment_row(ports, message, file)
            for message, posting in zip(messages, postings, strict=True)
            for file in posting.files
        ]
    )


def audiences_of(
    postings: Sequence[Posting], values: Parameters, followers: Mapping[int, list[Candidate]] | None = None
) -> list[Audience]:
    """Who hears of each, and how: what a preview shows and what is done. Two queries, one for who has the ``followers`` at hand."""
    asking = [posting for posting in postings if posting.notifies]
    notes_by_mail = values.is_on("mail.note.by_mail")
    following = followers_of({posting.record.id for posting in asking}) if followers is None else followers
    named = {one for posting in asking for one in (*posting.explicit_contact_ids, *posting.mentioned_contact_ids)}
    known = candidates(named, {posting.record.company_id for posting in asking}) if named else {}
    found = []
    for posting in postings:
        if not posting.notifies:
            found.append(Audience(members=(), left_out=()))
            continue
        found.append(
            decide(
                posting.kind,
                [*_named(posting, known), *posting.strangers, *following.get(posting.record.id, ())],
                author_contact_id=posting.author.contact_id,
                author_normal=normalize(posting.author.address),
                already_addressed=posting.already_addressed,
                notes_by_mail=notes_by_mail,
                is_activity=posting.is_activity,
            )
        )
    return found


def _named(posting: Posting, known: Mapping[tuple[int, int], Candidate]) -> Iterable[Candidate]:
    """Those whom the author named, each once, whether added or mentioned."""
    added, mentioned = set(posting.explicit_contact_ids), set(posting.mentioned_contact_ids)
    for one in dict.fromkeys((*posting.explicit_contact_ids, *posting.mentioned_contact_ids)):
        if candidate := known.get((posting.record.company_id, one)):
            yield replace(candidate, is_explicit=one in added, is_mentioned=one in mentioned)


_NOTIFICATION = (
    "company_id", "message_id", "contact_id", "author_id", "channel", "state", "failure_type", "failure_reason", "reasons",
    "is_read",
)  # fmt: skip


def _notify(
    messages: Sequence[int], postings: Sequence[Posting], audiences: Sequence[Audience]
) -> Mapping[tuple[int, int], int]:
    """The number of each notification, by message and contact."""
    told = [
        (message, posting, member)
        for message, posting, audience in zip(messages, postings, audiences, strict=True)
        for member in audience.members
    ]
    rows = [_notification(message, posting, member) for message, posting, member in told]
    numbers = insert_rows(Notification, _NOTIFICATION, rows)
    return {
        (message, member.candidate.contact_id): number
        for (message, _, member), number in zip(told, numbers, strict=True)
    }


def _notification(message: int, posting: Posting, member: AudienceMember) -> tuple[object, ...]:
    is_lost = member.channel is Channel.MAIL and not member.candidate.address
    settled = NotificationState.EXCEPTION if is_lost else NotificationState.SENT
    state = NotificationState.READY if member.needs_mail else settled
    return (
        posting.record.company_id,
        message,
        member.candidate.contact_id,
        posting.author.contact_id,
        member.channel.value,
        state.value,
        "mail_email_missing" if is_lost else "",
        f"{member.candidate.name} has no mail address." if is_lost else "",
        json.dumps(reasons_as_json(member.reasons)),
        member.channel is not Channel.INBOX,
    )


def _send(
    ports: Ports,
    messages: Sequence[int],
    postings: Sequence[Posting],
    audiences: Sequence[Audience],
    notifications: Mapping[tuple[int, int], int],
    places: Mapping[int, Home],
    own_ids: Sequence[str],
    values: Parameters,
) -> None:
    """One mail per message and group of readers: colleagues get a button to the record, outside people do not."""
    with_mail = [i for i, audience in enumerate(audiences) if any(_hears_by_mail(one) for one in audience.members)]
    if not with_mail:
        return
    owned = aliases_owned({postings[i].record.id for i in with_mail if not postings[i].is_first})
    answered = identifiers_of({parent for i in with_mail if (parent := postings[i].parent_id)})
    is_signed, most_urgent = values.is_on("mail.reply.signed"), values.number("mail.mail.force.send.limit")
    drafts = []
    for i in with_mail:
        posting, message, audience = postings[i], messages[i], audiences[i]
        home = places[posting.record.company_id]
        draft = _draft(ports, message, posting, home, own_ids[i], answered.get(posting.parent_id or 0, []))
        own = owned.get(posting.record.id)
        to = _reply_address(ports, message, posting, home, own, is_signed)
        to_colleague = _reply_address(ports, message, posting, home, own, is_signed, is_personal=True)
        urgent = posting.is_urgent and sum(member.needs_mail for member in audience.members) <= most_urgent
        letter = _letter(ports, posting, home)
        for (for_colleague, voice, is_named), readers in _groups(posting, audience):
            said = _said(letter, posting, voice, is_named=is_named)
            drafts.append(
                replace(
                    draft,
                    html=letter_html(said, for_colleague=for_colleague, voice=voice),
                    text=letter_text(said, posting.text, for_colleague=for_colleague, voice=voice)
                    if posting.text and said is letter
                    else "",
                    reply_to=parse_one(posting.reply_to_address) or (to_colleague if for_colleague else to),
                    lane=Lane.URGENT if urgent else Lane.NORMAL,
                    recipients=[
                        DraftRecipient(
                            name=reader.candidate.name,
                            address=reader.candidate.address,
                            notification_id=notifications[(message, reader.candidate.contact_id)],
                        )
                        for reader in readers
                    ],
                )
            )
    enqueue_mails(ports, drafts, values)


def _said(letter: Letter, posting: Posting, voice: str, *, is_named: bool) -> Letter:
    """The same letter, unless it says something else to those who are named."""
    own = posting.for_named
    return replace(letter, body_html=own[voice]) if is_named and own is not None else letter


def _groups(posting: Posting, audience: Audience) -> Iterable[tuple[tuple[bool, str, bool], list[AudienceMember]]]:
    """Readers who get the same words: whether they are colleagues, in which voice, and whether they are named; colleagues first
    (O-20)."""
    found: dict[tuple[bool, str, bool], list[AudienceMember]] = {}
    for one in audience.members:
        if _hears_by_mail(one):
            for_colleague = one.candidate.is_colleague
            voice = voice_of(one.candidate.language, for_colleague=for_colleague)
            is_named = posting.for_named is not None and one.candidate.is_explicit
            found.setdefault((for_colleague, voice, is_named), []).append(one)
    return sorted(found.items(), key=lambda group: (not group[0][0], *group[0][1:]))


def _hears_by_mail(member: AudienceMember) -> bool:
    """Also who has no address: that delivery fails at once, visibly, and can be sent again to a better one."""
    return member.needs_mail or (member.channel is Channel.MAIL and not member.candidate.address)


def _draft(
    ports: Ports, message: int, posting: Posting, home: Home, own_id: str, parent_ids: Sequence[str]
) -> MailDraft:
    """What all groups share. A relayed mail's own Message-ID goes into References."""
    before = (*parent_ids, posting.message_id) if posting.message_id else tuple(parent_ids)
    answers = posting.message_id or (parent_ids[0] if parent_ids else "")
    extra = [("X-Postroom-Objects", f"{ports.our_mark}; record={posting.record.id}; message={message}")]
    extra += [("X-Postroom-Objects", mark) for mark in posting.trace if mark != ports.our_mark]
    if posting.is_automatic or posting.kind is MessageKind.SYSTEM:
        extra.append(("Auto-Submitted", "auto-generated"))
    return MailDraft(
        company_id=posting.record.company_id,
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
        message_id=message,
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
        kind_label=record.kind_label,
        record_url=f"{ports.configuration.public_url}/records/{record.id}/",
        company=home.company_name,
        signature=posting.signature,
    )


def _reply_address(
    ports: Ports,
    message: int,
    posting: Posting,
    home: Home,
    owned: tuple[str, str] | None,
    is_signed: bool,
    *,
    is_personal: bool = False,
) -> Address | None:
    """``alias+TOKEN@`` for a record that owns an alias, else ``catchall+TOKEN@``; plain where plus-addresses do not arrive. A personal
    one becomes each reader's own when his mail is composed (`deliver_mail`)."""
    local, domain = owned or (home.catchall, home.domain)
    if not domain:
        return None
    if is_signed and home.plus_addresses_arrive:
        keys = ports.address_keys
        token = make_personal_token(keys, message) if is_personal else make_token(keys, TokenPurpose.REPLY, message)
        local = f"{local}+{token}"
    return reply_to(home.company_name, posting.record.title, local, domain)


def _tell_pages(touched: Sequence[RecordFact], audiences: Sequence[Audience]) -> None:
    """Open pages hear of it with the commit: those of the records, and the first pages of who reads in the app."""
    readers = {
        one.candidate.contact_id for audience in audiences for one in audience.members if one.channel is Channel.INBOX
    }
    lists = of_companies("records", (one.company_id for one in touched))
    records = (f"record:{one}" for one in sorted({one.id for one in touched}))
    tell_pages(*lists, *records, *(f"author:{one}" for one in sorted(readers)))
