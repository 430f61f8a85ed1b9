"""Two hundred failures are tried again at once: chosen by the filter, changed in the background, with a progress bar; then undone parts.

The scheduler that runs background jobs is the real one, and so are the pages.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from postroom.core.terms.states import Role
from postroom.store.models import Delivery
from tests.e2e.journeys.looking import at_desk, opened, shot
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]


def test_two_hundred_are_tried_again_with_a_progress_bar_and_cancelling_is_undone() -> None:
    company = seeding.a_company()
    seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    relay = seeding.a_server("Own relay", paused_at=seeding.NOW)
    for number in range(200):
        row = seeding.a_delivery(
            company, f"{number}@gone.example", "failed", blame="network", server=relay, failure_reason="451 later"
        )
        seeding.an_attempt(row, "failed", 451, "4.4.1", "later", server=relay)
    other = seeding.a_delivery(company, "x@gone.example", "failed", blame="address")
    with served("scheduler") as base, a_browser() as browser, at_desk(browser, base, "alice") as page:
        opened(page, f"{base}/queue/failures/")
        expect(page.get_by_text("All 201 mails that failed or bounced.")).to_be_visible()
        shot(page, "queue-groups")
        page.get_by_role("link", name="gone.example").click()
        page.get_by_label("Whose fault").select_option("network")
        expect(page.locator("#pr-bulk input[name=blame]")).to_have_value("network")
        page.locator("#pr-rows input[name=id]").first.check()
        page.get_by_label("all that match the filter").check()
        shot(page, "queue-chosen")
        page.once("dialog", lambda dialog: dialog.accept())
        held: list[Route] = []  # the page's questions for the progress, until the bar was looked at
        looked_at: list[str] = []
        page.route("**/queue/change/*/", lambda route: route.continue_() if looked_at else held.append(route))
        page.locator("#pr-bulk").get_by_role("button", name="Retry").click()
        strip = page.locator("#pr-change")
        expect(strip.get_by_role("progressbar")).to_be_visible()
        shot(page, "queue-progress")
        looked_at.append("the bar")
        for route in held:
            route.continue_()
        expect(strip).to_contain_text("200 deliveries changed.")
        other.refresh_from_db()
        assert other.state == "failed"
        assert Delivery.objects.filter(state="queued").count() == 200

        page.goto(f"{base}/queue/")
        expect(page.locator("#pr-rows .pr-item")).to_have_count(50)
        shot(page, "queue-waiting")
        page.locator("[data-all]").evaluate("box => box.closest('form').hidden = false")
        page.locator("[data-all]").check()
        page.locator("#pr-bulk").get_by_role("button", name="Cancel").click()
        expect(strip).to_contain_text("50 deliveries changed.")
        assert Delivery.objects.filter(state="cancelled").count() == 50
        strip.get_by_role("button", name="Undo").click()
        wait_until(lambda: not Delivery.objects.filter(state="cancelled").exists(), "they are back in the queue")
        page.get_by_label("Find a delivery").fill("199@gone.example")
        page.keyboard.press("Enter")
        expect(page.locator("#pr-rows .pr-item")).to_have_count(1)
        page.locator("#pr-rows a").first.click()
        expect(page.get_by_text("The whole story")).to_be_visible()
        shot(page, "queue-story")
