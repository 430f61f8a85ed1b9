"""Explains: what would become of this mail, and why. Reads, decides, writes nothing.

`explain` takes bytes that never came, `explain_inbound` a mail that did: as if it came now, so that old and new verdict can be
compared before it is routed again. Both tell every rule that was asked, and what each recipient means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from postroom.core.routing.arrival import handed_in_by
from postroom.core.routing.authenticity import Authenticity, authenticity_as_json
from postroom.core.routing.deciding import Step, decide_aloud
from postroom.core.routing.recipients import accepts
from postroom.core.routing.verdicts import Decision, Discard, Evidence, Facts, Verdict
from postroom.core.routing.vouching import within_reach
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.reasons import Reason, reasons_as_json, reasons_from_json
from postroom.core.terms.states import Door, InboundState
from postroom.flows.access import company_cut, require, visible_inbound
from postroom.flows.apply_verdict import state_of, verdict_as_json
from postroom.flows.ports import Ports
from postroom.flows.prove_senders import authenticity_now
from postroom.flows.route_message import Read, raw_of, read_mail, waiting_of
from postroom.flows.settings import parameters
from postroom.store.models import InboundMessage, Member, Message
from postroom.store.queries.inbound_queue import Waiting
from postroom.store.queries.loop_counts import Tally
from postroom.store.queries.routing_facts import look_up
from postroom.store.queries.verdicts_seen import ELSEWHERE, Hidden, hidden_from


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientMeaning:
    """A recipient of the mail: whether its doors would take it, and what it is to us."""

    address: str
    is_accepted: bool
    is_header: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The verdict, the state the mail would get, every rule on the way, and what the recipients mean."""

    verdict: Verdict
    state: InboundState
    authenticity: Authenticity
    steps: tuple[Step, ...] = ()
    recipients: tuple[RecipientMeaning, ...] = ()
    before: tuple[str, ...] = ()  # the sentences of the stored verdict, of a mail that was routed already
    before_state: InboundState | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "state": self.state.value,
            "decisions": verdict_as_json(self.verdict),
            "reasons": self.sentences,
            "authentication": self.sender_as_json(),
        }

    def sender_as_json(self) -> dict[str, Any]:
        return authenticity_as_json(self.authenticity)

    def aloud_as_json(self) -> dict[str, object]:
        """With every rule, and the recipients."""
        return self.as_json() | {
            "rules": [
                {"rule": one.rule, "answered": one.decisions is not None, "sentence": str(one.sentence)}
                for one in self.steps
            ],
            "recipients": [
                {"address": one.address, "accepted": one.is_accepted, "sentences": [str(r) for r in one.reasons]}
                for one in self.recipients
            ],
        }

    @property
    def sentences(self) -> list[str]:
        return [str(reason) for reason in self.verdict.reasons]


def explain(
    ports: Ports, raw: bytes, envelope: Envelope | None, door: Door, mailbox_id: int | None = None, *, peer: str = ""
) -> Explanation:
    """As the router would decide now; ``peer`` as the SMTP door notes it: ``192.0.2.1 (mail.example)``; over HTTP it is the house's. Asks
    about the sender first, which may take its seconds. The transaction is read-only for certain: it is rolled back."""
    mail_from = envelope.mail_from if envelope else ""
    if door is Door.HTTP and not peer:
        peer = handed_in_by("", sees_house=True)
    found = authenticity_now(ports, raw, door=door, peer=peer, mail_from=mail_from, mailbox_id=mailbox_id)
    row = Waiting(
        id=0,
        door=door,
        mailbox_id=mailbox_id,
        mail_from=mail_from,
        authentication=json.dumps(authenticity_as_json(found)),
        rcpt_to=envelope.rcpt_to if envelope else (),
    )
    return _explained(ports, read_mail(ports, row, raw))


def explain_inbound(ports: Ports, inbound_id: int, *, member: Member | None) -> Explanation:
    """A stored mail, as if it came now and had made nothing yet. Raises `NotAllowed`, `InboundMessage.DoesNotExist`,
    `RawMail.DoesNotExist` when its bytes were cleaned up."""
    require(member, "inbound")
    row = visible_inbound(member).select_related("raw_mail").get(pk=inbound_id)
    found = _explained(ports, read_mail(ports, waiting_of(row), raw_of(ports, row)))
    return _seen_by(replace(found, before_state=InboundState(row.state)), row, company_cut(member))


def _seen_by(found: Explanation, row: InboundMessage, cut: Sequence[int] | None) -> Explanation:
    """As who sees these companies may see it (None: all)."""
    told = [one.sentence for one in found.steps] + [reason for one in found.recipients for reason in one.reasons]
    decided = [decision for one in found.steps for decision in one.decisions or ()]
    verdicts = [
        row.verdict,
        verdict_as_json(found.verdict),
        verdict_as_json(Verdict(decisions=tuple(decided))),
        [{"reasons": reasons_as_json(told)}],
    ]
    hidden = hidden_from(cut, verdicts, [one.address for one in found.recipients])
    before = _told(hidden.verdict(row.verdict))
    if cut is None:
        return replace(found, before=before)
    return replace(
        found,
        before=before,
        verdict=Verdict(decisions=_decisions_seen(found.verdict.decisions, hidden)),
        steps=tuple(
            replace(
                one,
                sentence=ELSEWHERE if hidden.hides(one.sentence) else one.sentence,
                decisions=None if one.decisions is None else _decisions_seen(one.decisions, hidden),
            )
            for one in found.steps
        ),
        recipients=tuple(one for one in found.recipients if not hidden.hides_address(one.address)),
    )


def _decisions_seen(decisions: Sequence[Decision], hidden: Hidden) -> tuple[Decision, ...]:
    """Each that concerns another company is nothing for the reader but that sentence."""
    seen: list[Decision] = []
    for one, row in zip(decisions, verdict_as_json(Verdict(decisions=tuple(decisions))), strict=True):
        if hidden.is_elsewhere(row):
            seen.append(Discard(reasons=(ELSEWHERE,)))
        else:
            reasons = tuple(ELSEWHERE if hidden.hides(reason) else reason for reason in one.reasons)
            seen.append(replace(one, reasons=reasons))
    return tuple(one for place, one in enumerate(seen) if one not in seen[:place])


def explain_noted(ports: Ports, row: Waiting, raw: bytes) -> Explanation:
    """Bytes that came elsewhere, with what was known there of the one who handed them in: nobody is asked anything."""
    return _explained(ports, read_mail(ports, row, raw))


def _explained(ports: Ports, read: Read) -> Explanation:
    with transaction.atomic():
        book = look_up([read.case], parameters(ports), ports.clock.now())
        facts = book.facts_for(read.case, Tally())
        if read.row.id:
            facts = _without_its_own(facts, read.row.id)
        evidence = within_reach(read.case.evidence, facts)
        verdict, steps = decide_aloud(evidence, facts)
        transaction.set_rollback(True)
    return Explanation(
        verdict=verdict,
        state=state_of(verdict.decisions),
        steps=steps,
        recipients=_meanings(evidence, facts),
        authenticity=evidence.authenticity,
    )


def _without_its_own(facts: Facts, inbound_id: int) -> Facts:
    """What the mail itself made does not count: else every mail that was routed would be seen before."""
    own = list(Message.objects.filter(inbound_id=inbound_id).values_list("pk", "record_id", "record__alias_id")[:50])
    if not own:
        return facts
    messages, records, aliases = (frozenset(column) for column in zip(*own, strict=True))
    known = facts.known_message
    return replace(
        facts,
        messages=tuple(one for one in facts.messages if one.message_id not in messages),
        known_message=None if known is not None and known.message_id in messages else known,
        taken_records=facts.taken_records - records,
        taken_aliases=facts.taken_aliases - aliases,
    )


def _meanings(evidence: Evidence, facts: Facts) -> tuple[RecipientMeaning, ...]:
    found = []
    for recipient in evidence.recipients[:50]:
        verdict = accepts(recipient, facts)
        found.append(
            RecipientMeaning(
                address=recipient.normal,
                is_accepted=verdict.accepted,
                is_header=recipient.is_header,
                reasons=verdict.reasons,
            )
        )
    return tuple(found)


def _told(decisions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(str(one) for decision in decisions for one in reasons_from_json(decision.get("reasons", ())))
