"""A day on a record: it is given to Bob, moves on, something is planned and done, pictures from elsewhere are looked at, a reply quotes,
the conversation goes on paper.

The server of pictures stands on loopback, which a parameter of this house allows: without it the fetcher asks public addresses alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from postroom.core.terms.states import Role
from postroom.store.models import (
    Activity,
    AliasDomain,
    Attachment,
    Follower,
    Member,
    Notification,
    Parameter,
    Record,
    TrustedPictures,
)
from postroom.wiring import ports
from tests.e2e.journeys.looking import at_desk, opened, shot
from tests.laboratory.availability import requires_chromium
from tests.laboratory.pictures import PNG, PictureServer, says
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]


@pytest.fixture
def pictures() -> Iterator[PictureServer]:
    with PictureServer({"/colours.png": says(PNG)}) as server:
        yield server


@pytest.fixture
def record(db: None, pictures: PictureServer) -> Record:
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test", plus_addresses_arrive=True)
    company.save()
    seeding.a_kind(
        stages=["New", "In progress", "Solved"],
        icon="confirmation_number",
        value_names=["Copies", "Paper"],
        value_types={"Copies": "number", "Paper": ["Kraft", "Matte"]},
    )
    alice = seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    seeding.a_member("bob", "Bob Brandt", company, channel="inbox")
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    Parameter.objects.create(key="mail.images.private_networks", value="127.0.0.0/8")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    record = seeding.a_record(company, "Poster arrived with a folded corner", contact=carla, stage="New")
    for contact in (alice.contact, carla):
        Follower.objects.create(record=record, contact=contact, notes=contact is not carla)
    seeding.a_message(record, carla, "<p>Good morning, are you there?</p>", posted_at=seeding.ago(days=1))
    long = "".join(f"<p>Paragraph {number} of a long story about posters.</p>" for number in range(40))
    asked = seeding.a_message(
        record,
        carla,
        f'<p>One corner is folded, see:</p><p><img src="{pictures.url("/colours.png")}" alt="The corner" width="80" height="40"></p>{long}',
        addressed={"to": [["", "support@postroom.test"]], "cc": [["Piet Conti", "piet@customer.example"]]},
        attachment_count=2,
        posted_at=seeding.ago(minutes=5),
        inbound=seeding.an_inbound(
            company, "Poster", b"From: carla@customer.example", authentication={"proof": "proven"}
        ),
    )
    for name, kind, content in (("corner.png", "image/png", PNG), ("terms.pdf", "application/pdf", b"%PDF-1.4 x")):
        Attachment.objects.create(
            message=asked, name=name, content_type=kind, size=len(content), sha256=ports().blobs.put(content)
        )
    return record


@pytest.fixture
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def test_a_record_is_worked_on(record: Record, pictures: PictureServer, browser: Browser) -> None:
    with served() as base:
        with at_desk(browser, base, "alice") as page:
            opened(page, f"{base}/records/{record.pk}/")
            give_to_bob(page, record)
            plan_and_do(page)
            show_pictures(page, pictures)
            hear_of_less(page)
            quote(page)
            shot(page, "timeline-record", whole=True)
            on_paper(page.context, base, record)
            shot(opened(page, f"{base}/people/{record.contact_id}/"), "timeline-person", whole=True)
            shot(opened(page, f"{base}/records/{record.pk}/merge/"), "timeline-merge", whole=True)
        for size, theme in (("narrow", "light"), ("narrow", "dark"), ("wide", "dark")):
            with at_desk(browser, base, "alice", size, theme) as page:
                opened(page, f"{base}/records/{record.pk}/")
                shot(page, f"timeline-record-{size}-{theme}", whole=True)


def give_to_bob(page: Page, record: Record) -> None:
    """He is told, and both changes stand in the conversation."""
    page.locator("select[name=responsible]").select_option(label="Bob Brandt")
    expect(page.locator("#pr-thread")).to_contain_text("Responsible: Bob Brandt")
    page.get_by_role("button", name="In progress", exact=True).click()
    expect(page.locator("#pr-thread")).to_contain_text("Stage: New → In progress")
    assert Notification.objects.get().contact.name == "Bob Brandt"
    page.get_by_role("button", name="Edit values").click()
    page.locator("[name=value-0]").fill("400")
    page.locator("[name=value-1]").select_option("Kraft")
    page.locator("#pr-values button").click()
    expect(page.locator(".pr-facts")).to_contain_text("400")


def plan_and_do(page: Page) -> None:
    page.get_by_text("Plan an activity").click()
    form = page.locator(".pr-plan form")
    form.locator("[name=kind]").select_option("call")
    form.get_by_label("In a few words").fill("Call Carla about the new print")
    form.get_by_role("button", name="Plan", exact=True).click()
    line = page.locator(".pr-activity", has_text="Call Carla")
    expect(line).to_contain_text("tomorrow")
    shot(page, "timeline-planned", whole=True)
    line.get_by_label("Mark done: Call Carla about the new print").click()
    line.get_by_label("What came of it? (optional)").fill("She is happy with a new print.")
    line.get_by_role("button", name="Mark done").click()
    expect(page.locator(".pr-activity")).to_have_count(0)
    expect(page.locator("#pr-thread .pr-feedback")).to_have_text("She is happy with a new print.")
    assert Activity.objects.get().state == "done"


def show_pictures(page: Page, pictures: PictureServer) -> None:
    """Not before they are asked for; then they come over us, and from now on by themselves."""
    bar = page.locator("[data-remote-bar]:visible")
    expect(bar).to_contain_text("Images from elsewhere are not shown")
    assert pictures.asked == []
    bar.get_by_role("button", name="Always for this sender").click()
    wait_until(lambda: len(pictures.asked) == 1, "the picture is fetched", 60)
    page.wait_for_function(
        "[...document.querySelectorAll('iframe.pr-frame')].some((frame) => frame.contentDocument.querySelector('img[alt=\"The corner\"]')?.naturalWidth)"
    )
    expect(page.get_by_text("You see the images of carla@customer.example from now on.")).to_be_visible()
    assert TrustedPictures.objects.get().member == Member.objects.get(user__username="alice")
    page.get_by_role("button", name="Show all of it").click()
    expect(page.locator(".pr-frame-box.folded")).to_have_count(0)


def hear_of_less(page: Page) -> None:
    page.get_by_label("What Carla Conti hears of").click()
    expect(page.get_by_text("Notes, changes and activities stay in the house.")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("What Alice Archer hears of").click()
    page.locator(".pr-subtypes[open] [name=changes]").check()
    page.locator(".pr-subtypes[open] footer button").click()
    expect(page.locator(".pr-subtypes[open]")).to_have_count(0)
    assert Follower.objects.get(contact__name="Alice Archer").changes


def quote(page: Page) -> None:
    message = page.locator(".pr-msg", has_text="Carla Conti").last
    message.get_by_label("Starred").click()
    expect(message.get_by_label("Starred")).to_have_attribute("aria-pressed", "true")
    message.get_by_label("Reply to Carla Conti").click()
    expect(page.locator(".pr-editor blockquote").first).to_contain_text("Good morning, are you there?")
    expect(page.locator(".pr-day")).to_have_count(2)


def on_paper(window: BrowserContext, base: str, record: Record) -> None:
    paper = window.new_page()
    paper.goto(f"{base}/records/{record.pk}/print/")
    for words in ("One corner is folded", "She is happy with a new print.", "piet@customer.example", "terms.pdf"):
        expect(paper.locator("body")).to_contain_text(words)
    paper.emulate_media(media="print")
    expect(paper.locator(".hint")).to_be_hidden()
    shot(paper, "timeline-paper", whole=True, paper=True)
