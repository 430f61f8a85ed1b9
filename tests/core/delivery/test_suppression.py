"""The rule of suppression: several bounces spread over time, one proof, a complaint; and nothing else."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.delivery.suppression import (
    FULL,
    AddressTrouble,
    Evidence,
    Rules,
    Spare,
    Suppress,
    fault_of,
    judge,
    proves_absence,
    rules_of,
    warnings_of,
)
from postroom.core.terms.parameters import PARAMETERS, ParameterError, Parameters
from postroom.core.terms.states import Blame, EvidenceKind, SuppressionCause

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
RULES = Rules()


def bounce(days_ago: float, fault: str = "mailbox", *, key: str = "", is_proof: bool = False) -> Evidence:
    return Evidence(
        key=key or f"b{days_ago}",
        kind=EvidenceKind.BOUNCED,
        at=NOW - timedelta(days=days_ago),
        fault=fault,
        is_proof=is_proof,
        reply="550 5.1.1 No such user" if is_proof else "550 5.2.1 Mailbox disabled",
    )


def complaint(days_ago: float) -> Evidence:
    return Evidence(key=f"c{days_ago}", kind=EvidenceKind.COMPLAINED, at=NOW - timedelta(days=days_ago))


FIVE = [bounce(day) for day in (20, 15, 10, 5, 1)]


def test_five_bounces_within_a_month_spread_over_more_than_a_week_suppress() -> None:
    decision = judge(FIVE, NOW, RULES)
    assert isinstance(decision, Suppress)
    assert decision.cause is SuppressionCause.BOUNCES
    assert decision.evidence == ("b20", "b15", "b10", "b5", "b1")
    assert str(decision.reasons[0]) == "5 bounces from 2026-03-11 to 2026-03-30."


def test_four_do_not() -> None:
    decision = judge(FIVE[:4], NOW, RULES)
    assert isinstance(decision, Spare)
    assert str(decision.reasons[0]) == "4 of 5 bounces within 30 days that speak against the address."


def test_five_of_which_one_is_older_than_a_month_do_not() -> None:
    assert isinstance(judge([*FIVE[1:], bounce(30)], NOW, RULES), Spare)


def test_a_bad_week_is_not_enough_and_a_second_more_is() -> None:
    week = [bounce(day) for day in (8, 4, 3, 2)]
    assert isinstance(judge([*week, bounce(1)], NOW, RULES), Spare)
    assert isinstance(judge([*week, bounce(1 - 1 / 86_400)], NOW, RULES), Suppress)


def test_one_proof_that_the_address_does_not_exist_is_enough() -> None:
    decision = judge([bounce(0, "address", is_proof=True)], NOW, RULES)
    assert isinstance(decision, Suppress)
    assert decision.cause is SuppressionCause.ADDRESS
    assert str(decision.reasons[0]) == "The address does not exist: 550 5.1.1 No such user"


@pytest.mark.parametrize("fault", [FULL, "policy", "sender", "server", "network"])
def test_what_is_somebody_elses_fault_never_suppresses(fault: str) -> None:
    many = [bounce(day, fault) for day in range(29)]
    assert isinstance(judge(many, NOW, RULES), Spare)


def test_which_faults_count_is_a_parameter() -> None:
    everything = frozenset(["address", "mailbox", FULL, *Blame])
    many = [bounce(day, FULL) for day in (20, 15, 10, 5, 1)]
    assert isinstance(judge(many, NOW, Rules(counted=everything)), Suppress)


def test_only_a_permanent_refusal_of_the_address_proves_that_it_does_not_exist() -> None:
    assert proves_absence("address", is_permanent=True)
    assert not proves_absence("address", is_permanent=False)
    assert not any(proves_absence(who, is_permanent=True) for who in Blame if who is not Blame.ADDRESS)


def test_a_full_mailbox_is_told_apart_from_a_closed_one() -> None:
    assert fault_of("mailbox", "5.2.2", "") == FULL
    assert fault_of("mailbox", "5.2.0", "452 Over QUOTA") == FULL
    assert fault_of("mailbox", "5.2.1", "550 mailbox disabled") == "mailbox"
    assert fault_of("address", "5.1.1", "the mailbox is full of holes") == "address"


def test_a_complaint_is_an_opt_out_for_good_and_stands_above_all() -> None:
    rules = Rules(expiry=timedelta(days=90))
    decision = judge([*FIVE, bounce(0, "address", is_proof=True), complaint(2)], NOW, rules)
    assert isinstance(decision, Suppress)
    assert (decision.cause, decision.expires_at) == (SuppressionCause.COMPLAINT, None)
    assert SuppressionCause.COMPLAINT.outranks(SuppressionCause.MANUAL)
    assert SuppressionCause.ADDRESS.outranks(SuppressionCause.BOUNCES)
    assert not SuppressionCause.BOUNCES.outranks(SuppressionCause.BOUNCES)


def test_bounces_end_by_themselves_when_the_rule_says_so() -> None:
    decision = judge(FIVE, NOW, Rules(expiry=timedelta(days=90)))
    assert isinstance(decision, Suppress)
    assert decision.expires_at == NOW + timedelta(days=90)


def test_what_came_before_a_release_is_spent() -> None:
    released = NOW - timedelta(hours=1)
    before = [*FIVE, bounce(0.5, "address", is_proof=True), complaint(2)]
    assert isinstance(judge(before, NOW, RULES, released_at=released), Spare)
    after = bounce(0.01, "address", is_proof=True)
    assert isinstance(judge([*before, after], NOW, RULES, released_at=released), Suppress)


def test_a_sign_of_life_outweighs_bounces_from_before_it_but_no_complaint() -> None:
    alive = NOW - timedelta(days=3)
    assert isinstance(judge([*FIVE, bounce(4, is_proof=True, key="p")], NOW, RULES, alive_at=alive), Spare)
    assert isinstance(judge([complaint(4)], NOW, RULES, alive_at=alive), Suppress)


def test_without_a_count_only_proofs_and_complaints_suppress() -> None:
    rules = Rules(bounces=0)
    assert isinstance(judge([bounce(day) for day in range(29)], NOW, rules), Spare)
    assert isinstance(judge([bounce(1, "address", is_proof=True)], NOW, rules), Suppress)


events = st.lists(
    st.builds(
        Evidence,
        key=st.integers(0, 12).map(str),
        kind=st.sampled_from([*[EvidenceKind.BOUNCED] * 6, EvidenceKind.COMPLAINED]),
        at=st.integers(0, 40 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
        fault=st.sampled_from(["address", "mailbox", "mailbox", FULL, "policy", "sender"]),
        is_proof=st.sampled_from([False] * 9 + [True]),
    ),
    max_size=14,
    unique_by=lambda one: one.key,
)


@given(events, st.randoms(use_true_random=False), st.booleans())
def test_order_and_repetition_decide_nothing(
    given_events: list[Evidence], dice: random.Random, is_released: bool
) -> None:
    released = NOW - timedelta(days=9) if is_released else None
    expected = judge(given_events, NOW, RULES, released_at=released)
    again = [*given_events, *dice.sample(given_events, len(given_events) // 2)]
    dice.shuffle(again)
    assert judge(again, NOW, RULES, released_at=released) == expected


@given(events)
def test_who_is_suppressed_is_suppressed_for_a_reason_of_the_documents(given_events: list[Evidence]) -> None:
    """An independent reading of the rule."""
    decision = judge(given_events, NOW, RULES)
    counted = sorted(
        one.at
        for one in given_events
        if one.kind is EvidenceKind.BOUNCED
        and one.fault in ("address", "mailbox")
        and NOW - one.at < timedelta(days=30)
    )
    by_count = len(counted) >= 5 and counted[-1] - counted[0] > timedelta(days=7)
    by_proof = any(one.is_proof and one.kind is EvidenceKind.BOUNCED for one in given_events)
    by_complaint = any(one.kind is EvidenceKind.COMPLAINED for one in given_events)
    assert isinstance(decision, Suppress) is (by_count or by_proof or by_complaint)
    assert decision.reasons


def test_the_rules_are_those_of_the_parameters() -> None:
    assert rules_of(Parameters({})) == RULES
    changed = rules_of(
        Parameters(
            {
                "mail.suppression.bounces": "3",
                "mail.suppression.within_days": "91",
                "mail.suppression.spread_days": "2",
                "mail.suppression.faults": "address",
                "mail.suppression.expiry_days": "180",
            }
        )
    )
    assert changed == Rules(
        bounces=3,
        within=timedelta(days=91),
        spread=timedelta(days=2),
        counted=frozenset({"address"}),
        expiry=timedelta(days=180),
    )


def test_faults_are_words_that_there_are() -> None:
    clean = PARAMETERS["mail.suppression.faults"].clean
    assert clean("Mailbox, address") == "address,mailbox"
    assert clean("") == ""
    with pytest.raises(ParameterError, match="address, mailbox, full"):
        clean("address, weather")


def test_who_writes_is_warned_with_the_servers_words() -> None:
    trouble = AddressTrouble(
        bounces=5,
        first_bounced_at=NOW - timedelta(days=20),
        last_bounced_at=NOW - timedelta(days=1),
        last_reply="550 5.2.1 Mailbox disabled",
        complained_at=NOW - timedelta(days=2),
        suppressed_since=NOW,
    )
    assert [str(one) for one in warnings_of(trouble)] == [
        "Bounced 5 times since 2026-03-11, last on 2026-03-30: 550 5.2.1 Mailbox disabled",
        "Its reader called a mail of ours unwanted on 2026-03-29.",
        "Campaigns leave it out since 2026-03-31. This message is sent all the same.",
    ]
    once = AddressTrouble(bounces=1, first_bounced_at=NOW, last_bounced_at=NOW, last_reply="550 no")
    assert [str(one) for one in warnings_of(once)] == ["Bounced on 2026-03-31: 550 no"]
    assert warnings_of(AddressTrouble()) == ()


def test_a_hostile_reply_costs_no_time() -> None:
    assert fault_of("mailbox", "", "not enough " * 100_000) == "mailbox"
