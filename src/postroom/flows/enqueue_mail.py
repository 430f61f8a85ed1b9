"""Puts mails into the queue: the only way in (law 9).

Runs inside the transaction of what causes the mail, and its NOTIFY leaves with that commit: the deliveries are the durable job.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.mime.composing import OutgoingAttachment, render_body
from postroom.core.terms.addresses import Address, normalize, parse_one
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import DeliveryState, FailureType, Lane, NotificationState
from postroom.core.terms.traffic import Traffic
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import travelling_html
from postroom.flows.settings import parameters
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.flows.wake_queue import CHANNEL
from postroom.store import claims
from postroom.store.bulk import insert, insert_rows
from postroom.store.claims import NotificationMark
from postroom.store.models import Delivery, OutgoingContent, OutgoingMail
from postroom.store.models.outgoing import LANE_RANK
from postroom.store.pulse import tally


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRecipient:
    """One recipient; ``notification_id`` is told what becomes of the delivery."""

    name: str
    address: str
    notification_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDraft:
    """A mail to be composed once for these recipients. Identifiers have their angle brackets. ``is_of_the_house``: it opens more than
    one company, and leaves by servers of no company alone. ``is_news_of_the_house``: it tells of every company. Of both the deliveries are
    seen by administrators of the whole house alone, though they stand in the queue of ``company_id``, as whose it is written."""

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
    is_of_the_house: bool = False
    is_news_of_the_house: bool = False
    extra_headers: Sequence[tuple[str, str]] = ()


def enqueue_mails(ports: Ports, drafts: Sequence[MailDraft], values: Parameters | None = None) -> list[int]:
    """Write the mails and one delivery per recipient, and wake the deliverers; the numbers of the mails. Seven statements for any
    number of drafts. ``values`` are the parameters in force, for who has them at hand.

    An address that is none fails at once, visibly: it never reaches a server.
    """
    if not drafts:
        return []
    now = ports.clock.now()
    deadline = now + timedelta(days=max(1, (values or parameters(ports)).number("mail.retry.days")))
    mails = insert_rows(OutgoingMail, _MAIL, [_mail(draft, now) for draft in drafts])
    contents = [(mail, *_content(ports, draft)) for mail, draft in zip(mails, drafts, strict=True)]
    insert_rows(OutgoingContent, ("mail_id", "content_headers", "body"), contents)
    deliveries = [
        _delivery(mail, draft, recipient, now, deadline)
        for mail, draft in zip(mails, drafts, strict=True)
        for recipient in draft.recipients
    ]
    insert_rows(Delivery, _DELIVERY, deliveries)
    _fail_at_once(drafts, now)
    _wake(None if _is_of_the_house(draft) else draft.company_id for draft in drafts)
    return mails


def enqueue_mail(ports: Ports, draft: MailDraft) -> int:
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
            is_of_the_house=old.is_of_the_house,
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
    _wake(None if one.is_of_the_house else one.company_id for one in fresh)
    return fresh


_MAIL = (
    "company_id", "message_id", "from_name", "from_address", "reply_to_name", "reply_to_address", "subject",
    "header_message_id", "in_reply_to", "references", "extra_headers", "null_return_path", "forced_server_id",
    "alias_domain_id", "created_at", "is_of_the_house",
)  # fmt: skip


def _mail(draft: MailDraft, now: datetime) -> tuple[object, ...]:
    reply_to = draft.reply_to or _author_of(draft)
    return (
        draft.company_id,
        draft.message_id,
        draft.header_from.name[:200],
        draft.header_from.spec if draft.header_from.domain else "",
        reply_to.name[:200] if reply_to else "",
        reply_to.spec if reply_to else "",
        draft.subject[:1000],
        draft.header_message_id,
        draft.in_reply_to,
        " ".join(draft.references),
        json.dumps([list(pair) for pair in draft.extra_headers]),
        draft.null_return_path,
        draft.forced_server_id,
        draft.alias_domain_id,
        now,
        draft.is_of_the_house,
    )


def _content(ports: Ports, draft: MailDraft) -> tuple[bytes, bytes]:
    """Rendered once, whatever the number of recipients."""
    ready = travelling_html(ports, draft.html)
    body = render_body(text=draft.text, html=ready.html, attachments=(*draft.attachments, *ready.pictures))
    return body.content_headers, body.body


_DELIVERY = (
    "mail_id", "company_id", "notification_id", "to_name", "to_address", "state", "lane", "due_at", "deadline_at",
    "failure_type", "failure_reason", "blame", "created_at", "finished_at", "is_of_the_house",
)  # fmt: skip


def _delivery(
    mail: int, draft: MailDraft, recipient: DraftRecipient, now: datetime, deadline: datetime
) -> tuple[object, ...]:
    address = _bare(recipient.address)
    fault = _fault(address)
    return (
        mail,
        draft.company_id,
        recipient.notification_id,
        recipient.name[:200],
        address[:320],
        (DeliveryState.FAILED if fault else DeliveryState.QUEUED).value,
        LANE_RANK[draft.lane],
        draft.due_at or now,
        deadline,
        fault[0].value if fault else FailureType.NONE.value,
        fault[1] if fault else "",
        "address" if fault else "",
        now,
        now if fault else None,
        _is_of_the_house(draft),
    )


def _is_of_the_house(draft: MailDraft) -> bool:
    return draft.is_of_the_house or draft.is_news_of_the_house


def _author_of(draft: MailDraft) -> Address | None:
    """Where answers go that nobody directs: to the author, even when the server turns the From into an address of ours (O-63)."""
    is_answerable = draft.header_from.normal and not draft.null_return_path
    return draft.header_from if is_answerable else None


def _bare(text: str) -> str:
    """``Bob <bob@reader.example>`` is understood; what is no address is kept as it was written, to be corrected."""
    found = parse_one(text)
    return found.spec if found is not None else text.strip()


def _fault(address: str) -> tuple[FailureType, str] | None:
    """Why nothing can be sent there, or None."""
    if normalize(address):
        return None
    if not address:
        return FailureType.MAIL_EMAIL_MISSING, "There is no address."
    return FailureType.MAIL_EMAIL_INVALID, f"{address!r} is no mail address."


def _fail_at_once(drafts: Sequence[MailDraft], now: datetime) -> None:
    """One query for all, one for each company, and none where every address is one."""
    failed = [
        (draft, recipient, fault)
        for draft in drafts
        for recipient in draft.recipients
        if (fault := _fault(_bare(recipient.address))) is not None
    ]
    claims.mark_notifications(
        [
            NotificationMark(
                id=recipient.notification_id,
                state=NotificationState.EXCEPTION.value,
                failure_type=fault[0].value,
                failure_reason=fault[1],
            )
            for _, recipient, fault in failed
            if recipient.notification_id is not None
        ]
    )
    for company_id, count in Counter(draft.company_id for draft, _, _ in failed).items():
        tally(company_id, Traffic.FAILED, count, now)


def _wake(companies: Iterable[int | None]) -> None:
    """With the commit the deliverers hear of it, and the open queue pages of these companies."""
    tell_pages(*of_companies("queue", companies), calls=[CHANNEL])
