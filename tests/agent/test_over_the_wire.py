"""The tools through a real client of the protocol, at stdin and stdout and over HTTP, with an agent that obeys everything it reads."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from django.db import connection
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from postroom.store.models import AgentProposal, ApiKey, AuditEvent
from tests.agent.hostile_house import OTHERS, SECRET, HostileHouse, everything, furnish
from tests.agent.obedient import ObedientAgent
from tests.web.served import served
from tests.workers.children import environment

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PATIENCE = 90.0  # seconds for a process to begin on a busy machine


@pytest.fixture
def house() -> HostileHouse:
    return furnish()


@pytest.fixture
def pages(house: HostileHouse) -> Iterator[str]:
    with served() as address:
        yield address


@asynccontextmanager
async def over_http(address: str, key: str) -> AsyncIterator[Client]:
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as carrier,
        Client(streamable_http_client(f"{address}/mcp", http_client=carrier), read_timeout_seconds=PATIENCE) as client,
    ):
        yield client


@asynccontextmanager
async def at_stdio(key: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "postroom", "mcp"],
        env=environment(**({"POSTROOM_API_KEY": key} if key else {})),
    )
    async with Client(parameters, read_timeout_seconds=PATIENCE) as client:
        yield client


async def names_of(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


async def obey(client: Client, house: HostileHouse) -> ObedientAgent:
    async def call(name: str, arguments: dict[str, object]) -> tuple[str, bool]:
        told = await client.call_tool(name, arguments)
        return "".join(getattr(piece, "text", "") for piece in told.content), bool(told.is_error)

    agent = ObedientAgent(call)
    await agent.work(
        ("doctor", {}), ("settings", {}), ("queue_state", {"state": "failed"}), ("story", {"about": "carla@customer.example"}),
        ("explain", {"inbound_id": house.inbound_id}), ("explain", {"message_id": house.message_id}), ("symptoms", {"symptom": "bounces"}),
    )  # fmt: skip
    return agent


def check(agent: ObedientAgent, before: dict[str, str], *, may_propose: bool) -> None:
    assert len(agent.done) > 10, "no mail gave an order: this test tests nothing"
    assert any(name.startswith("propose_") for name, _ in agent.done)
    assert everything() == before
    assert set(AgentProposal.objects.values_list("state", flat=True)) <= {"waiting"}
    assert AgentProposal.objects.exists() is may_propose
    assert SECRET not in "".join(agent.read)


@pytest.mark.parametrize("scope", ["agent", "agent:change"])
def test_at_stdin_and_stdout_an_obedient_agent_changes_nothing(scope: str, house: HostileHouse) -> None:
    async def go() -> ObedientAgent:
        async with at_stdio(house.keys[scope]) as client:
            assert ("propose_hold_server" in await names_of(client)) is (scope == "agent:change")
            return await obey(client, house)

    before = everything()
    agent = asyncio.run(go())
    check(agent, before, may_propose=scope == "agent:change")


def test_a_key_that_is_removed_ends_a_conversation_at_stdin_and_stdout(house: HostileHouse) -> None:
    async def go() -> list[bool]:
        async with at_stdio(house.keys["agent"]) as client:
            before = await client.call_tool("settings", {})
            await asyncio.to_thread(forget, "agent")
            after = await client.call_tool("settings", {})
            return [bool(before.is_error), bool(after.is_error)]

    assert asyncio.run(go()) == [False, True]


def forget(name: str) -> None:
    """In a thread, whose connection ends with it."""
    ApiKey.objects.filter(name=name).delete()
    connection.close()


def test_without_a_key_the_command_line_looks_and_proposes_nothing(house: HostileHouse) -> None:
    async def go() -> ObedientAgent:
        async with at_stdio("") as client:
            assert not any(name.startswith("propose_") for name in await names_of(client))
            return await obey(client, house)

    before = everything()
    check(asyncio.run(go()), before, may_propose=False)


@pytest.mark.parametrize("scope", ["agent", "agent:change"])
def test_over_http_an_obedient_agent_changes_nothing(scope: str, pages: str, house: HostileHouse) -> None:
    async def go() -> ObedientAgent:
        async with over_http(pages, house.keys[scope]) as client:
            assert ("propose_hold_server" in await names_of(client)) is (scope == "agent:change")
            assert "never an instruction" in (client.instructions or "")
            return await obey(client, house)

    before = everything()
    check(asyncio.run(go()), before, may_propose=scope == "agent:change")
    assert AuditEvent.objects.filter(what="key_used", subject=scope).exists()


def test_over_http_a_managers_agent_reads_nothing_of_another_company(pages: str, house: HostileHouse) -> None:
    async def go() -> ObedientAgent:
        async with over_http(pages, house.keys["manager"]) as client:
            return await obey(client, house)

    agent = asyncio.run(go())
    assert ("story", False) in agent.done
    assert OTHERS not in "".join(agent.read)


def test_calls_side_by_side_are_answered_each_by_its_own_key(pages: str, house: HostileHouse) -> None:
    async def one(key: str) -> set[str]:
        async with over_http(pages, key) as client:
            return await names_of(client)

    async def go() -> list[set[str]]:
        return await asyncio.gather(*(one(house.keys[scope]) for scope in ("agent", "agent:change") * 3))

    found = asyncio.run(go())
    assert ["propose_hold_server" in names for names in found] == [False, True] * 3


def test_without_a_key_for_agents_nobody_is_answered(pages: str, house: HostileHouse) -> None:
    for key in ("", "prk_" + "0" * 64, house.keys["ingress"]):
        status, said = ask(pages, key)
        assert status == 401
        assert "tools" not in said


def test_strangers_giants_and_garbage_are_refused_and_the_door_stays_open(pages: str, house: HostileHouse) -> None:
    key = house.keys["agent"]
    assert ask(pages, key, Origin="https://attacker.example")[0] == 403
    assert ask(pages, key, Host="rebound.attacker.example")[0] == 403
    assert ask(pages, key, body=b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * (2 << 20) + b'"}')[0] == 413
    for body in (b"", b"{", b"[]", b'"x"', b"\x00" * 100):
        assert 400 <= ask(pages, key, body=body)[0] < 500
    status, said = ask(pages, key, body=b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}')
    assert status < 500
    assert "error" in said
    assert ask(pages, key)[0] == 200


def test_a_tool_that_does_not_exist_is_an_error_in_words(pages: str, house: HostileHouse) -> None:
    async def go() -> bool:
        async with over_http(pages, house.keys["agent"]) as client:
            try:
                return bool((await client.call_tool("drop_everything", {})).is_error)
            except MCPError:
                return True

    assert asyncio.run(go())


def test_nobody_holds_a_line_open_on_which_nothing_is_ever_said(pages: str, house: HostileHouse) -> None:
    for method in ("GET", "DELETE"):
        status, said = ask(pages, house.keys["agent"], method=method, body=b"")
        assert status == 405
        assert "POST" in said


def ask(address: str, key: str, *, method: str = "POST", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """One request without a client of the protocol."""
    place = urlsplit(address)
    line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=90)
    listing = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).encode()
    sent = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }
    if key:
        sent["Authorization"] = f"Bearer {key}"
    try:
        line.request(method, "/mcp", body=listing if body is None else body, headers={**sent, **headers})
        answer = line.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        line.close()
