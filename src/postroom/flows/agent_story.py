"""What an agent is told of one mail, or of one address: everything that is stored of it, in order.

`story` is the one socket for it: whoever tells stories better is plugged in by putting another function of this shape in its place.
Laws: reads only; cut to what the member sees; bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from postroom.core.terms.addresses import normalize
from postroom.core.terms.fencing import Ours, code_word
from postroom.flows.access import company_cut, require, visible_addresses, visible_deliveries
from postroom.flows.ports import Ports
from postroom.store.models import Company, Member
from postroom.store.queries.pages_find import find_deliveries
from postroom.store.queries.pages_queue import AttemptFact, DeliveryFact, ReportFact, delivery
from postroom.store.queries.pages_story import answers, posted
from postroom.store.queries.pages_suppression import AddressFact, address, find_address
from postroom.store.queries.queue_lists import QueueView, QueueWish, find

MOST_DELIVERIES = 5
MOST_ATTEMPTS = 10


class Storyteller(Protocol):
    """``asked``: a delivery's number, a Message-ID, an address, or what a relay calls the mail. Raises `NotAllowed`."""

    def __call__(self, ports: Ports, asked: str, *, member: Member | None) -> Mapping[str, object]: ...


def story(ports: Ports, asked: str, *, member: Member | None) -> Mapping[str, object]:
    """The newest deliveries that it names, whole, and what is held against the address."""
    require(member, "queue")
    found = find_deliveries(asked, company_cut(member))
    ids: Sequence[int] = found.ids
    by = found.by
    if not ids and found.is_address:
        wish = QueueWish(
            companies=company_cut(member), view=QueueView.ALL, recipient=asked.strip(), size=MOST_DELIVERIES
        )
        ids, by = find(wish, ports.clock.now()).ids, "recipient"
    return {
        "asked": asked,
        "found_by": Ours(by or "nothing"),
        "deliveries": [
            one for number in ids[:MOST_DELIVERIES] if (one := _delivery(ports, number, member)) is not None
        ],
        "more_deliveries": max(0, len(ids) - MOST_DELIVERIES),
        "address": _addresses(asked, member) if found.is_address and normalize(asked.strip()) else [],
    }


def _delivery(ports: Ports, number: int, member: Member | None) -> Mapping[str, object] | None:
    found = delivery(visible_deliveries(member), number, now=ports.clock.now())
    return _told(found) if found is not None else None


def _told(found: DeliveryFact) -> Mapping[str, object]:
    row = found.row
    origin = posted(row.id)
    replies = answers(origin.message_id, row.to_address) if origin is not None else ()
    return {
        "delivery_id": row.id,
        "state": row.state,
        "to": row.to_address,
        "to_name": row.to_name,
        "from": row.from_address,
        "subject": row.subject,
        "message_id": found.message_id,
        "queued_at": row.created_at,
        "due_at": row.due_at,
        "finished_at": row.finished_at,
        "server": row.server,
        "waits_for": row.waits_for,
        "what_helps": list(found.cures),
        "failure": row.failure_reason,
        "blame": code_word(row.blame),
        "reasons": list(found.reasons),
        "posted": None
        if origin is None
        else {
            "message_id": origin.message_id,
            "record_id": origin.record_id,
            "record": origin.record_title,
            "author": origin.author,
            "posted_at": origin.posted_at,
            "why_this_person": list(origin.reasons),
        },
        "waited": [{"for": one.reason, "since": one.since, "until": one.until} for one in found.waited[:MOST_ATTEMPTS]],
        "attempts": [_attempt(one) for one in found.attempts[:MOST_ATTEMPTS]],
        "reports": [_report(one) for one in found.reports[:MOST_ATTEMPTS]],
        "events": [
            {"what": code_word(one.kind), "told_at": one.told_at, "status": one.status, "text": one.text}
            for one in found.events[:MOST_ATTEMPTS]
        ],
        "answers": [
            {
                "inbound_id": one.inbound_id,
                "answered_at": one.answered_at,
                "words": one.words,
                "is_automatic": one.is_automatic,
            }
            for one in replies[:MOST_ATTEMPTS]
        ],
    }


def _attempt(one: AttemptFact) -> Mapping[str, object]:
    return {
        "tried_at": one.tried_at,
        "server": one.server,
        "phase": code_word(one.phase),
        "reply": one.reply,
        "state": one.state,
    }


def _report(one: ReportFact) -> Mapping[str, object]:
    return {
        "received_at": one.received_at,
        "action": code_word(one.action),
        "status": one.status,
        "reply": one.reply,
        "blame": code_word(one.blame),
        "reason": code_word(one.reason),
        "inbound_id": one.inbound_id,
        "is_unproven": one.is_claim,
    }


def _addresses(asked: str, member: Member | None) -> list[Mapping[str, object]]:
    cut = company_cut(member)
    companies = list(Company.objects.values_list("pk", flat=True)) if cut is None else cut
    rows = (
        address(visible_addresses(member), number)
        for number in find_address(companies, asked.strip())[:MOST_DELIVERIES]
    )
    return [_address(one) for one in rows if one is not None]


def _address(found: AddressFact) -> Mapping[str, object]:
    row, left_out = found.row, found.row.suppression
    return {
        "address": row.address,
        "company": row.company,
        "bounces": row.bounce_count,
        "last_bounced_at": row.last_bounced_at,
        "last_status": row.last_status,
        "last_reply": row.last_reply,
        "last_blame": code_word(row.last_blame),
        "complaints": row.complaint_count,
        "alive_at": row.alive_at,
        "is_left_out_by_campaigns": left_out is not None,
        "left_out_since": left_out.since if left_out is not None else None,
        "evidence": [
            {
                "what": code_word(one.kind),
                "at": one.happened_at,
                "status": one.status,
                "reply": one.reply,
                "is_proof": one.is_proof,
            }
            for one in found.events[:MOST_ATTEMPTS]
        ],
    }
