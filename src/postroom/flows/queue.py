"""What people do with the queue: try again, send now, cancel.

Laws: what is on the wire at this moment is left alone. What was sent is never sent again from here, except where it bounced; of
what nobody knows, `settle_unknown` lets a person decide. Every delivery that stays as it is comes with the reason. Only deliveries of the member's companies are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection, transaction

from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import DeliveryState, Lane, NotificationState
from postroom.flows.access import require, visible_deliveries
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.tell_pages import tell_of_deliveries
from postroom.flows.wake_queue import CHANNEL
from postroom.store.models import Delivery, Member, Notification
from postroom.store.models.outgoing import LANE_RANK
from postroom.store.waited import with_gate


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDeliveries:
    """``done`` were changed; ``refused`` stay as they are, each with its reason."""

    done: tuple[int, ...] = ()
    refused: Mapping[int, Reason] = field(default_factory=dict)


def retry(ports: Ports, delivery_ids: Sequence[int], *, member: Member | None) -> ChangedDeliveries:
    """Again from the start, with a new deadline: what failed, bounced, is cancelled or deferred. Raises `NotAllowed`.

    Where nobody knows whether it arrived, `settle_unknown` asks a person for a decision instead."""
    now = ports.clock.now()
    deadline = now + timedelta(days=parameters(ports).number("mail.retry.days"))

    def change(ids: list[int]) -> None:
        Delivery.objects.filter(pk__in=ids).update(
            state=DeliveryState.QUEUED,
            due_at=now,
            deadline_at=deadline,
            attempt_count=0,
            waited=with_gate(now),
            waits_for=None,
            held_since=None,
            failure_type="",
            failure_reason="",
            blame="",
            claimed_by="",
            finished_at=None,
        )
        Notification.objects.filter(deliveries__in=ids).update(
            state=NotificationState.READY, failure_type="", failure_reason=""
        )

    return _change(delivery_ids, member, _why_no_retry, change)


def send_now(ports: Ports, delivery_ids: Sequence[int], *, member: Member | None) -> ChangedDeliveries:
    """At once, before all that waits: what is queued or deferred. Raises `NotAllowed`."""
    now = ports.clock.now()

    def change(ids: list[int]) -> None:
        Delivery.objects.filter(pk__in=ids).update(
            due_at=now, lane=LANE_RANK[Lane.URGENT], waited=with_gate(now), waits_for=None, held_since=None
        )

    return _change(delivery_ids, member, _why_not_waiting, change)


def cancel(ports: Ports, delivery_ids: Sequence[int], *, member: Member | None) -> ChangedDeliveries:
    """Never: what is queued or deferred. Raises `NotAllowed`."""
    now = ports.clock.now()

    def change(ids: list[int]) -> None:
        Delivery.objects.filter(pk__in=ids).update(
            state=DeliveryState.CANCELLED, waited=with_gate(now), waits_for=None, finished_at=now, claimed_by=""
        )
        Notification.objects.filter(deliveries__in=ids, state=NotificationState.READY).update(
            state=NotificationState.CANCELED
        )

    return _change(delivery_ids, member, _why_not_waiting, change)


def _change(
    delivery_ids: Sequence[int],
    member: Member | None,
    why_not: Callable[[DeliveryState], Reason | None],
    change: Callable[[list[int]], None],
) -> ChangedDeliveries:
    """All or nothing is not wanted: each delivery for itself, in one transaction."""
    require(member, "queue")
    refused = {number: because("queue.gone") for number in delivery_ids}
    done: list[int] = []
    with transaction.atomic():
        seen = (
            visible_deliveries(member).filter(pk__in=list(delivery_ids)).order_by("pk").select_for_update(of=("self",))
        )
        for number, state in seen.values_list("pk", "state"):
            reason = why_not(DeliveryState(state))
            if reason is None:
                done.append(number)
                del refused[number]
            else:
                refused[number] = reason
        if done:
            change(done)
            tell_of_deliveries(set(done))
            _wake()
    return ChangedDeliveries(done=tuple(done), refused=refused)


def _why_no_retry(state: DeliveryState) -> Reason | None:
    match state:
        case DeliveryState.SENDING:
            return because("queue.sending")
        case DeliveryState.QUEUED:
            return because("queue.waiting")
        case DeliveryState.SENT | DeliveryState.COMPLAINED:
            return because("queue.sent")
        case DeliveryState.DEFERRED | DeliveryState.FAILED | DeliveryState.BOUNCED | DeliveryState.CANCELLED:
            return None
        case DeliveryState.UNKNOWN:
            return because("queue.unknown")


def _why_not_waiting(state: DeliveryState) -> Reason | None:
    match state:
        case DeliveryState.QUEUED | DeliveryState.DEFERRED:
            return None
        case DeliveryState.SENDING:
            return because("queue.sending")
        case DeliveryState.SENT | DeliveryState.COMPLAINED:
            return because("queue.sent")
        case DeliveryState.CANCELLED:
            return because("queue.cancelled")
        case DeliveryState.FAILED | DeliveryState.BOUNCED | DeliveryState.UNKNOWN:
            return because("queue.ended", state=state.value)


def _wake() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
