"""postroom rules: what there is, and what one would do."""

from __future__ import annotations

import pytest

from postroom.flows.automation_rules import save_rule
from postroom.flows.records import create_record
from postroom.store.models import AutomationRule, Record
from postroom.wiring import ports
from tests.cli.conftest import Command
from tests.people import House, build_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def rule(house: House) -> AutomationRule:
    values = {
        "name": "File it",
        "company_id": house.company.pk,
        "trigger": "created",
        "words": "parcel",
        "actions": [{"do": "stage", "stage": "Solved"}],
    }
    return save_rule(ports(), values, member=house.alice)


@pytest.fixture
def record(house: House) -> Record:
    return create_record(ports(), company_id=house.company.pk, kind="ticket", title="A parcel", author=house.alice)


def test_rules_are_listed(postroom: Command, rule: AutomationRule) -> None:
    (row,) = postroom("rules", "list", "--json").data
    assert (row["name"], row["active"], row["trigger"], row["count"]) == ("File it", True, "created", 0)
    assert row["actions"] == [{"do": "stage", "stage": "Solved"}]
    assert "File it" in postroom("rules", "list").out


def test_trying_one_shows_what_it_would_do_and_does_nothing(
    postroom: Command, rule: AutomationRule, record: Record
) -> None:
    answer = postroom("rules", "test", "File it", str(record.pk), "--json")
    assert answer.code == 0
    assert answer.data["fires"]
    assert [(step["outcome"], step["code"]) for step in answer.data["steps"]] == [("do", "rule.did.stage")]
    record.refresh_from_db()
    assert record.stage == "New"
    assert "sets the stage to Solved" in postroom("rules", "test", str(rule.pk), str(record.pk)).out


def test_a_rule_that_would_not_fire_says_why(postroom: Command, rule: AutomationRule, record: Record) -> None:
    AutomationRule.objects.update(words="invoice")
    answer = postroom("rules", "test", "File it", str(record.pk))
    assert answer.code == 1
    assert "Its subject has none of these words: invoice." in answer.out


def test_what_there_is_not_is_a_wrong_question(postroom: Command, rule: AutomationRule, record: Record) -> None:
    assert postroom("rules", "test", "Nothing", str(record.pk)).code == 2
    assert postroom("rules", "test", "File it", "999999").code == 2
