"""The queue's lists and buttons, and one delivery's story."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from postroom.core.terms.reasons import because
from postroom.flows import change_queue
from postroom.flows.access import NotAllowed
from postroom.store.models import Company, Delivery, Member, OutgoingContent
from postroom.wiring import ports
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
    why = because("wait.paused", server="Own relay").as_json()
    row = seeding.a_delivery(company, "carla@customer.example", waits_for=why, held_since=seeding.ago(minutes=20))
    for place in ("/queue/", f"/queue/{row.pk}/"):
        page = window.get(place).content.decode()
        assert "The server Own relay is paused." in page, place
        assert re.search(r"\b2[0-9] min ago", page), place


def test_a_reason_that_this_version_does_not_know_is_shown_all_the_same(window: Client, company: Company) -> None:
    why = because("Mars is in the way of {planet}.", planet="Venus").as_json()
    seeding.a_delivery(company, "carla@customer.example", waits_for=why)
    assert "Mars is in the way of Venus." in window.get("/queue/").content.decode()


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


# -- narrowed lists, and all that match


def test_filters_narrow_the_list_and_its_next_page(window: Client, company: Company) -> None:
    relay = seeding.a_server()
    for number in range(60):
        seeding.a_delivery(company, f"{number}@x.example", subject=f"S{number}", server=relay, lane=2)
    seeding.a_delivery(company, "0@x.example", subject="elsewhere", lane=2)
    page = window.get("/queue/", {"server": "Own relay", "lane": "campaign"}).content.decode()
    more = re.search(r'hx-get="(\?[^"]+after=[^"]+)"', page)
    assert more is not None
    assert "elsewhere" not in page
    rest = window.get("/queue/" + more[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode()
    assert len(re.findall(r'<span class="name pr-cut">', rest)) == 10
    assert "elsewhere" not in rest
    assert listed_with(window, to="7@x.example") == ["S7"]


def listed_with(window: Client, **filters: str) -> list[str]:
    return re.findall(r'<span class="name pr-cut">([^<]+)</span>', window.get("/queue/", filters).content.decode())


def test_all_that_match_are_acted_on_also_those_not_shown(window: Client, company: Company, mallory: Member) -> None:
    for number in range(120):
        seeding.a_delivery(company, f"{number}@x.example", lane=number % 2)
    other = seeding.a_delivery(mallory.company, "1@x.example", lane=1)
    asked = {"action": "cancel", "every": "1", "state": "outgoing", "lane": "normal"}
    window.post("/queue/act/", {**asked, "back": "/queue/"})
    assert set(Delivery.objects.filter(state="cancelled").values_list("lane", flat=True)) == {1}
    assert Delivery.objects.filter(state="cancelled").count() == 60
    other.refresh_from_db()
    assert other.state == "queued"
    assert b"60 deliveries changed." in window.get("/queue/").content


def test_the_buttons_follow_the_filter_that_is_shown(window: Client, company: Company) -> None:
    """Else *all that match* would mean those of an older filter."""
    seeding.a_delivery(company, "a@x.example", lane=1)
    asked = {"state": "outgoing", "lane": "normal", "to": "a@"}
    page = window.get("/queue/", asked, headers={"HX-Request": "true", "HX-Target": "pr-queue"}).content.decode()
    buttons = page[page.index('id="pr-bulk"') :]
    for name, value in asked.items():
        assert f'<input type="hidden" name="{name}" value="{value}">' in buttons
    assert 'hx-get="/queue/?state=outgoing&amp;lane=normal&amp;to=a%40"' in page


def test_very_many_are_changed_in_the_background_with_the_rights_of_who_asked(
    window: Client, company: Company, alice: Member, mallory: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_queue, "AT_ONCE", 5)
    deferred: list[dict[str, object]] = []
    monkeypatch.setattr(
        change_queue, "defer_job", lambda name, **arguments: deferred.append({"name": name, **arguments})
    )
    mine = [seeding.a_delivery(company, f"{number}@x.example") for number in range(9)]
    other = seeding.a_delivery(mallory.company, "1@x.example")
    window.post("/queue/act/", {"action": "cancel", "every": "1", "state": "outgoing"})
    assert not Delivery.objects.filter(state="cancelled").exists()
    assert b"changed in the background" in window.get("/queue/").content
    (job,) = deferred
    assert job.pop("name") == "change_matching_deliveries"
    assert change_queue.change_in_background(ports(), **job) == len(mine)  # type: ignore[arg-type]
    other.refresh_from_db()
    assert other.state == "queued"
    Member.objects.filter(pk=alice.pk).update(role="agent")
    with pytest.raises(NotAllowed):
        change_queue.change_in_background(ports(), **job)  # type: ignore[arg-type]


# -- servers


def test_a_server_is_paused_and_resumed_from_here_by_who_may_change_settings(
    signed_in: SignedIn, ada: Member, alice: Member, company: Company
) -> None:
    server = seeding.a_server(company=company)
    place = f"/queue/server/{server.pk}/pause/"
    assert "Pause" not in signed_in(alice).get("/queue/").content.decode()
    assert signed_in(alice).post(place, {"pause": "1"}).status_code == 403
    window = signed_in(ada)
    window.post(place, {"pause": "1"})
    server.refresh_from_db()
    assert server.paused_at is not None
    page = window.get("/queue/").content.decode()
    assert "Own relay is paused." in page
    assert "Resume" in page
    window.post(place, {"pause": "0"})
    server.refresh_from_db()
    assert server.paused_at is None


# -- unknown outcomes


@pytest.fixture
def lost(company: Company) -> Delivery:
    server = seeding.a_server(preset="gmail")
    row = seeding.a_delivery(company, "carla@customer.example", "unknown", server=server, attempt_count=1)
    OutgoingContent.objects.create(mail=row.mail, content_headers=b"", body=b"x" * 2048)
    seeding.an_attempt(
        row, "unknown", 0, "", "the worker died", phase="body", server=server, connection="smtp.gmail.com:587#1"
    )
    return row


def test_an_unknown_outcome_shows_what_is_known_and_where_to_look(window: Client, lost: Delivery) -> None:
    for place in ("/queue/?state=unknown", f"/queue/{lost.pk}/"):
        page = window.get(place).content.decode()
        known = "Own relay", "smtp.gmail.com:587#1", "TLSv1.3", "the whole mail, 2.0", "Email Log Search"
        for words in (*known, f"&lt;{lost.mail.header_message_id.strip('<>')}&gt;"):
            assert words in page, (place, words)


@pytest.mark.parametrize(
    ("action", "state", "said"),
    [
        ("arrived", "sent", "It arrived, a person said"),
        ("again", "cancelled", "Sent again, as a new delivery"),
        ("given_up", "failed", "Given up"),
    ],
)
def test_a_person_decides_and_the_story_tells_who(
    window: Client, lost: Delivery, action: str, state: str, said: str
) -> None:
    assert "2 unknown" not in window.get("/").content.decode()
    assert "1 unknown" in window.get("/").content.decode()
    window.post("/queue/act/", {"action": action, "id": lost.pk})
    lost.refresh_from_db()
    assert lost.state == state
    page = window.get(f"/queue/{lost.pk}/").content.decode()
    assert said in page
    assert "Alice Archer" in page
    assert "1 unknown" not in window.get("/").content.decode()
    assert Delivery.objects.count() == (2 if action == "again" else 1)


def test_retry_leaves_an_unknown_outcome_to_a_decision(window: Client, lost: Delivery) -> None:
    window.post("/queue/act/", {"action": "retry", "id": lost.pk})
    lost.refresh_from_db()
    assert lost.state == "unknown"
    assert "decide that among the unknown outcomes" in window.get("/queue/").content.decode()
