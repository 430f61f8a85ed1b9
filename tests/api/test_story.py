"""GET /story: one timeline for programs, cut to what the key's owner may see."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from postroom.core.terms.states import Role
from postroom.flows.api_keys import make_key
from postroom.store.models import Company, Member
from tests.flows.arriving import CARLA
from tests.flows.mail_of_carla import QUEUE_ID, Tale, tell_all
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.people import House, add_member, build_house

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(db: None) -> House:
    return build_house()


@pytest.fixture
def tale(house: House) -> Tale:
    clock = HandClock()
    return tell_all(ports_with(clock=clock), clock, house)


def asked(tale: Tale, member: Member, **query: object) -> Any:
    key = make_key(tale.ports, member=member, name="x", scope="all").text
    return Client().get("/api/v1/story", query_params=query, headers={"Authorization": f"Bearer {key}"})


def test_a_program_reads_the_whole_story(tale: Tale, house: House) -> None:
    answer = asked(tale, house.alice, q=QUEUE_ID)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["found_by"], found["mails"][0]["state"]) == ("relay", "bounced")
    attempts = [event for event in found["events"] if event["kind"] == "attempt"]
    assert [event["evidence"][:3] for event in attempts] == ["451", "451", "250"]
    assert attempts[-1]["relay_ids"] == [QUEUE_ID]
    assert attempts[0]["cause"] == "greylisted"


def test_an_address_comes_in_pages(tale: Tale, house: House) -> None:
    first = asked(tale, house.alice, q=CARLA, limit=1).json()
    assert first["next"]
    second = asked(tale, house.alice, q=CARLA, limit=1, after=first["next"]).json()
    assert {event["source"] for event in first["events"]}.isdisjoint(event["source"] for event in second["events"])


def test_who_may_not_see_it_is_told_that_there_is_nothing(tale: Tale, house: House) -> None:
    mallory = add_member(Company.objects.create(name="Elsewhere"), "Mallory", "m@else.test", role=Role.ADMINISTRATOR)
    for question in (CARLA, QUEUE_ID, tale.message_id, tale.message.pk, f"delivery:{tale.delivery.pk}"):
        answer = asked(tale, mallory, q=question)
        assert answer.status_code == 404
        assert "parcel" not in answer.content.decode()
    assert asked(tale, house.bob, q=QUEUE_ID).status_code == 404, "relays' ids are for who may look into the queue"
    assert asked(tale, house.bob, q=CARLA).status_code == 200


@pytest.mark.parametrize(
    "query", [{}, {"q": ""}, {"q": "x", "limit": 0}, {"q": "x", "since": "2026-01-01"}, {"q": "a\0b"}]
)
def test_what_makes_no_sense_is_refused(tale: Tale, house: House, query: dict[str, object]) -> None:
    assert asked(tale, house.alice, **query).status_code == 422
