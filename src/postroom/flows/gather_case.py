"""A case: what a support bundle is about, with the rows that belong to it and what is known of them.

Laws: reads only; bounded, whatever is stored. A message brings the mail that it came in by and the deliveries that it caused; a record its
newest messages; a mail that came in what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from postroom.core.diagnosis.support_answers import CaseFacts, Like
from postroom.core.mime.forwards import is_forward_subject
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse
from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows.access import visible_inbound, visible_messages, visible_records
from postroom.flows.gather_house import change_facts
from postroom.store.models import (
    Delivery,
    InboundMessage,
    Member,
    Message,
    MessageIdentifier,
    Record,
    ReportedRecipient,
)

MOST_MESSAGES, MOST_MAILS, MOST_DELIVERIES = 20, 20, 60
WEEK = timedelta(days=7)
BEFORE = timedelta(days=14)
_LOST = (DeliveryState.FAILED.value, DeliveryState.BOUNCED.value)
_STUCK = (InboundState.HELD.value, InboundState.FAILED.value, InboundState.REFUSED.value, InboundState.DISCARDED.value)


class NoSuchCase(LookupError):  # noqa: N818 (an answer to a person, not a fault)
    """Nothing is stored under this number or Message-ID, or not for this person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWish:
    """One of them, or none: the whole house. ``message``: a number, or a Message-ID."""

    message: str = ""
    record: int | None = None
    inbound: int | None = None

    @property
    def words(self) -> str:
        """For the audit log and for the name of the file."""
        if self.inbound is not None:
            return f"inbound {self.inbound}"
        if self.record is not None:
            return f"record {self.record}"
        return f"message {self.message}" if self.message else "the house"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The rows, the oldest first. ``kind``: inbound, message, record or house."""

    kind: str
    number: int | None = None
    record: Record | None = None
    messages: Sequence[Message] = ()
    inbounds: Sequence[InboundMessage] = ()
    deliveries: Sequence[Delivery] = ()

    @property
    def message_ids(self) -> list[str]:
        """The Message-IDs of all its mails."""
        found = [one.message_id for one in self.messages] + [one.message_id for one in self.inbounds]
        found += [one.mail.header_message_id for one in self.deliveries]
        return list(dict.fromkeys(one for one in found if one))

    @property
    def begins(self) -> datetime | None:
        moments = [one.posted_at for one in self.messages] + [one.received_at for one in self.inbounds]
        return min(moments, default=None)


def find_case(wish: CaseWish, *, member: Member | None) -> Case:
    """Raises `NoSuchCase`. A dozen queries."""
    if wish.inbound is not None:
        row = visible_inbound(member).filter(pk=wish.inbound).first()
        if row is None:
            raise NoSuchCase(f"No mail {wish.inbound} came in.")
        return _of_inbound(row)
    if wish.record is not None:
        record = visible_records(member).filter(pk=wish.record).first()
        if record is None:
            raise NoSuchCase(f"There is no record {wish.record}.")
        newest = Message.objects.filter(record=record).order_by("-id")[:MOST_MESSAGES]
        return _of_messages("record", record.pk, sorted(newest, key=lambda one: one.pk))
    if wish.message:
        return _named(wish.message.strip(), member)
    return Case(kind="house")


def _named(name: str, member: Member | None) -> Case:
    """By number, or by the Message-ID of a message, of a mail that left, or of one that came in and became nothing."""
    visible = visible_messages(member)
    if name.isdigit() and len(name) < 19:
        message = visible.filter(pk=int(name)).first()
        if message is None:
            raise NoSuchCase(f"There is no message {name}.")
        return _of_messages("message", message.pk, [message])
    identifier = f"<{name.strip('<>')}>"
    known = MessageIdentifier.objects.filter(identifier=identifier).values("message")
    message = visible.filter(pk__in=known).order_by("-id").first()
    if message is None:
        message = visible.filter(outgoing_mails__header_message_id=identifier).order_by("-id").first()
    if message is not None:
        return _of_messages("message", message.pk, [message])
    row = visible_inbound(member).filter(message_id=identifier).order_by("-id").first()
    if row is None:
        raise NoSuchCase(f"No mail with the Message-ID {identifier} is known here.")
    return _of_inbound(row)


def _of_inbound(row: InboundMessage) -> Case:
    made = list(Message.objects.filter(inbound=row).select_related("record").order_by("id")[:MOST_MESSAGES])
    deliveries = _deliveries(Q(mail__message__in=made) | Q(reports__inbound=row))
    return Case(
        kind="inbound",
        number=row.pk,
        record=made[0].record if made else None,
        messages=made,
        inbounds=[row],
        deliveries=deliveries,
    )


def _of_messages(kind: str, number: int, messages: list[Message]) -> Case:
    deliveries = _deliveries(Q(mail__message__in=messages))
    reports = ReportedRecipient.objects.filter(delivery__in=deliveries).values_list("inbound_id", flat=True)
    wanted = {one.inbound_id for one in messages if one.inbound_id is not None} | set(reports[:MOST_MAILS])
    inbounds = InboundMessage.objects.filter(pk__in=wanted).order_by("-id")[:MOST_MAILS]
    record = messages[0].record if messages else Record.objects.get(pk=number)
    return Case(
        kind=kind,
        number=number,
        record=record,
        messages=messages,
        inbounds=sorted(inbounds, key=lambda one: one.pk),
        deliveries=deliveries,
    )


def _deliveries(wanted: Q) -> list[Delivery]:
    rows = Delivery.objects.filter(wanted).select_related("mail", "server", "notification").order_by("-id").distinct()
    return sorted(rows[:MOST_DELIVERIES], key=lambda one: one.pk)


# ---- what support asks


def case_facts(case: Case, raws: dict[int, bytes], *, now: datetime) -> CaseFacts:
    """``raws``: the bytes of the case's incoming mails, by their numbers. About ten queries."""
    at = case.begins
    changes = [(one.at, one.subject + (f" ({one.what})" if one.what else "")) for one in change_facts(now)]
    before = [one for one in changes if one[0] >= (at or now) - BEFORE]
    common = CaseFacts(
        record=f"{case.record.pk} ({case.record.title})" if case.record is not None else "",
        kind=case.record.kind_id if case.record is not None else "",
        at=at,
        changes=tuple(before),
    )
    incoming = _newest_incoming(case)
    if case.kind == "house":
        return common
    if incoming is not None:
        return _coming_in(incoming, raws, common, now)
    return _going_out(case, raws, common, now)


def _newest_incoming(case: Case) -> InboundMessage | None:
    """The mail that the case is about, if it is about one that came in."""
    if case.kind == "inbound":
        return case.inbounds[0]
    newest = case.messages[-1] if case.messages else None
    if newest is None or newest.inbound_id is None:
        return None
    return next((one for one in case.inbounds if one.pk == newest.inbound_id), None)


def _coming_in(row: InboundMessage, raws: dict[int, bytes], common: CaseFacts, now: datetime) -> CaseFacts:
    parsed = parse(raws[row.pk]) if row.pk in raws else None
    lately = InboundMessage.objects.filter(received_at__gte=now - WEEK).exclude(pk=row.pk)
    recipients = list(row.rcpt_to) or ([one.normal for one in (*parsed.to, *parsed.cc)] if parsed else [])
    alike = lately.filter(rcpt_to__overlap=recipients[:5]) if row.rcpt_to else lately.filter(mailbox=row.mailbox)
    works = alike.filter(state=InboundState.ROUTED).order_by("-id").first()
    failed = alike.filter(state__in=_STUCK).order_by("id").values_list("received_at", flat=True).first()
    own = int(row.state in _STUCK)
    total, bad = _counted(alike, Q(state__in=_STUCK))
    every, every_bad = _counted(lately, Q(state__in=_STUCK))
    return replace(
        common,
        direction="in",
        is_answer=bool(parsed and (parsed.in_reply_to or parsed.references)),
        door=row.door,
        mailbox=row.mailbox.name if row.mailbox is not None else "",
        is_original=parsed is not None,
        is_forwarded_copy=_is_forwarded(parsed),
        forwarded_author=_forwarded_author(parsed),
        works=_like(works),
        broke_after=failed or (row.received_at if own else None),
        alike=(total + 1, bad + own),
        others=(max(every - total, 0), max(every_bad - bad, 0)),
        way=f"to {', '.join(recipients[:2])}" if recipients else "",
        state=row.state,
    )


def _like(row: InboundMessage | None) -> Like | None:
    if row is None:
        return None
    return Like(what=f"inbound {row.pk}, {row.message_id}", at=row.received_at, message_id=row.message_id)


def _is_forwarded(parsed: ParsedMail | None) -> bool:
    """A copy that somebody passed on is evidence of its own journey alone."""
    return parsed is not None and (parsed.forwarded is not None or is_forward_subject(parsed.subject))


def _forwarded_author(parsed: ParsedMail | None) -> str:
    author = parsed.forwarded.author if parsed is not None and parsed.forwarded is not None else None
    return author.spec if author is not None else ""


def _going_out(case: Case, raws: dict[int, bytes], common: CaseFacts, now: datetime) -> CaseFacts:
    worst = next((one for one in reversed(case.deliveries) if one.state in _LOST), None)
    one = worst or (case.deliveries[-1] if case.deliveries else None)
    if one is None:
        return replace(common, direction="out", state="not sent by mail", is_original=bool(raws))
    domain = normalize(one.to_address).rpartition("@")[2]
    lately = Delivery.objects.filter(created_at__gte=now - WEEK)
    alike = lately.filter(to_address__iendswith=f"@{domain}")
    works = alike.filter(state=DeliveryState.SENT).exclude(pk=one.pk).select_related("mail").order_by("-id").first()
    failed = alike.filter(state__in=_LOST).order_by("id").values_list("created_at", flat=True).first()
    total, bad = _counted(alike, Q(state__in=_LOST))
    every, every_bad = _counted(lately, Q(state__in=_LOST))
    red = one.notification is not None and one.notification.state in ("bounce", "exception")
    example = None
    if works is not None:
        header = works.mail.header_message_id
        example = Like(what=f"delivery {works.pk}, {header}", at=works.created_at, message_id=header)
    return replace(
        common,
        direction="out",
        is_answer=any(message.inbound_id is not None for message in case.messages),
        server=one.server.name if one.server is not None else "",
        is_original=True,
        works=example,
        broke_after=failed,
        alike=(total, bad),
        others=(max(every - total, 0), max(every_bad - bad, 0)),
        way=f"to {domain}",
        state=one.state,
        has_report=ReportedRecipient.objects.filter(delivery=one).exists(),
        is_red=red,
    )


_MANY = 10_000  # more are not counted


def _counted(rows: QuerySet[Delivery] | QuerySet[InboundMessage], bad: Q) -> tuple[int, int]:
    """All of them, and the bad ones."""
    return rows.order_by()[:_MANY].count(), rows.filter(bad).order_by()[:_MANY].count()
