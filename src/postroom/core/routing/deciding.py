"""Where a mail goes: the whole policy on one screen.

Duty: `decide` asks the rules of the table in order; the first that answers wins. `decide_aloud` is the same walk, told step by step.
Laws: pure; never raises; at least one decision; one decision per target, each with its reasons; nothing is silently lost.
A rule looks at nothing but evidence and facts, so that explaining, trying out and replaying a mail cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from postroom.core.routing import placing, settling
from postroom.core.routing.loops import restrain
from postroom.core.routing.silences import why_silent
from postroom.core.routing.targets import each_target_once, is_taken
from postroom.core.routing.verdicts import Decision, Discard, Evidence, Facts, Verdict
from postroom.core.terms.reasons import Reason, because

Rule = Callable[[Evidence, Facts], tuple[Decision, ...] | None]

# What the mail is.
SETTLED: tuple[Rule, ...] = (
    settling.already_seen,
    settling.receivers_report,  # DMARC and TLS reports, at the address for them
    settling.report,  # bounce, complaint, receipt
    settling.bounce_address,  # no report, but where only reports come
    settling.our_own,  # our own mail, or a loop mark
)

# Where it goes. What these rules answer passes the loop breaker (`restrain`), and nothing else can trip it.
PLACED: tuple[Rule, ...] = (
    placing.auto_reply,  # attached to what it answers; notifies nobody, creates nothing
    placing.forward_to_another_kind,  # written to an alias of another kind: starts anew there
    placing.signed_reply,  # the signed reply address of a message
    placing.reference,  # In-Reply-To and References
    placing.only_the_catchall,  # nobody but the catchall in To: answered with the company's address
    placing.aliases,  # all that match, each with its policy
    placing.fallback_kind,  # of the mailbox
    placing.catchall_among_others,
    placing.nobody,  # always answers
)

# What is asked of the answers themselves, after the table; named so that it can be told.
ON_TARGET, LOOP_BREAKER = "on_target", "loop_breaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A rule that was asked: what it answered, or in a sentence why it had no answer."""

    rule: str
    sentence: Reason
    decisions: tuple[Decision, ...] | None = None


Listener = Callable[[str, tuple[Decision, ...] | None], None]


def decide(evidence: Evidence, facts: Facts) -> Verdict:
    """What becomes of the mail."""
    return _walk(evidence, facts, _nobody_listens)


def decide_aloud(evidence: Evidence, facts: Facts) -> tuple[Verdict, tuple[Step, ...]]:
    """The same verdict, with every rule that was asked on the way to it, in order."""
    steps: list[Step] = []

    def listen(rule: str, answer: tuple[Decision, ...] | None) -> None:
        told = _first_reason(rule, answer) if answer else None
        steps.append(Step(rule=rule, sentence=told or why_silent(rule, evidence, facts), decisions=answer))

    return _walk(evidence, facts, listen), tuple(steps)


def _first_reason(rule: str, answer: tuple[Decision, ...]) -> Reason | None:
    """Why the rule answered; the breaker adds its reason to those that were there before it."""
    reasons = answer[0].reasons
    return (reasons[-1] if rule == LOOP_BREAKER else reasons[0]) if reasons else None


def _nobody_listens(_rule: str, _answer: tuple[Decision, ...] | None) -> None:
    return None


def _walk(evidence: Evidence, facts: Facts, listen: Listener) -> Verdict:
    settled = _first_answer(SETTLED, evidence, facts, listen)
    if settled is not None:
        return Verdict(decisions=settled)
    placed = _first_answer(PLACED, evidence, facts, listen) or ()
    fresh = tuple(decision for decision in each_target_once(placed) if not is_taken(decision, facts))
    if not fresh:
        seen = (Discard(reasons=(because("seen.on_target", message_id=evidence.message_id),)),)
        listen(ON_TARGET, seen)
        return Verdict(decisions=seen)
    restrained = tuple(restrain(decision, evidence, facts) for decision in fresh)
    listen(LOOP_BREAKER, None if restrained == fresh else _tripped(fresh, restrained))
    return Verdict(decisions=restrained)


def _first_answer(
    rules: Iterable[Rule], evidence: Evidence, facts: Facts, listen: Listener
) -> tuple[Decision, ...] | None:
    for rule in rules:
        answer = rule(evidence, facts) or None
        listen(rule.__name__, answer)
        if answer is not None:
            return answer
    return None


def _tripped(before: tuple[Decision, ...], after: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """What the breaker holds; its own reason stands last."""
    return tuple(new for old, new in zip(before, after, strict=True) if new != old)
