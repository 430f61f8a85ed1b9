"""What a mail is, before anybody asks where it goes: seen before, a report, our own. Rules of the table in `deciding`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from postroom.core.reports.delivery_reports import DeliveryReport, ReportKind
from postroom.core.routing.recipients import Meaning, meaning, takes_reports
from postroom.core.routing.reporters import why_believed
from postroom.core.routing.verdicts import (
    Decision,
    DeliveryFact,
    Discard,
    Evidence,
    Facts,
    Hold,
    RecordReport,
    TakeReceiversReport,
)
from postroom.core.terms.reasons import Reason, because


def already_seen(_evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    if facts.duplicate_of is None:
        return None
    reason = because("seen.routed", inbound=facts.duplicate_of)
    return (Discard(duplicate_of=facts.duplicate_of, reasons=(reason,)),)


def receivers_report(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """What receivers report on mail in our name, at the address that they were told. It says nothing on single deliveries."""
    if not evidence.is_receivers_report:
        return None
    for recipient in evidence.recipients:
        if takes_reports(recipient, facts):
            why = because("receivers_report.taken", recipient=recipient.normal)
            doubts = evidence.authenticity.reasons if not evidence.authenticity.vouches else ()
            return (TakeReceiversReport(recipient=recipient.normal, reasons=(why, *doubts)),)
    return None


def report(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """Bounce, complaint, receipt: booked to the deliveries it proves to speak of; nothing else (I-46)."""
    given = evidence.report
    if given is None:
        return None
    spoken_of = _spoken_of(given, facts.deliveries)
    if evidence.authenticity.is_spoofed and not any(delivery.by_token for delivery in spoken_of):
        refuted = (_what_it_reports(given), *evidence.authenticity.reasons, because("report.spoofed"))
        return (RecordReport(report=given, claimed_ids=_numbers(spoken_of), reasons=refuted),)
    reasons: tuple[Reason, ...] = (_what_it_reports(given), _how_proven(given, spoken_of))
    if not spoken_of or spoken_of[0].by_token:
        return (RecordReport(report=given, delivery_ids=_numbers(spoken_of), reasons=reasons),)
    return (_weighed(given, spoken_of, evidence, facts, reasons),)


def bounce_address(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    """What is no report but came where only reports come makes no record (T-070, T-100, T-101)."""
    if evidence.is_auto_reply:
        return None  # vacation programs write to the return path
    asked = [recipient for recipient in evidence.recipients if not recipient.is_cc]
    for recipient in asked or evidence.recipients:
        what = meaning(recipient, facts)
        if what is Meaning.BOUNCE_TOKEN:
            return (Hold(reasons=(because("report.unreadable", recipient=recipient.normal),)),)
        if what is Meaning.BOUNCE:
            return (Discard(reasons=(because("bounce_address.plain", recipient=recipient.normal),)),)
    if evidence.author is not None and evidence.author.local.lower() == "mailer-daemon":
        return (Hold(reasons=(because("report.from_daemon", author=evidence.author_normal),)),)
    return None


def our_own(evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    if evidence.has_our_mark:
        return (Discard(reasons=(because("own.marked"),)),)
    if facts.known_message is not None and facts.known_message_is_ours:
        return (Discard(reasons=(because("own.message_id", message_id=evidence.message_id),)),)
    return None


def _weighed(
    given: DeliveryReport,
    spoken_of: Sequence[DeliveryFact],
    evidence: Evidence,
    facts: Facts,
    reasons: tuple[Reason, ...],
) -> RecordReport:
    """By a Message-ID, which many know: what is believed of it changes something, what is not is a claim."""
    why = [(delivery, why_believed(given, delivery, evidence, facts)) for delivery in spoken_of]
    believed = [delivery for delivery, reason in why if reason is not None]
    claimed = [delivery for delivery, reason in why if reason is None]
    grounds = [reason for _, reason in why if reason is not None]
    reasons = (*reasons, *(one for place, one in enumerate(grounds) if one not in grounds[:place]))
    readers = {delivery.address for delivery in facts.deliveries}
    is_hearsay = len(readers) > 1 and any(reason.code == "report.from_home" for reason in grounds)
    if is_hearsay:
        reasons = (*reasons, because("report.hearsay", count=len(readers)))
    if claimed:
        author = evidence.author_normal or "Somebody"
        reasons = (*reasons, because("report.claim", author=author, deliveries=", ".join(map(str, _numbers(claimed)))))
    return RecordReport(
        report=given,
        delivery_ids=_numbers(believed),
        claimed_ids=_numbers(claimed),
        is_hearsay=is_hearsay,
        reasons=reasons,
    )


def _numbers(deliveries: Iterable[DeliveryFact]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(delivery.delivery_id for delivery in deliveries))


def _spoken_of(report: DeliveryReport, deliveries: tuple[DeliveryFact, ...]) -> tuple[DeliveryFact, ...]:
    """By signed return path alone; else by our Message-ID together with the recipient's address, or alone where there
    was one recipient and the report names none (I-43)."""
    by_token = tuple(delivery for delivery in deliveries if delivery.by_token)
    if by_token:
        return by_token
    named = {one for recipient in report.recipients for one in (recipient.address, recipient.final_address) if one}
    if named:
        return tuple(delivery for delivery in deliveries if delivery.address in named)
    return deliveries if len(deliveries) == 1 else ()


def _what_it_reports(report: DeliveryReport) -> Reason:
    addresses = ", ".join(dict.fromkeys(r.address for r in report.recipients if r.address)) or "a recipient not named"
    match report.kind:
        case ReportKind.BOUNCE:
            return because("report.bounce", addresses=addresses)
        case ReportKind.DELAYED:
            return because("report.delayed", addresses=addresses)
        case ReportKind.RECEIPT:
            return because("report.receipt", addresses=addresses)
        case ReportKind.COMPLAINT:
            return because("report.complaint", addresses=addresses)
        case ReportKind.MDN:
            return because("report.mdn")
        case ReportKind.NOTICE:
            return because("report.notice")


def _how_proven(report: DeliveryReport, deliveries: tuple[DeliveryFact, ...]) -> Reason:
    if not deliveries:
        return because("report.of_nothing")
    ids = ", ".join(dict.fromkeys(str(delivery.delivery_id) for delivery in deliveries))
    if deliveries[0].by_token:
        return because("report.by_token", deliveries=ids)
    return because("report.by_message_id", message_id=report.original_message_id, deliveries=ids)
