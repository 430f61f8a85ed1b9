"""Automation rules: when one fires, and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from postroom.core.conversations.automation import (
    BETWEEN_MESSAGES,
    Conditions,
    Occurrence,
    Outcome,
    Standing,
    Step,
    judge,
    next_in_turn,
    plan,
)
from postroom.core.terms.automation import (
    MOST_ACTIONS,
    Action,
    ActionError,
    AddFollowers,
    LogNote,
    PlanActivity,
    RemoveFollowers,
    Responsible,
    SendMessage,
    SetResponsible,
    SetStage,
    Side,
    Trigger,
    Via,
    action_as_json,
    read_actions,
    read_words,
)
from postroom.core.terms.reasons import SENTENCES
from postroom.core.terms.states import ActivityKind

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULE = Conditions(rule_id=1, company_id=7, trigger=Trigger.CREATED)
MAIL = Occurrence(
    trigger=Trigger.CREATED,
    company_id=7,
    kind="ticket",
    stage="New",
    alias_id=3,
    responsible_id=None,
    side=Side.CUSTOMER,
    subject="Re: Invoice 12 – URGENT",
    via=Via.MAIL,
)
STANDING = Standing(
    now=NOON,
    stage="New",
    stages=("New", "In progress", "Done"),
    responsible_id=None,
    customer="Carla",
    followers=frozenset({10}),
    members={1: "Alice", 2: "Bob", 3: "Charlie"},
    contacts={10: "Alice", 11: "Bob"},
    templates={5: "Welcome"},
    may_answer=True,
    sent_at=None,
    last_member_id=None,
)
HELLO = SendMessage(template_id=5)


def codes(rule: Conditions, seen: Occurrence = MAIL) -> tuple[bool, list[str]]:
    verdict = judge(rule, seen)
    return verdict.fires, [reason.code for reason in verdict.reasons]


def one(action: Action, **standing: object) -> Step:
    return plan([action], replace(STANDING, **standing))[0]  # type: ignore[arg-type]


def test_a_rule_without_conditions_fires_and_says_what_happened() -> None:
    assert codes(RULE) == (True, ["rule.created.mail"])
    assert codes(RULE, replace(MAIL, via=Via.PROGRAM)) == (True, ["rule.created.program"])


def test_a_rule_that_fits_everything_fires() -> None:
    rule = replace(
        RULE,
        via=Via.MAIL,
        kind="ticket",
        stage="New",
        alias_id=3,
        responsible=Responsible.NONE,
        side=Side.CUSTOMER,
        words=read_words("order, urgent"),
    )
    assert codes(rule) == (True, ["rule.created.mail"])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"trigger": Trigger.STAGE}, "rule.not.trigger"),
        ({"via": Via.PERSON}, "rule.not.via"),
        ({"kind": "lead"}, "rule.not.kind"),
        ({"stage": "Done"}, "rule.not.stage"),
        ({"alias_id": 4}, "rule.not.alias"),
        ({"responsible": Responsible.SOMEBODY}, "rule.not.nobody"),
        ({"side": Side.COLLEAGUE}, "rule.not.side"),
        ({"words": ("order", "offer")}, "rule.not.words"),
    ],
)
def test_one_condition_that_does_not_fit_keeps_the_rule_from_firing_and_is_named(
    wrong: dict[str, object], code: str
) -> None:
    assert codes(replace(RULE, **wrong)) == (False, [code])  # type: ignore[arg-type]


def test_where_somebody_must_be_missing_nobody_may_be_responsible() -> None:
    rule = replace(RULE, responsible=Responsible.NONE)
    assert codes(rule, replace(MAIL, responsible_id=2)) == (False, ["rule.not.responsible"])


def test_a_rule_of_another_company_never_fires() -> None:
    assert judge(RULE, replace(MAIL, company_id=8)).fires is False


@pytest.mark.parametrize("waited", [None, timedelta(hours=3, minutes=59)])
def test_a_rule_that_waits_fires_only_when_somebody_has_waited_that_long(waited: timedelta | None) -> None:
    rule = replace(RULE, trigger=Trigger.UNANSWERED, hours=4)
    seen = replace(MAIL, trigger=Trigger.UNANSWERED, waited=waited)
    assert codes(rule, seen) == (False, ["rule.not.waiting"])
    assert codes(rule, replace(seen, waited=timedelta(hours=4))) == (True, ["rule.unanswered"])


def test_every_cause_has_its_sentence() -> None:
    for trigger in Trigger:
        for via in Via:
            seen = replace(MAIL, trigger=trigger, via=via, waited=timedelta(hours=9))
            verdict = judge(replace(RULE, trigger=trigger, hours=9), seen)
            assert verdict.fires
            assert all(reason.code in SENTENCES and "?" not in str(reason) for reason in verdict.reasons)


def test_a_message_goes_to_the_customer() -> None:
    step = one(HELLO)
    assert (step.outcome, str(step.reason)) == (Outcome.DO, "sends Welcome to Carla")


@pytest.mark.parametrize(
    ("standing", "outcome", "code"),
    [
        ({"may_answer": False}, Outcome.LEAVE, "rule.left.automatic"),
        ({"customer": ""}, Outcome.LEAVE, "rule.left.nobody"),
        ({"sent_at": NOON - timedelta(minutes=59)}, Outcome.LEAVE, "rule.left.lately"),
        ({"templates": {}}, Outcome.TROUBLE, "rule.trouble.template"),
    ],
)
def test_a_message_that_must_not_be_sent_is_left_out(standing: dict[str, object], outcome: Outcome, code: str) -> None:
    step = one(HELLO, **standing)
    assert (step.outcome, step.reason.code) == (outcome, code)


def test_after_an_hour_a_rule_may_write_again() -> None:
    assert one(HELLO, sent_at=NOON - BETWEEN_MESSAGES).outcome is Outcome.DO


def test_one_rule_writes_once_however_often_it_says_so() -> None:
    assert [step.outcome for step in plan([HELLO, HELLO], STANDING)] == [Outcome.DO, Outcome.LEAVE]


def test_a_machines_mail_is_not_answered_and_still_filed() -> None:
    steps = plan([HELLO, SetStage(stage="In progress"), LogNote(template_id=5)], replace(STANDING, may_answer=False))
    assert [step.outcome for step in steps] == [Outcome.LEAVE, Outcome.DO, Outcome.DO]


def test_each_step_sees_what_those_before_it_changed() -> None:
    actions = [
        SetStage(stage="Done"),
        SetStage(stage="Done"),
        SetResponsible(member_ids=(2,)),
        PlanActivity(kind=ActivityKind.CALL, summary="Call back", days=1),
        AddFollowers(contact_ids=(11,)),
        RemoveFollowers(contact_ids=(11,)),
    ]
    steps = plan(actions, STANDING)
    assert [step.outcome for step in steps] == [Outcome.DO, Outcome.LEAVE, *[Outcome.DO] * 4]
    assert steps[3].people == (2,)


def test_people_who_are_not_there_are_trouble_and_hinder_no_other_step() -> None:
    steps = plan([AddFollowers(contact_ids=(99,)), SetResponsible(member_ids=(9,)), SetStage(stage="Done")], STANDING)
    assert [step.outcome for step in steps] == [Outcome.TROUBLE, Outcome.TROUBLE, Outcome.DO]


def test_whoever_follows_no_longer_may_be_anybody() -> None:
    assert one(RemoveFollowers(contact_ids=(99,)), followers=frozenset({99})).outcome is Outcome.DO
    assert one(RemoveFollowers(contact_ids=(11,))).outcome is Outcome.LEAVE
    assert one(AddFollowers(contact_ids=(10,))).outcome is Outcome.LEAVE


def test_a_stage_that_the_kind_does_not_have_is_trouble() -> None:
    assert one(SetStage(stage="Shipped")).outcome is Outcome.TROUBLE
    assert one(SetStage(stage="Shipped"), stages=()).outcome is Outcome.DO


def test_an_activity_needs_somebody() -> None:
    action = PlanActivity(kind=ActivityKind.CALL, summary="", days=0)
    assert one(action).outcome is Outcome.LEAVE
    assert one(action, responsible_id=9).outcome is Outcome.TROUBLE
    assert str(one(action, responsible_id=2).reason) == "plans call for Bob"


@pytest.mark.parametrize(
    ("last", "there", "chosen"),
    [
        (None, {1, 2, 3}, 1),
        (1, {1, 2, 3}, 2),
        (3, {1, 2, 3}, 1),
        (1, {1, 3}, 3),
        (2, {2}, 2),
        (9, {3}, 3),
        (1, set(), None),
    ],
)
def test_each_in_turn_and_who_is_away_is_passed_over(last: int | None, there: set[int], chosen: int | None) -> None:
    assert next_in_turn((1, 2, 3), there, last) == chosen


def test_who_is_responsible_stays_it() -> None:
    assert one(SetResponsible(member_ids=(1, 2)), responsible_id=2).outcome is Outcome.LEAVE
    assert one(SetResponsible(member_ids=(2,)), responsible_id=2).outcome is Outcome.LEAVE
    assert one(SetResponsible(member_ids=(1,)), responsible_id=2).people == (1,)


ALL: tuple[Action, ...] = (
    HELLO,
    LogNote(template_id=6),
    AddFollowers(contact_ids=(1, 2)),
    RemoveFollowers(contact_ids=(3,)),
    SetResponsible(member_ids=(4, 5)),
    SetStage(stage="Done"),
    PlanActivity(kind=ActivityKind.CALL, summary="Call", days=3, member_id=4),
    PlanActivity(kind=ActivityKind.TO_DO, summary="", days=0),
)


def test_actions_are_read_back_as_they_were_written() -> None:
    assert read_actions([action_as_json(action) for action in ALL]) == ALL


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        "message",
        [1],
        [{}],
        [{"do": "explode"}],
        [{"do": "message"}],
        [{"do": "message", "template": "5"}],
        [{"do": "note", "template": True}],
        [{"do": "note", "template": -1}],
        [{"do": "follow", "contacts": []}],
        [{"do": "follow", "contacts": "12"}],
        [{"do": "unfollow", "contacts": [1, "x"]}],
        [{"do": "responsible", "members": list(range(1, 60))}],
        [{"do": "stage", "stage": "  "}],
        [{"do": "activity", "kind": "party", "days": 1}],
        [{"do": "activity", "kind": "call", "days": -1}],
        [{"do": "activity", "kind": "call", "days": True}],
        [{"do": "activity", "kind": "call", "days": 1, "member": "x"}],
        [{"do": "stage", "stage": "Done"}] * (MOST_ACTIONS + 1),
    ],
)
def test_what_is_no_action_is_told(rows: object) -> None:
    with pytest.raises(ActionError):
        read_actions(rows)


def test_words_are_separated_by_commas_and_know_no_case() -> None:
    assert read_words(" Order ,  past   due,,ORDER") == ("order", "past due")
