"""An automation rule in a real browser: the form shows what belongs to the choice, it is tried out, saved, and acts."""

from __future__ import annotations

import pytest
from django.test import Client
from playwright.sync_api import expect

from postroom.store.models import AutomationRule, Member, Record
from tests.laboratory.availability import requires_chromium
from tests.web import seeding
from tests.web.browser import PATIENCE, a_browser, open_page
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]


def test_a_rule_is_written_tried_and_acts(db: None) -> None:
    seeding.a_house()
    AutomationRule.objects.all().delete()
    record = Record.objects.get(title__startswith="Poster")
    client = Client()
    client.force_login(Member.objects.get(user__username="admin").user)
    with served("scheduler") as base, a_browser() as browser:
        window = browser.new_context()
        window.set_default_timeout(PATIENCE)
        window.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base}])
        page = window.new_page()
        complaints = open_page(page, f"{base}/settings/rules/new/")
        expect(page.locator("[name=via]")).to_be_visible()
        expect(page.locator("[name=into_stage], [name=hours]").first).to_be_hidden()
        expect(page.locator(".pr-act:visible")).to_have_count(1)

        page.fill("[name=name]", "Tell that it is ready")
        page.select_option("[name=trigger]", "stage")
        expect(page.locator("[name=via]")).to_be_hidden()
        page.fill("[name=into_stage]", "Solved")
        page.select_option("[name=do_0]", "message")
        page.select_option("[name=template_0]", label="Your order is ready")
        expect(page.locator(".pr-act:visible")).to_have_count(2)
        page.select_option("[name=do_1]", "responsible")
        page.locator(".pr-act").nth(1).get_by_text("Bob Brandt").first.click()
        page.select_option("[name=record]", str(record.pk))
        page.click("text=Show what it would do")
        expect(page.locator("#rule-tried")).to_contain_text("The rule does not fire.")
        expect(page.locator("#rule-tried")).to_contain_text("makes Bob Brandt responsible")
        page.click(".pr-template >> text=Save")
        page.wait_for_url(f"{base}/settings/rules/*/")

        moved = window.request.post(
            f"{base}/records/{record.pk}/change/",
            form={"stage": "Solved", "csrfmiddlewaretoken": page.input_value("[name=csrfmiddlewaretoken] >> nth=0")},
            headers={"Referer": base},
        )
        assert moved.ok
        complaints += open_page(page, f"{base}/records/{record.pk}/")
        said = page.locator(".pr-msg.system", has_text="Tell that it is ready")
        expect(said).to_contain_text("makes Bob Brandt responsible")
        page.goto(f"{base}/settings/rules/")
        expect(page.locator(".pr-rule-item")).to_contain_text("acted once")
        page.click(".pr-onoff")
        expect(page.locator(".pr-onoff")).to_have_attribute("aria-checked", "false")
        window.close()
    assert complaints == []
