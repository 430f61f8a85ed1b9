"""Why a rule of the table had no answer, in one sentence with the facts: what `decide_aloud` tells between the answers.

Law: it only tells. What a rule decides stands in the rule; here is nothing that anybody decides by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from postroom.core.routing.recipients import is_catchall
from postroom.core.routing.threads import aliases_named, may_thread, named_by_token, referred_to
from postroom.core.routing.verdicts import Evidence, Facts
from postroom.core.terms.reasons import Reason, because, catalogue

catalogue(
    {
        "silent.already_seen": "It was not seen before.",
        "silent.receivers_report": "It is no report of a receiver (DMARC, SMTP TLS) to the address for such reports.",
        "silent.report": "It is no report on a delivery.",
        "silent.bounce_address": "It was not written to an address where only reports come.",
        "silent.our_own": "It is no mail of ours that came back.",
        "silent.auto_reply": "It is no automatic reply.",
        "silent.forward_of_nothing": "It refers to no message on a record, so it forwards none.",
        "silent.forward_to_another_kind": "It was not written to an alias of another kind than the record it refers to.",
        "silent.signed_reply": "It was not written to a signed reply address of ours.",
        "silent.signed_reply_gone": "It was written to a signed reply address, but the record of that message is gone.",
        "silent.reference_none": "It refers to no other mail.",
        "silent.reference_unknown": "It refers to {identifiers}, which we do not know.",
        "silent.reference_not_here": "It refers to message {message}, but came by SMTP to a recipient that takes no replies.",
        "silent.only_the_catchall": "It was not written to a catchall address alone.",
        "silent.only_the_catchall_alias": "A catchall address is among its recipients, but an alias too, and that was meant.",
        "silent.aliases": "None of its recipients is an alias.",
        "silent.fallback_kind": "It came through no mailbox that makes records of what is left over.",
        "silent.catchall_among_others": "No catchall address is among its recipients.",
        "silent.loop_breaker": "No loop breaker is open.",
        "silent.other": "The rule {rule} had no answer.",
    }
)


def why_silent(rule: str, evidence: Evidence, facts: Facts) -> Reason:
    """The sentence for a rule that had no answer; a general one for a rule that nobody wrote one for."""
    tell = _TELL.get(rule)
    if tell is not None:
        return tell(evidence, facts)
    return because(f"silent.{rule}") if rule in _PLAIN else because("silent.other", rule=rule.replace("_", " "))


def _forward(evidence: Evidence, facts: Facts) -> Reason:
    answered = [*named_by_token(evidence, facts), *referred_to(evidence, facts)]
    return because("silent.forward_to_another_kind" if answered else "silent.forward_of_nothing")


def _signed_reply(evidence: Evidence, _facts: Facts) -> Reason:
    return because("silent.signed_reply_gone" if evidence.reply_numbers else "silent.signed_reply")


def _reference(evidence: Evidence, facts: Facts) -> Reason:
    if not evidence.thread_ids:
        return because("silent.reference_none")
    known = referred_to(evidence, facts)
    if not known or may_thread(evidence, facts):
        return because("silent.reference_unknown", identifiers=", ".join(evidence.thread_ids[:3]))
    return because("silent.reference_not_here", message=known[0].message_id)


def _only_the_catchall(evidence: Evidence, facts: Facts) -> Reason:
    if any(is_catchall(one, facts) for one in evidence.recipients) and aliases_named(evidence, facts):
        return because("silent.only_the_catchall_alias")
    return because("silent.only_the_catchall")


_TELL: Mapping[str, Callable[[Evidence, Facts], Reason]] = {
    "forward_to_another_kind": _forward,
    "signed_reply": _signed_reply,
    "reference": _reference,
    "only_the_catchall": _only_the_catchall,
}
_PLAIN = frozenset(
    (
        "already_seen", "receivers_report", "report", "bounce_address", "our_own", "auto_reply", "aliases", "fallback_kind",
        "catchall_among_others", "loop_breaker",
    )
)  # fmt: skip
