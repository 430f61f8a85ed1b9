"""What a report, a server's answer or a provider's event says about an address: three voices, one form for `note_bounces`.

Laws: only what is proven to speak of a delivery of ours comes here. Delays, receipts and MDNs are no evidence. A report that names another
address than the one we wrote to (a forwarding went wrong) bounces the mail, and proves nothing against our address. The reply is kept verbatim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom.core.delivery.outcomes import Judgement
from postroom.core.delivery.suppression import proves_absence
from postroom.core.delivery.tracking import EventKind, TrackingEvent, blame_for, reason_of
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.reports.delivery_reports import Action, DeliveryReport, ReportedAddress, ReportKind
from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import Blame, DeliveryState, EvidenceKind, EvidenceSource

_MAY_BOUNCE = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.BOUNCED)
MAY_BE_COMPLAINED_OF = (*_MAY_BOUNCE, DeliveryState.COMPLAINED)  # what has not left annoyed nobody
_OF_THE_RECIPIENT = (
    Blame.ADDRESS,
    Blame.MAILBOX,
)  # what a server says of us or of itself is no evidence about an address
_BEFORE_RCPT = (Phase.MAIL,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A delivery that something was said about, as it stood before."""

    delivery_id: int
    company_id: int
    address: str
    state: str = ""
    contact_id: int | None = None
    is_hearsay: bool = False  # said by somebody who may be another recipient of the same mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that came back. ``at`` None: just now."""

    spoken: Spoken
    kind: EvidenceKind
    source: EvidenceSource
    inbound_id: int | None = None
    status: str = ""
    reply: str = ""
    blame: str = ""
    is_proof: bool = False
    at: datetime | None = None


def of_report(inbound_id: int, report: DeliveryReport, deliveries: Sequence[Spoken]) -> list[Happening]:
    """``deliveries``: those that the report is proven to speak of."""
    match report.kind:
        case ReportKind.BOUNCE:
            return [
                found
                for spoken in deliveries
                if spoken.state in _MAY_BOUNCE
                and (found := _bounce(inbound_id, report, spoken, is_alone=len(deliveries) == 1)) is not None
            ]
        case ReportKind.COMPLAINT:
            return [
                Happening(
                    spoken=spoken,
                    kind=EvidenceKind.COMPLAINED,
                    source=EvidenceSource.REPORT,
                    inbound_id=inbound_id,
                    reply=report.text,
                )
                for spoken in deliveries
                if spoken.state in MAY_BE_COMPLAINED_OF and not spoken.is_hearsay  # nobody opts out another recipient
            ]
        case ReportKind.DELAYED | ReportKind.RECEIPT | ReportKind.MDN | ReportKind.NOTICE:
            return []


def _bounce(inbound_id: int, report: DeliveryReport, spoken: Spoken, *, is_alone: bool) -> Happening | None:
    """None when the report says of this delivery that it did not fail."""
    ours = normalize(spoken.address)
    named = [one for one in report.recipients if ours in (one.address, one.final_address)]
    failed = [one for one in (named or (report.recipients if is_alone else ())) if one.action is Action.FAILED]
    if report.recipients and not failed:
        return None
    said = failed[0] if failed else None
    return Happening(
        spoken=spoken,
        kind=EvidenceKind.BOUNCED,
        source=EvidenceSource.REPORT,
        inbound_id=inbound_id,
        status=said.status if said else "",
        reply=(said.reply if said else "") or report.text,
        blame=said.blame.value if said else Blame.SERVER.value,
        is_proof=said is not None and not spoken.is_hearsay and _is_about(said, ours) and _is_proof(said),
    )


def _is_about(said: ReportedAddress, ours: str) -> bool:
    """Whether it speaks of the very address that we wrote to, or names none (then the signed return path tells which)."""
    return said.address in (ours, "") and said.final_address in (ours, "")


def _is_proof(said: ReportedAddress) -> bool:
    return proves_absence(said.blame, is_permanent=said.status.startswith("5"))


def delivered_by(report: DeliveryReport, deliveries: Iterable[Spoken]) -> Iterator[str]:
    """The addresses of which a receipt says that the mail was put into the mailbox (RFC 3464 2.3.3, delivered)."""
    if report.kind not in (ReportKind.RECEIPT, ReportKind.BOUNCE):
        return
    arrived = {one.address for one in report.recipients if one.action is Action.DELIVERED and not one.final_address}
    for spoken in deliveries:
        if (ours := normalize(spoken.address)) and ours in arrived:
            yield ours


def of_session(spoken: Spoken, outcome: WireOutcome, found: Judgement) -> Happening | None:
    """A refusal for good of the recipient, while we spoke with the server; None for everything else."""
    if found.state is not DeliveryState.FAILED or found.blame not in _OF_THE_RECIPIENT or outcome.reply is None:
        return None
    if not outcome.reply.is_permanent or outcome.phase.is_before_mail or outcome.phase in _BEFORE_RCPT:
        return None
    return Happening(
        spoken=spoken,
        kind=EvidenceKind.BOUNCED,
        source=EvidenceSource.SESSION,
        status=outcome.reply.enhanced,
        reply=str(outcome.reply),
        blame=found.blame.value,
        is_proof=proves_absence(found.blame, is_permanent=True),
    )


def of_event(spoken: Spoken, event: TrackingEvent, now: datetime) -> Happening | None:
    """What a provider told; None for what is no evidence. What the provider itself refused proves nothing about the address."""
    kind = _KINDS.get(event.kind)
    if kind is None:
        return None
    who = blame_for(event) if kind is EvidenceKind.BOUNCED else None
    is_permanent = event.kind is EventKind.BOUNCED and not event.is_soft and not event.status.startswith("4")
    return Happening(
        spoken=spoken,
        kind=kind,
        source=EvidenceSource.PROVIDER,
        status=event.status,
        reply=reason_of(event) if kind is EvidenceKind.BOUNCED else event.text,
        blame=who.value if who else "",
        is_proof=who is not None and proves_absence(who, is_permanent=is_permanent),
        at=min(event.at or now, now),
    )


_KINDS = {
    EventKind.BOUNCED: EvidenceKind.BOUNCED,
    EventKind.REJECTED: EvidenceKind.BOUNCED,
    EventKind.COMPLAINED: EvidenceKind.COMPLAINED,
}
