"""Approvals: what an agent proposed is shown, decided by a button, and never by a link or by who may not."""

from __future__ import annotations

import pytest

from postroom.core.terms.states import DeliveryState, ProposalState
from postroom.flows.agent_proposals import ProposalFact, propose
from postroom.store.models import AgentProposal, Delivery
from postroom.wiring import ports
from tests.agent.hostile_house import HostileHouse, furnish, holder
from tests.web.conftest import SignedIn

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def house() -> HostileHouse:
    return furnish()


@pytest.fixture
def proposed(house: HostileHouse) -> ProposalFact:
    return propose(ports(), "retry_delivery", house.delivery_id, why=EVIL, holder=holder(house, "agent:change"))


def state(house: HostileHouse) -> str:
    return Delivery.objects.get(pk=house.delivery_id).state


def test_what_waits_is_shown_with_what_it_is_done_to(
    house: HostileHouse, proposed: ProposalFact, signed_in: SignedIn
) -> None:
    page = signed_in(house.admin).get("/settings/approvals/").content.decode()
    assert "Try a delivery again" in page
    assert "carla@customer.example" in page
    assert EVIL not in page
    assert proposed.fingerprint in page


def test_a_button_does_it(house: HostileHouse, proposed: ProposalFact, signed_in: SignedIn) -> None:
    window = signed_in(house.admin)
    answer = window.post(
        f"/settings/approvals/{proposed.id}/", {"decision": "approve", "fingerprint": proposed.fingerprint}, follow=True
    )
    assert "It is in the queue again." in answer.content.decode()
    assert state(house) == DeliveryState.QUEUED
    again = window.post(
        f"/settings/approvals/{proposed.id}/", {"decision": "approve", "fingerprint": proposed.fingerprint}, follow=True
    )
    assert "decided already" in again.content.decode()


def test_another_fingerprint_does_nothing(house: HostileHouse, proposed: ProposalFact, signed_in: SignedIn) -> None:
    signed_in(house.admin).post(f"/settings/approvals/{proposed.id}/", {"decision": "approve", "fingerprint": "0" * 64})
    assert state(house) == DeliveryState.FAILED
    assert AgentProposal.objects.get(pk=proposed.id).state == ProposalState.WAITING


def test_a_button_refuses_it(house: HostileHouse, proposed: ProposalFact, signed_in: SignedIn) -> None:
    signed_in(house.admin).post(f"/settings/approvals/{proposed.id}/", {"decision": "refuse"})
    assert AgentProposal.objects.get(pk=proposed.id).state == ProposalState.REFUSED
    assert state(house) == DeliveryState.FAILED


def test_a_link_does_nothing(house: HostileHouse, proposed: ProposalFact, signed_in: SignedIn) -> None:
    assert signed_in(house.admin).get(f"/settings/approvals/{proposed.id}/?decision=approve").status_code == 405


@pytest.mark.parametrize("scope", ["agent", "agent:change"])
def test_a_key_for_agents_opens_no_page_and_no_other_address(
    scope: str, house: HostileHouse, proposed: ProposalFact, signed_in: SignedIn
) -> None:
    window = signed_in(house.admin)
    window.logout()
    key = {"Authorization": f"Bearer {house.keys[scope]}"}
    given = {"decision": "approve", "fingerprint": proposed.fingerprint}
    window.post(f"/settings/approvals/{proposed.id}/", given, headers=key)
    assert state(house) == DeliveryState.FAILED
    assert window.get("/api/v1/records", headers=key).status_code == 401
