"""One journey through the pages in a real browser, with Postroom's own processes behind them: sign in, find a record, write, be
answered by the outside person through the real door, learn of a bounce. Nothing is reloaded by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from postroom.core.terms.states import Role
from postroom.store.models import AliasDomain, Follower, Record
from tests.laboratory.availability import requires_chromium
from tests.web import seeding
from tests.web.browser import a_browser, a_window, sign_in
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]


@pytest.fixture
def record(db: None) -> Record:
    company = seeding.a_company()
    company.alias_domain = AliasDomain.objects.create(name="postroom.test", plus_addresses_arrive=True)
    company.save()
    seeding.a_kind(stages=["New", "In progress", "Solved"])
    seeding.a_member("admin", "Ada Admin", company, Role.ADMINISTRATOR)
    seeding.a_server("Letterbox", transport="letterbox", host="", port=25, encryption="none")
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    record = seeding.a_record(company, "Poster with a folded corner", contact=carla, stage="New")
    Follower.objects.create(record=record, contact=carla)
    seeding.a_message(record, carla, "<p>One corner is <b>folded</b>.</p>", quoted="<p>an older mail</p>")
    return record


@pytest.fixture
def base(record: Record) -> Iterator[str]:
    """The address of the pages of a whole Postroom."""
    with served("door", "router", "deliverer") as address:
        yield address


@pytest.fixture(params=["wide", "narrow"])
def window(request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    with a_browser() as browser:
        window = a_window(browser, request.param)
        yield window
        window.close()


def test_from_the_sign_in_to_an_answer_a_bounce_and_a_note(base: str, window: BrowserContext, record: Record) -> None:
    complaints: list[str] = []
    page = window.new_page()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))

    sign_in(page, base, "admin", seeding.PASSWORD)
    page.goto(f"{base}/records/ticket/")
    page.get_by_role("searchbox").fill("folded")
    page.get_by_role("link", name="Poster with a folded corner").first.click()
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(1)
    frame = page.frame_locator("iframe.pr-frame").first
    expect(frame.locator("b")).to_have_text("folded")
    expect(frame.locator(".quoted")).to_be_hidden()
    expect(page.locator("#pr-audience")).to_contain_text("Carla Conti")

    page.locator(".pr-editor").click()
    page.keyboard.type("Dear Carla,")
    page.keyboard.press("Enter")
    page.keyboard.type("a new one leaves today.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(2)
    expect(page.locator(".pr-editor")).to_have_text("")

    letterbox = window.new_page()
    letterbox.goto(f"{base}/letterbox/?to=carla@customer.example")
    letter = letterbox.locator(".pr-letter").first
    expect(letter).to_contain_text("Re: Poster with a folded corner")
    letter.click()
    expect(letterbox.frame_locator(".pr-reader iframe").locator("body")).to_contain_text("a new one leaves today.")
    letterbox.get_by_role("button", name="Reply as recipient").click()
    letterbox.get_by_label("carla@customer.example answers").fill("Wonderful, thank you!")
    letterbox.get_by_role("button", name="Send as them").click()
    expect(letterbox.get_by_text("The answer is on its way")).to_be_visible()

    page.bring_to_front()
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(3)
    newest = page.locator("#pr-thread > li.pr-msg").first
    expect(newest.frame_locator("iframe").locator("body")).to_contain_text("Wonderful, thank you!")
    newest.get_by_label("Why is this here?").click()
    expect(newest.locator(".pr-reasons")).to_be_visible()
    page.keyboard.press("Escape")
    expect(newest.locator(".pr-reasons")).to_be_hidden()

    letterbox.get_by_role("button", name="Bounce it").click()
    envelope = page.locator("a.red")
    expect(envelope).to_be_visible()
    envelope.click()
    page.get_by_text("See error details").click()
    expect(page.locator(".pr-verbatim")).to_contain_text("does not exist")
    page.get_by_role("button", name="Ignore all").click()
    expect(page.locator("a.red")).to_have_count(0)

    page.get_by_text("Log note").first.click()
    expect(page.locator("#pr-audience")).to_contain_text("Stays here")
    page.locator(".pr-editor").click()
    page.keyboard.type("She is a regular customer.")
    page.locator("button.send.only-note").click()
    note = page.locator("#pr-thread > li.note")
    expect(note).to_have_count(1)
    expect(note.locator("a[id^=envelope]")).to_have_count(0)  # nobody was told
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth + 1")  # nothing sticks out
    assert complaints == []
