"""The hands behind the door for agents: so many calls a minute, so many tools at once, so many seconds each."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from postroom.flows.agent_tools import Told
from postroom.workers import agent_door
from postroom.workers.agent_door import AgentDoor, Allowance, Hands
from tests.laboratory.waiting import wait_until


class _Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def hands(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Told], **more: Any) -> Hands:
    monkeypatch.setattr(agent_door, "use", lambda *_, **__: work())
    ports: Any = None
    return Hands(ports, **more)


def said(told: Told) -> str:
    return str(json.loads(told.text).get("error", ""))


def test_a_key_has_so_many_calls_a_minute_and_gets_them_back() -> None:
    clock = _Clock()
    allowance = Allowance(3, clock)
    assert [allowance.takes(1) for _ in range(5)] == [True, True, True, False, False]
    assert allowance.takes(2), "another key has its own"
    clock.time += 20
    assert [allowance.takes(1) for _ in range(2)] == [True, False]
    clock.time += 3600
    assert [allowance.takes(1) for _ in range(4)] == [True, True, True, False]


def test_no_more_keys_are_counted_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_door, "MOST_KEYS", 10)
    allowance = Allowance(3, _Clock())
    for number in range(100):
        assert allowance.takes(number)
    assert len(allowance._left) == 10


def test_who_calls_too_often_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = hands(monkeypatch, lambda: Told(text='{"ok":true}'), allowance=Allowance(1, _Clock()))

    async def go() -> list[Told]:
        return [await at_work.use("doctor", {}, None) for _ in range(2)]

    first, second = asyncio.run(go())
    assert not first.is_error
    assert "Too many calls" in said(second)


def test_a_tool_that_takes_too_long_is_left_and_keeps_its_place_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    release, ended = threading.Event(), threading.Event()

    def slow() -> Told:
        release.wait(90)
        ended.set()
        return Told(text="{}")

    at_work = hands(monkeypatch, slow, at_once=1, seconds=0.05)

    async def go() -> list[Told]:
        found = [await at_work.use("doctor", {}, None), await at_work.use("doctor", {}, None)]
        release.set()
        is_free = lambda: ended.is_set() and at_work._places.acquire(blocking=False)  # noqa: E731
        await asyncio.to_thread(wait_until, is_free, "the place is free again", 60)
        return found

    late, busy = asyncio.run(asyncio.wait_for(go(), 120))
    assert "takes too long" in said(late)
    assert "Too many tools" in said(busy)


def test_what_breaks_is_noted_and_says_nothing_of_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Told:
        raise RuntimeError("the password is hunter2")

    told = asyncio.run(hands(monkeypatch, broken).use("doctor", {}, None))
    assert told.is_error
    assert "hunter2" not in told.text
    assert "broke" in caplog.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"localhost:8000"), (b"origin", b"https://attacker.example")], 403),
        ([(b"host", b"rebound.attacker.example")], 403),
        ([], 403),
        ([(b"host", b"localhost")], 401),
        ([(b"host", b"localhost"), (b"authorization", b"Basic abc")], 401),
        ([(b"host", b"localhost"), (b"authorization", b"Bearer " + b"x" * 5000)], 401),
    ],
)
def test_whoever_has_no_key_is_answered_before_the_library_is_asked(
    headers: list[tuple[bytes, bytes]], status: int
) -> None:
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        raise AssertionError("the body was read")

    ports: Any = None
    door = AgentDoor(ports, hosts=["localhost"])
    asyncio.run(door({"type": "http", "headers": headers, "client": ("127.0.0.1", 1)}, receive, send))
    assert answers[0]["status"] == status


def test_nobody_holds_a_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good key listens as long as it likes where a stream is given: here none is, and the library is not asked."""
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        raise AssertionError("the connection was waited for")

    ports: Any = None
    door = AgentDoor(ports, hosts=["localhost"])
    monkeypatch.setattr(door, "_holder", lambda *_: object())
    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer prk_x"), (b"accept", b"text/event-stream")]
    scope = {"type": "http", "method": "GET", "path": "/mcp", "headers": headers, "client": ("127.0.0.1", 1)}
    asyncio.run(asyncio.wait_for(door(scope, receive, send), 30))
    assert answers[0]["status"] == 405
    assert (b"allow", b"POST") in answers[0]["headers"]
