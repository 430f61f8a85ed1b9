"""`postroom mcp`: the tools listed, and what agents proposed decided at the command line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from postroom.core.terms.states import DeliveryState
from postroom.flows.agent_proposals import ProposalFact, propose
from postroom.store.models import Delivery
from postroom.wiring import ports
from tests.agent.hostile_house import HostileHouse, furnish, holder
from tests.cli.conftest import Command
from tests.workers.children import environment


@pytest.fixture
def house(db: None) -> HostileHouse:
    return furnish()


@pytest.fixture
def proposed(house: HostileHouse) -> ProposalFact:
    return propose(ports(), "retry_delivery", house.delivery_id, why="well again", holder=holder(house, "agent:change"))


def state(house: HostileHouse) -> str:
    return Delivery.objects.get(pk=house.delivery_id).state


def test_tools_are_listed_with_their_scopes(postroom: Command) -> None:
    answer = postroom("mcp", "tools", "--json")
    scopes = {one["name"]: one["scopes"] for one in answer.data}
    assert scopes["propose_hold_server"] == ["agent:change"]
    assert "agent" in scopes["doctor"]


def test_what_waits_is_listed_and_approved_once(house: HostileHouse, proposed: ProposalFact, postroom: Command) -> None:
    (row,) = postroom("mcp", "proposals", "--json").data
    assert (row["id"], row["action"]) == (proposed.id, "retry_delivery")
    answer = postroom("mcp", "approve", str(proposed.id), "--yes")
    assert answer.code == 0, answer.err
    assert state(house) == DeliveryState.QUEUED
    again = postroom("mcp", "approve", str(proposed.id), "--yes")
    assert (again.code, "decided already" in again.err) == (1, True)


def test_without_a_yes_nothing_is_done(house: HostileHouse, proposed: ProposalFact, postroom: Command) -> None:
    told = postroom("mcp", "approve", str(proposed.id), stdin=b"n\n")
    assert (told.code, "Nothing was done" in told.err) == (1, True)
    assert state(house) == DeliveryState.FAILED


def test_what_is_refused_stays_undone(house: HostileHouse, proposed: ProposalFact, postroom: Command) -> None:
    assert postroom("mcp", "refuse", str(proposed.id)).code == 0
    assert state(house) == DeliveryState.FAILED
    assert postroom("mcp", "refuse", str(proposed.id)).code == 1
    assert postroom("mcp", "approve", "999999", "--yes").code == 2


def test_a_key_that_opens_nothing_ends_the_command(
    house: HostileHouse, postroom: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROOM_API_KEY", house.keys["ingress"])
    answer = postroom("mcp")
    assert answer.code == 1
    assert house.keys["ingress"] not in answer.err


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_commands_work_in_a_process_of_their_own() -> None:
    for words in (
        ["ask", "--offline", "what does 550 5.1.1 mean", "--json"],
        ["mcp", "proposals", "--json"],
        ["mcp", "tools"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "postroom", *words], check=False, capture_output=True, text=True, timeout=400, env=environment()
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_help_does_not_wait_for_the_library_of_agents() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys; import postroom.cli.main; print('mcp' in sys.modules, 'mcp.server' in sys.modules)"],
        check=True, capture_output=True, text=True, timeout=200, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ).stdout  # fmt: skip
    assert said.split() == ["False", "False"]


def test_the_help_teaches_both_ways_to_the_tools(postroom: Command) -> None:
    told = " ".join(postroom("mcp", "--help").out.replace("│", " ").split())
    assert '{"mcpServers": {"postroom": {"command": "postroom", "args": ["mcp"]' in told
    assert "POSTROOM_DATA_DIR" in told, "the program starts it somewhere else"
    assert "no other server is started" in told
    assert "https://your.postroom.example/mcp" in told
    assert "Authorization: Bearer prk_" in told
