"""Puts mails into the queue: the only way in (law 9).

Runs inside the transaction of what causes the mail, and its NOTIFY leaves with that commit: the deliveries are the durable job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from postroom.core.mime.composing import OutgoingAttachment, render_body
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.states import DeliveryState, FailureType, Lane, NotificationState
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import travelling_html
from postroom.flows.settings import parameters
from postroom.store import claims
from postroom.store.bulk import insert
from postroom.store.claims import NotificationMark
from postroom.store.models import Delivery, OutgoingContent, OutgoingMail
from postroom.store.models.outgoing import LANE_RANK


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRecipient:
    """One recipient; ``notification_id`` is told what becomes of the delivery."""

    name: str
    address: str
    notification_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDraft:
    """A mail to be composed once for these recipients. Identifiers have their angle brackets."""

    company_id: int
    header_from: Address
    recipients: Sequence[DraftRecipient]
    subject: str
    html: str
    header_message_id: str
    text: str = ""
    reply_to: Address | None = None
    in_reply_to: str = ""
    references: Sequence[str] = ()
    attachments: Sequence[OutgoingAttachment] = ()
    lane: Lane = Lane.URGENT
    due_at: datetime | None = None
    message_id: int | None = None
    alias_domain_id: int | None = None
    forced_server_id: int | None = None
    null_return_path: bool = False
    extra_headers: Sequence[tuple[str, str]] = ()


def enqueue_mails(ports: Ports, drafts: Sequence[MailDraft]) -> list[OutgoingMail]:
    """Write the mails and one delivery per recipient, and wake the deliverers. Four queries for any number of drafts.

    An address that is none fails at once, visibly: it never reaches a server.
    """
    if not drafts:
        return []
    now = ports.clock.now()
    deadline = now + timedelta(days=max(1, parameters(ports).number("mail.retry.days")))
    mails = insert([_mail(draft, now) for draft in drafts])
    insert([_content(ports, mail, draft) for mail, draft in zip(mails, drafts, strict=True)])
    deliveries = [
        _delivery(mail, draft, recipient, now, deadline)
        for mail, draft in zip(mails, drafts, strict=True)
        for recipient in draft.recipients
    ]
    insert(deliveries)
    _fail_at_once(deliveries)
    _wake()
    return mails


def enqueue_mail(ports: Ports, draft: MailDraft) -> OutgoingMail:
    """One mail; see `enqueue_mails`."""
    return enqueue_mails(ports, [draft])[0]


def enqueue_again(
    ports: Ports, deliveries: Sequence[Delivery], addresses: Sequence[str], *, lane: Lane | None = Lane.URGENT
) -> list[Delivery]:
    """The same mails once more, each to its (perhaps corrected) address, as new deliveries: the old ones keep their history.

    ``lane`` None: each in its old one."""
    now = ports.clock.now()
    deadline = now + timedelta(days=max(1, parameters(ports).number("mail.retry.days")))
    fresh = [
        Delivery(
            mail_id=old.mail_id,
            company_id=old.company_id,
            notification_id=old.notification_id,
            to_name=old.to_name,
            to_address=address,
            lane=LANE_RANK[lane] if lane else old.lane,
            due_at=now,
            deadline_at=deadline,
            created_at=now,
        )
        for old, address in zip(deliveries, addresses, strict=True)
    ]
    insert(fresh)
    _wake()
    return fresh


def _mail(draft: MailDraft, now: datetime) -> OutgoingMail:
    reply_to = draft.reply_to or _author_of(draft)
    return OutgoingMail(
        company_id=draft.company_id,
        message_id=draft.message_id,
        from_name=draft.header_from.name[:200],
        from_address=draft.header_from.spec if draft.header_from.domain else "",
        reply_to_name=reply_to.name[:200] if reply_to else "",
        reply_to_address=reply_to.spec if reply_to else "",
        subject=draft.subject[:1000],
        header_message_id=draft.header_message_id,
        in_reply_to=draft.in_reply_to,
        references=" ".join(draft.references),
        extra_headers=[list(pair) for pair in draft.extra_headers],
        null_return_path=draft.null_return_path,
        forced_server_id=draft.forced_server_id,
        alias_domain_id=draft.alias_domain_id,
        created_at=now,
    )


def _content(ports: Ports, mail: OutgoingMail, draft: MailDraft) -> OutgoingContent:
    """Rendered once, whatever the number of recipients."""
    ready = travelling_html(ports, draft.html)
    body = render_body(text=draft.text, html=ready.html, attachments=(*draft.attachments, *ready.pictures))
    return OutgoingContent(mail=mail, content_headers=body.content_headers, body=body.body)


def _delivery(
    mail: OutgoingMail, draft: MailDraft, recipient: DraftRecipient, now: datetime, deadline: datetime
) -> Delivery:
    address = _bare(recipient.address)
    is_address = bool(normalize(address))
    missing = not address
    return Delivery(
        mail=mail,
        company_id=draft.company_id,
        notification_id=recipient.notification_id,
        to_name=recipient.name[:200],
        to_address=address[:320],
        state=DeliveryState.QUEUED if is_address else DeliveryState.FAILED,
        lane=LANE_RANK[draft.lane],
        due_at=draft.due_at or now,
        deadline_at=deadline,
        failure_type=_failure(is_address, missing),
        failure_reason=""
        if is_address
        else f"{address!r} is no mail address."
        if not missing
        else "There is no address.",
        blame="" if is_address else "address",
        created_at=now,
        finished_at=None if is_address else now,
    )


def _author_of(draft: MailDraft) -> Address | None:
    """Where answers go that nobody directs: to the author, even when the server turns the From into an address of ours (O-63)."""
    is_answerable = draft.header_from.normal and not draft.null_return_path
    return draft.header_from if is_answerable else None


def _bare(text: str) -> str:
    """``Bob <bob@reader.example>`` is understood; what is no address is kept as it was written, to be corrected."""
    found = parse_one(text)
    return found.spec if found is not None else text.strip()


def _failure(is_address: bool, missing: bool) -> FailureType:
    if is_address:
        return FailureType.NONE
    return FailureType.MAIL_EMAIL_MISSING if missing else FailureType.MAIL_EMAIL_INVALID


def _fail_at_once(deliveries: Sequence[Delivery]) -> None:
    """One query for all, and none where every address is one."""
    claims.mark_notifications(
        [
            NotificationMark(
                id=delivery.notification_id,
                state=NotificationState.EXCEPTION.value,
                failure_type=delivery.failure_type,
                failure_reason=delivery.failure_reason,
            )
            for delivery in deliveries
            if delivery.state == DeliveryState.FAILED and delivery.notification_id is not None
        ]
    )


def _wake() -> None:
    """With the commit the deliverers hear of it, and the open queue pages."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_outgoing', ''), pg_notify('postroom_live', 'queue')")
