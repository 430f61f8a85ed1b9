"""Deliveries and incoming mail over the line."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.core.terms.reasons import because
from postroom.store.models import Company, Delivery, Member
from tests.web import seeding


def test_the_queue_is_listed_by_state_with_reasons_as_data_and_as_sentences(
    program: Any, alice: Member, company: Company
) -> None:
    why = because("{server} is paused by a person.", server="Own relay").as_json()
    seeding.a_delivery(company, "carla@customer.example", "deferred", waits_for=why)
    seeding.a_delivery(company, "dora@customer.example", "failed")
    caller = program(alice)
    rows = caller.get("/deliveries", state="outgoing").json()["rows"]
    assert [row["to_address"] for row in rows] == ["carla@customer.example"]
    assert rows[0]["waits_for"] == {
        "code": "{server} is paused by a person.",
        "facts": {"server": "Own relay"},
        "sentence": "Own relay is paused by a person.",
    }
    assert len(caller.get("/deliveries").json()["rows"]) == 2
    assert caller.get("/deliveries", state="lost").status_code == 422


def test_one_delivery_comes_with_every_attempt_verbatim(program: Any, alice: Member, company: Company) -> None:
    row = seeding.a_delivery(company, "carla@customer.example", "failed")
    seeding.an_attempt(row, "failed", 550, "5.1.1", "No such user")
    found = program(alice).get(f"/deliveries/{row.pk}").json()
    assert found["delivery"]["state"] == "failed"
    assert [one["reply"] for one in found["attempts"]] == ["550 5.1.1 No such user"]


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("retry", "failed", "queued"), ("cancel", "queued", "cancelled"), ("send-now", "deferred", "deferred")],
)
def test_a_delivery_is_acted_on(
    program: Any, alice: Member, company: Company, action: str, before: str, after: str
) -> None:
    row = seeding.a_delivery(company, "carla@customer.example", before)
    answer = program(alice).send("post", f"/deliveries/{row.pk}/{action}")
    assert answer.json() == {"done": [row.pk], "refused": {}}
    assert Delivery.objects.get().state == after


def test_what_cannot_be_done_is_left_alone_with_the_reason(program: Any, alice: Member, company: Company) -> None:
    row = seeding.a_delivery(company, "carla@customer.example", "sent")
    answer = program(alice).send("post", f"/deliveries/{row.pk}/cancel").json()
    assert answer["done"] == []
    assert answer["refused"][str(row.pk)]["code"].startswith("queue.")
    assert answer["refused"][str(row.pk)]["sentence"].endswith(".")


def test_incoming_mail_is_listed_and_explained(program: Any, alice: Member, company: Company) -> None:
    why = because("No alias is called {name}.", name="info").as_json()
    mail = seeding.an_inbound(
        company,
        "A question",
        b"x",
        "held",
        rcpt_to=["info@postroom.test"],
        verdict=[{"decision": "Hold", "reasons": [why]}],
    )
    caller = program(alice)
    rows = caller.get("/inbound", state="held").json()["rows"]
    assert [(row["subject"], row["reasons"][0]["sentence"]) for row in rows] == [
        ("A question", "No alias is called info.")
    ]
    assert caller.get("/inbound", state="routed").json()["rows"] == []
    found = caller.get(f"/inbound/{mail.pk}").json()
    assert found["decisions"][0]["name"] == "Hold"
    assert found["made"] == []


def test_agents_and_other_companies_see_nothing_of_it(
    program: Any, bob: Member, mallory: Member, company: Company
) -> None:
    row = seeding.a_delivery(company, "carla@customer.example", "queued")
    mail = seeding.an_inbound(company, "A question", b"x")
    agent, stranger = program(bob), program(mallory)
    for place in ("/deliveries", f"/deliveries/{row.pk}", "/inbound", f"/inbound/{mail.pk}"):
        assert agent.get(place).status_code == 403, place
    assert agent.send("post", f"/deliveries/{row.pk}/cancel").status_code == 403
    for place in (f"/deliveries/{row.pk}", f"/inbound/{mail.pk}"):
        assert stranger.get(place).status_code == 404, place
    assert stranger.send("post", f"/deliveries/{row.pk}/cancel").status_code == 404
    assert stranger.get("/deliveries").json()["rows"] == []
    assert stranger.get("/inbound").json()["rows"] == []
    assert Delivery.objects.get().state == "queued"


def test_an_action_that_there_is_not_is_404(program: Any, alice: Member, company: Company) -> None:
    row = seeding.a_delivery(company, "carla@customer.example")
    assert program(alice).send("post", f"/deliveries/{row.pk}/explode").status_code == 404


def test_the_queue_is_narrowed_by_recipient_server_lane_and_gate(program: Any, alice: Member, company: Company) -> None:
    server = seeding.a_server()
    why = because("wait.paused", server=server.name).as_json()
    seeding.a_delivery(company, "carla@customer.example", lane=2, server=server, waits_for=why)
    seeding.a_delivery(company, "carla@customer.example", lane=2)
    caller = program(alice)
    wanted = {"to": "carla@customer.example", "server": server.name, "lane": "campaign", "gate": "paused"}
    for asked in (wanted, *({name: value} for name, value in wanted.items() if name in ("server", "gate"))):
        (row,) = caller.get("/deliveries", state="outgoing", **asked).json()["rows"]
        assert row["gate"] == "paused"
    assert len(caller.get("/deliveries", state="outgoing", lane="campaign").json()["rows"]) == 2
    assert caller.get("/deliveries", server="nobody").status_code == 422


@pytest.mark.parametrize(("action", "after"), [("arrived", "sent"), ("give-up", "failed")])
def test_an_unknown_outcome_is_decided(program: Any, alice: Member, company: Company, action: str, after: str) -> None:
    row = seeding.a_delivery(company, "carla@customer.example", "unknown")
    answer = program(alice).send("post", f"/deliveries/{row.pk}/{action}")
    assert answer.json() == {"done": [row.pk], "refused": {}}
    assert Delivery.objects.get().state == after
    assert program(alice).send("post", f"/deliveries/{row.pk}/{action}").json()["done"] == []


@pytest.mark.parametrize("where", ["/deliveries?to=%00", "/deliveries?server=%00", "/records?kind=%00"])
def test_a_nul_is_refused_with_words(program: Any, alice: Member, where: str) -> None:
    answer = program(alice).get(where)
    assert answer.status_code == 422
    assert "NUL" in answer.text
