"""Activities and subtypes of followers over the line, and what may be changed of a record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from postroom.store.models import Activity, Follower, Member, Message, Record, RecordKind
from tests.web import seeding


def a_plan(**values: object) -> dict[str, object]:
    day = timezone.localdate() + timedelta(days=3)
    return {"kind": "call", "due_on": day.isoformat(), "summary": "Call Carla"} | values


def test_an_activity_is_planned_listed_and_done(program: Any, bob: Member, record: Record) -> None:
    caller = program(bob)
    place = f"/records/{record.pk}/activities"
    answer = caller.send("post", place, a_plan())
    assert answer.status_code == 201, answer.content
    row = answer.json()
    assert (row["assignee"], row["due"], row["summary"]) == ("Bob Brandt", "planned", "Call Carla")
    assert caller.get(place).json() == caller.get("/activities").json() == [row]
    assert caller.send("post", f"/activities/{row['id']}/done", {"feedback": "Happy"}).status_code == 204
    assert Message.objects.get(kind="system").body.text == "Happy"
    assert caller.get("/activities").json() == []
    assert caller.send("delete", f"/activities/{row['id']}").status_code == 404


def test_an_activity_is_cancelled(program: Any, bob: Member, record: Record) -> None:
    caller = program(bob)
    row = caller.send("post", f"/records/{record.pk}/activities", a_plan()).json()
    assert caller.send("delete", f"/activities/{row['id']}").status_code == 204
    assert (Activity.objects.get().state, Message.objects.count()) == ("cancelled", 0)


@pytest.mark.parametrize(
    "wrong", [{"kind": "dance"}, {"due_on": "soon"}, {"due_on": "0001-01-01"}, {"assignee_id": 99999}]
)
def test_what_makes_no_sense_is_refused(program: Any, bob: Member, record: Record, wrong: dict[str, object]) -> None:
    answer = program(bob).send("post", f"/records/{record.pk}/activities", a_plan(**wrong))
    assert answer.status_code == 422
    assert not Activity.objects.exists()


def test_another_company_sees_and_does_nothing(program: Any, bob: Member, record: Record) -> None:
    row = program(bob).send("post", f"/records/{record.pk}/activities", a_plan()).json()
    mallory = seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"))
    other = program(mallory)
    assert other.get(f"/records/{record.pk}/activities").status_code == 404
    assert other.send("post", f"/records/{record.pk}/activities", a_plan()).status_code == 404
    assert other.send("post", f"/activities/{row['id']}/done", {}).status_code == 404
    assert other.send("delete", f"/activities/{row['id']}").status_code == 404
    assert other.get("/activities").json() == []


def test_of_what_a_follower_hears(program: Any, bob: Member, record: Record) -> None:
    Follower.objects.get_or_create(record=record, contact=bob.contact)
    place = f"/records/{record.pk}/followers/{bob.contact_id}/subtypes"
    rows = program(bob).send("put", place, {"comments": False, "changes": True}).json()
    mine = next(one for one in rows if one["contact_id"] == bob.contact_id)
    assert (mine["comments"], mine["notes"], mine["changes"], mine["activities"]) == (False, False, True, False)
    assert (
        program(bob).send("put", f"/records/{record.pk}/followers/99999/subtypes", {"comments": True}).status_code
        == 404
    )


def test_contact_and_values_are_changed(program: Any, bob: Member, record: Record) -> None:
    RecordKind.objects.filter(pk=record.kind_id).update(value_names=["Copies"], value_types={"Copies": "number"})
    piet = seeding.a_contact("Piet Conti", "piet@customer.example", record.company)
    changed = program(bob).send("patch", f"/records/{record.pk}", {"contact_id": piet.pk, "values": {"Copies": "12"}})
    assert changed.status_code == 200, changed.content
    assert (changed.json()["contact_name"], changed.json()["values"]) == ("Piet Conti", {"Copies": 12})
    for wrong in ({"values": {"Copies": "many"}}, {"values": {"Size": "L"}}, {"contact_id": 99999}):
        assert program(bob).send("patch", f"/records/{record.pk}", wrong).status_code == 422
