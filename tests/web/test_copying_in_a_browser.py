"""Copy buttons: the clipboard gets what the button says, once: a text of the page, or the whole address of something."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from postroom.core.terms.states import Role
from postroom.store.models import Record
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser, a_window, sign_in
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]


@pytest.fixture(autouse=True)
def _tables_beside_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright keeps an event loop in this thread, in which nothing else runs."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def record(db: None) -> Record:
    company = seeding.a_company()
    seeding.a_kind(stages=["New"])
    seeding.a_member("ada", "Ada Archer", company, Role.ADMINISTRATOR)
    return seeding.a_record(company, "Poster")


@pytest.fixture
def base(record: Record) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def written(page: Page) -> list[str]:
    """What was given to the clipboard, in order."""
    found: list[str] = page.evaluate("window.__written")
    return found


def test_a_copy_button_gives_the_clipboard_its_text_or_its_address_and_nothing_else(
    base: str, browser: Browser, record: Record
) -> None:
    window = a_window(browser)
    window.add_init_script(
        "window.__written = []; window.__shown = '';"
        "new MutationObserver((rows) => rows.forEach((row) => { window.__shown += row.target.textContent; }))"
        ".observe(document, {childList: true, subtree: true});"  # a label says it for two seconds, and one may look too late
        "navigator.clipboard.writeText = async (text) => { window.__written.push(text); };"
        "window.addEventListener('unhandledrejection', (event) => window.__written.push('trouble: ' + event.reason));"
    )
    page = window.new_page()
    sign_in(page, base, "ada", seeding.PASSWORD)

    page.goto(f"{base}/settings/mailboxes/new/")
    page.locator("[data-copy=pipe]").click()
    page.wait_for_function("window.__shown.includes('Copied')")
    wait_until(lambda: bool(written(page)), "something was copied")
    assert written(page) == [page.locator("#pipe").text_content()]
    page.locator("[data-copy=pipe]").click()
    expect(page.locator("[data-copy=pipe] [data-label]")).to_have_text("Copy")

    page.goto(f"{base}/records/{record.pk}/")
    page.locator("summary[title=More]").first.click()
    page.get_by_role("button", name="Copy link").first.click()
    page.wait_for_function("window.__shown.includes('Copied')")
    assert written(page) == [f"{base}/records/{record.pk}/"]
