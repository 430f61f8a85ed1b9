"""A record's conversation, newest first: messages, attachments, envelopes, and why an incoming mail is here.

Laws: see `store.queries.pages`; bodies are not read here, their frames fetch them one by one. What an envelope shows is derived from
the notifications alone (D-32): red while at least one of them is a failure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from postroom.core.mime.particulars import Particulars, read_particulars
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import ActivityState, MessageKind, NotificationState
from postroom.store.models import (
    AliasDomain,
    Attachment,
    Message,
    MessageBody,
    Notification,
    Record,
)
from postroom.store.queries.pages import Page, page_of, read_id, text_of
from postroom.store.queries.verdicts_seen import own_part

THREAD_ROWS = 20
NEWER_ABOVE = 5  # messages shown above one that was asked for
SHOWS = ("messages", "notes", "starred")
FAILED = (NotificationState.BOUNCE.value, NotificationState.EXCEPTION.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentFact:
    """A file of a message."""

    id: int
    name: str
    content_type: str
    size: int
    is_inline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeFact:
    """The icon beside a message: how many hear of it, and how many of them could not be reached or are still waited for."""

    total: int = 0
    failed: int = 0
    waiting: int = 0

    @property
    def is_red(self) -> bool:
        return self.failed > 0


@dataclass(frozen=True, slots=True)
class OurAddresses:
    """The alias domains, each with its catchall: what in To and Cc is ours and no person."""

    catchalls: Mapping[str, str] = field(default_factory=dict)

    def only_lead_here(self, address: str) -> bool:
        """A reply address: signed (``support+token@``), or the catchall. Its name is the record's title, not a person's."""
        local, _, domain = address.lower().rpartition("@")
        return domain in self.catchalls and ("+" in local or local == self.catchalls[domain])

    def shown(self, name: str, address: str) -> tuple[str, str]:
        """An address of an alias domain is shown as it is: answers bring it along with the record's title as its name."""
        return ("", address) if address.lower().rpartition("@")[2] in self.catchalls else (name, address)


def our_addresses() -> OurAddresses:
    """Those of retired domains too. One query."""
    rows = AliasDomain.objects.order_by().values_list("name", "catchall_alias")
    return OurAddresses({name.lower(): catchall.lower() for name, catchall in rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityEntry:
    """What a system message says of an activity: that it was done, or that somebody was asked to do it."""

    kind: str
    summary: str
    is_done: bool
    who: str
    due_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry:
    """The automation rule that wrote a message: why, and of a system message what it did and left out."""

    name: str
    why: tuple[Reason, ...]
    did: tuple[Reason, ...]
    left: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFact:
    """A message of the conversation. ``changes`` are (what, before, after) of a system message."""

    id: int
    kind: MessageKind
    author: str
    author_address: str
    is_colleague: bool
    subject: str
    posted_at: datetime
    undo_until: datetime | None
    author_id: int | None
    is_unverified: bool
    to: tuple[tuple[str, str], ...]
    cc: tuple[tuple[str, str], ...]
    changes: tuple[tuple[str, str, str], ...]
    text: str
    attachments: tuple[AttachmentFact, ...]
    envelope: EnvelopeFact
    inbound_id: int | None
    door: str
    reasons: tuple[Reason, ...]
    particulars: Particulars
    is_starred: bool = False
    activity: ActivityEntry | None = None
    rule: RuleEntry | None = None
    edited_at: datetime | None = None
    removed_at: datetime | None = None

    @property
    def can_be_edited(self) -> bool:
        """By its author, while it is one of ours and still there."""
        return self.kind is MessageKind.NOTE and self.inbound_id is None and self.removed_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFact:
    """What the frame of a message shows. ``inline`` are the attachments that the HTML may name by Content-ID."""

    html: str
    quoted_html: str
    text: str
    inline: Mapping[str, int]


def thread(
    record_id: int, *, before: str = "", size: int = THREAD_ROWS, show: str = "", reader: int = 0
) -> Page[MessageFact]:
    """A page of a conversation, newest first. ``reader``: the member whose stars are shown. Two queries."""
    rows = _shown(Message.objects.filter(record_id=record_id), show, reader)
    if (number := read_id(before)) is not None:
        rows = rows.filter(pk__lt=number)
    return _facts(rows.order_by("-id"), size, reader)


def place_of(record_id: int, message_id: int | None, *, show: str = "", reader: int = 0) -> tuple[str, int]:
    """The cursor (``before``) of a page that has this message and a few newer ones (``""``: the first page has it, or none is named);
    and the number of the record's last message, 0 without any. One query."""
    rows = _shown(Message.objects.filter(record_id=OuterRef("pk"), pk__gt=message_id or 0), show, reader)
    following = rows.order_by("id").values("id")[: NEWER_ABOVE + 1]
    last = Message.objects.filter(record_id=OuterRef("pk")).order_by("-id").values("id")[:1]
    found = (
        Record.objects.filter(pk=record_id).values(following=ArraySubquery(following), newest=Subquery(last)).first()
    )
    ids: list[int] = found["following"] if found and message_id is not None else []
    newest: int | None = found["newest"] if found else None
    return str(ids[-1]) if len(ids) > NEWER_ABOVE else "", newest or 0


def newer(
    record_id: int, *, after: int, size: int = THREAD_ROWS, show: str = "", reader: int = 0
) -> tuple[MessageFact, ...]:
    """What was written since the message ``after``, newest first; at most ``size``, the newest."""
    rows = _shown(Message.objects.filter(record_id=record_id, pk__gt=after), show, reader)
    return _facts(rows.order_by("-id"), size, reader).rows


def message(visible: QuerySet[Record], message_id: int, *, reader: int = 0) -> MessageFact | None:
    """One message of a visible record."""
    rows = Message.objects.filter(pk=message_id, record__in=visible)
    found = _facts(rows, 1, reader).rows
    return found[0] if found else None


def _shown(rows: QuerySet[Message], show: str, reader: int) -> QuerySet[Message]:
    """``messages``, ``notes`` or ``starred``; anything else is everything."""
    match show:
        case "messages":
            return rows.filter(kind=MessageKind.COMMENT)
        case "notes":
            return rows.filter(kind=MessageKind.NOTE)
        case "starred":
            return rows.filter(stars__member_id=reader)
        case _:
            return rows


_TOTAL, _FAILED = Count("id"), Count("id", filter=Q(state__in=FAILED))
_WAITING = Count("id", filter=Q(state=NotificationState.READY))
_FACTS = """
WITH shown AS MATERIALIZED ({shown})
SELECT message.id, message.kind, message.author_name, message.author_address, message.subject, message.posted_at, message.undo_until,
       message.author_id, message.is_unverified, message.inbound_id, message.record_id, message.company_id,
       EXISTS (SELECT FROM postroom_star star WHERE star.member_id = %s AND star.message_id = message.id) AS is_starred,
       author.name AS known_name, author.address AS known_address, member.id AS colleague, body.addressed, body.changes,
       CASE WHEN message.kind = %s THEN body.text END AS said, body.particulars, inbound.door, inbound.verdict,
       CASE WHEN message.attachment_count > 0 THEN (
           SELECT jsonb_agg(
               jsonb_build_object('id', id, 'name', name, 'content_type', content_type, 'size', size, 'is_inline', is_inline) ORDER BY id
           ) FROM postroom_attachment WHERE message_id = message.id
       ) END AS files,
       (SELECT jsonb_build_object('total', count(*), 'failed', count(*) FILTER (WHERE state = ANY(%s)),
                                  'waiting', count(*) FILTER (WHERE state = %s))
          FROM postroom_notification WHERE message_id = message.id) AS envelope
  FROM shown
  JOIN postroom_message message ON message.id = shown.id
  LEFT JOIN postroom_contact author ON author.id = message.author_id
  LEFT JOIN postroom_member member ON member.contact_id = author.id
  LEFT JOIN postroom_messagebody body ON body.message_id = message.id
  LEFT JOIN postroom_inboundmessage inbound ON inbound.id = message.inbound_id
 ORDER BY message.id DESC
"""
_JSON = ("addressed", "changes", "particulars", "verdict", "files", "envelope")


def _facts(rows: QuerySet[Message], size: int, reader: int = 0) -> Page[MessageFact]:
    """Two queries. What stands around a message is written as SQL, for the ORM took longer to build it than the database to answer; which
    messages these are, and who may see them, is the caller's condition (``rows``, in order), built anew each time and put in as it is."""
    shown, values = text_of(rows.values("id")[: size + 1])
    with connection.cursor() as cursor:
        cursor.execute(
            _FACTS.format(shown=shown),
            [*values, reader, MessageKind.SYSTEM.value, list(FAILED), NotificationState.READY.value],
        )
        names = [column.name for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        row.update({name: json.loads(row[name]) for name in _JSON if row[name] is not None})
    ours = our_addresses() if any(row["addressed"] for row in found) else OurAddresses()
    return page_of(
        found,
        size,
        lambda row: _message(row, row["said"] or "", ours),
        lambda row: str(row["id"]),
    )


def envelopes(record_id: int, *, start: int, end: int, most: int) -> Mapping[int, EnvelopeFact]:
    """The envelopes of the newest ``most`` messages of a record between two numbers, both included. Two queries."""
    rows = Message.objects.filter(record_id=record_id, pk__gte=start, pk__lte=end).order_by("-id")
    return _envelopes(list(rows.values_list("id", flat=True)[:most]))


def still_there(record_id: int, *, start: int, end: int, most: int) -> tuple[int, ...]:
    """The newest ``most`` messages of a record between two numbers, both included, newest first: what a page shows besides
    was taken back."""
    rows = Message.objects.filter(record_id=record_id, pk__gte=start, pk__lte=end).order_by("-id")
    return tuple(rows.values_list("id", flat=True)[:most])


def _envelopes(message_ids: list[int]) -> dict[int, EnvelopeFact]:
    """One row per message, whoever many hear of it."""
    rows = (
        Notification.objects.filter(message_id__in=message_ids)
        .order_by()
        .values("message_id")
        .annotate(total=_TOTAL, failed=_FAILED, waiting=_WAITING)
    )
    return {
        row["message_id"]: EnvelopeFact(total=row["total"], failed=row["failed"], waiting=row["waiting"])
        for row in rows
    }


def _message(row: Mapping[str, Any], text: str, ours: OurAddresses) -> MessageFact:
    addressed = row["addressed"] if isinstance(row["addressed"], dict) else {}
    marks = row["particulars"] if isinstance(row["particulars"], dict) else {}
    return MessageFact(
        id=row["id"],
        kind=MessageKind(row["kind"]),
        author=row["known_name"] or row["author_name"] or row["author_address"],
        author_address=row["author_address"] or row["known_address"] or "",
        is_colleague=row["colleague"] is not None,
        subject=row["subject"],
        posted_at=row["posted_at"],
        undo_until=row["undo_until"],
        author_id=row["author_id"],
        is_unverified=row["is_unverified"],
        to=_people(addressed.get("to", ()), ours),
        cc=_people(addressed.get("cc", ()), ours),
        changes=_changes(row["changes"] or ()),
        text=text,
        attachments=tuple(AttachmentFact(**one) for one in row["files"] or ()),
        envelope=EnvelopeFact(**(row["envelope"] or {})),
        inbound_id=row["inbound_id"],
        door=row["door"] or "",
        reasons=verdict_reasons(own_part(row["verdict"], row["record_id"], row["company_id"])),
        particulars=read_particulars(row["particulars"]),
        is_starred=row["is_starred"],
        activity=_activity(marks.get("activity")),
        rule=_rule(marks.get("rule")),
        edited_at=_moment(marks.get("edited_at")),
        removed_at=_moment(marks.get("removed_at")),
    )


def _activity(stored: object) -> ActivityEntry | None:
    if not isinstance(stored, Mapping):
        return None
    try:
        due_on = date.fromisoformat(str(stored.get("due_on", "")))
    except ValueError:
        due_on = None
    return ActivityEntry(
        kind=str(stored.get("kind", "")),
        summary=str(stored.get("summary", "")),
        is_done=stored.get("state") == ActivityState.DONE,
        who=str(stored.get("who", "")),
        due_on=due_on,
    )


def _rule(stored: object) -> RuleEntry | None:
    if not isinstance(stored, Mapping):
        return None
    why, did, left = (
        reasons_from_json(one for one in stored.get(name) or () if isinstance(one, Mapping))
        for name in ("why", "did", "left")
    )
    return RuleEntry(name=str(stored.get("name", "")), why=why, did=did, left=left)


def _moment(stored: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(stored)) if stored else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _people(rows: Iterable[Any], ours: OurAddresses) -> tuple[tuple[str, str], ...]:
    """Names and addresses, without those that only bring answers back to the record."""
    people = [(str(row[0]), str(row[1])) for row in rows if isinstance(row, list | tuple) and len(row) == 2]
    return tuple(ours.shown(name, address) for name, address in people if not ours.only_lead_here(address))


def _changes(rows: Iterable[Any]) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (str(row[0]), str(row[1] or ""), str(row[2] or ""))
        for row in rows
        if isinstance(row, list | tuple) and len(row) == 3
    )


def verdict_reasons(verdict: Iterable[Any]) -> tuple[Reason, ...]:
    """All reasons of a stored verdict, in order, each once."""
    found: list[Reason] = []
    for decision in verdict:
        rows = decision.get("reasons") if isinstance(decision, dict) else None
        for reason in reasons_from_json(row for row in rows or () if isinstance(row, dict)):
            if reason not in found:
                found.append(reason)
    return tuple(found)


def reply_text(code: int | None, enhanced: str | None, text: str | None) -> str:
    """A server's reply as it stood on the wire, in one text: ``550 5.1.1 No such user``."""
    return " ".join(part for part in (str(code or ""), enhanced or "", text or "") if part)


def body(visible: QuerySet[Record], message_id: int) -> BodyFact | None:
    """What a message of a visible record says. Two queries."""
    found = (
        MessageBody.objects.filter(pk=message_id, message__record__in=visible)
        .values("html", "quoted_html", "text", count=F("message__attachment_count"))
        .first()
    )
    if found is None:
        return None
    inline = {}
    if found["count"]:
        rows = Attachment.objects.filter(message_id=message_id).exclude(content_id="")
        inline = {cid.strip("<>"): pk for cid, pk in rows.values_list("content_id", "pk")}
    return BodyFact(html=found["html"], quoted_html=found["quoted_html"], text=found["text"], inline=inline)


def bodies(message_ids: list[int]) -> Mapping[int, BodyFact]:
    """What these messages say, for programs; inline pictures are not resolved."""
    rows = MessageBody.objects.filter(pk__in=message_ids).values("message_id", "html", "quoted_html", "text")
    return {
        row["message_id"]: BodyFact(html=row["html"], quoted_html=row["quoted_html"], text=row["text"], inline={})
        for row in rows
    }


def attachment(visible: QuerySet[Record], attachment_id: int) -> Attachment | None:
    """A file of a visible record's conversation."""
    return Attachment.objects.filter(pk=attachment_id, message__record__in=visible).first()
