"""What an outcome on the wire means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postroom.core.delivery.outcomes import Judgement, judge, trouble_text
from postroom.core.delivery.retry import OPENINGS, PAUSES, circuit_open_until, next_attempt
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.core.terms.states import Blame, DeliveryState, FailureType

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def judged(phase: Phase, code: int = 0, text: str = "", *, attempts: int = 0, left: timedelta = DAY) -> Judgement:
    reply = SmtpReply(code, text[:5] if text[:1].isdigit() else "", text) if code else None
    outcome = WireOutcome(
        key=1, phase=phase, reply=reply, trouble="" if code else "connection reset", connection="h:25#1"
    )
    return judge(outcome, attempt_count=attempts, deadline_at=NOW + left, now=NOW, jitter=0.5)


def test_a_positive_reply_to_the_end_of_data_is_sent() -> None:
    assert judged(Phase.BODY, 250).state is DeliveryState.SENT


@pytest.mark.case("T-139")
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY])
def test_a_permanent_refusal_fails(phase: Phase) -> None:
    found = judged(phase, 554, "not wanted")
    assert (found.state, found.failure_type, found.due_at) == (DeliveryState.FAILED, FailureType.MAIL_SMTP, None)
    assert str(found.reason) == "The server said: 554 not wanted"


def test_an_unknown_recipient_is_the_fault_of_the_address() -> None:
    found = judged(Phase.RCPT, 550, "5.1.1 User unknown")
    assert (found.state, found.blame) == (DeliveryState.FAILED, Blame.ADDRESS)
    assert found.failure_type is FailureType.MAIL_EMAIL_INVALID


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY])
def test_a_transient_refusal_is_tried_again_later(phase: Phase) -> None:
    found = judged(phase, 451, "come again")
    assert found.state is DeliveryState.DEFERRED
    assert found.due_at == NOW + timedelta(minutes=1) * 1.125
    assert not found.is_server_trouble


def test_after_the_deadline_a_transient_refusal_is_a_failure() -> None:
    found = judged(Phase.RCPT, 451, "mailbox busy", attempts=30, left=timedelta(0))
    assert (found.state, found.failure_type) == (DeliveryState.FAILED, FailureType.MAIL_SMTP)
    assert "mailbox busy" in str(found.reason)


def test_the_last_try_is_at_the_deadline_not_behind_it() -> None:
    assert judged(Phase.RCPT, 451, attempts=7, left=timedelta(minutes=3)).due_at == NOW + timedelta(minutes=3)


@pytest.mark.case("T-137", "T-175", "T-176")
@pytest.mark.parametrize(
    ("phase", "code"),
    [
        (Phase.CONNECT, 0),
        (Phase.GREETING, 554),
        (Phase.EHLO, 0),
        (Phase.STARTTLS, 454),
        (Phase.AUTH, 535),
        (Phase.MAIL, 421),
        (Phase.MAIL, 530),
    ],
)
def test_trouble_with_the_server_is_not_the_mails(phase: Phase, code: int) -> None:
    found = judged(phase, code, "no")
    assert found.is_server_trouble
    assert (found.state, found.due_at, found.failure_type) == (DeliveryState.DEFERRED, None, FailureType.NONE)


@pytest.mark.case("T-137")
def test_even_a_server_that_is_down_does_not_keep_a_mail_for_ever() -> None:
    assert judged(Phase.CONNECT, left=timedelta(0)).state is DeliveryState.FAILED


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA])
def test_a_connection_that_breaks_before_the_content_is_tried_again(phase: Phase) -> None:
    found = judged(phase)
    assert (found.state, found.blame) == (DeliveryState.DEFERRED, Blame.NETWORK)


def test_a_421_for_one_recipient_does_not_stop_the_others() -> None:
    assert not judged(Phase.RCPT, 421, "4.7.0 slow down").is_server_trouble


def test_nobody_knows_what_became_of_a_mail_whose_reply_never_came() -> None:
    found = judged(Phase.BODY)
    assert (found.state, found.failure_type) == (DeliveryState.UNKNOWN, FailureType.UNKNOWN)
    assert "connection reset" in str(found.reason)


def test_trouble_is_told_with_the_step_that_failed() -> None:
    reply = SmtpReply(535, "5.7.8", "bad password")
    outcome = WireOutcome(key=1, phase=Phase.AUTH, reply=reply)
    assert trouble_text(outcome) == "The login failed: it said 535 5.7.8 bad password"


def test_pauses_grow_and_are_spread() -> None:
    first = [next_attempt(count, NOW, 0.0) - NOW for count in range(1, 12)]
    assert first == sorted(first)
    assert first[0] == PAUSES[0]
    assert first[-1] == PAUSES[-1]
    assert PAUSES[0] < next_attempt(1, NOW, 0.99) - NOW < PAUSES[0] * 1.25


def test_a_server_in_trouble_rests_longer_each_time() -> None:
    rests = [circuit_open_until(count, NOW) - NOW for count in range(1, 9)]
    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (OPENINGS[0], OPENINGS[-1])
