"""The red envelope: try failed recipients again, or let them rest (PRODUCT B4, U-5, U-6).

Laws: whoever may post on the record settles its failures; the failures of a whole kind are settled by their author alone. A contact's
address is corrected by who may write, and that of a member only by who manages that member (`manage_people`), whatever company the
contact belongs to: it decides where that person's mail of all companies goes.
What nobody knows the outcome of is never among what is tried again: who may act on the queue decides about it, each by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db import transaction

from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import DeliveryState, FailureType, NotificationState
from postroom.flows import audit
from postroom.flows.access import NotAllowed, may, require, visible_messages, visible_records
from postroom.flows.enqueue_mail import enqueue_again
from postroom.flows.manage_people import manageable_by
from postroom.flows.ports import Ports
from postroom.flows.settle_unknown import Decision, resolve_unknown
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import Contact, Delivery, Member, Message, Notification

_FAILED = (NotificationState.EXCEPTION, NotificationState.BOUNCE)


@transaction.atomic
def resend_failed(
    ports: Ports,
    *,
    message_id: int,
    author: Member,
    retry: Mapping[int, str],
    this_time_only: Collection[int] = (),
    unknown: Mapping[int, Decision | None] | None = None,
) -> int:
    """Send & close: ``retry`` maps notifications to (perhaps corrected) addresses; the other failures become cancelled.

    A corrected address is kept with the contact, but for the notifications ``this_time_only``. Returns how many are tried again.
    Raises ValueError naming an address that is none, and `NotAllowed` for a colleague's that the author may not correct; then
    nothing is changed. ``unknown``: what a person makes of notifications whose delivery has an unknown outcome; None leaves it open, and
    the envelope red. Raises `Undecided` when one of them cannot be settled so.
    """
    message, open_ones = _message(author, message_id), unknown or {}
    found = list(Notification.objects.select_for_update().filter(message=message, state__in=_FAILED))
    _decide(ports, author, {row.pk: open_ones[row.pk] for row in found if row.pk in open_ones})
    failed = [row for row in found if row.pk not in open_ones]
    wanted = [row for row in failed if row.pk in retry]
    last = _last_deliveries([row.pk for row in wanted])
    again = [row for row in wanted if row.pk in last]
    for row in again:
        if not normalize(retry[row.pk]):
            raise ValueError(f"{retry[row.pk]!r} is no mail address.")
    _correct_contacts(ports, author, again, retry, this_time_only)
    enqueue_again(ports, [last[row.pk] for row in again], [retry[row.pk].strip() for row in again])
    _settle([row.pk for row in again], NotificationState.READY)
    _settle([row.pk for row in failed if row.pk not in retry], NotificationState.CANCELED)
    _tell(message)
    return len(again)


class Undecided(ValueError):  # noqa: N818 (an answer to a person, not a fault)
    """The reason says why an unknown outcome cannot be settled as it was asked."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _decide(ports: Ports, author: Member, chosen: Mapping[int, Decision | None]) -> None:
    for decision in Decision:
        of = [number for number, wish in chosen.items() if wish is decision]
        if not of:
            continue
        rows = Delivery.objects.filter(notification_id__in=of, state=DeliveryState.UNKNOWN)
        done = resolve_unknown(ports, list(rows.values_list("pk", flat=True)), decision, member=author)
        for reason in done.refused.values():
            raise Undecided(reason)


@transaction.atomic
def ignore_failed(ports: Ports, *, message_id: int, author: Member) -> int:  # noqa: ARG001 (every flow takes ports)
    """Ignore all: the failures stay on record, the envelope is no longer red. Returns how many there were."""
    message = _message(author, message_id)
    count = Notification.objects.filter(message=message, state__in=_FAILED).update(state=NotificationState.CANCELED)
    _tell(message)
    return count


@transaction.atomic
def ignore_kind(ports: Ports, *, kind: str, author: Member) -> int:  # noqa: ARG001 (every flow takes ports)
    """Cancels all failures of the author's own messages on records of one kind; how many there were. They stay on record."""
    require(author, "post")
    rows = Notification.objects.filter(
        author_id=author.contact_id,
        state__in=_FAILED,
        message__record__in=visible_records(author).filter(kind_id=kind),
    )
    records = list(rows.order_by().values_list("message__record_id", flat=True).distinct())
    count = Notification.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).update(
        state=NotificationState.CANCELED
    )
    tell_pages(*(f"record:{one}" for one in records), f"author:{author.contact_id}")
    return count


def _message(author: Member, message_id: int) -> Message:
    message = visible_messages(author).get(pk=message_id)
    require(author, "post", message)
    return message


def _last_deliveries(notification_ids: list[int]) -> Mapping[int, Delivery]:
    rows = (
        Delivery.objects.filter(notification_id__in=notification_ids)
        .exclude(state=DeliveryState.UNKNOWN)
        .order_by("id")
    )
    return {row.notification_id: row for row in rows if row.notification_id is not None}


def _correct_contacts(
    ports: Ports, author: Member, rows: list[Notification], retry: Mapping[int, str], this_time_only: Collection[int]
) -> None:
    """An address that was corrected here is corrected on the contact too, as people expect."""
    wanted = {row.contact_id: (retry[row.pk].strip(), row.pk in this_time_only) for row in rows}
    known = Contact.objects.filter(pk__in=wanted).select_related("member__user")
    for contact in known.select_for_update(of=("self",)).order_by("pk"):
        address, is_for_once = wanted[contact.pk]
        if normalize(address) == contact.normal:
            continue
        member: Member | None = getattr(contact, "member", None)
        if member is not None:
            _require_manager(author, member)
        if is_for_once or not may(author, "write", contact):
            continue
        if member is not None:
            change = f"{contact.address} → {address}"
            audit.note(ports, "member_changed", member=author, subject=member.user.get_username(), address=change)
        contact.address, contact.normal = address, normalize(address)
        contact.save(update_fields=["address", "normal"])


def _require_manager(author: Member, member: Member) -> None:
    require(author, "settings")
    if not manageable_by(author).filter(pk=member.pk).exists():
        raise NotAllowed("This colleague works for other companies too: it needs an administrator of all of them.")


def _settle(notification_ids: list[int], state: NotificationState) -> None:
    values: dict[str, object] = {"state": state}
    if state is NotificationState.READY:
        values |= {"failure_type": FailureType.NONE, "failure_reason": ""}
    Notification.objects.filter(pk__in=notification_ids).update(**values)


def _tell(message: Message) -> None:
    """The page of the record, and the first page of the author, who has a failure less."""
    tell_pages(f"record:{message.record_id}", *([f"author:{message.author_id}"] if message.author_id else []))
