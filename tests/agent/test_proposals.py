"""What an agent proposes is done by a person's word alone: for these arguments, once, and in time."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from postroom.core.terms.states import DeliveryState, ProposalState, Role
from postroom.flows import agent_proposals as flow
from postroom.flows.access import NotAllowed
from postroom.flows.agent_proposals import ProposalFact, ProposalTrouble, approve, list_proposals, propose, refuse
from postroom.flows.api_keys import remove_key
from postroom.flows.ports import Ports
from postroom.store.models import (
    AgentProposal,
    ApiKey,
    AuditEvent,
    Delivery,
    Mailbox,
    Member,
    OutgoingServer,
    Suppression,
)
from postroom.wiring import ports as wired
from tests.agent.hostile_house import HostileHouse, furnish, holder
from tests.flows.outgoing_mails import HandClock
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> HostileHouse:
    return furnish()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return dataclasses.replace(wired(), clock=clock)


def a_retry(ports: Ports, house: HostileHouse, key: str = "agent:change") -> ProposalFact:
    return propose(
        ports, "retry_delivery", house.delivery_id, why="the server is well again", holder=holder(house, key)
    )


def state_of(house: HostileHouse) -> str:
    return Delivery.objects.get(pk=house.delivery_id).state


def test_a_proposal_changes_nothing(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    assert made.state is ProposalState.WAITING
    assert state_of(house) == DeliveryState.FAILED
    assert AuditEvent.objects.filter(what="agent_proposed", detail__proposal=made.id).exists()


def test_a_person_approves_it_and_it_is_done_at_once(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    done = approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert done.state is ProposalState.DONE
    assert state_of(house) == DeliveryState.QUEUED
    line = AuditEvent.objects.get(what="agent_approved")
    assert (line.login, line.detail["proposal"]) == ("alice", made.id)


def test_an_approval_is_for_one_time(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    Delivery.objects.filter(pk=house.delivery_id).update(state=DeliveryState.FAILED)
    with pytest.raises(ProposalTrouble, match="decided already"):
        approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert state_of(house) == DeliveryState.FAILED


def test_an_approval_is_for_what_was_shown(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    with pytest.raises(ProposalTrouble, match="not what was shown"):
        approve(ports, made.id, fingerprint="0" * 64, member=house.admin)
    assert state_of(house) == DeliveryState.FAILED


def test_arguments_that_were_changed_in_the_table_are_not_done(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    AgentProposal.objects.filter(pk=made.id).update(arguments={"target": house.others_delivery_id})
    done = approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert done.state is ProposalState.FAILED
    assert Delivery.objects.get(pk=house.others_delivery_id).state == DeliveryState.FAILED


def test_a_proposal_expires(ports: Ports, house: HostileHouse, clock: HandClock) -> None:
    made = a_retry(ports, house)
    clock.time += flow.LASTS + timedelta(seconds=1)
    with pytest.raises(ProposalTrouble, match="expired"):
        approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert state_of(house) == DeliveryState.FAILED
    assert AgentProposal.objects.get(pk=made.id).state == ProposalState.EXPIRED
    assert not list_proposals(ports, member=house.admin, waiting_alone=True)


def test_what_is_refused_cannot_be_approved(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    assert refuse(ports, made.id, member=house.admin).state is ProposalState.REFUSED
    with pytest.raises(ProposalTrouble, match="refused"):
        approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)


def test_a_key_that_only_looks_proposes_nothing(ports: Ports, house: HostileHouse) -> None:
    with pytest.raises(NotAllowed):
        a_retry(ports, house, "agent")
    assert not AgentProposal.objects.exists()


def test_when_the_key_was_removed_its_proposals_are_not_done(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    key = ApiKey.objects.get(name="agent:change")
    assert remove_key(ports, key.pk, member=house.admin)
    done = approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert (done.state, state_of(house)) == (ProposalState.FAILED, DeliveryState.FAILED)


def test_when_the_member_may_not_any_more_it_is_not_done(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house, "manager")
    Member.objects.filter(user__username="bob").update(role=Role.READ_ONLY)
    done = approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert (done.state, state_of(house)) == (ProposalState.FAILED, DeliveryState.FAILED)


def test_who_may_not_do_it_may_not_approve_it(ports: Ports, house: HostileHouse) -> None:
    made = propose(ports, "hold_server", house.server_id, why="x", holder=holder(house, "agent:change"))
    bob = Member.objects.get(user__username="bob")
    with pytest.raises(NotAllowed):
        approve(ports, made.id, fingerprint=made.fingerprint, member=bob)
    assert OutgoingServer.objects.get(pk=house.server_id).paused_at is None


def test_who_is_of_another_company_neither_sees_nor_decides(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    mallory = seeding.a_member("mallory", "Mallory Else", seeding.a_company("Third"), Role.ADMINISTRATOR)
    assert not list_proposals(ports, member=mallory)
    with pytest.raises(ProposalTrouble, match="no proposal"):
        approve(ports, made.id, fingerprint=made.fingerprint, member=mallory)


def test_what_the_member_does_not_see_cannot_be_proposed(ports: Ports, house: HostileHouse) -> None:
    with pytest.raises(ProposalTrouble, match="nothing of that number"):
        propose(ports, "retry_delivery", house.others_delivery_id, why="x", holder=holder(house, "manager"))


def test_the_same_again_is_the_one_that_waits(ports: Ports, house: HostileHouse) -> None:
    assert a_retry(ports, house).id == a_retry(ports, house).id
    assert AgentProposal.objects.count() == 1


def test_so_many_wait_and_no_more(ports: Ports, house: HostileHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MOST_WAITING", 1)
    a_retry(ports, house)
    with pytest.raises(ProposalTrouble, match="wait for a person already"):
        propose(ports, "hold_server", house.server_id, why="x", holder=holder(house, "agent:change"))


def test_so_many_a_day_and_no_more(ports: Ports, house: HostileHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MOST_A_DAY", 1)
    refuse(ports, a_retry(ports, house).id, member=house.admin)
    with pytest.raises(ProposalTrouble, match="within a day"):
        a_retry(ports, house)


def test_what_cannot_be_done_any_more_says_why(ports: Ports, house: HostileHouse) -> None:
    made = a_retry(ports, house)
    Delivery.objects.filter(pk=house.delivery_id).update(state=DeliveryState.SENT)
    done = approve(ports, made.id, fingerprint=made.fingerprint, member=None)
    assert done.state is ProposalState.FAILED
    assert done.outcome


def test_a_server_is_held_and_released(ports: Ports, house: HostileHouse) -> None:
    for action, is_held in (("hold_server", True), ("release_server", False)):
        made = propose(ports, action, house.server_id, why="x", holder=holder(house, "agent:change"))
        approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
        assert (OutgoingServer.objects.get(pk=house.server_id).paused_at is not None) is is_held


def test_an_address_is_released(ports: Ports, house: HostileHouse) -> None:
    made = propose(ports, "release_address", "Carla@Customer.example", why="x", holder=holder(house, "agent:change"))
    assert Suppression.objects.filter(released_at=None).count() == 1
    approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert not Suppression.objects.filter(released_at=None).exists()


def test_a_mailbox_is_fetched(ports: Ports, house: HostileHouse) -> None:
    made = propose(ports, "fetch_mailbox", house.mailbox_id, why="x", holder=holder(house, "agent:change"))
    done = approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin)
    assert done.state is ProposalState.DONE


def test_a_mailbox_that_is_gone_is_told(ports: Ports, house: HostileHouse) -> None:
    made = propose(ports, "fetch_mailbox", house.mailbox_id, why="x", holder=holder(house, "agent:change"))
    Mailbox.objects.filter(pk=house.mailbox_id).delete()
    assert approve(ports, made.id, fingerprint=made.fingerprint, member=house.admin).state is ProposalState.FAILED
