"""What a From is worth: a name that nobody may rely on counts for nothing.

Duty: `believed` gives the facts as routing may use them; `is_mistrusted` says whether the author was set aside. Laws: pure. A forged
From has no author, whoever it names. A From that names *us* needs proof: strangers may only guess who our customers are, but
our own names stand in every mail we send. Standards: RFC 9989, RFC 3834 2 (no answers to forged addresses).
"""

from __future__ import annotations

from dataclasses import replace

from postroom.core.routing.authenticity import Proof
from postroom.core.routing.verdicts import AuthorFact, Evidence, Facts, MessageFact
from postroom.core.terms.reasons import Reason, because


def believed(evidence: Evidence, facts: Facts) -> Facts:
    """The facts without what rests on a From that is forged, or ours without proof."""
    return replace(facts, author=AuthorFact()) if is_mistrusted(evidence, facts) else facts


def is_mistrusted(evidence: Evidence, facts: Facts) -> bool:
    proof = evidence.authenticity.proof
    if proof is Proof.SPOOFED:
        return True
    return proof is Proof.UNPROVEN and not answers_in_person(evidence) and claims_to_be_ours(evidence, facts)


def answers_in_person(evidence: Evidence) -> bool:
    """Whether he who was written to answers, as far as a house without checks of senders can know: at a reply address that he alone was
    given, under the very address that it was given to, and handed in by somebody who had signed in at a server of ours. Each of the
    three can be had by others (addresses are copied, Froms are invented, colleagues sign in too); all three together only by one
    of us whom he showed the address. A mail that is forged for certain is not believed on any of them."""
    found = evidence.authenticity
    return evidence.is_personal and found.proof is Proof.UNPROVEN and found.submission.is_ours


def why_in_person(evidence: Evidence) -> tuple[Reason, ...]:
    """What to tell of a mail to a personal reply address whose author nothing else proves."""
    found = evidence.authenticity
    if not evidence.is_personal or found.proof is not Proof.UNPROVEN:
        return ()
    author, server = evidence.author_normal, found.submission.server
    if answers_in_person(evidence):
        return (because("claim.in_person", author=author, server=server),)
    doubt = because("claim.not_in_person", author=author)
    if not server:
        return (doubt,)
    code = "sender.name_it" if found.submission.is_signed_in else "sender.not_signed_in"
    return (doubt, because(code, server=server))


def claims_to_be_ours(evidence: Evidence, facts: Facts) -> bool:
    """Whether the From names a colleague, or an address on a domain of ours."""
    domain = evidence.author_normal.rpartition("@")[2]
    known_as = (facts.author, *facts.author.also)
    is_one_of_us = any(one.is_colleague or one.member_id is not None for one in known_as)
    return is_one_of_us or (bool(domain) and any(domain == one.name for one in facts.domains))


def has_no_part(message: MessageFact, evidence: Evidence, facts: Facts) -> bool:
    """Who merely knows a Message-ID is not yet a party to its record: he neither follows it, nor is it his, nor did he
    take part before, nor is he a colleague. Whose From counts for nothing has no part in anything."""
    if facts.author.is_alias or is_mistrusted(evidence, facts):
        return True
    author = facts.author.within(message.company_id, message.record_id)
    is_his = bool(evidence.author_normal) and evidence.author_normal == message.record_address
    return not (author.is_colleague or is_his or message.author_took_part or message.record_id in author.follows)


def why_mistrusted(evidence: Evidence, facts: Facts) -> tuple[Reason, ...]:
    """What to tell where the author was set aside."""
    if not is_mistrusted(evidence, facts):
        return ()
    author = evidence.author_normal or "The sender"
    code = "claim.spoofed" if evidence.authenticity.is_spoofed else "claim.colleague"
    return (*evidence.authenticity.reasons, *why_in_person(evidence), because(code, author=author))
