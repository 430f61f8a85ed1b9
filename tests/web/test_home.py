"""The first page: what needs my eyes."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.core.terms.reasons import SENTENCES
from postroom.store.models import Activity, Company, Mailbox, Member, Notification, OutgoingServer, SendingGate
from postroom.web.templatetags.postroom import Here, initials, seconds_spoken, spoken
from tests.web import seeding
from tests.web.conftest import SignedIn
from tests.workers.children import python


@pytest.fixture
def window(signed_in: SignedIn, alice: Member) -> Client:
    return signed_in(alice)


@pytest.mark.case("T-205")
def test_my_failures_are_listed_and_nobody_elses(window: Client, company: Company, alice: Member, bob: Member) -> None:
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    record = seeding.a_record(company, "Poster")
    for author, reason in ((alice, "550 mine"), (bob, "550 of Bob")):
        message = seeding.a_message(record, author.contact, "<p>x</p>")
        seeding.a_notification(message, carla, "bounce", failure_reason=reason)
    page = window.get("/").content.decode()
    assert "550 mine" in page
    assert "550 of Bob" not in page


def test_what_reached_me_in_the_app_is_listed_until_i_have_read_it(
    window: Client, company: Company, alice: Member, bob: Member
) -> None:
    record = seeding.a_record(company, "Poster")
    message = seeding.a_message(record, bob.contact, "<p>x</p>")
    mine = seeding.a_notification(message, alice.contact, channel="inbox")
    other = seeding.a_notification(seeding.a_message(record, alice.contact, "<p>x</p>"), bob.contact, channel="inbox")
    assert "New for me" in window.get("/").content.decode()
    window.post("/read/", {"id": [mine.pk, other.pk, "x"]})
    assert "New for me" not in window.get("/").content.decode()
    assert not Notification.objects.get(pk=other.pk).is_read  # Bob's is Bob's


def test_a_queue_that_is_late_and_held_mail_are_said_to_managers(window: Client, company: Company) -> None:
    page = window.get("/attention/").content.decode()
    assert "Queue is moving" in page
    seeding.a_delivery(company, "a@x.example", due_at=timezone.now() - timedelta(minutes=20), lane=2)
    seeding.an_inbound(company, "A question", b"x", "held")
    page = window.get("/attention/").content.decode()
    assert "Queue is late" in page
    assert "1 held" in page


def test_a_queue_with_a_paused_server_is_not_said_to_be_moving(window: Client) -> None:
    relay, other = seeding.a_server("Relay"), seeding.a_server("Other")
    assert "Queue is moving" in window.get("/attention/").content.decode()
    for server, said in ((relay, "A server is paused"), (other, "Sending is paused")):
        OutgoingServer.objects.filter(pk=server.pk).update(paused_at=timezone.now())
        page = window.get("/attention/").content.decode()
        assert said in page
        assert "Queue is moving" not in page


def test_a_daily_limit_that_is_reached_is_said(signed_in: SignedIn, ada: Member) -> None:
    server = seeding.a_server("Relay")
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    gate = SendingGate.objects.create(server_number=server.pk, span="day", window_at=midnight, used=500)
    assert "Daily limit reached" not in signed_in(ada).get("/attention/").content.decode()
    SendingGate.objects.filter(pk=gate.pk).update(reached_at=timezone.now())
    assert "Daily limit reached: 500 mails have left today" in signed_in(ada).get("/attention/").content.decode()


def test_troubles_of_servers_and_mailboxes_are_said_to_who_can_mend_them(
    window: Client, signed_in: SignedIn, ada: Member, mallory: Member, company: Company
) -> None:
    seeding.a_server("Own relay", company=company, trouble="535 5.7.8 wrong password")
    seeding.a_server("Foreign relay", company=mallory.company, trouble="421 closing")
    Mailbox.objects.create(
        company=company, name="Shop", host="x", username="x", is_confirmed=True, last_error="AUTHENTICATIONFAILED"
    )
    Mailbox.objects.create(company=company, name="Half set up", host="x", username="x", last_error="not yet confirmed")
    page = signed_in(ada).get("/").content.decode()
    assert "535 5.7.8 wrong password" in page
    assert "AUTHENTICATIONFAILED" in page
    assert "not yet confirmed" not in page  # who sets it up sees it there
    assert "421 closing" not in page
    assert "535 5.7.8" not in window.get("/").content.decode()


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Carla Conti", "CC"),
        ("Alice", "A"),
        ("Anna Maria van Delft", "AD"),
        ("carla@customer.example", "C"),
        ("", "?"),
        ("<script> &", "?"),
        ("李 雷", "李雷"),
    ],
)
def test_a_person_without_a_picture_has_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=20), "now"),
        (timedelta(minutes=5), "5 min ago"),
        (-timedelta(minutes=5), "in 5 min"),
        (timedelta(hours=3), "09:00"),
        (timedelta(days=1), "yesterday 12:00"),
        (-timedelta(days=1), "tomorrow 12:00"),
        (timedelta(days=30), "10 Feb"),
        (timedelta(days=400), "5 Feb 2025"),
    ],
)
def test_moments_are_told_as_people_do(before: timedelta, words: str) -> None:
    now = timezone.datetime(2026, 3, 12, 12, 0, tzinfo=timezone.get_default_timezone())
    assert spoken(now - before, Here(now, timezone.get_default_timezone(), "en")) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(300, "5 minutes"), (3600, "1 hour"), (86400, "1 day"), (90, "90 seconds"), (7200, "2 hours")],
)
def test_intervals_are_told_in_the_largest_unit_that_fits(seconds: int, words: str) -> None:
    assert seconds_spoken(seconds) == words


def test_the_pages_know_the_sentences_of_all_rooms(db: None) -> None:
    """A reason whose room was not loaded would be shown as a bare code."""
    code = "import postroom.project.urls\nfrom postroom.core.terms.reasons import SENTENCES, template_of\ntemplate_of('')\nprint(*sorted(SENTENCES))"
    with python(code) as child:
        known = set((child.communicate(timeout=300)[0] or "").split())
    rooms = {re.split(r"[._]", code)[0] for code in known}
    assert {"audience", "queue", "person"} <= rooms
    of_pages = {code for code in SENTENCES if " " not in code and not code.startswith(("answer.", "test."))}
    assert of_pages <= known, "answers are said by a command alone"


def test_what_i_have_to_do_stands_on_my_first_page_and_nobody_elses(
    signed_in: SignedIn, bob: Member, ada: Member, company: Company
) -> None:
    record = seeding.a_record(company, "Lamp")
    Activity.objects.create(
        record=record,
        company=company,
        kind="call",
        summary="Call Carla back",
        due_on=date(2020, 1, 2),
        assignee=bob,
        planned_by=ada,
        planned_at=seeding.NOW,
    )
    page = signed_in(bob).get("/").content.decode()
    assert "Call Carla back" in page
    assert "pr-bad" in page
    assert "Call Carla back" not in signed_in(ada).get("/").content.decode()
