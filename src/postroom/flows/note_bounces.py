"""What came back is held against the address, and what follows from it: counters, evidence, and whether campaigns leave it out.

    reports, refusals, events -> rows of the addresses (locked) -> evidence -> counters -> judge -> suppressions -> a note on the contact

Laws: inside the caller's transaction, so that nothing is counted that was rolled back; a constant number of statements for any batch, none
at all when nothing came back. Only `bounce_evidence` makes what is counted here: what was not proven to speak of a delivery of ours changes
nothing. Sending is not asked and not stopped: between people an address is warned about, never blocked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from postroom.core.delivery.outcomes import Judgement
from postroom.core.delivery.suppression import fault_of
from postroom.core.delivery.wire import WireOutcome
from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import Blame, DeliveryState, EvidenceKind
from postroom.flows.bounce_evidence import Happening, Spoken, of_session
from postroom.flows.judge_addresses import judge_addresses
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.store import bounces
from postroom.store.bounces import Anchor, EventRow, Growth, Place, Written
from postroom.store.models import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """How many things were counted, and which addresses campaigns leave out from now on."""

    counted: int = 0
    suppressed: tuple[Place, ...] = ()


def note_bounces(ports: Ports, happenings: Iterable[Happening]) -> Noted:
    """All that came back in one batch. Inside a transaction, once in it; two statements for what was told before."""
    placed = _placed(happenings)
    if not placed:
        return Noted()
    now = ports.clock.now()
    anchors = bounces.anchor([place for place, _ in placed])
    rows = [_event(anchors[place], place, one, now) for place, one in placed]
    fresh = bounces.write_events(rows, now)
    new = [
        (place, one, row)
        for (place, one), row in zip(placed, rows, strict=True)
        if (row.delivery_id, row.kind) in fresh
    ]
    if not new:
        return Noted()
    alive = {anchor.id: anchor.alive_at for anchor in anchors.values()}
    bounces.count(_growths([row for _, _, row in new], alive))
    _count_contacts(new, alive)
    judged = {row.health_id: place for place, _, row in new}
    suppressed = judge_addresses(ports, judged, {pk: alive[pk] for pk in judged}, now)
    tell_pages(*of_companies("suppression", (place[0] for place, _, _ in new)))
    return Noted(counted=len(new), suppressed=suppressed)


def note_refusals(ports: Ports, judged: Iterable[tuple[int, WireOutcome, Judgement]]) -> Noted:
    """Deliveries (by number) that were recorded a moment ago: the refusals of recipients among them are evidence as a report is.

    No statement when there is none. What a provider's API refuses by itself is no recipient's server's word."""
    refused = {
        number: (outcome, found)
        for number, outcome, found in judged
        if found.state is DeliveryState.FAILED and found.blame in (Blame.ADDRESS, Blame.MAILBOX)
    }
    if not refused:
        return Noted()
    rows = Delivery.objects.filter(pk__in=refused).exclude(server__transport="api")
    found = []
    for row in rows.values("id", "company_id", "to_address", "notification__contact_id"):
        spoken = Spoken(
            delivery_id=row["id"],
            company_id=row["company_id"],
            address=row["to_address"],
            contact_id=row["notification__contact_id"],
        )
        if (one := of_session(spoken, *refused[row["id"]])) is not None:
            found.append(one)
    return note_bounces(ports, found)


def note_signs_of_life(ports: Ports, signs: Mapping[str, datetime | None], *, by: str) -> int:
    """Mail came from these (normalised) addresses, or arrived at them for sure: their counters begin anew, in every company.

    ``signs``: when that was; None: just now. One statement, and it waits for nobody. A server's 250 is no such sign: it is the next
    hop's, and the bounce may follow."""
    now = ports.clock.now()
    known = {address: at or now for address, at in signs.items() if address}
    return bounces.sign_of_life(known, by=by) if known else 0


def _placed(happenings: Iterable[Happening]) -> list[tuple[Place, Happening]]:
    """Each with company and normalised address; of the same delivery only one of a kind, the one that proves most."""
    found: dict[tuple[int, str], tuple[Place, Happening]] = {}
    for one in happenings:
        address = normalize(one.spoken.address)
        key = (one.spoken.delivery_id, one.kind.value)
        if address and (key not in found or (one.is_proof and not found[key][1].is_proof)):
            found[key] = ((one.spoken.company_id, address), one)
    return list(found.values())


def _event(anchor: Anchor, place: Place, one: Happening, now: datetime) -> EventRow:
    reply = _plain(one.reply)
    return EventRow(
        health_id=anchor.id,
        company_id=place[0],
        kind=one.kind.value,
        source=one.source.value,
        delivery_id=one.spoken.delivery_id,
        inbound_id=one.inbound_id,
        status=_plain(one.status)[:12],
        reply=reply,
        blame=one.blame,
        fault=fault_of(one.blame, one.status, reply),
        is_proof=one.is_proof,
        happened_at=one.at or now,
    )


def _plain(text: str) -> str:
    """Without what PostgreSQL does not keep."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _growths(rows: Sequence[EventRow], alive: Mapping[int, datetime | None]) -> list[Growth]:
    by_address: dict[int, list[EventRow]] = {}
    for row in rows:
        by_address.setdefault(row.health_id, []).append(row)
    return [_growth(pk, mine, alive[pk]) for pk, mine in sorted(by_address.items())]


def _growth(pk: int, rows: Sequence[EventRow], alive_at: datetime | None) -> Growth:
    bounced = sorted(_counted(rows, alive_at), key=lambda row: row.happened_at)
    complained = [row.happened_at for row in rows if row.kind == EvidenceKind.COMPLAINED]
    last = bounced[-1] if bounced else None
    return Growth(
        id=pk,
        bounces=len(bounced),
        first_at=bounced[0].happened_at if bounced else None,
        last_at=last.happened_at if last else None,
        status=last.status if last else "",
        reply=last.reply if last else "",
        blame=last.blame if last else "",
        complaints=len(complained),
        complained_at=max(complained, default=None),
    )


def _counted(rows: Sequence[EventRow], alive_at: datetime | None) -> list[EventRow]:
    """Bounces that are younger than the last sign of life: providers tell late."""
    bounced = (row for row in rows if row.kind == EvidenceKind.BOUNCED)
    return [row for row in bounced if alive_at is None or row.happened_at > alive_at]


def _count_contacts(new: Sequence[tuple[Place, Happening, EventRow]], alive: Mapping[int, datetime | None]) -> None:
    written = [
        Written(event=number, company_id=place[0], address=place[1], contact_id=one.spoken.contact_id)
        for number, (place, one, row) in enumerate(new)
        if _counted([row], alive[row.health_id])
    ]
    if written:
        bounces.count_contacts(written)
