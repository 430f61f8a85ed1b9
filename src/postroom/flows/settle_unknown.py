"""Deliveries whose outcome nobody knows: a person decides, and it is recorded who decided what.

We handed the whole mail over and were cut off before the server answered. Whether it arrived can be seen in the server's log or asked
of the recipient, not here.

Laws: nothing is sent again by itself. *Sent again* is a new delivery; the old one keeps its history and says so. What a worker that
comes back late still tells (`store.claims`) finds the delivery decided, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import DeliveryState, FailureType, NotificationState
from postroom.flows.access import require, visible_deliveries
from postroom.flows.enqueue_mail import enqueue_again
from postroom.flows.ports import Ports
from postroom.flows.queue import ChangedDeliveries
from postroom.flows.tell_pages import tell_of_deliveries
from postroom.store.models import Delivery, Member, Notification, OutgoingContent, Resolution

COMMAND_LINE = "The command line"


class Decision(StrEnum):
    """What a person makes of it."""

    ARRIVED = "arrived"
    AGAIN = "again"
    GIVEN_UP = "given_up"


_SENTENCES = {
    Decision.ARRIVED: "unknown.arrived",
    Decision.AGAIN: "unknown.sent_again",
    Decision.GIVEN_UP: "unknown.given_up",
}


@transaction.atomic
def resolve_unknown(
    ports: Ports, delivery_ids: Sequence[int], decision: Decision, *, member: Member | None
) -> ChangedDeliveries:
    """Each for itself; those that are not (or no longer) unknown stay as they are, with the reason. Raises `NotAllowed`."""
    require(member, "queue")
    now = ports.clock.now()
    refused = {number: because("queue.gone") for number in delivery_ids}
    rows: list[Delivery] = []
    found = visible_deliveries(member).filter(pk__in=list(delivery_ids)).order_by("pk").select_for_update(of=("self",))
    for row in found:
        if row.state == DeliveryState.UNKNOWN:
            rows.append(row)
            del refused[row.pk]
        else:
            refused[row.pk] = because("queue.not_unknown", state=row.state)
    if decision is Decision.AGAIN:
        rows = _with_content(rows, refused)
    if rows:
        _decide(ports, rows, decision, member, now)
    return ChangedDeliveries(done=tuple(row.pk for row in rows), refused=refused)


def _with_content(rows: Sequence[Delivery], refused: dict[int, Reason]) -> list[Delivery]:
    there = set(OutgoingContent.objects.filter(pk__in=[row.mail_id for row in rows]).values_list("pk", flat=True))
    refused |= {row.pk: because("queue.no_content") for row in rows if row.mail_id not in there}
    return [row for row in rows if row.mail_id in there]


def _decide(ports: Ports, rows: Sequence[Delivery], decision: Decision, member: Member | None, now: datetime) -> None:
    who = member.contact.name if member else COMMAND_LINE
    reason = str(because(_SENTENCES[decision], who=who))
    ids = [row.pk for row in rows]
    fresh: Sequence[Delivery | None] = [None] * len(rows)
    match decision:
        case Decision.ARRIVED:
            _change(ids, state=DeliveryState.SENT, failure_type=FailureType.NONE, failure_reason="", blame="")
            _notify(ids, state=NotificationState.SENT, failure_type=FailureType.NONE, failure_reason="")
        case Decision.AGAIN:
            _change(ids, state=DeliveryState.CANCELLED, failure_reason=reason)
            fresh = enqueue_again(ports, rows, [row.to_address for row in rows], lane=None)
            _notify(ids, state=NotificationState.READY, failure_type=FailureType.NONE, failure_reason="")
        case Decision.GIVEN_UP:
            _change(ids, state=DeliveryState.FAILED, failure_type=FailureType.UNKNOWN, failure_reason=reason)
            _notify(ids, state=NotificationState.EXCEPTION, failure_type=FailureType.UNKNOWN, failure_reason=reason)
    Resolution.objects.bulk_create(
        Resolution(
            delivery=row,
            decision=decision,
            resolved_at=now,
            user=member.user if member else None,
            who=who if member else "",
            sent_again_as=again,
        )
        for row, again in zip(rows, fresh, strict=True)
    )
    tell_of_deliveries(set(ids))


def _change(ids: Sequence[int], **values: object) -> None:
    """The claim of the worker that sent it is over: it tells nothing any more."""
    Delivery.objects.filter(pk__in=ids).update(waits_for=None, claimed_by="", lease_until=None, **values)


def _notify(ids: Sequence[int], **values: object) -> None:
    """What the chatter shows, unless a person ignored the failure meanwhile, or a later delivery of the same speaks for it."""
    told = Notification.objects.filter(
        deliveries__in=ids, state__in=(NotificationState.EXCEPTION, NotificationState.READY)
    )
    Notification.objects.filter(pk__in=told.values("pk")).update(**values)
