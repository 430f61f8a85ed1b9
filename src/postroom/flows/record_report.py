"""A report came back: the right delivery and its notification learn of it; nothing else does (I-45, I-46).

Laws: only deliveries that the verdict proved (signed return path, or our Message-ID with the address and one thing more, see
`core.routing.reporters`) are touched; what is merely claimed is kept with the delivery and changes nothing; delayed is not failed; receipts and MDNs are kept as evidence and change no state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.routing.verdicts import RecordReport
from postroom.core.terms.states import DeliveryState, FailureType
from postroom.flows.bounce_evidence import MAY_BE_COMPLAINED_OF, Spoken, delivered_by, of_report
from postroom.flows.note_bounces import note_bounces, note_signs_of_life
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.store.bulk import insert_rows
from postroom.store.models import Delivery, ReportedRecipient
from postroom.store.statements import ask

_MAY_BOUNCE = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.BOUNCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedReport:
    """A report of the batch and the inbound mail that brought it."""

    inbound_id: int
    decision: RecordReport


def record_reports(ports: Ports, reports: Sequence[BookedReport]) -> None:
    """Inside the routing transaction; a flat number of statements for any number of reports."""
    if not reports:
        return
    deliveries = _deliveries_of(reports)
    cases = [(one, _among(one.decision.delivery_ids, deliveries)) for one in reports]
    claims = [(one, _among(one.decision.claimed_ids, deliveries)) for one in reports]
    insert_rows(
        ReportedRecipient,
        _REPORTED,
        [row for (one, proven), (_, said) in zip(cases, claims, strict=True) for row in _rows(one, proven, said)],
    )
    complaints = [one for one in cases if one[0].decision.report.kind is ReportKind.COMPLAINT]
    _note_complaints([d for one, found in complaints if not one.decision.is_hearsay for d in found])
    _note_bounces(ports, [bounce for one, found in cases for bounce in _bounces(one.decision.report, found)])
    _hold_against(ports, cases)
    _tell_pages([delivery for delivery in deliveries.values() if delivery.notification])


def _among(numbers: Iterable[int], deliveries: Mapping[int, Delivery]) -> list[Delivery]:
    return [deliveries[number] for number in numbers if number in deliveries]


def _deliveries_of(reports: Sequence[BookedReport]) -> Mapping[int, Delivery]:
    numbers = {pk for one in reports for pk in (*one.decision.delivery_ids, *one.decision.claimed_ids)}
    if not numbers:
        return {}
    rows = Delivery.objects.select_for_update(of=("self",)).filter(pk__in=numbers)
    return {row.pk: row for row in rows.select_related("notification__message").order_by("id")}


_REPORTED = ("inbound_id", "delivery_id", "address", "action", "status", "reply", "blame", "reason", "is_claim")


def _rows(booked: BookedReport, proven: Sequence[Delivery], claimed: Sequence[Delivery]) -> list[tuple[object, ...]]:
    """One for each recipient that it names. What it only claims stands with the delivery, marked."""
    found: list[tuple[object, ...]] = []
    for one in booked.decision.report.recipients:
        delivery = _delivery_of(proven, one)
        is_claim = delivery is None and bool(claimed)
        if is_claim:
            delivery = _delivery_of(claimed, one)
        number = delivery.pk if delivery else None
        said = (
            one.address[:320],
            one.action,
            one.status[:12],
            one.reply,
            str(one.blame) if one.reason else "",
            one.reason,
        )
        found.append((booked.inbound_id, number, *said, is_claim))
    if booked.decision.report.kind is ReportKind.MDN:
        found += [_read(booked, one, is_claim=False) for one in proven]
        found += [_read(booked, one, is_claim=True) for one in claimed]
    return found


def _read(booked: BookedReport, delivery: Delivery, *, is_claim: bool) -> tuple[object, ...]:
    """A read receipt names nobody: it stands with the delivery that it speaks of, and says nothing about its arriving."""
    return (booked.inbound_id, delivery.pk, delivery.to_address, ReportKind.MDN.value, "", "", "", "", is_claim)


def _delivery_of(deliveries: Sequence[Delivery], one: ReportedAddress) -> Delivery | None:
    """By address; a report that came to one signed return path speaks of that delivery, whatever address it names (forwarding)."""
    for delivery in deliveries:
        if delivery.to_address.lower() == one.address:
            return delivery
    return deliveries[0] if len(deliveries) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bounce:
    delivery: Delivery
    reason: str
    blame: str


def _bounces(report: DeliveryReport, deliveries: Sequence[Delivery]) -> list[_Bounce]:
    """The deliveries that this report says have failed."""
    if report.kind is not ReportKind.BOUNCE:
        return []  # delayed ones, receipts and notices are kept as evidence
    failed = [one for one in report.recipients if one.action is Action.FAILED]
    found = []
    for delivery in deliveries:
        ours = delivery.to_address.lower()
        named = [one for one in report.recipients if ours in (one.address, one.final_address)]
        mine = [one for one in named if one.action is Action.FAILED] if named or len(deliveries) > 1 else failed
        if delivery.state not in _MAY_BOUNCE or (report.recipients and not mine):
            continue
        found.append(
            _Bounce(delivery=delivery, reason=_reason(mine, report), blame=str(mine[0].blame or "") if mine else "")
        )
    return found


def _reason(failed: Sequence[ReportedAddress], report: DeliveryReport) -> str:
    """What the server said, verbatim; else the words for people."""
    said = [_words_of(one) for one in failed]
    return "\n".join(part for part in said if part) or report.text or "The mail came back without a reason."


def _words_of(one: ReportedAddress) -> str:
    """Replies bear their status mostly: it is not said twice."""
    is_said = one.status in one.reply.split()
    return one.reply if is_said else " ".join(part for part in (one.status, one.reply) if part)


def _note_complaints(deliveries: Sequence[Delivery]) -> None:
    left = [one.pk for one in deliveries if one.state in MAY_BE_COMPLAINED_OF]
    if left:
        Delivery.objects.filter(pk__in=left).update(state=DeliveryState.COMPLAINED, claimed_by="", lease_until=None)


_BOUNCED = """
WITH changed AS (
UPDATE postroom_delivery AS delivery
   SET state = 'bounced', failure_type = %s::text, failure_reason = new.reason, blame = new.blame,
       finished_at = %s::timestamptz, claimed_by = '', lease_until = NULL
  FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new(id, reason, blame)
 WHERE delivery.id = new.id
RETURNING delivery.company_id, delivery.finished_at
)
INSERT INTO postroom_traffictally (company_number, hour, what, count)
SELECT company_id, date_trunc('hour', finished_at, 'UTC'), 'bounced', count(*) FROM changed GROUP BY 1, 2
"""
_NOTIFIED = """
UPDATE postroom_notification AS notification
   SET state = 'bounce', failure_type = %s::text, failure_reason = new.reason
  FROM unnest(%s::bigint[], %s::text[]) AS new(id, reason)
 WHERE notification.id = new.id AND notification.state <> 'canceled'
"""


def _note_bounces(ports: Ports, bounces: Sequence[_Bounce]) -> None:
    """Deliveries and their notifications."""
    if not bounces:
        return
    last = {one.delivery.pk: one for one in bounces}  # of two reports on one delivery the later one's words stay
    rows = list(last.values())
    numbers, reasons, blames = [b.delivery.pk for b in rows], [b.reason for b in rows], [b.blame for b in rows]
    ask(_BOUNCED, [FailureType.MAIL_BOUNCE.value, ports.clock.now(), numbers, reasons, blames])
    told = [(b.delivery.notification_id, b.reason) for b in rows if b.delivery.notification_id is not None]
    if told:
        ask(_NOTIFIED, [FailureType.MAIL_BOUNCE.value, [pk for pk, _ in told], [reason for _, reason in told]])


def _hold_against(ports: Ports, cases: Sequence[tuple[BookedReport, Sequence[Delivery]]]) -> None:
    """What it says of the addresses: evidence against them, or that they live. ``Delivery.state`` is still that of before."""
    spoken = [
        (one.inbound_id, one.decision.report, [_spoken(row, one.decision) for row in found]) for one, found in cases
    ]
    note_bounces(ports, [one for inbound_id, report, about in spoken for one in of_report(inbound_id, report, about)])
    arrived = {address: None for _, report, about in spoken for address in delivered_by(report, about)}
    note_signs_of_life(ports, arrived, by="delivered")


def _spoken(delivery: Delivery, decision: RecordReport) -> Spoken:
    return Spoken(
        delivery_id=delivery.pk,
        company_id=delivery.company_id,
        address=delivery.to_address,
        state=delivery.state,
        contact_id=delivery.notification.contact_id if delivery.notification else None,
        is_hearsay=decision.is_hearsay,
    )


def _tell_pages(deliveries: Sequence[Delivery]) -> None:
    """The pages of the records, the queues, and the first pages of the authors (O-99)."""
    notifications = [one.notification for one in deliveries if one.notification]
    if not notifications:
        return
    queues = of_companies("queue", (one.company_id for one in deliveries))
    records = {f"record:{record_id}" for one in notifications if (record_id := one.message.record_id) is not None}
    authors = {f"author:{one.author_id}" for one in notifications if one.author_id is not None}
    tell_pages(*queues, *sorted(records), *sorted(authors))
