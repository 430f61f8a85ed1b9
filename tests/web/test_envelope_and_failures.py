"""The dialog of the envelope, my failures by kind of record, and what reaches me in the app."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from postroom.store.models import (
    Company,
    Contact,
    Installation,
    Member,
    Message,
    Notification,
    OutgoingContent,
    Record,
    Star,
)
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


@pytest.fixture
def record(company: Company) -> Record:
    return seeding.a_record(company, "Poster")


def a_failure(record: Record, author: Member, contact: Contact, **more: str) -> Notification:
    message = seeding.a_message(record, author.contact, "<p>x</p>")
    told = seeding.a_notification(message, contact, more.pop("state", "exception"), **more)
    row = seeding.a_delivery(
        record.company, contact.address, "failed", message=message, notification=told, blame="address"
    )
    seeding.an_attempt(row, "failed", 550, "5.1.1", "No such user")
    OutgoingContent.objects.create(mail=row.mail, content_headers=b"", body=b"x")
    return told


def carla_of(company: Company) -> Contact:
    return seeding.a_contact("Carla Conti", "carla@customer.example", company)


def test_the_details_say_cause_blame_cure_and_the_servers_words(window: Client, record: Record, alice: Member) -> None:
    told = a_failure(record, alice, carla_of(record.company), failure_reason="550 5.1.1 No such user")
    dialog = window.get(f"/message/{told.message_id}/recipients/", headers=HTMX).content.decode()
    for words in ("There is no such mailbox at this domain.", "the fault lies with the address", "Check the spelling"):
        assert words in dialog
    assert "550 5.1.1 No such user" in dialog
    assert "Technical facts" in dialog
    assert "<html" not in dialog
    assert "<html" in window.get(f"/message/{told.message_id}/recipients/").content.decode()  # without htmx: a page


@pytest.mark.parametrize(("keep", "known_as"), [("1", "carla@new.example"), ("0", "carla@customer.example")])
def test_a_corrected_address_is_kept_with_the_contact_only_if_asked(
    window: Client, record: Record, alice: Member, keep: str, known_as: str
) -> None:
    carla = carla_of(record.company)
    told = a_failure(record, alice, carla)
    values = {"retry": told.pk, f"address-{told.pk}": "carla@new.example", f"keep-{told.pk}": keep}
    answer = window.post(f"/message/{told.message_id}/resend/", values, headers=HTMX)
    assert "postroom:settled" in answer["HX-Trigger"]
    carla.refresh_from_db()
    assert carla.address == known_as
    assert told.deliveries.latest("pk").to_address == "carla@new.example"


def test_a_colleagues_address_is_corrected_only_by_who_may_change_settings(
    window: Client, record: Record, alice: Member, bob: Member, signed_in: SignedIn, ada: Member
) -> None:
    told = a_failure(record, alice, bob.contact)
    values = {"retry": told.pk, f"address-{told.pk}": "bob@elsewhere.example"}
    assert "readonly" in window.get(f"/message/{told.message_id}/recipients/", headers=HTMX).content.decode()
    assert window.post(f"/message/{told.message_id}/resend/", values, headers=HTMX).status_code == 403
    told.refresh_from_db()
    assert told.state == "exception"
    window.post(f"/message/{told.message_id}/resend/", {**values, f"address-{told.pk}": bob.contact.address})
    told.refresh_from_db()
    assert told.state == "ready"
    Notification.objects.update(state="exception")
    signed_in(ada).post(f"/message/{told.message_id}/resend/", values, headers=HTMX)
    bob.contact.refresh_from_db()
    assert bob.contact.address == "bob@elsewhere.example"


def test_the_dialog_is_for_who_sees_the_record(
    signed_in: SignedIn, record: Record, alice: Member, mallory: Member
) -> None:
    told = a_failure(record, alice, carla_of(record.company))
    stranger = signed_in(mallory)
    assert stranger.get(f"/message/{told.message_id}/recipients/").status_code == 404
    for act in ("resend", "ignore"):
        assert stranger.post(f"/message/{told.message_id}/{act}/").status_code == 404
    assert "Poster" not in stranger.get("/failures/").content.decode()


# -- mine, by kind


def test_my_failures_are_listed_by_kind_and_cancelled_by_kind(
    window: Client, company: Company, record: Record, alice: Member, bob: Member, signed_in: SignedIn
) -> None:
    seeding.a_kind("lead", "Lead", "Leads")
    lead = seeding.a_record(company, "A large order", kind="lead")
    carla = carla_of(company)
    mine, of_a_lead, of_bob = (a_failure(*one, carla) for one in ((record, alice), (lead, alice), (record, bob)))
    menu = window.get("/failures/", headers=HTMX).content.decode()
    assert re.findall(r'<h2 class="h3">(\w+)</h2>', menu) == ["Leads", "Tickets"]
    assert menu.count("Handle") == 2
    assert "<b>2</b>" in window.get("/records/").content.decode()  # the badge of every page
    window.post("/failures/ignore/", {"kind": "ticket", "back": "/"})
    states = {one.pk: one.state for one in Notification.objects.all()}
    assert states == {mine.pk: "canceled", of_a_lead.pk: "exception", of_bob.pk: "exception"}
    assert "<b>1</b>" in window.get("/failures/?badge=1", headers=HTMX).content.decode()
    assert "<b>1</b>" in signed_in(bob).get("/records/").content.decode()
    window.post("/failures/ignore/", {"kind": "lead"})
    assert "Everybody got your messages" in window.get("/failures/").content.decode()
    assert "pr-failed" not in window.get("/failures/?badge=1", headers=HTMX).content.decode().replace(
        'id="pr-failed"', ""
    )


def test_who_only_reads_cancels_nothing(record: Record, rita: Member, signed_in: SignedIn) -> None:
    told = a_failure(record, rita, carla_of(record.company))
    assert signed_in(rita).post("/failures/ignore/", {"kind": "ticket"}).status_code == 403
    told.refresh_from_db()
    assert told.state == "exception"


def test_an_outcome_that_nobody_knows_is_not_called_failed(window: Client, record: Record, alice: Member) -> None:
    told = a_failure(record, alice, carla_of(record.company), failure_type="unknown")
    for place in ("/", "/failures/", f"/message/{told.message_id}/recipients/"):
        page = window.get(place).content.decode()
        assert re.search(r'pr-warn"><span[^>]*>help</span>Outcome unknown</span>', page), place
        assert ">Failed</span>" not in page.replace('aria-hidden="true">error</span>Failed', "x>Failed"), place


# -- for me


def heard(record: Record, author: Member, reader: Member, words: str) -> tuple[Message, Notification]:
    message = seeding.a_message(record, author.contact, f"<p>{words}</p>")
    return message, seeding.a_notification(message, reader.contact, channel="inbox")


def test_what_is_new_for_me_is_read_and_starred(window: Client, record: Record, alice: Member, bob: Member) -> None:
    message, told = heard(record, bob, alice, "Have a look at the corner")
    assert "Have a look at the corner" in window.get("/for-me/").content.decode()
    star = f"/message/{message.pk}/star/"
    assert 'aria-pressed="true"' in window.post(star, {"on": "1"}, headers=HTMX).content.decode()
    window.post(star, {"on": "1"})  # twice is as good as once
    assert window.post("/read/", {"id": told.pk}, headers=HTMX).status_code == 204
    assert "All read" in window.get("/for-me/").content.decode()
    assert "Have a look at the corner" in window.get("/for-me/?view=starred").content.decode()
    window.post(star, {"on": "0"})
    assert "No stars" in window.get("/for-me/?view=starred").content.decode()


def test_a_star_is_ones_own_and_only_on_what_one_sees(
    window: Client, record: Record, alice: Member, bob: Member, mallory: Member, signed_in: SignedIn
) -> None:
    message, _ = heard(record, bob, alice, "x")
    window.post(f"/message/{message.pk}/star/", {"on": "1"})
    assert "No stars" in signed_in(bob).get("/for-me/?view=starred").content.decode()
    assert signed_in(mallory).post(f"/message/{message.pk}/star/", {"on": "1"}).status_code == 404
    assert Star.objects.count() == 1


def test_a_long_list_is_read_page_by_page(window: Client, record: Record, alice: Member, bob: Member) -> None:
    for number in range(35):
        heard(record, bob, alice, f"Word {number}.")
    page = window.get("/for-me/").content.decode()
    seen = re.findall(r"Word \d+\.", page)
    more = re.search(r'hx-get="(\?after=\d+)"', page)
    assert more is not None
    seen += re.findall(r"Word \d+\.", window.get(f"/for-me/{more[1]}", headers=HTMX).content.decode())
    assert len(seen) == len(set(seen)) == 35


# -- the first steps and the pulse


def test_first_steps_are_shown_to_who_can_take_them_until_they_are_done_or_closed(
    signed_in: SignedIn, ada: Member, bob: Member, company: Company
) -> None:
    Installation.objects.create(identity="here", confirmed_at=seeding.NOW)
    page = signed_in(ada).get("/").content.decode()
    assert "First steps" in page
    assert "0 of 5" in page
    seeding.a_record(company, "The first")
    seeding.a_server()
    assert "2 of 5" in signed_in(ada).get("/").content.decode()
    assert "First steps" not in signed_in(bob).get("/").content.decode()
    assert signed_in(bob).post("/guide/close/").status_code == 403
    signed_in(ada).post("/guide/close/")
    assert "First steps" not in signed_in(ada).get("/").content.decode()


def test_each_role_sees_its_own_pulse_in_words_and_numbers(
    signed_in: SignedIn, ada: Member, alice: Member, bob: Member, mallory: Member, company: Company
) -> None:
    from postroom.core.terms.traffic import Traffic
    from postroom.store import pulse

    pulse.tally(company.pk, Traffic.SENT, 7, seeding.NOW)
    pulse.tally(mallory.company.pk, Traffic.SENT, 30, seeding.NOW)
    assert "<b>7 <small>mails</small></b>" in signed_in(alice).get("/pulse/").content.decode()
    assert "<b>30 <small>mails</small></b>" in signed_in(mallory).get("/pulse/").content.decode()
    mine = signed_in(bob).get("/pulse/").content.decode()
    assert "Came in on my records" in mine
    assert "<b>7 <small>mails</small></b>" not in mine
    ada.user.is_superuser = True
    ada.user.save()
    house = signed_in(ada).get("/pulse/").content.decode()
    assert "<b>37 <small>mails</small></b>" in house
    assert house.count("<tr>") == 4 * 25  # a table behind each picture
    assert 'role="group"' in house


def test_the_first_page_asks_the_database_fifteen_times_at_the_most(
    signed_in: SignedIn, django_assert_max_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    seeding.a_house()
    window = signed_in(Member.objects.get(user__username="admin"))
    for place in ("/", "/pulse/", "/queue/", "/queue/failures/", "/failures/", "/for-me/", "/queue/find/?q=zzzzzz"):
        with django_assert_max_num_queries(15, info=place):
            assert window.get(place).status_code == 200
