"""Taking back what was written on the page, while its time is not over and none of it has left.

Laws: only its author may. The deliveries are locked and looked at in the transaction that removes them: a deliverer takes only what is not
locked, so either it took one first (then it is too late) or it never sees them. What nobody got to read by mail is removed
whole: message, files' rows, notifications, mails, and who follows because of it. Its words and files are the author's draft again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import DeliveryState, MessageKind
from postroom.flows.access import require, visible_messages
from postroom.flows.keep_draft import draft_again
from postroom.flows.new_followers import leave_with
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.store.models import Delivery, Member, Message, OutgoingMail, Record

_NEVER_LEFT = (DeliveryState.QUEUED, DeliveryState.FAILED, DeliveryState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """What the author had written."""

    record_id: int
    kind: str
    html: str
    text: str
    file_names: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLate:
    """It stays; why."""

    reason: Reason


@transaction.atomic
def undo_message(ports: Ports, *, message_id: int, author: Member) -> TakenBack | TooLate:
    """Remove the message and all that follows from it. Raises `NotAllowed`, Message.DoesNotExist for what is not visible."""
    message = visible_messages(author).select_related("body").select_for_update(of=("self",)).get(pk=message_id)
    require(author, "post", message)
    if message.author_id is None or message.author_id != author.contact_id or message.record_id is None:
        return TooLate(reason=because("undo.not_author"))
    if message.undo_until is None or message.undo_until <= ports.clock.now():
        return TooLate(reason=because("undo.too_late"))
    deliveries = Delivery.objects.filter(mail__message=message).order_by("pk").select_for_update(of=("self",))
    if any(row.state not in _NEVER_LEFT or row.attempt_count for row in deliveries):
        return TooLate(reason=because("undo.on_the_way"))
    taken = TakenBack(
        record_id=message.record_id,
        kind=message.kind,
        html=message.body.html,
        text=message.body.text,
        file_names=list(message.attachments.filter(is_inline=False).order_by("id").values_list("name", flat=True)),
    )
    draft_again(ports, message, message.record_id, author)
    Delivery.objects.filter(mail__message=message).delete()
    OutgoingMail.objects.filter(message=message).delete()
    leave_with(message)
    message.delete()
    _ask_again(taken.record_id)
    _tell(taken.record_id, message.company_id)
    return taken


def _ask_again(record_id: int) -> None:
    """Where the last word is somebody's outside, he waits for an answer again."""
    spoken = Message.objects.filter(record_id=record_id, kind=MessageKind.COMMENT).order_by("-pk")
    last = spoken.first()
    if last is None or last.inbound_id is None:
        return
    if last.author_id is not None and Member.objects.filter(contact_id=last.author_id).exists():
        return
    Record.objects.filter(pk=record_id, unanswered_since=None).update(unanswered_since=last.posted_at)


def _tell(record_id: int, company_id: int) -> None:
    """The open pages of the record, where it stood, and the queue."""
    tell_pages(f"record:{record_id}", *of_companies("queue", [company_id]))
