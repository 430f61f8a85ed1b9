"""The sidebar in a real browser: everything in it can be reached, and on a small screen it is a drawer that closes again."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from playwright.sync_api import Page, expect

from tests.laboratory.availability import requires_chromium
from tests.web import seeding
from tests.web.browser import PATIENCE, a_browser, a_window, open_page, sign_in
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]


def test_the_settings_are_in_reach_and_the_drawer_closes_by_escape_by_a_tap_beside_it_and_by_its_button(
    db: None,
) -> None:
    seeding.a_house()
    get_user_model().objects.update(password=make_password(seeding.PASSWORD, hasher="pbkdf2_sha256"))
    with served() as base, a_browser() as browser:
        with a_window(browser, "wide") as window:
            page = window.new_page()
            sign_in(page, base, "admin", seeding.PASSWORD)
            kept = window.storage_state()
            page.set_viewport_size({"width": 1280, "height": 600})
            open_page(page, f"{base}/letterbox/")
            expect(page.locator(".pr-side-foot a")).to_be_in_viewport(ratio=1)
            expect(page.locator("#nav-sidebar a[aria-current=page]")).to_be_in_viewport()
        with browser.new_context(viewport={"width": 390, "height": 844}, storage_state=kept) as window:
            window.set_default_timeout(PATIENCE)
            page = window.new_page()
            open_page(page, f"{base}/settings/")
            drawer = page.locator("#nav-sidebar")
            expect(drawer).not_to_be_visible()
            _open(page)
            page.keyboard.press("Escape")
            expect(drawer).not_to_be_visible()
            expect(page.locator("#pr-menu")).to_be_focused()
            _open(page)
            page.mouse.click(370, 400)
            expect(drawer).not_to_be_visible()
            _open(page)
            page.get_by_role("button", name="Close the menu").click()
            expect(drawer).not_to_be_visible()
            assert page.url == f"{base}/settings/", "what lies under the veil is not touched"


def _open(page: Page) -> None:
    page.get_by_role("button", name="Open the menu").click()
    expect(page.locator("#nav-sidebar")).to_be_visible()
    expect(page.locator("#nav-sidebar a").first).to_be_focused()
