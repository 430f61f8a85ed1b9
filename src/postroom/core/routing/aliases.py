"""Who may write to an alias (I-53).

Laws: an author who is one of our own aliases is nobody (T-038). A policy that nobody could meet is our mistake, not the
sender's: it is held, never answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from postroom.core.routing.claims import believed, is_mistrusted
from postroom.core.routing.recipients import address_of
from postroom.core.routing.verdicts import AliasFact, AuthorFact, Evidence, Facts
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import AliasPolicy


class Admission(Enum):
    """The policy's answer."""

    ADMITTED = auto()
    REFUSED = auto()
    DOUBTED = auto()  # he would be admitted or refused if it were he, but nothing proves it: a person decides
    MISCONFIGURED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """Whether this author may write to this alias, and why."""

    admission: Admission
    reason: Reason


def author_of(evidence: Evidence, facts: Facts, company_id: int, record_id: int | None = None) -> AuthorFact:
    """Who the author is to a company; a stranger when the address is one of our aliases, or a From that counts for nothing."""
    return AuthorFact() if facts.author.is_alias else believed(evidence, facts).author.within(company_id, record_id)


def check_author(alias: AliasFact, evidence: Evidence, facts: Facts, *, record_id: int | None = None) -> PolicyAnswer:
    """As `check_policy`, for the author of this mail. Who is set aside passes no policy that asks who he is."""
    about = record_id or alias.forced_record_id or alias.owner_record_id
    author_fact = author_of(evidence, facts, alias.company_id, about)
    answer = check_policy(alias, author_fact, evidence.author_normal, record_id=record_id)
    if answer.admission is Admission.REFUSED and is_mistrusted(evidence, facts):
        author = evidence.author_normal or "the sender"
        admission = Admission.REFUSED if evidence.authenticity.is_spoofed else Admission.DOUBTED
        return PolicyAnswer(
            admission=admission, reason=because("policy.unproven", alias=address_of(alias), author=author)
        )
    return answer


def check_policy(
    alias: AliasFact, author: AuthorFact, author_name: str, *, record_id: int | None = None
) -> PolicyAnswer:
    """``record_id`` is the record that the mail answers, whose followers count then (I-52)."""
    facts = {"alias": address_of(alias), "author": author_name or "the sender"}
    match alias.policy:
        case AliasPolicy.EVERYONE:
            return PolicyAnswer(admission=Admission.ADMITTED, reason=because("policy.everyone", **facts))
        case AliasPolicy.KNOWN_CONTACTS:
            is_known = author.contact_id is not None or author.member_id is not None
            return _answer(is_known, "policy.known_contacts", "policy.no_known_contact", facts)
        case AliasPolicy.COLLEAGUES:
            return _answer(author.is_colleague, "policy.colleagues", "policy.no_colleague", facts)
        case AliasPolicy.FOLLOWERS:
            return _check_followers(alias, author, facts, record_id)


def _check_followers(
    alias: AliasFact, author: AuthorFact, facts: dict[str, str], record_id: int | None
) -> PolicyAnswer:
    records = [one for one in (record_id, alias.forced_record_id, alias.owner_record_id) if one is not None]
    if not records:
        return PolicyAnswer(admission=Admission.MISCONFIGURED, reason=because("policy.no_owner", **facts))
    followed = next((one for one in records if one in author.follows), None)
    facts = {**facts, "record": str(followed if followed is not None else records[0])}
    return _answer(followed is not None, "policy.followers", "policy.no_follower", facts)


def _answer(is_admitted: bool, yes: str, no: str, facts: dict[str, str]) -> PolicyAnswer:
    if is_admitted:
        return PolicyAnswer(admission=Admission.ADMITTED, reason=because(yes, **facts))
    return PolicyAnswer(admission=Admission.REFUSED, reason=because(no, **facts))
