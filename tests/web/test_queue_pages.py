"""The queue's lists and buttons, and one delivery's story."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.core.terms.reasons import because
from postroom.flows import change_queue
from postroom.store.models import Company, Delivery, Member, OutgoingContent, QueueChange
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
    row = seeding.a_delivery(
        company, "carla@customer.example", waits_for=why, held_since=timezone.now() - timedelta(minutes=20)
    )
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
    assert (answer.status_code, answer["Location"].partition("&change=")[0]) == (303, "/queue/?state=failed")
    assert {Delivery.objects.get(pk=row.pk).state for row in rows} == {after}
    assert b"3 deliveries changed." in window.get(answer["Location"]).content


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
        assert re.fullmatch(r"/queue/(\?change=\d+)?", answer["Location"]), place


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
    answer = window.post("/queue/act/", {**asked, "back": "/queue/"})
    assert set(Delivery.objects.filter(state="cancelled").values_list("lane", flat=True)) == {1}
    assert Delivery.objects.filter(state="cancelled").count() == 60
    other.refresh_from_db()
    assert other.state == "queued"
    assert b"60 deliveries changed." in window.get(answer["Location"]).content


def test_the_buttons_follow_the_filter_that_is_shown(window: Client, company: Company) -> None:
    """Else *all that match* would mean those of an older filter."""
    seeding.a_delivery(company, "a@x.example", lane=1)
    asked = {"state": "outgoing", "lane": "normal", "to": "a@"}
    page = window.get("/queue/", asked, headers={"HX-Request": "true", "HX-Target": "pr-queue"}).content.decode()
    buttons = page[page.index('id="pr-bulk"') :]
    for name, value in asked.items():
        assert f'<input type="hidden" name="{name}" value="{value}">' in buttons
    assert 'hx-get="/queue/?state=outgoing&amp;lane=normal&amp;to=a%40"' in page


def deferred_by(monkeypatch: pytest.MonkeyPatch, at_once: int) -> list[dict[str, object]]:
    """What would be done in the background."""
    found: list[dict[str, object]] = []
    monkeypatch.setattr(change_queue, "AT_ONCE", at_once)
    monkeypatch.setattr(change_queue, "defer_job", lambda name, **arguments: found.append({"name": name, **arguments}))
    return found


def test_very_many_are_changed_in_the_background_with_a_progress_bar_and_can_be_undone(
    window: Client, company: Company, mallory: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred = deferred_by(monkeypatch, 5)
    mine = [seeding.a_delivery(company, f"{number}@x.example") for number in range(45)]
    other = seeding.a_delivery(mallory.company, "1@x.example")
    place = window.post("/queue/act/", {"action": "cancel", "every": "1", "state": "outgoing"})["Location"]
    later = seeding.a_delivery(company, "later@x.example")
    assert not Delivery.objects.filter(state="cancelled").exists()
    assert "looking up what is meant" in window.get(place).content.decode()

    (job,) = deferred
    assert job.pop("name") == "change_deliveries"
    number = int(str(job["change_id"]))
    asked = QueueChange.objects.get(pk=number)
    asked.ids, asked.total, asked.seen = [row.pk for row in mine], 45, 20
    asked.save()  # as after the first batch, when the job's process died
    page = window.get(place).content.decode()
    assert '<progress aria-label="Cancel" max="45" value="20">' in page
    assert change_queue.change_in_background(ports(), number) == 25  # it goes on where it was
    QueueChange.objects.filter(pk=number).update(seen=0, finished_at=None)
    assert change_queue.change_in_background(ports(), number) == 45
    assert Delivery.objects.filter(state="cancelled").count() == 45
    for row in (other, later):
        row.refresh_from_db()
        assert row.state == "queued"
    strip = window.get(f"/queue/change/{number}/", headers={"HX-Request": "true"}).content.decode()
    assert "45 deliveries changed." in strip
    assert "25 were left as they are" in strip
    assert 'hx-trigger="every' not in strip

    assert "Undo" in strip
    window.post(f"/queue/change/{number}/undo/")
    assert change_queue.change_in_background(ports(), int(str(deferred[-1]["change_id"]))) == 45
    assert not Delivery.objects.filter(state="cancelled").exists()
    window.post(f"/queue/change/{number}/undo/")  # twice is as good as once
    assert len(deferred) == 2


def test_the_background_asks_for_the_persons_rights_again(
    window: Client, company: Company, alice: Member, signed_in: SignedIn, ada: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred = deferred_by(monkeypatch, 1)
    rows = [seeding.a_delivery(company, f"{number}@x.example").pk for number in range(3)]
    window.post("/queue/act/", {"action": "cancel", "id": rows})
    number = int(str(deferred[0]["change_id"]))
    assert signed_in(ada).get(f"/queue/change/{number}/").status_code == 404  # hers it is not
    Member.objects.filter(pk=alice.pk).update(role="agent")
    assert change_queue.change_in_background(ports(), number) == 0
    assert not Delivery.objects.filter(state="cancelled").exists()
    assert "roles" in QueueChange.objects.get(pk=number).trouble


def test_a_few_that_were_cancelled_can_be_put_back(window: Client, company: Company) -> None:
    row = seeding.a_delivery(company, "x@x.example", waits_for=because("wait.paused", server="Own relay").as_json())
    place = window.post("/queue/act/", {"action": "cancel", "id": row.pk})["Location"]
    page = window.get(place).content.decode()
    undo = re.search(r"/queue/change/\d+/undo/", page)
    assert undo is not None
    window.post(undo[0])
    row.refresh_from_db()
    assert row.state == "queued"
    assert "It had to wait" in window.get(f"/queue/{row.pk}/").content.decode()  # the gate of before is told


# -- narrowed by age and fault, grouped, found


def test_what_waits_is_narrowed_by_its_age_and_failures_by_whose_fault_they_are(
    window: Client, company: Company
) -> None:
    seeding.a_delivery(company, "a@x.example", subject="old", created_at=seeding.ago(hours=3))
    seeding.a_delivery(company, "b@x.example", subject="young")
    assert listed_with(window, age="hour") == ["old"]
    assert listed_with(window, age="day") == []
    for blame in ("address", "network"):
        seeding.a_delivery(company, "c@x.example", "failed", subject=blame, blame=blame)
    assert listed_with(window, state="failed", blame="network") == ["network"]
    assert window.get("/queue/", {"age": "never"}).status_code == 404


def test_failures_are_counted_by_reason_domain_and_server(window: Client, company: Company, mallory: Member) -> None:
    relay = seeding.a_server("Own relay")
    for number in range(3):
        row = seeding.a_delivery(company, f"{number}@Gone.example", "failed", server=relay, blame="address")
        seeding.an_attempt(row, "failed", 550, "5.1.1", "No such user here", server=relay)
    full = seeding.a_delivery(company, "x@full.example", "bounced", blame="mailbox")
    seeding.an_attempt(full, "failed", 552, "5.2.2", "Mailbox full")
    seeding.a_delivery(mallory.company, "x@else.example", "failed")
    page = window.get("/queue/failures/").content.decode()
    assert "All 4 mails" in page
    counts = dict(re.findall(r'<b class="pr-strong">([^<]+)</b>.*?<b class="num">(\d+)</b>', page, re.DOTALL))
    assert counts == {"There is no such mailbox at this domain.": "3", "The mailbox is full.": "1"}
    assert re.search(r"state=failed&amp;to=gone\.example", page)
    assert re.search(r"state=failed&amp;server=Own%20relay", page)
    assert "else.example" not in page


def test_a_delivery_is_found_by_what_somebody_has_in_hand(window: Client, company: Company, mallory: Member) -> None:
    row = seeding.a_delivery(company, "carla@customer.example", "sent", provider_message_id="pm-4711")
    seeding.an_attempt(row, "sent", 250, "2.0.0", "Ok: queued as 4F3C2A10B7")
    foreign = seeding.a_delivery(mallory.company, "x@else.example", "sent")
    seeding.an_attempt(foreign, "sent", 250, "2.0.0", "Ok: queued as 99FFEE1122")
    identifier = row.mail.header_message_id
    for asked in (identifier, identifier.strip("<>"), "4F3C2A10B7", "pm-4711", str(row.pk)):
        assert window.get("/queue/find/", {"q": asked})["Location"] == f"/queue/{row.pk}/", asked
    address = window.get("/queue/find/", {"q": "carla@customer.example"})["Location"]
    assert address == "/queue/?state=all&to=carla%40customer.example"
    for asked in ("99FFEE1122", "nothing like it", str(foreign.pk)):
        assert "Not found" in window.get("/queue/find/", {"q": asked}).content.decode(), asked
    assert "What do you have in hand?" in window.get("/queue/find/").content.decode()


def test_the_story_tells_who_wrote_why_by_mail_what_it_waited_for_and_what_was_answered(
    window: Client, company: Company, alice: Member
) -> None:
    record = seeding.a_record(company, "Poster")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    message = seeding.a_message(record, alice.contact, "<p>x</p>", posted_at=seeding.ago(hours=4))
    told = seeding.a_notification(message, carla, reasons=[because("They follow {record}.", record="Poster").as_json()])
    gate = because("wait.paused", server="Own relay").as_json()
    waited = gate | {"since": seeding.ago(hours=3).isoformat(), "until": seeding.ago(hours=2).isoformat()}
    row = seeding.a_delivery(
        company,
        carla.normal,
        "sent",
        message=message,
        notification=told,
        waited=[waited],
        created_at=seeding.ago(hours=4),
    )
    seeding.an_attempt(row, "sent", 250, "2.0.0", "Ok", tried_at=seeding.ago(hours=2))
    away = because("auto_reply.attached", message=message.pk).as_json()
    came = seeding.an_inbound(company, "Away", b"x", verdict=[{"decision": "AppendToRecord", "reasons": [away]}])
    seeding.a_message(
        record, carla, "<p>Back on Monday</p>", parent=message, inbound=came, posted_at=seeding.ago(hours=1)
    )
    seeding.a_message(record, carla, "<p>Lovely poster</p>", parent=message)
    page = window.get(f"/queue/{row.pk}/").content.decode()
    steps = ["The recipient answered", "An automatic answer came", "The server took it", "It had to wait", "Put into the queue", "Alice Archer wrote it"]  # fmt: skip
    places = [page.index(step) for step in steps]
    assert places == sorted(places)
    assert "They follow Poster." in page
    assert "1 h" in page[places[3] : places[4]]
    assert f'href="/message/{message.pk}/recipients/"' in page
    assert f'href="/inbound/{came.pk}/"' in page


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
