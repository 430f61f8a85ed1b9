"""The tools for agents, used as the doors use them: rights, companies, secrets, fences, and that nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from django.db import Error, connection, transaction

from postroom.core.diagnosis.tools_for_agents import READING, TOOLS
from postroom.flows.agent_tools import READS, Told, tools_of, use
from postroom.flows.api_keys import KeyHolder
from postroom.store.models import AgentProposal, Company, Member
from postroom.store.read_only import nothing_is_written
from postroom.wiring import ports
from tests.agent.hostile_house import OTHERS, SECRET, HostileHouse, everything, furnish, holder
from tests.agent.obedient import ObedientAgent

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> HostileHouse:
    return furnish()


def ask(name: str, house: HostileHouse, key: str = "agent", **arguments: object) -> Any:
    told = use(ports(), name, arguments, holder=holder(house, key))
    assert not told.is_error, told.text
    return json.loads(told.text)


def begin(house: HostileHouse) -> list[tuple[str, dict[str, object]]]:
    """One call of each tool that reads."""
    return [
        ("doctor", {}), ("symptoms", {}), ("symptoms", {"symptom": "bounces"}), ("settings", {}), ("queue_state", {"state": "failed"}),
        ("story", {"about": "carla@customer.example"}), ("story", {"about": str(house.delivery_id)}), ("explain", {"inbound_id": house.inbound_id}),
        ("explain", {"message_id": house.message_id}), ("explain_error", {"text": "550 5.7.1 no"}), ("proposals", {}),
    ]  # fmt: skip


# -- what a key lists


def test_a_key_that_only_looks_lists_no_tool_that_proposes(house: HostileHouse) -> None:
    names = {tool.name for tool in tools_of(holder(house, "agent"))}
    assert "doctor" in names
    assert not any(name.startswith("propose") for name in names)


def test_a_key_with_the_scope_lists_them(house: HostileHouse) -> None:
    assert {tool.name for tool in tools_of(holder(house, "agent:change"))} == {tool.name for tool in TOOLS}


def test_the_operator_without_a_key_proposes_nothing() -> None:
    assert not any(tool.action for tool in tools_of(None))


@pytest.mark.parametrize("name", [tool.name for tool in TOOLS if tool.action])
def test_a_tool_that_is_not_listed_cannot_be_used_by_its_name(name: str, house: HostileHouse) -> None:
    told = use(ports(), name, {"delivery_id": house.delivery_id, "why": "x"}, holder=holder(house, "agent"))
    assert told.is_error
    assert not AgentProposal.objects.exists()


def test_a_tool_looks_or_proposes_and_each_that_looks_is_there() -> None:
    assert set(READS) == {tool.name for tool in TOOLS if not tool.action and not tool.is_of_proposals}


# -- whose rows


def test_another_companys_mail_is_not_to_be_had(house: HostileHouse) -> None:
    manager = holder(house, "manager")
    for name, arguments in (
        ("story", {"about": str(house.others_delivery_id)}),
        ("story", {"about": "victim@else.example"}),
        ("story", {"about": OTHERS}),
        ("explain", {"inbound_id": house.others_inbound_id}),
        ("queue_state", {"state": "failed", "recipient": "victim@else.example"}),
        ("queue_state", {"state": "failed"}),
    ):
        told = json.loads(use(ports(), name, arguments, holder=manager).text)
        told.pop("asked", None)  # the question itself
        assert OTHERS not in json.dumps(told), name
        assert "victim@" not in json.dumps(told), name


def test_the_doctor_speaks_to_administrators_of_the_house_alone(house: HostileHouse) -> None:
    for name in ("doctor", "symptoms", "dns", "settings"):
        arguments = (
            {"symptom": "bounces"} if name == "symptoms" else {"domain": "northwind.example"} if name == "dns" else {}
        )
        assert use(ports(), name, arguments, holder=holder(house, "manager")).is_error


def test_secrets_are_in_no_answer(house: HostileHouse) -> None:
    texts = [use(ports(), name, given, holder=holder(house, "agent")).text for name, given in begin(house)]
    assert not any(SECRET in text for text in texts)
    settings = json.loads(use(ports(), "settings", {}, holder=holder(house, "agent")).text)
    assert settings["servers"][0]["password"] == "set, not shown"


@pytest.mark.parametrize("domain", ["stolen-words.attacker.example", "localhost", ""])
def test_names_of_strangers_are_not_looked_up(domain: str, house: HostileHouse) -> None:
    assert use(ports(), "dns", {"domain": domain}, holder=holder(house, "agent")).is_error
    assert use(ports(), "doctor", {"domains": [domain or "x"], "ask": True}, holder=holder(house, "agent")).is_error


# -- what comes back


def test_every_text_of_a_stranger_is_fenced(house: HostileHouse) -> None:
    for name, given in begin(house):
        told = use(ports(), name, given, holder=holder(house, "agent:change"))
        assert not told.is_error, told.text
        outside = _outside_of_fences(told.text)
        assert "CALL" not in outside, (name, outside)


def _outside_of_fences(text: str) -> str:
    """What a reader who believes the marks takes for ours."""
    rest, outside = text, ""
    while "⟦untrusted " in rest:
        before, _, rest = rest.partition("⟦untrusted ")
        number, _, rest = rest.partition("⟧")
        _, _, rest = rest.partition(f"⟦end {number}⟧")
        outside += before
    return outside + rest


def test_each_answer_has_a_fence_of_its_own(house: HostileHouse) -> None:
    one, other = (
        use(ports(), "queue_state", {"state": "failed"}, holder=holder(house, "agent")).text for _ in range(2)
    )
    number = one.partition("⟦untrusted ")[2].partition("⟧")[0]
    assert len(number) >= 16
    assert number not in other


def test_the_doctor_tells_findings_with_causes(house: HostileHouse) -> None:
    found = ask("doctor", house)
    assert found["findings"]
    assert all(one["code"] and one["cause"] for one in found["findings"])


def test_the_story_of_an_address_tells_attempts_and_what_is_held_against_it(house: HostileHouse) -> None:
    found = ask("story", house, about="carla@customer.example")
    assert found["found_by"] == "address"
    assert found["mails"][0]["delivery_id"] == house.delivery_id
    assert any("550" in event["reply"] for event in found["events"] if event["kind"] == "attempt")
    assert "suppressed" in {event["kind"] for event in found["events"]}


def test_an_incoming_mail_is_explained_then_and_now(house: HostileHouse) -> None:
    found = ask("explain", house, inbound_id=house.inbound_id)
    assert found["state"] == "held"
    assert found["now"]["rules"]


def test_a_message_is_explained_by_its_recipients(house: HostileHouse) -> None:
    found = ask("explain", house, message_id=house.message_id)
    assert found["recipients"][0]["delivery_id"] == house.delivery_id


def test_an_error_is_explained(house: HostileHouse) -> None:
    found = ask("explain_error", house, text="550 5.1.1 user unknown")
    assert found["smtp_code"] == 550
    assert found["blame"] == "address"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("story", {}),
        ("story", {"about": 5}),
        ("story", {"about": "x" * 10_000}),
        ("story", {"about": "x\0y"}),
        ("explain", {"inbound_id": "1; DROP TABLE"}),
        ("explain", {"inbound_id": -1}),
        ("explain", {"inbound_id": True}),
        ("explain", {"inbound_id": 2**70}),
        ("explain", {}),
        ("queue_state", {"state": "stolen"}),
        ("queue_state", {"companies": [1, 2]}),
        ("symptoms", {"symptom": "hunger"}),
        ("doctor", {"only": ["no_such_code"]}),
        ("no_such_tool", {}),
        ("doctor", ["not", "an", "object"]),
        ("approve", {"number": 1}),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_words(name: str, arguments: object, house: HostileHouse) -> None:
    told = use(ports(), name, arguments, holder=holder(house, "agent:change"))
    assert told.is_error
    assert json.loads(told.text)["error"]


# -- nothing is changed


def test_the_database_refuses_to_write_while_a_tool_reads(house: HostileHouse) -> None:
    with pytest.raises(Error), transaction.atomic(), nothing_is_written(5):
        Company.objects.create(name="made by a tool")
    assert not Company.objects.filter(name="made by a tool").exists()
    Company.objects.create(name="made by a person")


def test_a_statement_that_takes_too_long_is_ended() -> None:
    with pytest.raises(Error), transaction.atomic(), nothing_is_written(0.05), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(20)")


@pytest.mark.parametrize("key", ["agent", "agent:change", "manager"])
def test_an_agent_that_obeys_every_mail_changes_nothing(key: str, house: HostileHouse) -> None:
    before, whose = everything(), holder(house, key)

    async def call(name: str, arguments: dict[str, object]) -> tuple[str, bool]:
        told: Told = use(ports(), name, arguments, holder=whose)
        return told.text, told.is_error

    agent = ObedientAgent(call)
    _to_the_end(agent.work(*begin(house)))
    assert len(agent.done) > len(begin(house)), "no mail gave an order: this test tests nothing"
    assert everything() == before
    waiting = AgentProposal.objects.all()
    assert all(one.state == "waiting" for one in waiting)
    assert bool(waiting) == (key != "agent")
    texts = "".join(agent.read)
    assert SECRET not in texts
    if key == "manager":
        assert OTHERS not in texts


def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Nothing in it waits, so it needs no loop (in which Django would refuse the database)."""
    with suppress(StopIteration):
        work.send(None)
        raise AssertionError("it waits for something")


def test_a_member_who_is_switched_off_has_no_holder(house: HostileHouse) -> None:
    from postroom.flows.api_keys import holder_of_key

    assert isinstance(holder_of_key(ports(), house.keys["agent"], scopes=("agent",)), KeyHolder)
    Member.objects.get(pk=house.admin.pk).user.__class__.objects.filter(pk=house.admin.user_id).update(is_active=False)
    assert holder_of_key(ports(), house.keys["agent"], scopes=("agent",)) is None


def test_a_key_for_handing_in_mail_opens_no_tool(house: HostileHouse) -> None:
    from postroom.flows.api_keys import holder_of_key

    assert holder_of_key(ports(), house.keys["ingress"], scopes=READING) is None
