"""Records, followers and messages over the line."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from postroom.store.models import (
    AutomationEvent,
    AutomationRule,
    Company,
    Contact,
    Follower,
    Member,
    Message,
    Notification,
    Record,
)
from postroom.wiring import ports
from tests.web import seeding


def test_records_are_listed_searched_and_read_page_by_page(program: Any, bob: Member, company: Company) -> None:
    for number in range(7):
        seeding.a_record(
            company, f"Poster {number}", stage="New" if number % 2 else "Solved", updated_at=seeding.ago(minutes=number)
        )
    caller = program(bob)
    seen, after = [], ""
    while True:
        answer = caller.get("/records", limit=3, after=after).json()
        seen += [row["title"] for row in answer["rows"]]
        after = answer["next"]
        if not after:
            break
    assert seen == [f"Poster {number}" for number in range(7)]
    assert len(caller.get("/records", stage="New").json()["rows"]) == 3
    assert [row["title"] for row in caller.get("/records", search="post 4").json()["rows"]] == ["Poster 4"]
    assert caller.get("/records", limit=0).status_code == 422
    assert caller.get("/records", after="nonsense").status_code == 200


def test_a_list_costs_the_same_few_queries_whatever_its_length(
    program: Any, bob: Member, company: Company, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        seeding.a_message(seeding.a_record(company, f"R{number}"), bob.contact, "<p>x</p>")
    caller = program(bob)
    caller.get("/records", limit=1)  # the first use of a key on a day is written down
    with django_assert_max_num_queries(5):
        assert len(caller.get("/records", limit=60).json()["rows"]) == 60


def test_a_record_is_made_read_and_changed(program: Any, bob: Member, company: Company) -> None:
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    caller = program(bob)
    answer = caller.send(
        "post", "/records", {"kind": "ticket", "title": " Poster ", "contact_id": carla.pk, "responsible_id": bob.pk}
    )
    made = answer.json()
    assert answer.status_code == 201
    assert (made["title"], made["stage"], made["contact_address"]) == ("Poster", "New", "carla@customer.example")
    assert {one["name"] for one in made["followers"]} == {"Bob Brandt", "Carla Conti"}
    place = f"/records/{made['id']}"
    assert caller.get(place).json() == made
    changed = caller.send("patch", place, {"stage": "Solved", "responsible_id": None}).json()
    assert (changed["stage"], changed["responsible_id"], changed["title"]) == ("Solved", None, "Poster")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "ticket"},
        {"kind": "ticket", "title": ""},
        {"kind": "ticket", "title": "x" * 501},
        {"kind": "dragon", "title": "x"},
        {"kind": "ticket", "title": "x", "company_id": 999999},
        {"kind": "ticket", "title": "x", "contact_id": 999999},
        {"kind": "ticket", "title": "x", "responsible_id": 999999},
        {"kind": "ticket", "title": "x", "contact_address": "carla at home"},
        {"kind": "ticket", "title": "x", "stagee": "misspelt"},
    ],
)
def test_what_does_not_fit_is_refused_in_words(program: Any, bob: Member, body: dict[str, object]) -> None:
    answer = program(bob).send("post", "/records", body)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert not Record.objects.exists()


def test_followers_come_and_go(program: Any, bob: Member, record: Record) -> None:
    caller = program(bob)
    place = f"/records/{record.pk}/followers"
    assert [one["name"] for one in caller.send("post", place, {"contact_id": record.contact_id}).json()] == [
        "Carla Conti"
    ]
    assert [one["name"] for one in caller.get(place).json()] == ["Carla Conti"]
    assert caller.send("delete", f"{place}/{record.contact_id}").json() == []
    assert caller.send("post", place, {"contact_id": 999999}).status_code == 422


def test_a_message_is_written_with_files_and_read_again(program: Any, bob: Member, record: Record) -> None:
    Follower.objects.create(record=record, contact=record.contact)
    caller = program(bob)
    body = {
        "html": "<p>Hello <script>alert(1)</script><b>Carla</b></p>",
        "attachments": [
            {"name": "plan.pdf", "content_type": "application/pdf", "content": b64encode(b"%PDF").decode()}
        ],
    }
    answer = caller.send("post", f"/records/{record.pk}/messages", body)
    made = answer.json()
    assert answer.status_code == 201
    assert made["html"] == "<p>Hello <b>Carla</b></p>"
    assert made["envelope"] == {"total": 1, "failed": 0, "waiting": 1}
    assert [(file["name"], file["size"]) for file in made["attachments"]] == [("plan.pdf", 4)]
    assert ports().blobs.get(Message.objects.get().attachments.get().sha256) == b"%PDF"
    assert caller.get(f"/records/{record.pk}/messages").json()["rows"] == [made]


def test_plain_text_becomes_paragraphs_and_a_note_stays_in(program: Any, bob: Member, record: Record) -> None:
    Follower.objects.create(record=record, contact=record.contact, notes=True)
    made = program(bob).send("post", f"/records/{record.pk}/messages", {"text": "1 < 2", "kind": "note"}).json()
    assert "1 &lt; 2" in made["html"]
    assert made["kind"] == "note"
    assert made["envelope"]["total"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"html": "", "text": ""},
        {"text": "x", "kind": "system"},
        {"text": "x", "extra_contact_ids": [999999]},
        {"text": "x", "mentioned_contact_ids": [999999]},
        {"text": "x", "addresses": ["carla at home"]},
        {"text": "x", "addresses": [""]},
        {"text": "x", "addresses": ["a\0@customer.example"]},
        {"text": "x", "addresses": ["a@customer.example"] * 101},
        {"text": "x", "attachments": [{"name": "a", "content": "not base64!"}]},
        {"text": "x", "attachments": [{"name": "a", "content": "eA=="}] * 21},
    ],
)
def test_a_message_that_does_not_fit_is_not_sent(
    program: Any, bob: Member, record: Record, body: dict[str, object]
) -> None:
    answer = program(bob).send("post", f"/records/{record.pk}/messages", body)
    assert answer.status_code == 422
    assert not Message.objects.exists()


def test_a_comment_also_goes_to_addresses_and_to_who_is_mentioned(
    program: Any, bob: Member, rita: Member, record: Record
) -> None:
    carla = record.contact
    assert carla is not None
    body = {
        "text": "See you",
        "mentioned_contact_ids": [rita.contact_id],
        "addresses": ["Dora Duck <dora@printer.example>", carla.address],
    }
    answer = program(bob).send("post", f"/records/{record.pk}/messages", body)
    assert answer.status_code == 201, answer.content
    told = {one.contact.address: one for one in Notification.objects.select_related("contact")}
    assert set(told) == {"dora@printer.example", carla.address, rita.contact.address}
    assert Contact.objects.get(normal="dora@printer.example").name == "Dora Duck"


def test_a_note_with_addresses_stays_among_colleagues(program: Any, bob: Member, rita: Member, record: Record) -> None:
    body = {
        "text": "Between us",
        "kind": "note",
        "mentioned_contact_ids": [rita.contact_id, record.contact_id],
        "addresses": ["dora@printer.example"],
    }
    assert program(bob).send("post", f"/records/{record.pk}/messages", body).status_code == 201
    assert [one.contact_id for one in Notification.objects.all()] == [rita.contact_id]
    assert not Contact.objects.filter(normal="dora@printer.example").exists()


def test_who_is_mentioned_is_no_stranger_to_the_company(
    program: Any, bob: Member, mallory: Member, record: Record
) -> None:
    theirs = seeding.a_contact("Eve Else", "eve@else.example", mallory.company)
    for name in ("mentioned_contact_ids", "extra_contact_ids"):
        answer = program(bob).send("post", f"/records/{record.pk}/messages", {"text": "x", name: [theirs.pk]})
        assert answer.status_code == 422
    assert not Message.objects.exists()


def test_an_archived_contact_does_not_begin_to_follow_and_the_answer_is_json(
    program: Any, bob: Member, record: Record
) -> None:
    Contact.objects.filter(pk=record.contact_id).update(is_active=False)
    answer = program(bob).send("post", f"/records/{record.pk}/followers", {"contact_id": record.contact_id})
    assert (answer.status_code, answer.json()) == (422, {"detail": "There is no such contact in this company."})


@pytest.mark.slow
def test_in_a_large_company_everybody_can_be_responsible(
    program: Any, bob: Member, company: Company, record: Record
) -> None:
    for number in range(200):
        seeding.a_member(f"aa{number}", f"Aaron {number:03}", company)
    zoe = seeding.a_member("zoe", "Zoe Zimmer", company)
    changed = program(bob).send("patch", f"/records/{record.pk}", {"responsible_id": zoe.pk})
    assert changed.status_code == 200, changed.content
    assert changed.json()["responsible"] == "Zoe Zimmer"


def test_a_nul_is_refused_wherever_it_stands(program: Any, bob: Member, record: Record) -> None:
    for values in ({"colour": "r\0d"}, {"col\0our": "red"}):
        answer = program(bob).send("patch", f"/records/{record.pk}", {"values": values})
        assert answer.status_code == 422
        assert "NUL" in str(answer.json()["detail"])


def test_messages_are_read_page_by_page(program: Any, bob: Member, record: Record) -> None:
    written = [seeding.a_message(record, bob.contact, f"<p>{number}</p>").pk for number in range(5)]
    caller = program(bob)
    first = caller.get(f"/records/{record.pk}/messages", limit=3).json()
    second = caller.get(f"/records/{record.pk}/messages", limit=3, after=first["next"]).json()
    assert [row["id"] for row in first["rows"] + second["rows"]] == written[::-1]
    assert second["next"] == ""


def test_who_reads_only_reads_only(program: Any, rita: Member, record: Record) -> None:
    caller = program(rita)
    assert caller.get(f"/records/{record.pk}").status_code == 200
    for method, place, body in (
        ("post", "/records", {"kind": "ticket", "title": "x"}),
        ("patch", f"/records/{record.pk}", {"title": "x"}),
        ("post", f"/records/{record.pk}/followers", {"contact_id": record.contact_id}),
        ("post", f"/records/{record.pk}/messages", {"text": "x", "kind": "note"}),
    ):
        answer = caller.send(method, place, body)
        assert answer.status_code == 403, place
        assert "roles" in answer.json()["detail"]


def test_another_company_finds_nothing_and_writes_nothing(program: Any, mallory: Member, record: Record) -> None:
    caller = program(mallory)
    place = f"/records/{record.pk}"
    assert caller.get("/records").json()["rows"] == []
    for method, path, body in (
        ("get", place, None),
        ("patch", place, {"title": "mine"}),
        ("get", f"{place}/messages", None),
        ("post", f"{place}/messages", {"text": "x"}),
        ("get", f"{place}/followers", None),
        ("post", f"{place}/followers", {"contact_id": mallory.contact_id}),
        ("delete", f"{place}/followers/{record.contact_id}", None),
    ):
        answer = caller.get(path) if method == "get" else caller.send(method, path, body)
        assert answer.status_code == 404, (method, path)
    assert not Message.objects.exists()
    body = {"kind": "ticket", "title": "x", "company_id": record.company_id}
    assert caller.send("post", "/records", body).status_code == 422
    body = {"kind": "ticket", "title": "x", "contact_id": record.contact_id}
    assert caller.send("post", "/records", body).status_code == 422


def test_what_a_program_makes_is_told_apart_by_automation_rules(program: Any, bob: Member, company: Company) -> None:
    common = {"company": company, "trigger": "created", "actions": [{"do": "stage", "stage": "Solved"}]}
    AutomationRule.objects.create(name="By a person", via="person", **common)
    AutomationRule.objects.create(name="By a program", via="program", **common)
    program(bob).send("post", "/records", {"kind": "ticket", "title": "Poster"})
    event = AutomationEvent.objects.select_related("rule").get()
    assert event.rule.name == "By a program"
