"""The blacklist for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from postroom.store.models import AddressHealth, Company, Member, Suppression
from tests.web import bouncing

CARLA = "carla@customer.example"
Programs = Callable[[Member], Any]


@pytest.fixture
def carla(company: Company) -> AddressHealth:
    return bouncing.some_addresses(company)


def test_the_list_and_one_address_tell_why(carla: AddressHealth, alice: Member, program: Programs) -> None:
    answer = program(alice).get("/suppressions", limit=3).json()
    assert [row["address"] for row in answer["rows"]][:2] == ["press@atlas.example", "grace@lagosprints.example"]
    assert answer["next"]
    rest = program(alice).get("/suppressions", after=answer["next"]).json()
    assert CARLA in [row["address"] for row in rest["rows"]]
    story = program(alice).get(f"/suppressions/{carla.pk}").json()
    assert story["address"]["suppression"]["cause"] == "bounces"
    assert len(story["events"]) == 5
    assert story["events"][0]["reply"] == bouncing.CLOSED
    bounced = program(alice).get("/suppressions", view="bouncing", search="tanaka").json()["rows"]
    assert [row["address"] for row in bounced] == ["yuki@tanaka-paper.example"]


def test_an_address_is_put_on_checked_and_released(company: Company, alice: Member, program: Programs) -> None:
    calls = program(alice)
    made = calls.send("post", "/suppressions", {"address": "DORA@customer.example", "why": "asked for it", "days": 3})
    assert made.status_code == 201
    number = made.json()["address"]["id"]
    assert calls.send("post", "/suppressions", {"address": "dora@customer.example", "why": "x"}).status_code == 409
    asked = {"addresses": ["Dora@customer.example", CARLA]}
    found = calls.send("post", "/suppressions/check", asked).json()
    assert list(found) == ["Dora@customer.example"]
    assert found["Dora@customer.example"]["sentence"] == "Alice Archer put it on the list: asked for it"
    gone = calls.send("post", f"/suppressions/{number}/release", {"why": "she wrote"}).json()
    assert (gone["history"][0]["released_who"], gone["history"][0]["released_why"]) == ("Alice Archer", "she wrote")
    assert calls.send("post", f"/suppressions/{number}/release").status_code == 409
    assert calls.send("post", "/suppressions/check", asked).json() == {}


@pytest.mark.parametrize("body", [{"address": "nobody", "why": "x"}, {"address": CARLA}, {"address": CARLA, "why": ""}])
def test_what_is_no_wish_is_refused(company: Company, alice: Member, program: Programs, body: dict[str, str]) -> None:
    assert program(alice).send("post", "/suppressions", body).status_code == 422


def test_roles_and_companies_are_kept_apart(
    carla: AddressHealth, alice: Member, bob: Member, mallory: Member, program: Programs
) -> None:
    body = {"address": "x@y.example", "why": "spite"}
    assert program(bob).get("/suppressions").status_code == 200
    assert program(bob).send("post", "/suppressions", body).status_code == 403
    assert program(bob).send("post", f"/suppressions/{carla.pk}/release").status_code == 403
    assert program(mallory).get("/suppressions").json()["rows"] == []
    assert program(mallory).get(f"/suppressions/{carla.pk}").status_code == 404
    assert program(mallory).send("post", f"/suppressions/{carla.pk}/release").status_code == 404
    theirs = body | {"company_id": carla.company_id}
    assert program(mallory).send("post", "/suppressions", theirs).status_code == 403
    asked = {"addresses": [CARLA], "company_id": carla.company_id}
    assert program(mallory).send("post", "/suppressions/check", asked).status_code == 404
    assert Suppression.objects.filter(health=carla, released_at=None).exists()
