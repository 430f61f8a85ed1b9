"""A report came back: the right delivery and its notification learn of it; nothing else does (I-45, I-46).

Laws: only deliveries that the verdict proved (signed return path, or our Message-ID with the address) are touched; delayed is
not failed; receipts and MDNs are kept as evidence and change no state.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import connection

from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.routing.verdicts import RecordReport
from postroom.core.terms.states import DeliveryState, FailureType, NotificationState
from postroom.flows.bounce_evidence import Spoken, delivered_by, of_report
from postroom.flows.note_bounces import note_bounces, note_signs_of_life
from postroom.flows.ports import Ports
from postroom.store.models import Delivery, Notification, ReportedRecipient

_MAY_BOUNCE = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.BOUNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedReport:
    """A report of the batch and the inbound mail that brought it."""

    inbound_id: int
    decision: RecordReport


def record_reports(ports: Ports, reports: Sequence[BookedReport]) -> None:
    """Inside the routing transaction; a few queries for each report that names deliveries of ours."""
    spoken = [(booked, _record(ports, booked)) for booked in reports]
    note_bounces(
        ports,
        [one for booked, about in spoken for one in of_report(booked.inbound_id, booked.decision.report, about)],
    )
    arrived = {one: None for booked, about in spoken for one in delivered_by(booked.decision.report, about)}
    note_signs_of_life(ports, arrived, by="delivered")


def _record(ports: Ports, booked: BookedReport) -> list[Spoken]:
    """The deliveries that it speaks of, as they stood before."""
    report = booked.decision.report
    deliveries = list(
        Delivery.objects.select_for_update(of=("self",))
        .filter(pk__in=booked.decision.delivery_ids)
        .select_related("notification__message")
        .order_by("id")
    )
    rows = [_row(booked.inbound_id, deliveries, one) for one in report.recipients]
    ReportedRecipient.objects.bulk_create(rows)
    spoken = [_spoken(delivery) for delivery in deliveries]
    for delivery in deliveries:
        match report.kind:
            case ReportKind.BOUNCE:
                _bounce(ports, delivery, report)
            case ReportKind.COMPLAINT:
                _change([delivery.pk], state=DeliveryState.COMPLAINED)
            case ReportKind.DELAYED | ReportKind.RECEIPT | ReportKind.MDN | ReportKind.NOTICE:
                pass  # kept as evidence
    _tell_pages([delivery.notification for delivery in deliveries if delivery.notification])
    return spoken


def _spoken(delivery: Delivery) -> Spoken:
    return Spoken(
        delivery_id=delivery.pk,
        company_id=delivery.company_id,
        address=delivery.to_address,
        state=delivery.state,
        contact_id=delivery.notification.contact_id if delivery.notification else None,
    )


def _row(inbound_id: int, deliveries: Sequence[Delivery], one: ReportedAddress) -> ReportedRecipient:
    delivery = _delivery_of(deliveries, one)
    return ReportedRecipient(
        inbound_id=inbound_id,
        delivery=delivery,
        address=one.address[:320],
        action=one.action,
        status=one.status[:12],
        reply=one.reply,
        blame=one.blame,
    )


def _delivery_of(deliveries: Sequence[Delivery], one: ReportedAddress) -> Delivery | None:
    """By address; a report that came to one signed return path speaks of that delivery, whatever address it names (forwarding)."""
    for delivery in deliveries:
        if delivery.to_address.lower() == one.address:
            return delivery
    return deliveries[0] if len(deliveries) == 1 else None


def _bounce(ports: Ports, delivery: Delivery, report: DeliveryReport) -> None:
    failed = [one for one in report.recipients if one.action is Action.FAILED]
    mine = [one for one in failed if one.address == delivery.to_address.lower()] or failed
    if delivery.state not in _MAY_BOUNCE or (report.recipients and not mine):
        return
    reason = _reason(mine, report)
    _change(
        [delivery.pk],
        state=DeliveryState.BOUNCED,
        failure_type=FailureType.MAIL_BOUNCE,
        failure_reason=reason,
        blame=mine[0].blame if mine else "",
        finished_at=ports.clock.now(),
    )
    if delivery.notification_id is None or delivery.notification is None:
        return
    Notification.objects.filter(pk=delivery.notification_id).exclude(state=NotificationState.CANCELED).update(
        state=NotificationState.BOUNCE, failure_type=FailureType.MAIL_BOUNCE, failure_reason=reason
    )


def _reason(failed: Sequence[ReportedAddress], report: DeliveryReport) -> str:
    """What the server said, verbatim; else the words for people."""
    said = [" ".join(part for part in (one.status, one.reply) if part) for one in failed]
    return "\n".join(part for part in said if part) or report.text or "The mail came back without a reason."


def _change(delivery_ids: Collection[int], **values: object) -> None:
    Delivery.objects.filter(pk__in=delivery_ids).update(claimed_by="", lease_until=None, **values)


def _tell_pages(notifications: Sequence[Notification]) -> None:
    """The pages of the records, and the first pages of the authors (O-99)."""
    records = {f"record:{record_id}" for one in notifications if (record_id := one.message.record_id) is not None}
    authors = {f"author:{one.author_id}" for one in notifications if one.author_id is not None}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify('postroom_live', word) FROM unnest(%s::text[]) AS word",
            [["queue", *sorted(records), *sorted(authors)]],
        )
