"""The queue in a real browser: narrowed without a reload, and all that match is what the filter says at that moment."""

from __future__ import annotations

import pytest
from django.db import connection
from playwright.sync_api import expect

from postroom.core.terms.states import Role
from postroom.store.models import Delivery
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


def test_all_that_match_are_cancelled_and_no_others() -> None:
    company = seeding.a_company()
    seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    for number in range(120):
        seeding.a_delivery(company, f"{number}@x.example", lane=number % 3)
    complaints: list[str] = []
    with served() as base, a_browser() as browser:
        window = a_window(browser)
        page = window.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        sign_in(page, base, "alice", seeding.PASSWORD)
        page.goto(f"{base}/queue/")
        expect(page.locator("#pr-rows .pr-item")).to_have_count(50)
        page.get_by_label("Lane").select_option("campaign")
        expect(page.locator("#pr-rows .pr-item")).to_have_count(40)
        page.locator("#pr-rows input[name=id]").first.check()
        expect(page.locator("#pr-bulk [data-chosen]")).to_have_text("1")
        page.get_by_label("all that match the filter").check()
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.locator("#pr-bulk").get_by_role("button", name="Cancel").click()
        assert not Delivery.objects.filter(state="cancelled").exists()
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("#pr-bulk").get_by_role("button", name="Cancel").click()
        wait_until(Delivery.objects.filter(state="cancelled").exists, "they are cancelled")
        expect(page.get_by_text("40 deliveries changed.")).to_be_visible()
        window.close()
    assert set(Delivery.objects.filter(state="cancelled").values_list("lane", flat=True)) == {2}
    assert Delivery.objects.filter(state="queued").count() == 80
    assert complaints == []


def test_what_comes_a_moment_after_a_change_is_shown_too() -> None:
    company = seeding.a_company()
    seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    with served() as base, a_browser() as browser:
        page = a_window(browser).new_page()
        sign_in(page, base, "alice", seeding.PASSWORD)
        page.add_init_script(
            "document.addEventListener('postroom:changed', () => (window.heard = (window.heard || 0) + 1))"
        )
        page.goto(f"{base}/queue/")
        page.wait_for_function("window.heard")  # as listening has begun
        for number in (1, 2, 3):
            seeding.a_delivery(company, f"{number}@x.example")
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify('postroom_live', %s)", [f"queue:{company.pk}"])
            expect(page.locator("#pr-rows .pr-item")).to_have_count(number)
