"""Lists, searching, new records, changing one, followers."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client

from postroom.store.models import Company, Contact, Follower, Member, Record
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def window(signed_in: SignedIn, bob: Member) -> Client:
    return signed_in(bob)


def listed(window: Client, place: str, **asked: object) -> list[str]:
    page = window.get(place, asked).content.decode()
    return re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)


def test_the_list_is_read_page_by_page_each_record_once_although_times_are_equal(
    window: Client, company: Company
) -> None:
    titles = {
        seeding.a_record(company, f"R{number}", updated_at=seeding.NOW - timedelta(minutes=number // 40)).title
        for number in range(130)
    }
    page = window.get("/records/").content.decode()
    seen = re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
    while more := re.search(r'hx-get="[^"?]*(\?after=[^"]+)"', page):
        page = window.get("/records/" + more[1].replace("&amp;", "&"), headers=HTMX).content.decode()
        seen += re.findall(r'<span class="name pr-cut">([^<]+)</span>', page)
    assert len(seen) == len(set(seen)) == 130
    assert set(seen) == titles


@pytest.mark.case("T-205")
def test_who_wrote_what_did_not_arrive_finds_the_record_and_nobody_else_does(
    signed_in: SignedIn, company: Company, bob: Member, alice: Member
) -> None:
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    for title, author, state in (
        ("Bounced", bob, "bounce"),
        ("Refused", bob, "exception"),
        ("Ignored", bob, "canceled"),
        ("Arrived", bob, "sent"),
        ("Of Alice", alice, "bounce"),
    ):
        record = seeding.a_record(company, title)
        seeding.a_notification(seeding.a_message(record, author.contact, "<p>x</p>"), carla, state)
    assert sorted(listed(signed_in(bob), "/records/", who="failed")) == ["Bounced", "Refused"]
    assert listed(signed_in(bob), "/records/", who="failed", q="refused") == ["Refused"]
    assert listed(signed_in(alice), "/records/", who="failed") == ["Of Alice"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("poster", ["Poster with a folded corner"]),
        ("POST cor", ["Poster with a folded corner"]),
        ("carla", ["Poster with a folded corner"]),
        ("carla@customer.example", ["Poster with a folded corner"]),
        ("customer", ["Poster with a folded corner"]),
        ("oster", []),
        ("poster invoice", []),
        ("'); DROP TABLE", []),
        ("& | ! : * <->", ["Invoice 2031", "Poster with a folded corner"]),
        ("100%", []),
        ("\\", ["Invoice 2031", "Poster with a folded corner"]),
    ],
)
def test_words_are_found_by_their_beginning(window: Client, company: Company, typed: str, found: list[str]) -> None:
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    seeding.a_record(company, "Poster with a folded corner", contact=carla)
    seeding.a_record(company, "Invoice 2031", updated_at=seeding.NOW + timedelta(minutes=1))
    assert listed(window, "/records/", q=typed) == found


def test_lists_are_cut_by_kind_stage_and_person(window: Client, company: Company, bob: Member, alice: Member) -> None:
    seeding.a_kind("lead", "Lead", "Leads")
    for title, kind, stage, who in (
        ("a", "ticket", "New", bob),
        ("b", "ticket", "Solved", alice),
        ("c", "lead", "", None),
    ):
        seeding.a_record(
            company, title, kind=kind, stage=stage, responsible=who, updated_at=seeding.ago(minutes=ord(title))
        )
    assert listed(window, "/records/") == ["a", "b", "c"]
    assert listed(window, "/records/ticket/") == ["a", "b"]
    assert listed(window, "/records/ticket/", stage="Solved") == ["b"]
    assert listed(window, "/records/", who="mine") == ["a"]
    assert listed(window, "/records/", who="unassigned") == ["c"]


def test_a_row_shows_what_was_last_said_and_marks_a_note(window: Client, company: Company, alice: Member) -> None:
    record = seeding.a_record(company, "Poster")
    seeding.a_message(record, alice.contact, "<p>first</p>")
    seeding.a_message(record, alice.contact, "<p>the last word &amp; more</p>", kind="note")
    seeding.a_message(record, alice.contact, "", kind="system", changes=[["Stage", "a", "b"]])
    page = window.get("/records/").content.decode()
    assert "Alice Archer: the last word &amp; more" in page
    assert ">Note</b>" in page
    assert "first" not in page


def test_htmx_gets_the_rows_alone(window: Client, company: Company) -> None:
    seeding.a_record(company, "Poster")
    piece = window.get("/records/?q=poster", headers=HTMX).content.decode()
    assert "Poster" in piece
    assert "<html" not in piece


def test_a_contact_of_another_company_is_not_lost_in_silence(
    signed_in: SignedIn, company: Company, ada: Member
) -> None:
    second = seeding.a_company("Second")
    ada.companies.add(second)
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    values = {"title": "Poster", "company": second.pk, "contact": carla.pk, "stage": "New"}
    answer = signed_in(ada).post("/records/ticket/new/", values)
    assert answer.status_code == 422
    assert "This contact belongs to another company." in answer.content.decode()
    assert not Record.objects.exists()


def test_a_new_record_begins_with_its_contact_following(window: Client, company: Company, bob: Member) -> None:
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    values = {"title": "Poster", "company": company.pk, "contact": carla.pk, "stage": "New", "responsible": bob.pk}
    answer = window.post("/records/ticket/new/", values)
    record = Record.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/records/{record.pk}/")
    assert (record.contact, record.stage, record.responsible) == (carla, "New", bob)
    assert set(Follower.objects.values_list("contact__name", flat=True)) == {"Bob Brandt", "Carla Conti"}


def test_somebody_new_is_written_down_by_name_and_address(window: Client, company: Company) -> None:
    values = {
        "title": "Poster",
        "company": company.pk,
        "contact_name": "Carla",
        "contact_address": "Carla@Customer.example",
    }
    assert window.post("/records/ticket/new/", values).status_code == 303
    assert Record.objects.get().contact_address == "carla@customer.example"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"title": ""}, "This field is required"),
        ({"title": "x", "contact_address": "carla at home"}, "That is no e-mail address"),
        ({"title": "x", "stage": "Nonsense"}, "Select a valid choice"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(
    window: Client, company: Company, values: dict[str, str], words: str
) -> None:
    answer = window.post("/records/ticket/new/", {"company": company.pk, **values})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Record.objects.exists()


def test_a_record_is_made_in_own_companies_only(window: Client, mallory: Member) -> None:
    answer = window.post("/records/ticket/new/", {"title": "x", "company": mallory.company_id})
    assert answer.status_code == 422
    assert not Record.objects.exists()


def test_title_stage_and_responsible_are_changed_one_by_one(window: Client, company: Company, bob: Member) -> None:
    record = seeding.a_record(company, "Poster", stage="New")
    place = f"/records/{record.pk}/change/"
    window.post(place, {"title": "Two posters"})
    window.post(place, {"stage": "Solved"})
    window.post(place, {"responsible": bob.pk})
    record.refresh_from_db()
    assert (record.title, record.stage, record.responsible) == ("Two posters", "Solved", bob)
    window.post(place, {"responsible": ""})
    record.refresh_from_db()
    assert (record.title, record.stage, record.responsible) == ("Two posters", "Solved", None)


def test_followers_come_and_go(window: Client, company: Company) -> None:
    record = seeding.a_record(company, "Poster")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    piece = window.post(f"/records/{record.pk}/follow/", {"contact": carla.pk}, headers=HTMX)
    assert "Carla Conti" in piece.content.decode()
    assert piece["HX-Trigger"] == "postroom:people"
    piece = window.post(f"/records/{record.pk}/unfollow/", {"contact": carla.pk}, headers=HTMX)
    assert "Carla Conti" not in piece.content.decode()
    assert not record.followers.exists()


def test_who_reads_only_may_follow_nobody_and_change_nothing(
    signed_in: SignedIn, rita: Member, company: Company
) -> None:
    record = seeding.a_record(company, "Poster")
    window = signed_in(rita)
    assert window.post(f"/records/{record.pk}/follow/", {"contact": rita.contact_id}).status_code == 403
    assert window.post(f"/records/{record.pk}/change/", {"title": "x"}).status_code == 403
    assert window.post("/records/ticket/new/", {"title": "x", "company": company.pk}).status_code == 403


def test_people_are_found_in_own_companies_only(window: Client, company: Company, mallory: Member) -> None:
    seeding.a_contact("Carla Conti", "carla@customer.example", company)
    seeding.a_contact("Carla Shared", "carla@shared.example")
    secret: Contact = seeding.a_contact("Carla Secret", "carla@secret.example", mallory.company)
    found = window.get("/people/find/", {"who": "carla"}).content.decode()
    assert "Carla Conti" in found
    assert "Carla Shared" in found
    assert "Carla Secret" not in found
    assert "Carla Secret" not in window.get("/people/chosen/", {"id": secret.pk}).content.decode()
    assert "Nobody by that name" in window.get("/people/find/", {"who": "zzz"}).content.decode()
