"""What an outcome on the wire means for the delivery.

Laws: temporary unless proven permanent. Trouble before MAIL, and a 421 or a missing login at MAIL, are facts about the server:
no attempt is counted, its circuit opens. After the whole content was written and before the reply nobody knows (``unknown``).
A temporary trouble is tried again until the deadline, then it is a failure.
Standards: RFC 5321 4.2.1 and 4.5.4.1, RFC 3463, RFC 4954 6 (530, 535, 538).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.delivery.retry import next_attempt
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.reports.blame import blame_of
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import Blame, DeliveryState, FailureType

_LOGIN_WANTED = (530, 535, 538)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``due_at`` is set for what is tried again; with ``is_server_trouble`` it waits for the server instead, and no attempt is counted."""

    state: DeliveryState
    due_at: datetime | None = None
    failure_type: FailureType = FailureType.NONE
    reason: Reason | None = None
    blame: Blame | None = None
    is_server_trouble: bool = False


_SENT = Judgement(state=DeliveryState.SENT)


def judge(
    outcome: WireOutcome, *, attempt_count: int, deadline_at: datetime, now: datetime, jitter: float
) -> Judgement:
    """``attempt_count`` counts the attempts before this one."""
    if outcome.is_accepted:
        return _SENT
    if outcome.is_unknown:
        return Judgement(
            state=DeliveryState.UNKNOWN,
            failure_type=FailureType.UNKNOWN,
            reason=because("outcome.unknown", trouble=outcome.trouble),
            blame=Blame.NETWORK,
        )
    if is_server_trouble(outcome):
        return _wait_for_server(outcome, deadline_at, now)
    reply = outcome.reply
    if reply is not None and reply.is_permanent:
        return Judgement(
            state=DeliveryState.FAILED,
            failure_type=_failure_type(outcome),
            reason=because("outcome.refused", reply=reply),
            blame=_blame(outcome),
        )
    why = (
        because("wait.transient", reply=reply)
        if reply is not None
        else because("wait.connection", trouble=outcome.trouble)
    )
    who = _blame(outcome)
    due_at = next_attempt(attempt_count + 1, now, jitter)
    if now >= deadline_at:
        return given_up(why, who)
    return Judgement(state=DeliveryState.DEFERRED, due_at=min(due_at, max(deadline_at, now)), reason=why, blame=who)


def is_server_trouble(outcome: WireOutcome) -> bool:
    """Whether it says something about the server, and nothing about the mail."""
    if outcome.phase.is_before_mail:
        return True
    return outcome.phase is Phase.MAIL and outcome.reply is not None and outcome.reply.code in (421, *_LOGIN_WANTED)


def trouble_text(outcome: WireOutcome) -> str:
    """What went wrong with the server, in words that a person can act on."""
    said = f"it said {outcome.reply}" if outcome.reply is not None else outcome.trouble or "no answer"
    return f"{_STEPS.get(outcome.phase, outcome.phase.value)}: {said}"


def given_up(why: Reason, who: Blame) -> Judgement:
    """The deadline is over."""
    return Judgement(
        state=DeliveryState.FAILED,
        failure_type=FailureType.MAIL_SMTP,
        reason=because("outcome.given_up", last=why),
        blame=who,
    )


def _wait_for_server(outcome: WireOutcome, deadline_at: datetime, now: datetime) -> Judgement:
    who = Blame.SERVER if outcome.reply is not None else Blame.NETWORK
    why = because("wait.broken", server=outcome.connection.rpartition("#")[0], trouble=trouble_text(outcome))
    if now >= deadline_at:
        return given_up(why, who)
    return Judgement(state=DeliveryState.DEFERRED, reason=why, blame=who, is_server_trouble=True)


def _blame(outcome: WireOutcome) -> Blame:
    """An address that is spoken of at MAIL is the sender's; and who took the recipient and denies him at DATA is confused: neither
    says anything against the recipient."""
    if outcome.reply is None:
        return Blame.NETWORK
    who = blame_of(outcome.reply)
    if who is Blame.ADDRESS and outcome.phase is Phase.MAIL:
        return Blame.SENDER
    if who is Blame.ADDRESS and outcome.phase is Phase.DATA:
        return Blame.SERVER
    return who


def _failure_type(outcome: WireOutcome) -> FailureType:
    match outcome.phase:
        case Phase.RCPT if _blame(outcome) is Blame.ADDRESS:
            return FailureType.MAIL_EMAIL_INVALID
        case Phase.MAIL if _blame(outcome) is Blame.SENDER:
            return FailureType.MAIL_FROM_INVALID
        case _:
            return FailureType.MAIL_SMTP


_STEPS = {
    Phase.CONNECT: "Connecting failed",
    Phase.GREETING: "The greeting failed",
    Phase.EHLO: "EHLO failed",
    Phase.STARTTLS: "Encryption failed",
    Phase.AUTH: "The login failed",
    Phase.MAIL: "It takes no mail",
}
