"""Messages that are posted later: written now, posted at their date with the rights that their author has then.

    schedule -> (change, cancel, send now) -> due: claimed, posted and forgotten in one transaction

Laws: posted exactly once, however many workers look and whenever one dies: the claim is a row lock of the transaction that posts. What
cannot be posted stays, with its reason, on the record and on its author's page, and the author gets a mail with the words; it never holds
up the others. Nobody changes what stands under somebody else's name: only the author edits; whoever may post on the record may cancel;
author and administrators may send it now. Times are stored in UTC.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet

from postroom.core.terms.addresses import Address
from postroom.core.terms.message_ids import make_message_id
from postroom.core.terms.states import Lane, MessageKind, Role
from postroom.flows.access import NotAllowed, require, usable_templates, visible_records
from postroom.flows.enqueue_mail import DraftRecipient, MailDraft, enqueue_mail
from postroom.flows.new_files import FileLost, NewFile, inline_file, kept_file
from postroom.flows.ports import Ports
from postroom.flows.post_message import MOST_ADDRESSES, post_message
from postroom.flows.prepare_html import base_url, prepare_html
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import Contact, Draft, MailTemplate, Member, Message, Record, ScheduledFile, ScheduledMessage
from postroom.store.queries.conversations import homes

logger = logging.getLogger(__name__)

CHANNEL = "postroom_scheduled"
LATEST = timedelta(days=5 * 366)
MOST_AT_ONCE = 100


class ScheduleError(ValueError):
    """It cannot be scheduled or posted like that; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is to be posted. ``html`` may be anything: it is sanitised."""

    html: str
    kind: MessageKind = MessageKind.COMMENT
    subject: str = ""
    extra_contact_ids: Sequence[int] = ()
    mentioned_contact_ids: Sequence[int] = ()
    addresses: Sequence[str] = ()
    to_customer: bool = False
    template_id: int | None = None


@transaction.atomic
def schedule_message(
    ports: Ports,
    *,
    record_id: int,
    author: Member,
    words: Words,
    at: datetime,
    files: Sequence[NewFile] = (),
    ends_draft: bool = False,
) -> ScheduledMessage:
    """Have it posted at ``at`` (aware); the draft that it was ends with ``ends_draft``. Raises `ScheduleError`, `NotAllowed`, Record.DoesNotExist, MailTemplate.DoesNotExist."""
    record = visible_records(author).get(pk=record_id)
    require(author, "post", record)
    _check_moment(ports, at)
    if words.template_id is not None:
        usable_templates(author, record).get(pk=words.template_id)
    ready = prepare_html(ports, words.html)
    row = ScheduledMessage.objects.create(
        company_id=record.company_id,
        record=record,
        author=author,
        author_name=author.contact.name[:200],
        kind=MessageKind(words.kind),
        subject=words.subject[:1000],
        html=ready.html,
        extra_contact_ids=list(words.extra_contact_ids),
        mentioned_contact_ids=list(words.mentioned_contact_ids),
        addresses=list(words.addresses)[:MOST_ADDRESSES],
        to_customer=words.to_customer,
        template_id=words.template_id,
        scheduled_at=at,
        created_at=ports.clock.now(),
    )
    _keep_files(ports, row, [*files, *map(inline_file, ready.pictures)])
    if ends_draft:
        Draft.objects.filter(member=author, record=record).delete()
    _tell(row)
    return row


@transaction.atomic
def change_scheduled(
    ports: Ports,
    scheduled_id: int,
    *,
    member: Member,
    html: str,
    subject: str,
    at: datetime,
    files: Sequence[NewFile] = (),
    removed_file_ids: Sequence[int] = (),
) -> ScheduledMessage:
    """Only its author; what could not be posted waits again. Raises as `schedule_message`, ScheduledMessage.DoesNotExist."""
    row = _locked(scheduled_id, member)
    require(member, "post", row)
    if row.author_id != member.pk:
        raise NotAllowed("Only its author changes what is posted under the author's name. You may cancel it.")
    _check_moment(ports, at)
    ready = prepare_html(ports, html)
    row.html, row.subject, row.scheduled_at, row.trouble = ready.html, subject[:1000], at, ""
    row.save(update_fields=["html", "subject", "scheduled_at", "trouble"])
    row.files.filter(pk__in=list(removed_file_ids)).delete()
    for file in row.files.filter(is_inline=True):
        if f"cid:{file.content_id}" not in ready.html:
            file.delete()
    _keep_files(ports, row, [*files, *map(inline_file, ready.pictures)])
    _tell(row)
    return row


@transaction.atomic
def cancel_scheduled(_ports: Ports, scheduled_id: int, *, member: Member) -> None:
    """It is never posted. Its author, or who may post on the record."""
    row = _locked(scheduled_id, member)
    if row.author_id != member.pk:
        require(member, "post", row)
    _tell(row)
    row.delete()


def send_scheduled_now(ports: Ports, scheduled_id: int, *, member: Member) -> Message:
    """Post it at once, as its author. The author or an administrator. Raises `NotAllowed`, also when the author has lost the right, and
    `ScheduleError` where it cannot be posted; it waits on then."""
    with transaction.atomic():
        row = _locked(scheduled_id, member)
        if row.author_id != member.pk and Role(member.role) is not Role.ADMINISTRATOR:
            raise NotAllowed("Only its author or an administrator sends it before its date.")
        return _post(ports, row)


def visible_scheduled(member: Member) -> QuerySet[ScheduledMessage]:
    """On the records that the member sees, and the member's own wherever they are."""
    return ScheduledMessage.objects.filter(Q(record__in=visible_records(member)) | Q(author=member))


# ---- at its date


def post_due(ports: Ports) -> int:
    """Post what is due, the longest due first; how many were settled. Raises database errors only."""
    settled = 0
    while settled < MOST_AT_ONCE and _post_next(ports):
        settled += 1
    return settled


def _post_next(ports: Ports) -> bool:
    """One in a transaction of its own. Others who look at the same moment take the next one."""
    with transaction.atomic():
        due = ScheduledMessage.objects.filter(trouble="", scheduled_at__lte=ports.clock.now())
        row = due.select_for_update(skip_locked=True).order_by("scheduled_at", "id").first()
        if row is None:
            return False
        try:
            with transaction.atomic():
                _post(ports, row)
        except (NotAllowed, ScheduleError) as error:
            _give_back(ports, row, _why(error))
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("scheduled message %d could not be posted", row.pk)
            _give_back(
                ports, row, f"Postroom could not post it ({type(error).__name__}): this is a bug of ours, see the log."
            )
        return True


def _post(ports: Ports, row: ScheduledMessage) -> Message:
    """Inside the transaction that holds the row. Raises `NotAllowed`, `ScheduleError`."""
    members = Member.objects.select_related("contact", "company", "user")
    author = members.filter(pk=row.author_id).first() if row.author_id is not None else None
    if author is None:
        raise NotAllowed(f"{row.author_name} is no member any more.")
    if not author.user.is_active:
        raise NotAllowed(f"The account of {row.author_name} is switched off.")
    try:
        message = post_message(
            ports,
            record_id=row.record_id,
            author=author,
            html=row.html,
            kind=MessageKind(row.kind),
            subject=row.subject,
            attachments=[kept_file(ports, file) for file in row.files.all()],
            extra_contact_ids=[int(one) for one in row.extra_contact_ids],
            mentioned_contact_ids=[int(one) for one in row.mentioned_contact_ids],
            addresses=[str(one) for one in row.addresses],
            to_customer=row.to_customer,
            template_id=row.template_id,
        )
    except Record.DoesNotExist:
        raise _OutOfSight("Its author may not see this record any more.") from None
    except MailTemplate.DoesNotExist:
        raise ScheduleError("The template that it was made with is not in use any more.") from None
    except FileLost as error:
        raise ScheduleError(str(error)) from None
    row.delete()
    return message


class _OutOfSight(NotAllowed):
    """Says all by itself."""


def _why(error: NotAllowed | ScheduleError) -> str:
    if isinstance(error, (ScheduleError, _OutOfSight)):
        return str(error)
    return f"Its author may not post here any more. {error}"


def _give_back(ports: Ports, row: ScheduledMessage, trouble: str) -> None:
    row.trouble = trouble
    row.save(update_fields=["trouble"])
    contact = Contact.objects.filter(member=row.author_id).first() if row.author_id else None
    if contact is not None and contact.normal:
        _write_to_author(ports, row, contact)
    _tell(row)


def _write_to_author(ports: Ports, row: ScheduledMessage, contact: Contact) -> None:
    """The words go back to who wrote them: the record may be out of the author's sight."""
    home = homes({row.company_id})[row.company_id]
    title = row.subject or row.record.title
    html = (
        f"<p>Your scheduled message was not posted: {escape(row.trouble)}</p>"
        f'<p><a href="{base_url(ports)}/scheduled/">Your scheduled messages</a></p><p>This is what you wrote:</p>'
        f"<blockquote>{_without_pictures(row.html)}</blockquote>"
    )
    enqueue_mail(
        ports,
        MailDraft(
            company_id=row.company_id,
            header_from=Address(home.company_name, home.catchall, home.domain),
            recipients=[DraftRecipient(name=contact.name, address=contact.address)],
            subject=f"Not posted: {' '.join(title.split())}"[:900],
            html=html,
            header_message_id=make_message_id(unique=ports.ids.hex(12), domain=home.domain),
            lane=Lane.URGENT,
            alias_domain_id=home.domain_id,
            null_return_path=True,
            extra_headers=[("Auto-Submitted", "auto-generated")],
        ),
    )


def _without_pictures(html: str) -> str:
    return html.replace("cid:", "about:blank#")


# ---- rows


def _locked(scheduled_id: int, member: Member) -> ScheduledMessage:
    """The row, locked: nobody posts it meanwhile. Raises ScheduledMessage.DoesNotExist, also for what the member may not see."""
    seen = visible_scheduled(member).filter(pk=scheduled_id).values_list("pk", flat=True)
    return ScheduledMessage.objects.select_for_update().get(pk__in=list(seen))


def _check_moment(ports: Ports, at: datetime) -> None:
    now = ports.clock.now()
    if at <= now:
        raise ScheduleError("This date is past. Choose one that is to come, or send it now.")
    if at > now + LATEST:
        raise ScheduleError("This is more than five years ahead.")


def _keep_files(ports: Ports, row: ScheduledMessage, files: Sequence[NewFile]) -> None:
    known = set(row.files.filter(is_inline=True).values_list("content_id", flat=True))
    ScheduledFile.objects.bulk_create(
        ScheduledFile(
            scheduled=row,
            name=file.name[:255],
            content_type=file.content_type[:255],
            size=len(file.content),
            sha256=ports.blobs.put(file.content),
            content_id=file.content_id[:255],
            is_inline=file.is_inline,
        )
        for file in files
        if not (file.is_inline and file.content_id in known)
    )


def _tell(row: ScheduledMessage) -> None:
    """With the commit: who posts, and the open page of the record."""
    tell_pages(f"record:{row.record_id}", calls=[CHANNEL])
