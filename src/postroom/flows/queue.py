"""What a person does with deliveries in the queue: retry, send now, cancel; one or many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.states import DeliveryState, FailureType, NotificationState
from postroom.flows.access import require, visible_deliveries
from postroom.flows.ports import Ports
from postroom.store.models import Delivery, Member, Notification
from postroom.store.models.outgoing import WAITING

catalogue(
    {
        "queue.not_found": "There is no such delivery, or it belongs to another company.",
        "queue.not_failed": "It is {state}: only what failed, was cancelled or has an unknown outcome is tried again.",
        "queue.not_waiting": "It is {state}: only what waits can be sent now.",
        "queue.not_cancellable": "It is {state}: only what waits can be cancelled.",
        "queue.not_an_address": "{address} is no mail address: correct it on the message.",
    }
)

_RETRIED = (DeliveryState.FAILED, DeliveryState.CANCELLED, DeliveryState.UNKNOWN)
_ADDRESS_FAULTS = (FailureType.MAIL_EMAIL_INVALID, FailureType.MAIL_EMAIL_MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDeliveries:
    """Which were changed, and why the others were not."""

    done: tuple[int, ...]
    refused: Mapping[int, Reason]


def retry(ports: Ports, delivery_ids: Sequence[int], *, member: Member | None) -> ChangedDeliveries:
    """Back into the queue, due at once, with a deadline of its own. What failed before stays in the attempts.

    A person who retries an `unknown` delivery accepts that it may arrive twice.
    """
    now = ports.clock.now()

    def change(rows: Sequence[Delivery]) -> None:
        for row in rows:
            row.deadline_at = now + (row.deadline_at - row.created_at)
        Delivery.objects.bulk_update(rows, ["deadline_at"], batch_size=500)
        _set(
            rows,
            state=DeliveryState.QUEUED,
            due_at=now,
            attempt_count=0,
            failure_type=FailureType.NONE,
            failure_reason="",
            blame="",
            waits_for=None,
            finished_at=None,
        )
        _tell_notifications(rows, NotificationState.READY)

    return _change(delivery_ids, member, _why_not_retried, change)


def send_now(ports: Ports, delivery_ids: Sequence[int], *, member: Member | None) -> ChangedDeliveries:
    """Due at once and before all others."""
    now = ports.clock.now()
    return _change(delivery_ids, member, _why_not_sent, lambda rows: _set(rows, due_at=now, lane=0, waits_for=None))


def cancel(ports: Ports, delivery_ids: Sequence[int], *, member: Member | None) -> ChangedDeliveries:
    """Out of the queue; the notification says cancelled."""
    now = ports.clock.now()

    def change(rows: Sequence[Delivery]) -> None:
        _set(rows, state=DeliveryState.CANCELLED, finished_at=now, waits_for=None)
        _tell_notifications(rows, NotificationState.CANCELED)

    return _change(delivery_ids, member, _why_not_cancelled, change)


def _change(
    delivery_ids: Sequence[int],
    member: Member | None,
    why_not: Callable[[Delivery], Reason | None],
    change: Callable[[Sequence[Delivery]], None],
) -> ChangedDeliveries:
    """Rows are locked in order, so that a deliverer that claims at the same moment comes before or after, never between."""
    require(member, "queue")
    with transaction.atomic():
        found = {
            row.pk: row
            for row in visible_deliveries(member).select_for_update().filter(pk__in=list(delivery_ids)).order_by("pk")
        }
        refused = {one: because("queue.not_found") for one in delivery_ids if one not in found}
        refused |= {pk: reason for pk, row in found.items() if (reason := why_not(row)) is not None}
        rows = [row for pk, row in found.items() if pk not in refused]
        if rows:
            change(rows)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('postroom_outgoing', ''), pg_notify('postroom_live', 'queue')")
    return ChangedDeliveries(done=tuple(row.pk for row in rows), refused=refused)


def _why_not_retried(row: Delivery) -> Reason | None:
    if row.state not in _RETRIED:
        return because("queue.not_failed", state=row.state)
    if row.failure_type in _ADDRESS_FAULTS:
        return because("queue.not_an_address", address=row.to_address or "The empty text")
    return None


def _why_not_sent(row: Delivery) -> Reason | None:
    return None if row.state in WAITING else because("queue.not_waiting", state=row.state)


def _why_not_cancelled(row: Delivery) -> Reason | None:
    return None if row.state in WAITING else because("queue.not_cancellable", state=row.state)


def _set(rows: Sequence[Delivery], **values: Any) -> None:
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(**values)


def _tell_notifications(rows: Sequence[Delivery], state: NotificationState) -> None:
    ids = [row.notification_id for row in rows if row.notification_id]
    values: dict[str, Any] = {"state": state}
    if state is NotificationState.READY:
        values |= {"failure_type": FailureType.NONE, "failure_reason": ""}
    Notification.objects.filter(pk__in=ids).update(**values)
    records = Notification.objects.filter(pk__in=ids, message__record__isnull=False)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify('postroom_live', 'record:' || id) FROM unnest(%s::bigint[]) AS id",
            [sorted(set(records.values_list("message__record_id", flat=True)))],
        )
