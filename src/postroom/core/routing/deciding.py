"""Where a mail goes: the whole policy on one screen.

Duty: `decide` asks the rules of the table in order; the first that answers wins.
Laws: pure; never raises; at least one decision; one decision per target, each with its reasons; nothing is silently lost.
A rule looks at nothing but evidence and facts, so that explaining, trying out and replaying a mail cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from postroom.core.routing import placing, settling
from postroom.core.routing.loops import restrain
from postroom.core.routing.targets import each_target_once, is_taken
from postroom.core.routing.verdicts import Decision, Discard, Evidence, Facts, Verdict
from postroom.core.terms.reasons import because

Rule = Callable[[Evidence, Facts], tuple[Decision, ...] | None]

# What the mail is.
SETTLED: tuple[Rule, ...] = (
    settling.already_seen,
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
)


def decide(evidence: Evidence, facts: Facts) -> Verdict:
    """What becomes of the mail."""
    settled = _first_answer(SETTLED, evidence, facts)
    if settled is not None:
        return Verdict(decisions=settled)
    placed = _first_answer(PLACED, evidence, facts) or placing.nobody(evidence, facts)
    fresh = [decision for decision in each_target_once(placed) if not is_taken(decision, facts)]
    if not fresh:
        return Verdict(decisions=(Discard(reasons=(because("seen.on_target", message_id=evidence.message_id),)),))
    return Verdict(decisions=tuple(restrain(decision, evidence, facts) for decision in fresh))


def _first_answer(rules: Iterable[Rule], evidence: Evidence, facts: Facts) -> tuple[Decision, ...] | None:
    return next((answer for rule in rules if (answer := rule(evidence, facts))), None)
