"""The doctor for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from postroom.store.models import Company, Member

Programs = Callable[["Member"], Any]


@pytest.fixture
def owner(company: Company) -> Member:
    from postroom.core.terms.states import Role
    from tests.web import seeding

    return seeding.a_member("olga", "Olga Owner", company, Role.ADMINISTRATOR)


def test_programs_get_findings_causes_first_without_asking_anybody(owner: Member, program: Programs) -> None:
    told = program(owner).get("/health").json()
    assert (told["ok"], told["asked"], told["walk"]) == (False, False, None)
    first = told["findings"][0]
    assert {"code", "severity", "subject", "evidence", "cause", "cure", "who", "records", "follows"} <= first.keys()
    assert "server_missing" in {one["code"] for one in told["findings"]}
    alone = program(owner).get("/health", only="server_missing").json()
    assert {one["code"] for one in alone["findings"]} == {"server_missing"}


def test_a_finding_says_since_when_once_the_watch_has_seen_it(owner: Member, program: Programs) -> None:
    from datetime import UTC, datetime

    from postroom.store.models import WatchedFinding

    (before,) = program(owner).get("/health", only="server_missing").json()["findings"]
    assert before["since"] is None
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    WatchedFinding.objects.create(
        key="server_missing the house", code="server_missing", severity="error", subject="the house", cause={}, cure={},
        who="administrator", first_seen_at=at, last_seen_at=at,
    )  # fmt: skip
    told = program(owner).get("/health", only="server_missing").json()
    assert datetime.fromisoformat(told["findings"][0]["since"]) == at
    assert told["moments"] == []


def test_a_symptom_is_walked_through(owner: Member, program: Programs) -> None:
    walk = program(owner).get("/health", symptom="duplicates").json()["walk"]
    assert (walk["ok"], walk["found"]) == (True, [])
    assert [one["look"] for one in walk["looked_at"]] == ["same_filter", "readers", "outcomes", "machine"]
    assert walk["next"].startswith("Compare the Message-ID")


def test_it_is_for_administrators_of_the_house(alice: Member, program: Programs) -> None:
    assert program(alice).get("/health").status_code == 403


@pytest.mark.parametrize("wish", [{"symptom": "sadness"}, {"only": "nothing_of_that_name"}])
def test_what_there_is_not_is_refused(owner: Member, program: Programs, wish: dict[str, str]) -> None:
    assert program(owner).get("/health", **wish).status_code == 422
