"""The composer in a real browser: a template fills it, a picture stands in it, and it is sent later in the browser's own time zone."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import Page, expect

from postroom.store.models import Member, Message, Record, ScheduledFile, ScheduledMessage
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import PATIENCE, a_browser, open_composer, open_page
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]

T = TypeVar("T")
NEXT_YEAR = datetime.now(UTC).year + 1  # noqa: TID251 (pages speak of times relative to now)
DOT = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


def asked(question: Callable[[], T]) -> T:
    """What the database answers, in a thread: Playwright's loop runs in ours."""

    def ask() -> T:
        try:
            return question()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(ask).result(60)


def fill_from_template(page: Page) -> None:
    open_composer(page)
    page.click(".pr-templates summary")
    page.click("[data-fill]")
    page.wait_for_function("document.querySelector('[data-preview-text]').innerText.includes('Dear Carla')")
    page.click("[data-use-template]")
    page.wait_for_function("document.querySelector('.pr-editor').innerText.includes('Dear Carla')")


def test_a_template_a_picture_and_a_date(db: None) -> None:
    seeding.a_house()
    ScheduledMessage.objects.all().delete()
    record = Record.objects.get(title__startswith="Poster")
    client = Client()
    client.force_login(Member.objects.get(user__username="admin").user)
    with served() as base, a_browser() as browser:
        window = browser.new_context(timezone_id="Europe/Berlin")
        window.set_default_timeout(PATIENCE)
        window.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base}])
        page = window.new_page()
        complaints = open_page(page, f"{base}/records/{record.pk}/")
        fill_from_template(page)
        expect(page.locator("[name=subject]")).to_have_value(f"Ready: {record.title}")
        page.set_input_files("[data-picture]", {"name": "dot.png", "mimeType": "image/png", "buffer": DOT})
        page.wait_for_selector(".pr-editor img")
        page.click(".pr-send-later summary")
        page.fill("[name=scheduled_at]", f"{NEXT_YEAR}-07-01T09:30")
        page.click("[name=later][value='1']")
        page.wait_for_selector(".pr-later")
        expect(page.locator(".pr-editor")).to_have_text("")
        row = asked(lambda: ScheduledMessage.objects.select_related("template").get())
        assert row.scheduled_at == datetime(NEXT_YEAR, 7, 1, 7, 30, tzinfo=UTC)
        names = asked(lambda: sorted(ScheduledFile.objects.values_list("name", flat=True)))
        assert names == ["dot.png", "opening-hours.pdf"]
        assert row.template is not None

        # ... and what waits is changed, then another is sent at once with the Enter key in the subject
        page.click(".pr-later >> text=Change")
        page.wait_for_selector(".pr-editor img")
        page.click(".pr-editor")
        page.keyboard.press("Control+End")
        page.keyboard.type(" Until then!")
        page.click("text=Save")
        page.wait_for_selector("#pr-scheduled .pr-later")
        changed = ScheduledMessage.objects.filter(html__contains="Until then!")
        html = wait_until(lambda: asked(lambda: changed.values_list("html", flat=True).first()), "it is changed") or ""
        assert "cid:" in html
        fill_from_template(page)
        page.focus("[name=subject]")
        page.keyboard.press("Enter")
        sent = Message.objects.filter(subject__startswith="Ready:")
        wait_until(lambda: asked(sent.all().exists), "the message is posted")
        assert asked(ScheduledMessage.objects.count) == 1, "Enter sends now, not later"
        window.close()
    assert complaints == []
