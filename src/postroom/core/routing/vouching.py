"""How far somebody's word on a sender reaches: what a company's own way in says counts for that company alone.

Duty: `within_reach` gives the evidence as routing may use it. A mailbox, and a provider's address, belong to a company, whose
administrator names the servers that are believed there; so he could have them prove whatever he likes. Therefore their word proves nobody
where the mail concerns another company's alias, record or delivery, or the house itself (receivers' reports). What was proven by
signatures that we checked ourselves stays proven, and what speaks against an author stays said. Laws: pure.
Standards: RFC 8601 5 (whose Authentication-Results may be believed).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from postroom.core.routing.authenticity import Authenticity, Proof
from postroom.core.routing.recipients import takes_reports
from postroom.core.routing.threads import aliases_named
from postroom.core.routing.verdicts import Evidence, Facts
from postroom.core.terms.reasons import because, catalogue

catalogue(
    {
        "sender.one_company": "What {server} says of senders counts for one company alone, whose own way in this mail took. It concerns more than that company: so it is not believed here.",
    }
)


def within_reach(evidence: Evidence, facts: Facts, also: Collection[int] = ()) -> Evidence:
    """The evidence without a word that does not reach so far. ``also``: companies that it is to concern, by a person's decision."""
    own = (
        facts.fallback_company_id
    )  # of the mailbox or the provider's address; None: the house's own doors, or it is gone
    found = evidence.authenticity
    if own is None and not found.is_companys:
        return evidence
    if not (found.rests_on_word or found.submission.is_named):
        return evidence
    if _concerns_the_house(evidence, facts) or (_concerned(evidence, facts) | set(also)) - {own}:
        return replace(evidence, authenticity=_without_word(found))
    return evidence


def _concerned(evidence: Evidence, facts: Facts) -> set[int]:
    """Whose aliases, records and deliveries it is about, as far as its words lead."""
    aliases = {alias.company_id for _, alias in aliases_named(evidence, facts)}
    messages = {message.company_id for message in (*facts.messages, *facts.token_messages.values())}
    return aliases | messages | {delivery.company_id for delivery in facts.deliveries}


def _concerns_the_house(evidence: Evidence, facts: Facts) -> bool:
    return evidence.is_receivers_report and any(takes_reports(one, facts) for one in evidence.recipients)


def _without_word(found: Authenticity) -> Authenticity:
    submission = replace(found.submission, is_named=False)
    if not found.rests_on_word:
        return replace(found, submission=submission)
    server = next(one.by for one in found.findings if one.by)
    return replace(
        found, proof=Proof.UNPROVEN, submission=submission, reasons=(because("sender.one_company", server=server),)
    )
