"""The blacklist on the pages: who is on it and why, releasing, putting on, and the warning before something is sent."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.store.models import AddressHealth, Company, Follower, Member, Suppression
from tests.web import bouncing, seeding
from tests.web.conftest import SignedIn

CARLA = "carla@customer.example"


@pytest.fixture
def carla(company: Company) -> AddressHealth:
    return bouncing.some_addresses(company)


def test_the_list_says_why_and_the_chart_who_failed_most(
    carla: AddressHealth, signed_in: SignedIn, alice: Member
) -> None:
    page = signed_in(alice).get("/suppression/").content.decode()
    assert CARLA in page
    assert "5 bounces from" in page
    assert "Alice Archer put it on the list: Asked for it on the phone" in page
    assert "/suppression/worst/" in page
    assert "tom@fischer-verlag.example" not in page, "he was released"
    bars = signed_in(alice).get("/suppression/worst/").content.decode()
    assert "tom@fischer-verlag.example" in bars
    assert bars.index("customer.example") < bars.index("oakhurst.example")
    assert "width:100%" in bars


@pytest.mark.parametrize(
    ("asked", "there", "missing"),
    [
        ("view=bouncing", "yuki@tanaka-paper.example", "press@atlas.example"),
        ("view=complained", "grace@lagosprints.example", "yuki@tanaka-paper.example"),
        ("view=released", "He wrote to us again.", "grace@lagosprints.example"),
        ("q=atlas", "press@atlas.example", "grace@lagosprints.example"),
        ("q=Carla@Customer.Example", CARLA, "press@atlas.example"),
    ],
)
def test_lists_are_cut_as_asked(
    carla: AddressHealth, signed_in: SignedIn, alice: Member, asked: str, there: str, missing: str
) -> None:
    answer = signed_in(alice).get(f"/suppression/?{asked}", headers={"HX-Request": "true"}).content.decode()
    assert there in answer
    assert missing not in answer
    assert "<html" not in answer


def test_long_lists_come_page_by_page_without_a_gap(company: Company, signed_in: SignedIn, alice: Member) -> None:
    for number in range(120):
        row = bouncing.an_address(company, f"c{number}@customer.example", 1)
        bouncing.a_suppression(
            row, "bounces", "suppression.bounces", {}, **({"released_at": seeding.NOW} if number % 2 else {})
        )
    window = signed_in(alice)
    for view, count in (("suppressed", 60), ("released", 60), ("bouncing", 120)):
        seen: list[str] = []
        place = f"/suppression/?view={view}"
        while place:
            page = window.get(place, headers={"HX-Request": "true"}).content.decode()
            seen += [part.partition("<")[0] for part in page.split('<span class="name pr-cut">')[1:]]
            more = page.partition('class="pr-btn" href="')[2].partition('"')[0].replace("&amp;", "&")
            place = f"/suppression/{more}" if more else ""
        assert len(seen) == len(set(seen)) == count


def test_an_address_shows_its_evidence_verbatim(carla: AddressHealth, signed_in: SignedIn, alice: Member) -> None:
    window = signed_in(alice)
    with CaptureQueriesContext(connection) as queries:
        page = window.get(f"/suppression/{carla.pk}/").content.decode()
    assert page.count(bouncing.CLOSED) == 5
    assert "fault of the mailbox" in page
    assert "for good, until somebody releases it" in page
    assert len(queries) <= 17, [one["sql"][:90] for one in queries.captured_queries]


def test_a_manager_releases_with_one_click_and_an_agent_is_not_asked(
    carla: AddressHealth, signed_in: SignedIn, alice: Member, bob: Member
) -> None:
    place = f"/suppression/{carla.pk}/"
    assert "Release" not in signed_in(bob).get(place).content.decode()
    assert signed_in(bob).post(f"{place}release/", {"why": "no"}).status_code == 403
    answer = signed_in(alice).post(f"{place}release/", {"why": "Called her."}, follow=True).content.decode()
    assert f"Campaigns may write to {CARLA} again." in answer
    assert "Alice Archer Called her." in answer
    row = Suppression.objects.get(health=carla)
    assert (row.released_who, row.released_why) == ("Alice Archer", "Called her.")
    again = signed_in(alice).post(f"{place}release/", follow=True).content.decode()
    assert f"Campaigns do not leave {CARLA} out." in again


def test_a_manager_puts_an_address_on_the_list(
    company: Company, signed_in: SignedIn, alice: Member, bob: Member
) -> None:
    form = {"address": "Dora <DORA@customer.example>", "why": "asked for it", "days": "30"}
    assert signed_in(bob).post("/suppression/", form).status_code == 403
    answer = signed_in(alice).post("/suppression/", form, follow=True).content.decode()
    assert "Campaigns leave dora@customer.example out from now on." in answer
    row = Suppression.objects.get()
    assert row.expires_at is not None
    assert (row.expires_at - row.since).days == 30
    for wrong, said in (({"why": ""}, "Say why"), ({"address": "nobody"}, "no mail address"), ({"days": "x"}, "days")):
        assert said in signed_in(alice).post("/suppression/", form | wrong, follow=True).content.decode()


def test_another_company_neither_sees_nor_releases(carla: AddressHealth, signed_in: SignedIn, mallory: Member) -> None:
    window = signed_in(mallory)
    assert CARLA not in window.get("/suppression/?view=bouncing").content.decode()
    assert window.get(f"/suppression/{carla.pk}/").status_code == 404
    assert window.post(f"/suppression/{carla.pk}/release/").status_code == 404
    form = {"address": "x@y.example", "why": "spite", "company": str(carla.company_id)}
    assert window.post("/suppression/", form).status_code == 403


def test_who_writes_is_warned_before_sending_and_on_the_record(
    carla: AddressHealth, company: Company, signed_in: SignedIn, bob: Member
) -> None:
    contact = seeding.a_contact("Carla Conti", CARLA, company)
    record = seeding.a_record(company, "Poster", contact=contact)
    Follower.objects.create(record=record, contact=contact)
    window = signed_in(bob)
    for place in (f"/records/{record.pk}/audience/?kind=comment", f"/records/{record.pk}/"):
        page = window.get(place).content.decode()
        assert "Bounced 5 times since" in page, place
        assert bouncing.CLOSED in page, place
        assert "This message is sent all the same." in page, place
        assert f"/suppression/{carla.pk}/" in page, place
    note = window.get(f"/records/{record.pk}/audience/?kind=note").content.decode()
    assert "Bounced" not in note, "she does not get it"


def test_what_servers_say_is_harmless(company: Company, signed_in: SignedIn, alice: Member) -> None:
    row = bouncing.an_address(company, "carla@customer.example", 1, "550 <script>alert(1)</script>")
    page = signed_in(alice).get(f"/suppression/{row.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "<script>alert" not in signed_in(alice).get("/suppression/?view=bouncing").content.decode()
