"""The mail test in a browser: a file is handed in and judged; a seed message's page finds out by itself that it is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from postroom.core.mailtest.judging import MailReport
from postroom.core.terms.states import MailTestState, Role
from postroom.flows.mail_tests import finish_mail_test
from postroom.store.models import Mailbox, MailTest
from postroom.wiring import ports
from tests.core.mailtest.samples import TOP, a_mail, checks, report_on
from tests.laboratory.availability import requires_chromium
from tests.web import seeding
from tests.web.browser import a_browser, a_window, sign_in
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]

PLACE = "/settings/mail-tests/"
BAD = a_mail(
    "Dear Bob",
    '<p>Dear <a href="https://evil.example/">www.bank.example</a></p><img src="https://t.evil.example/p.png" width="1" height="1">',
    top=TOP.replace("09:00:04", "09:40:04"),
    Subject="BUY NEW PRINTERS NOW",
    To=None,
)


@pytest.fixture(autouse=True)
def _tables_beside_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright keeps an event loop in this thread, in which nothing else runs."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture
def base(db: None) -> Iterator[str]:
    company = seeding.a_company()
    seeding.a_member("ada", "Ada Archer", company, Role.ADMINISTRATOR)
    seeding.a_server("Our relay", username="mailer@northwind.example")
    Mailbox.objects.create(
        company=company, name="Tests", host="imap.box.test", username="tests@box.test", is_confirmed=True
    )
    with served() as address:
        yield address


@pytest.fixture
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def look(page: Page, name: str) -> None:
    """A picture, where somebody asked for pictures; and nothing is wider than the window."""
    if folder := os.environ.get("POSTROOM_SHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"), name


def test_a_file_is_judged_and_a_seed_message_is_followed(base: str, browser: Browser) -> None:
    report: MailReport = report_on(BAD, checks())
    for size, theme in (("wide", "light"), ("narrow", "dark")):
        page = a_window(browser, size, theme).new_page()
        sign_in(page, base, "ada", seeding.PASSWORD)
        page.goto(base + PLACE)
        look(page, f"mail-tests-{size}-{theme}")
        page.locator("input[type=file]").set_input_files(
            {"name": "printers.eml", "mimeType": "message/rfc822", "buffer": BAD}
        )
        page.get_by_role("button", name="Test it").click()
        expect(page.locator("#mail-test")).to_contain_text("A link shows www.bank.example and leads to evil.example")
        look(page, f"mail-test-{size}-{theme}")
        page.goto(base + PLACE)
        page.get_by_role("button", name="Send and wait").click()
        expect(page.locator("#mail-test [role=status]")).to_contain_text("on its way")
        look(page, f"mail-test-waiting-{size}-{theme}")
        finish_mail_test(ports(), MailTest.objects.latest("pk").pk, MailTestState.FINISHED, report=report)
        expect(page.locator("#mail-test .pr-score")).to_have_text(f"{report.score} of 10")
        look(page, f"mail-test-back-{size}-{theme}")
