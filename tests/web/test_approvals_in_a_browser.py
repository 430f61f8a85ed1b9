"""What an agent proposed, decided by a button in a real browser."""

from __future__ import annotations

import pytest
from django.test import Client
from playwright.sync_api import expect

from postroom.flows.agent_proposals import propose
from postroom.store.models import AgentProposal, Delivery
from postroom.wiring import ports
from tests.agent.hostile_house import furnish, holder
from tests.laboratory.availability import requires_chromium
from tests.web.browser import PATIENCE, a_browser, open_page
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    requires_chromium,
]


def test_a_proposal_is_read_and_approved(db: None) -> None:
    house = furnish()
    whose = holder(house, "agent:change")
    propose(ports(), "retry_delivery", house.delivery_id, why="the server is well again", holder=whose)
    propose(ports(), "hold_server", house.server_id, why="it refuses everything", holder=whose)
    client = Client()
    client.force_login(house.admin.user)
    with served() as base, a_browser() as browser:
        window = browser.new_context()
        window.set_default_timeout(PATIENCE)
        window.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base}])
        page = window.new_page()
        complaints = open_page(page, f"{base}/settings/approvals/")
        row = page.locator(".pr-item", has_text="Try a delivery again")
        expect(row).to_contain_text("the server is well again")
        row.get_by_role("button", name="Do it").click()
        expect(page.locator("body")).to_contain_text("It is in the queue again.")
        expect(
            page.locator(".pr-item", has_text="Hold an outgoing server").get_by_role("button", name="Refuse")
        ).to_be_visible()
        assert complaints == []
    assert Delivery.objects.get(pk=house.delivery_id).state == "queued"
    assert sorted(AgentProposal.objects.values_list("state", flat=True)) == ["done", "waiting"]
