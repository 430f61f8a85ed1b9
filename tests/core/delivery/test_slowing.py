"""When a destination asks us to slow down, and what follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.delivery.slowing import (
    FREE_FROM,
    HOLD,
    STEP_AFTER,
    Slowness,
    asks_to_slow_down,
    recovered,
    server_asks_to_slow_down,
    slowed,
)
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import read_reply

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FREE = Slowness(per_minute=0, until=None)


def said(line: str, phase: Phase = Phase.RCPT) -> WireOutcome:
    return WireOutcome(key=1, phase=phase, reply=read_reply(int(line[:3]), [line[4:]]))


@pytest.mark.parametrize(
    "line",
    [
        "421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume",
        "421 4.7.28 Our system has detected an unusual rate of unsolicited mail",
        "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
        "451 4.7.500 Server busy. Please try again later",
        "452 4.5.3 Too many recipients",
        "451 4.3.2 Please try again: rate limit exceeded",
        "450 Requested action not taken: too many messages per minute",
    ],
)
def test_such_replies_ask_us_to_slow_down(line: str) -> None:
    assert asks_to_slow_down(said(line))
    assert asks_to_slow_down(said(line, Phase.BODY))


@pytest.mark.parametrize(
    "line",
    [
        "250 2.0.0 OK",
        "451 4.7.1 Greylisted, please try again in 300 seconds",
        "450 4.7.1 You are graylisted, come back later",
        "450 4.2.0 Mailbox busy",
        "452 4.2.2 Mailbox full",
        "550 5.7.1 Too many messages: blocked",
    ],
)
def test_such_replies_do_not(line: str) -> None:
    assert not asks_to_slow_down(said(line))


def test_before_the_recipient_is_named_it_is_the_server_that_speaks() -> None:
    assert not asks_to_slow_down(said("421 4.7.0 Too many", Phase.MAIL))
    assert not asks_to_slow_down(WireOutcome(key=1, phase=Phase.BODY, reply=None, trouble="reset"))


def test_the_first_rate_is_half_of_what_it_took_in_the_last_minute() -> None:
    found = slowed(FREE, 240, NOW)
    assert found == Slowness(per_minute=120, until=NOW + STEP_AFTER, changed_at=NOW)


def test_it_is_halved_again_when_it_asks_again_and_once_for_many_mails() -> None:
    first = slowed(FREE, 240, NOW)
    assert first is not None
    assert slowed(first, 240, NOW + HOLD / 2) is None
    second = slowed(first, 110, NOW + 2 * HOLD)
    assert second is not None
    assert second.per_minute == 55


def test_it_becomes_faster_step_by_step_and_free_in_the_end() -> None:
    slow = Slowness(per_minute=100, until=NOW + STEP_AFTER)
    rates = [recovered(slow, NOW + steps * STEP_AFTER).per_minute for steps in range(9)]
    assert rates == [100, 150, 225, 337, 505, 757, 1135, 0, 0]


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 100_000))
def test_slower_is_always_slower_and_never_nothing(rate: int, observed: int, seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    slow = Slowness(per_minute=rate, until=NOW if rate else None)
    present = recovered(slow, now).per_minute
    assert present == 0 or rate <= present < FREE_FROM or present == rate
    found = slowed(slow, observed, now)
    assert found is not None
    assert found.per_minute >= 1
    if present > 1:
        assert found.per_minute < present


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("421 4.7.0 Try again later, closing connection", Phase.GREETING),
        ("421 Too many messages from you today", Phase.MAIL),
        ("421 4.7.28 Unusual rate of mail", Phase.MAIL),
        ("451 4.3.2 rate limit exceeded", Phase.MAIL),
    ],
)
def test_a_server_that_asks_for_less_before_it_knows_for_whom_speaks_of_itself(line: str, phase: Phase) -> None:
    assert server_asks_to_slow_down(said(line, phase))
    assert not asks_to_slow_down(said(line, phase))


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("421 4.3.2 Service shutting down", Phase.MAIL),
        ("421 Service not available", Phase.GREETING),
        ("454 4.7.0 Temporary authentication failure", Phase.AUTH),
        ("450 4.7.1 Client host rejected: cannot find your hostname", Phase.MAIL),
        ("451 4.7.1 Greylisted: too many new senders", Phase.MAIL),
        ("554 5.7.1 Too many messages", Phase.GREETING),
        ("421 4.7.28 Unusual rate of mail", Phase.RCPT),
    ],
)
def test_what_goes_down_refuses_a_login_or_means_the_recipient_does_not(line: str, phase: Phase) -> None:
    assert not server_asks_to_slow_down(said(line, phase))
