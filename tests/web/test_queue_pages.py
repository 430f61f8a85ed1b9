"""The queue's lists and buttons, and one delivery's story."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from postroom.core.terms.reasons import because
from postroom.store.models import Company, Delivery, Member
from tests.web import seeding
from tests.web.conftest import SignedIn


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


def listed(window: Client, state: str) -> list[str]:
    page = window.get("/queue/", {"state": state}).content.decode()
    return re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)


@pytest.mark.slow
def test_each_state_has_its_list_and_its_word(window: Client, company: Company) -> None:
    words = {
        "queued": "Outgoing",
        "deferred": "Outgoing",
        "sending": "Outgoing",
        "sent": "Sent",
        "failed": "Delivery Failed",
        "bounced": "Bounced",
        "unknown": "Outcome unknown",
        "complained": "Complained",
        "cancelled": "Cancelled",
    }
    for state in words:
        seeding.a_delivery(company, f"{state}@x.example", state, subject=state)
    assert set(listed(window, "outgoing")) == {"queued", "deferred", "sending"}
    for state in ("sent", "failed", "bounced", "unknown", "complained", "cancelled"):
        assert listed(window, state) == [state]
    assert set(listed(window, "all")) == set(words)
    for state, word in words.items():
        page = window.get(f"/queue/{Delivery.objects.get(state=state).pk}/").content.decode()
        assert re.search(rf'<span class="pr-badge pr-\w+">.*?</span>{word}</span>', page), state


def test_what_waits_is_listed_in_the_order_in_which_it_leaves(window: Client, company: Company) -> None:
    for subject, lane, minutes in (("third", 1, -9), ("second", 0, 5), ("first", 0, -5), ("last", 2, -99)):
        seeding.a_delivery(
            company, "x@x.example", subject=subject, lane=lane, due_at=seeding.NOW + timedelta(minutes=minutes)
        )
    seeding.a_delivery(company, "x@x.example", "sending", subject="on its way", lane=2)
    assert listed(window, "outgoing") == ["on its way", "first", "second", "third", "last"]


def test_the_waiting_list_is_read_page_by_page_each_once(window: Client, company: Company) -> None:
    for number in range(120):
        due_at = seeding.NOW + timedelta(minutes=number // 50)
        seeding.a_delivery(company, f"{number}@x.example", subject=f"S{number}", lane=number % 3, due_at=due_at)
    page = window.get("/queue/").content.decode()
    seen = re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
    while more := re.search(r'hx-get="(\?state=outgoing&amp;after=[^"]+)"', page):
        place = "/queue/" + more[1].replace("&amp;", "&")
        page = window.get(place, headers={"HX-Request": "true"}).content.decode()
        seen += re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
    assert len(seen) == len(set(seen)) == 120


def test_a_waiting_mail_says_what_it_waits_for(window: Client, company: Company) -> None:
    why = because("{server} is paused by a person.", server="Own relay").as_json()
    row = seeding.a_delivery(company, "carla@customer.example", waits_for=why)
    assert "Own relay is paused by a person." in window.get("/queue/").content.decode()
    assert "Own relay is paused by a person." in window.get(f"/queue/{row.pk}/").content.decode()


def test_the_story_has_every_attempt_with_the_reply_verbatim_and_why_this_server(
    window: Client, company: Company
) -> None:
    server = seeding.a_server()
    why = because("The FROM filter of {server} names the domain.", server=server.name).as_json()
    row = seeding.a_delivery(
        company,
        "carla@customer.example",
        "failed",
        server=server,
        reasons=[why],
        blame="address",
        failure_reason="550 5.1.1 No <such> user",
    )
    seeding.an_attempt(row, "deferred", 451, "4.7.1", "Greylisted & later", server=server)
    seeding.an_attempt(row, "failed", 550, "5.1.1", "No <such> user", server=server)
    page = window.get(f"/queue/{row.pk}/").content.decode()
    assert "451 4.7.1 Greylisted &amp; later" in page
    assert "550 5.1.1 No &lt;such&gt; user" in page
    assert page.index("The server refused it") < page.index("Not this time") < page.index("Put into the queue")
    assert "The FROM filter of Own relay names the domain." in page
    assert "the fault lies with the address" in page


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [("retry", "failed", "queued"), ("send_now", "deferred", "deferred"), ("cancel", "queued", "cancelled")],
)
def test_one_and_many_are_acted_on(window: Client, company: Company, action: str, before: str, after: str) -> None:
    rows = [seeding.a_delivery(company, f"{number}@x.example", before) for number in range(3)]
    answer = window.post(
        "/queue/act/", {"action": action, "id": [row.pk for row in rows], "back": "/queue/?state=failed"}
    )
    assert (answer.status_code, answer["Location"]) == (303, "/queue/?state=failed")
    assert {Delivery.objects.get(pk=row.pk).state for row in rows} == {after}
    assert b"3 deliveries changed." in window.get("/queue/").content


def test_what_cannot_be_done_is_left_alone_with_the_reason(window: Client, company: Company) -> None:
    row = seeding.a_delivery(company, "x@x.example", "sent")
    window.post("/queue/act/", {"action": "cancel", "id": row.pk})
    row.refresh_from_db()
    assert row.state == "sent"
    assert "1 was left as it is:" in window.get("/queue/").content.decode()


def test_deliveries_of_another_company_are_left_alone(signed_in: SignedIn, mallory: Member, company: Company) -> None:
    row = seeding.a_delivery(company, "x@x.example", "queued")
    signed_in(mallory).post("/queue/act/", {"action": "cancel", "id": row.pk})
    row.refresh_from_db()
    assert row.state == "queued"


def test_an_agent_cannot_act_on_the_queue(signed_in: SignedIn, bob: Member, company: Company) -> None:
    row = seeding.a_delivery(company, "x@x.example", "queued")
    assert signed_in(bob).post("/queue/act/", {"action": "cancel", "id": row.pk}).status_code == 403
    row.refresh_from_db()
    assert row.state == "queued"


def test_the_way_back_leads_to_our_own_pages_alone(window: Client, company: Company) -> None:
    row = seeding.a_delivery(company, "x@x.example", "queued")
    for place in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"):
        answer = window.post("/queue/act/", {"action": "cancel", "id": row.pk, "back": place})
        assert answer["Location"] == "/queue/", place


def test_an_action_that_there_is_not_is_404(window: Client, company: Company) -> None:
    assert window.post("/queue/act/", {"action": "explode", "id": "1"}).status_code == 404
