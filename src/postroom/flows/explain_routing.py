"""Explains: what would become of this mail, and why. Reads, decides, writes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from postroom.core.routing.deciding import decide
from postroom.core.routing.verdicts import Verdict
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.apply_verdict import state_of, verdict_as_json
from postroom.flows.ports import Ports
from postroom.flows.route_message import read_mail
from postroom.flows.settings import parameters
from postroom.store.queries.inbound_queue import Waiting
from postroom.store.queries.loop_counts import Tally
from postroom.store.queries.routing_facts import look_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The verdict, the state the mail would get, and both as plain data."""

    verdict: Verdict
    state: InboundState

    def as_json(self) -> dict[str, object]:
        return {"state": self.state.value, "decisions": verdict_as_json(self.verdict), "reasons": self.sentences}

    @property
    def sentences(self) -> list[str]:
        return [str(reason) for reason in self.verdict.reasons]


def explain(
    ports: Ports, raw: bytes, envelope: Envelope | None, door: Door, mailbox_id: int | None = None
) -> Explanation:
    """As the router would decide now. The transaction is read-only for certain: it is rolled back."""
    row = Waiting(
        id=0,
        door=door,
        mailbox_id=mailbox_id,
        mail_from=envelope.mail_from if envelope else "",
        rcpt_to=envelope.rcpt_to if envelope else (),
    )
    with transaction.atomic():
        read = read_mail(ports, row, raw)
        book = look_up([read.case], parameters(ports), ports.clock.now())
        verdict = decide(read.case.evidence, book.facts_for(read.case, Tally()))
        transaction.set_rollback(True)
    return Explanation(verdict=verdict, state=state_of(verdict.decisions))
