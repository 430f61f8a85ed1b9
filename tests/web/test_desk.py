"""The desk: lists, what is done to many, the pane, saved views, and what comes in meanwhile."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from postroom.flows.index_messages import index_new
from postroom.store.models import (
    Alias,
    AliasDomain,
    Company,
    Follower,
    Member,
    Message,
    MessageIdentifier,
    Record,
    RecordKind,
    SavedView,
)
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}
BUDGET = 18  # queries, session and sign-in included


@pytest.fixture
def window(signed_in: SignedIn, bob: Member) -> Client:
    return signed_in(bob)


def listed(window: Client, place: str, **asked: object) -> list[str]:
    page = window.get(place, asked, follow=True).content.decode()
    return re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)


def chosen(*records: Record) -> list[str]:
    return [f"{record.pk}@{record.updated_at.isoformat()}" for record in records]


# -- lists


def test_the_list_shows_what_is_open_and_a_search_finds_what_is_done(window: Client, company: Company) -> None:
    seeding.a_record(company, "Open one")
    seeding.a_record(company, "Done one", is_done=True, updated_at=seeding.ago(days=1))
    assert listed(window, "/records/") == ["Open one"]
    assert listed(window, "/records/ticket/") == ["Open one"]
    assert listed(window, "/records/", state="done") == ["Done one"]
    assert listed(window, "/records/", state="all") == ["Open one", "Done one"]
    assert listed(window, "/records/", q="done") == ["Done one"]
    assert listed(window, "/records/", q="one", state="open") == ["Open one"]


def test_lists_by_who_waits_who_follows_and_whose_contact(window: Client, company: Company, bob: Member) -> None:
    carla = seeding.a_contact("Carla", "carla@customer.example", company)
    waits = seeding.a_record(company, "Waits", unanswered_since=seeding.ago(hours=3))
    seeding.a_record(company, "Done", unanswered_since=seeding.ago(hours=3), is_done=True)
    followed = seeding.a_record(company, "Followed", contact=carla)
    Follower.objects.create(record=followed, contact=bob.contact)
    assert listed(window, "/records/", who="waiting") == [waits.title]
    assert listed(window, "/records/", who="followed") == ["Followed"]
    assert listed(window, "/records/", contact=carla.pk) == ["Followed"]
    page = window.get("/records/").content.decode()
    assert re.search(r'<span class="pr-count">1</span>', page)


def test_counts_stop_at_ninety_nine(window: Client, company: Company) -> None:
    for number in range(101):
        seeding.a_record(company, f"R{number}", unanswered_since=seeding.NOW)
    assert '<span class="pr-count">99+</span>' in window.get("/records/").content.decode()


def test_an_empty_list_invites_to_write_to_its_alias(window: Client, company: Company) -> None:
    domain = AliasDomain.objects.create(name="postroom.test")
    kind = RecordKind.objects.get(pk="ticket")
    Alias.objects.create(company=company, name="support", domain=domain, kind=kind)
    Alias.objects.create(company=seeding.a_company("Else"), name="theirs", domain=domain, kind=kind)
    page = window.get("/records/ticket/").content.decode()
    assert "support@postroom.test" in page
    assert "theirs@" not in page


# -- search


def test_a_word_of_a_message_brings_its_record_with_the_word_marked(
    window: Client, company: Company, alice: Member, mallory: Member, signed_in: SignedIn
) -> None:
    index_new(ports())
    record = seeding.a_record(company, "Poster")
    message = seeding.a_message(record, alice.contact, "<p>It left the &lt;i&gt;depot&lt;/i&gt; today</p>")
    theirs = seeding.a_record(mallory.company, "Theirs")
    seeding.a_message(theirs, mallory.contact, "<p>another depot</p>")
    index_new(ports())
    page = window.get("/records/?q=depot").content.decode()
    assert "&lt;i&gt;<mark>depot</mark>&lt;/i&gt;" in page
    assert f'href="/records/{record.pk}/?at={message.pk}#message-{message.pk}"' in page
    assert "Theirs" not in page
    assert listed(signed_in(mallory), "/records/", q="depot") == ["Theirs"]


def test_a_number_and_a_message_id_lead_to_their_record_but_not_to_another_companys(
    window: Client, company: Company, alice: Member, mallory: Member, signed_in: SignedIn
) -> None:
    record = seeding.a_record(company, "Poster", is_done=True)
    message = seeding.a_message(record, alice.contact, "<p>x</p>")
    MessageIdentifier.objects.create(message=message, identifier="<one@customer.example>")
    for typed in (f"#{record.pk}", "<one@customer.example>"):
        assert listed(window, "/records/", q=typed) == ["Poster"], typed
        assert listed(signed_in(mallory), "/records/", q=typed) == [], typed


def test_further_hits_are_asked_for_and_every_page_stays_within_its_budget(
    window: Client, company: Company, alice: Member, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    index_new(ports())
    for number in range(70):
        seeding.a_message(seeding.a_record(company, f"R{number}"), alice.contact, "<p>lamp and shade</p>")
    index_new(ports())
    for place in (
        "/records/?q=lamp",
        "/records/?q=lamp%20sha",
        "/records/?q=nothing%20like%20that",
        "/records/?who=followed",
    ):
        with django_assert_max_num_queries(BUDGET + 3):
            assert window.get(place).status_code == 200
    page = window.get("/records/?q=lamp").content.decode()
    seen = re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
    while more := re.search(r'hx-get="([^"]*below=[^"]+)"', page):
        page = window.get(more[1].replace("&amp;", "&"), headers=HTMX).content.decode()
        seen += re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
    assert sorted(seen) == sorted(f"R{number}" for number in range(70))


@pytest.mark.parametrize(
    "typed", ["' OR 1=1", "a:*", "<->", "\\", "%00", "!!", "\U0001f4a5", "x" * 5000, "@@@", "a@", "#"]
)
def test_whatever_is_typed_is_answered(window: Client, company: Company, typed: str) -> None:
    assert window.get("/records/", {"q": typed}).status_code == 200


# -- the pane


def test_htmx_gets_a_record_without_its_shell_and_a_browser_the_whole_page(window: Client, company: Company) -> None:
    record = seeding.a_record(company, "Poster")
    piece = window.get(f"/records/{record.pk}/", headers=HTMX).content.decode()
    assert "Poster" in piece
    assert "<html" not in piece
    assert "data-pane-close" in piece
    whole = window.get(f"/records/{record.pk}/").content.decode()
    assert "<html" in whole
    assert "data-pane-close" not in whole


def test_rows_that_came_since_are_given_with_the_moment_to_ask_from(window: Client, company: Company) -> None:
    seeding.a_record(company, "Old", updated_at=seeding.ago(hours=1))
    seeding.a_record(company, "New", updated_at=seeding.NOW)
    seeding.a_record(company, "Done", updated_at=seeding.NOW, is_done=True)
    since = quote(seeding.ago(minutes=5).isoformat())
    answer = window.get(f"/records/?since={since}", headers=HTMX)
    assert re.findall(r'<span class="name pr-cut">([^<]+)</span>', answer.content.decode()) == ["New"]
    later = quote((seeding.NOW + timedelta(minutes=1)).isoformat())
    assert "New" not in window.get(f"/records/?since={later}", headers=HTMX).content.decode()
    assert answer.headers["X-Postroom-Now"] > seeding.NOW.isoformat()
    assert window.get("/records/?since=nonsense", headers=HTMX).content.decode().strip() == ""


# -- done to many


def test_what_is_done_leaves_the_page_and_comes_back_by_undo(window: Client, company: Company) -> None:
    one, two = seeding.a_record(company, "One"), seeding.a_record(company, "Two")
    asked = {"act": "done:1", "id": chosen(one, two), "list": "", "kind": ""}
    piece = window.post("/records/act/", asked, headers=HTMX).content.decode()
    assert "2 records are done." in piece
    assert set(re.search(r'data-gone="([^"]*)"', piece)[1].split()) == {str(one.pk), str(two.pk)}  # type: ignore[index]
    token = re.search(r'name="undo" value="([^"]+)"', piece)[1]  # type: ignore[index]
    assert listed(window, "/records/") == []
    back = window.post("/records/undo/", {"undo": token, "list": ""}, headers=HTMX).content.decode()
    assert "2 records are as they were before." in back
    assert {*re.findall(r'<span class="name pr-cut">([^<]+)</span>', back)} == {"One", "Two"}
    assert len(listed(window, "/records/")) == 2


def test_a_new_message_keeps_a_record_open_and_the_page_says_so(window: Client, company: Company) -> None:
    record = seeding.a_record(company, "One")
    seen = chosen(record)
    Record.objects.update(updated_at=seeding.NOW + timedelta(seconds=9))
    piece = window.post("/records/act/", {"act": "done:1", "id": seen, "list": ""}, headers=HTMX).content.decode()
    assert "stays open" in piece
    assert listed(window, "/records/") == ["One"]


def test_without_scripts_a_plain_form_does_it_and_comes_back(window: Client, company: Company) -> None:
    record = seeding.a_record(company, "One", stage="New")
    answer = window.post(
        "/records/act/", {"act": "stage:Solved", "id": chosen(record), "back": "/records/ticket/?stage=New"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/records/ticket/?stage=New")
    assert Record.objects.get().stage == "Solved"


def test_who_may_not_is_refused_and_who_is_elsewhere_changes_nothing(
    signed_in: SignedIn, company: Company, rita: Member, mallory: Member, bob: Member
) -> None:
    record = seeding.a_record(company, "One")
    asked = {"act": "done:1", "id": chosen(record), "list": ""}
    assert signed_in(rita).post("/records/act/", asked, headers=HTMX).status_code == 403
    signed_in(mallory).post("/records/act/", asked, headers=HTMX)
    assert not Record.objects.get().is_done
    piece = signed_in(bob).post("/records/act/", asked, headers=HTMX).content.decode()
    token = re.search(r'name="undo" value="([^"]+)"', piece)[1]  # type: ignore[index]
    assert signed_in(mallory).post("/records/undo/", {"undo": token}, headers=HTMX).status_code == 404
    assert "too late" in signed_in(bob).post("/records/undo/", {"undo": "forged"}, headers=HTMX).content.decode()
    assert Record.objects.get().is_done


@pytest.mark.parametrize("act", ["", "nonsense", "done", "delete:1"])
def test_an_unknown_act_changes_nothing(window: Client, company: Company, act: str) -> None:
    record = seeding.a_record(company, "One", is_done=act == "done")
    window.post("/records/act/", {"act": act, "id": ["x", "1@y", *chosen(record)]}, headers=HTMX)
    assert not Message.objects.exists() or act == "done"


# -- saved views


def test_a_view_is_kept_ordered_made_usual_and_removed(window: Client, company: Company, bob: Member) -> None:
    seeding.a_record(company, "Poster", stage="New")
    seeding.a_record(company, "Lamp", stage="Solved")
    for name, asked in (("Fresh", "stage=New&after=x&evil=1"), ("Ready", "stage=Solved")):
        window.post("/records/views/", {"name": name, "kind": "ticket", "asked": asked, "back": "/records/ticket/"})
    fresh, ready = SavedView.objects.order_by("position")
    assert (fresh.asked, fresh.member) == ({"stage": "New"}, bob)
    window.post(f"/records/views/{ready.pk}/", {"act": "up"})
    assert list(SavedView.objects.values_list("name", flat=True)) == ["Ready", "Fresh"]
    window.post(f"/records/views/{ready.pk}/", {"act": "usual"})
    assert listed(window, "/records/ticket/") == ["Lamp"]
    assert len(listed(window, "/records/ticket/", state="open")) == 2
    window.post(f"/records/views/{ready.pk}/", {"act": "remove"})
    assert len(listed(window, "/records/ticket/")) == 2
    assert "Fresh" in window.get("/records/ticket/").content.decode()
    assert "Fresh" not in window.get("/records/").content.decode()


def test_a_shared_view_is_a_managers_and_stays_in_its_company(
    signed_in: SignedIn, company: Company, alice: Member, bob: Member, mallory: Member
) -> None:
    asked = {"name": "Team", "kind": "", "asked": "who=waiting", "shared": "1"}
    assert signed_in(bob).post("/records/views/", asked).status_code == 403
    signed_in(alice).post("/records/views/", asked)
    view = SavedView.objects.get()
    assert view.company == company
    assert "Team" in signed_in(bob).get("/records/").content.decode()
    assert "Team" not in signed_in(mallory).get("/records/").content.decode()
    assert signed_in(mallory).post(f"/records/views/{view.pk}/", {"act": "remove"}).status_code == 404
    assert signed_in(bob).post(f"/records/views/{view.pk}/", {"act": "remove"}).status_code == 403
    assert signed_in(bob).post(f"/records/views/{view.pk}/", {"act": "usual"}).status_code == 404
    signed_in(alice).post(f"/records/views/{view.pk}/", {"act": "remove"})
    assert not SavedView.objects.exists()


# -- keys


def test_keys_are_each_persons_own_choice(window: Client, company: Company, bob: Member) -> None:
    assert 'id="pr-keys"' in window.get("/records/").content.decode()
    Member.objects.filter(pk=bob.pk).update(uses_keys=False)
    page = window.get("/records/").content.decode()
    assert 'id="pr-keys"' not in page
    assert 'data-keys=""' in page
    assert "aria-keyshortcuts" not in page
