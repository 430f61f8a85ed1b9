"""The composer of a record: one line until somebody writes, and one line again when nothing is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from postroom.core.terms.states import Role
from postroom.store.models import Installation, Parameter, Record
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser, a_window, sign_in
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]

DRAG = """() => {
  const carried = new DataTransfer();
  carried.items.add(new File(['x'], 'order.txt', {type: 'text/plain'}));
  for (const kind of ['dragover', 'drop'])
    document.querySelector('#pr-composer').dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: carried}));
}"""


@pytest.fixture
def record(db: None) -> Record:
    company = seeding.a_company()
    seeding.a_kind()
    seeding.a_member("alice", "Alice Archer", company, Role.AGENT)
    return seeding.a_record(
        company, "Poster", contact=seeding.a_contact("Carla Conti", "carla@customer.example", company)
    )


@pytest.fixture
def browser(record: Record) -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def base(record: Record) -> Iterator[str]:
    with served() as base:
        yield base


def height_of(shown: Locator) -> float:
    return (shown.bounding_box() or {"height": 0.0})["height"]


def closed(page: Page) -> None:
    form = page.locator("#pr-composer")
    expect(form).to_contain_class("closed")
    expect(page.locator(".pr-actions")).to_be_hidden()
    expect(page.locator("#pr-audience")).to_be_hidden()
    wait_until(lambda: height_of(form) <= 60, "it is one line high")


def opened(page: Page, kind: str) -> None:
    expect(page.locator("#pr-composer")).not_to_contain_class("closed")
    expect(page.locator(".pr-editor")).to_be_focused()
    expect(page.locator("#pr-composer [name=kind]:checked")).to_have_value(kind)
    expect(page.locator("#pr-composer .send:visible")).to_have_count(1)


def test_it_opens_for_whoever_writes_and_closes_when_nothing_was_written(
    base: str, browser: Browser, record: Record
) -> None:
    page = a_window(browser).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    sign_in(page, base, "alice", seeding.PASSWORD)
    page.goto(f"{base}/records/{record.pk}/")
    expect(page.locator(".pr-editor")).to_have_attribute("data-closed", "Write to Carla Conti…")
    closed(page)

    tabs = page.locator(".pr-composer-tabs label")
    for opens, kind in (
        (page.locator(".pr-editor").click, "comment"),
        (tabs.filter(has_text="Log note").click, "note"),
        (tabs.filter(has_text="Send message").click, "comment"),
        (lambda: page.keyboard.press("r"), "comment"),
        (lambda: page.keyboard.press("n"), "note"),
        (lambda: page.locator("[name=kind]:checked").press("Enter"), "comment"),
    ):
        opens()
        opened(page, kind)
        page.keyboard.press("Escape")
        closed(page)
        expect(page.locator("#pr-composer [name=kind]:checked")).to_be_focused()
        expect(page.locator("#pr-composer [name=kind]:checked")).to_have_value("comment")

    page.keyboard.press("r")
    page.keyboard.type("Dear Carla")
    page.keyboard.press("Escape")  # what is written is not folded away by a slip
    opened(page, "comment")
    expect(page.locator("[data-state]")).to_have_text("Draft saved")
    page.get_by_role("button", name="Fold up").click()
    closed(page)
    expect(page.locator(".pr-editor")).to_have_text("Dear Carla")
    page.reload()  # a draft is shown open
    expect(page.locator(".pr-editor")).to_have_text("Dear Carla")
    expect(page.locator("#pr-composer .send:visible")).to_have_count(1)
    page.locator(".pr-editor").press("Control+Enter")
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(1)
    closed(page)
    page.evaluate(DRAG)
    expect(page.locator("#pr-draft-files")).to_contain_text("order.txt")
    expect(page.locator("#pr-composer")).not_to_contain_class("closed")
    assert faults == []


def test_after_sending_no_room_is_left_and_on_a_phone_the_toast_covers_nothing_that_is_written(
    base: str, browser: Browser, record: Record
) -> None:
    Parameter.objects.create(key="mail.undo.seconds", value="120")  # time enough on a busy machine
    page = a_window(browser, "narrow").new_page()
    sign_in(page, base, "alice", seeding.PASSWORD)
    page.goto(f"{base}/records/{record.pk}/")
    expect(page.locator(".pr-composer.live")).to_be_visible()
    page.wait_for_function("document.fonts.status === 'loaded'")
    below = "document.querySelector('.pr-activities, #pr-thread').getBoundingClientRect().top - document.querySelector('#pr-composer').getBoundingClientRect().bottom"
    before = page.evaluate(below)
    page.locator(".pr-editor").fill("Dear Carla")
    page.get_by_role("button", name="Send", exact=True).click()
    toast = page.locator(".pr-toast")
    expect(toast).to_be_visible()
    closed(page)
    wait_until(lambda: abs(page.evaluate(below) - before) <= 1, "no room is left")
    page.locator(".pr-editor").click()

    def is_above() -> bool:
        over, form = toast.bounding_box(), page.locator("#pr-composer").bounding_box()
        return over is not None and form is not None and over["y"] + over["height"] <= form["y"]

    wait_until(is_above, "the toast lies above what is written")


def test_without_scripts_the_form_is_open(base: str, browser: Browser, record: Record) -> None:
    window = a_window(browser)
    sign_in(window.new_page(), base, "alice", seeding.PASSWORD)
    state = window.storage_state()
    page = browser.new_context(java_script_enabled=False, storage_state=state).new_page()
    page.goto(f"{base}/records/{record.pk}/")
    page.locator("textarea[name=text]").fill("Dear Carla, without scripts")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#pr-thread > li.pr-msg")).to_have_count(1)


def test_the_notice_of_captured_mail_folds_to_a_sign_that_stays(base: str, browser: Browser, record: Record) -> None:
    Installation.objects.update_or_create(
        defaults={"identity": "here", "is_capturing": True, "found_elsewhere": "", "confirmed_at": seeding.NOW}
    )
    page = a_window(browser).new_page()
    sign_in(page, base, "alice", seeding.PASSWORD)
    page.goto(f"{base}/records/{record.pk}/")
    strip, sign = page.locator("#pr-capture-strip"), page.get_by_role("button", name="Capture mode")
    expect(strip).to_be_visible()
    expect(sign).to_be_hidden()
    page.get_by_role("button", name="Fold this notice up").click()
    expect(strip).to_be_hidden()
    expect(sign).to_be_focused()
    page.goto(f"{base}/")
    expect(strip).to_be_hidden()
    expect(sign).to_be_visible()
    sign.click()
    expect(strip).to_be_visible()
    page.reload()
    expect(strip).to_be_visible()
