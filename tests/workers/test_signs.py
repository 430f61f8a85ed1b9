"""Each process says that it works, by the loop that does; and says nothing any more when it hangs."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
from django.db import OperationalError

from postroom.core.diagnosis.signs import SIGN_EVERY
from postroom.store.models import SignOfLife
from postroom.store.signs import read_signs
from postroom.workers import signs as signs_of_life
from postroom.workers.group_commit import Desk
from postroom.workers.resident import Resident
from postroom.workers.roles import ROLES
from postroom.workers.signs import PART_PATIENCE, Signs, name_connections
from postroom.workers.stopping import Stop
from postroom.workers.web import WithSigns
from tests.e2e.installation import DEADLINE, installed
from tests.laboratory.ports import Port, answers
from tests.laboratory.waiting import wait_until


class Clock:
    """For `time.monotonic` of the module."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(signs_of_life, "time", made)
    return made


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """By role, instead of the table."""
    found: list[str] = []
    monkeypatch.setattr(signs_of_life, "give_sign", lambda _name, *, role, **_: found.append(role))
    monkeypatch.setattr(signs_of_life, "clear_signs", lambda: found.append("cleared"))
    monkeypatch.setattr(signs_of_life, "close_old_connections", lambda: None)
    return found


def test_a_loop_that_turns_a_thousand_times_writes_once_in_fifteen_seconds(clock: Clock, given: list[str]) -> None:
    signs = Signs("router")
    for _ in range(1000):
        clock.at += 0.03
        signs.give()
    assert given == ["router", "cleared", "router"]
    assert not signs.is_due
    clock.at += SIGN_EVERY
    assert signs.is_due


def test_the_dead_are_looked_for_now_and_then(clock: Clock, given: list[str]) -> None:
    signs = Signs("router")
    for _ in range(41):
        signs.give()
        clock.at += SIGN_EVERY
    assert given.count("cleared") == 2


def test_a_process_of_several_loops_gives_signs_only_while_all_turn(
    clock: Clock, given: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    signs = Signs("scheduler", parts=("search", "clerk"))
    clock.at += PART_PATIENCE - 1
    signs.tick("clerk")
    signs.give()
    assert given == ["scheduler", "cleared"]
    clock.at += SIGN_EVERY
    signs.give()
    clock.at += SIGN_EVERY
    signs.give()
    assert given == ["scheduler", "cleared"]
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "hangs in search" in told
    signs.tick("search")
    clock.at += SIGN_EVERY
    signs.give()
    assert given == ["scheduler", "cleared", "scheduler"]


def test_what_cannot_be_written_disturbs_nobody(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    signs = Signs("router")
    monkeypatch.setattr(signs_of_life, "close_old_connections", lambda: None)
    for error in (OperationalError("away"), ValueError("a bug")):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(signs_of_life, "give_sign", fail)
        monkeypatch.setattr(signs_of_life, "take_back_sign", lambda _: fail(error=OperationalError("away")))
        clock.at += SIGN_EVERY
        signs.give()
        signs.end()


def test_a_resident_gives_its_sign_between_two_turns_of_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroom.workers.resident.close_old_connections", lambda: None)
    stop, turns = Stop(), []

    def drain() -> int:
        turns.append("work")
        if len(turns) > 5:
            stop.set()
        return 1

    Resident("r", drain, channel="c", stop=stop, sign=lambda: turns.append("sign")).run()
    stop.close()
    assert turns == ["sign", "work"] * 3


def test_a_door_whose_desk_hangs_gives_no_sign() -> None:
    async def story() -> list[str]:
        done: list[str] = []
        hangs = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stuck(_: object) -> list[int]:
            asyncio.run_coroutine_threadsafe(hangs.wait(), loop).result(60)
            return [1]

        desk: Desk[int, int] = Desk("desk", stuck)
        asked = asyncio.create_task(desk.ask(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        giving = asyncio.create_task(desk.run_between(lambda: done.append("sign")))
        await loop.run_in_executor(None, lambda: None)
        seen = [*done]
        hangs.set()
        assert await asked == 1
        await giving
        await desk.close()
        return [*seen, "then", *done]

    assert asyncio.run(story()) == ["then", "sign"]


def test_pages_give_signs_from_their_first_request_on(given: list[str]) -> None:
    async def application(*_: object) -> None:
        return None

    async def story() -> None:
        pages = WithSigns(application)
        for _ in range(3):
            await pages({}, lambda: None, lambda _: None)  # type: ignore[arg-type, return-value]
        async with asyncio.timeout(30):
            while "web" not in given:
                await asyncio.to_thread(lambda: None)
        assert pages._giving is not None
        pages._giving.cancel()

    asyncio.run(story())
    assert given.count("web") == 1


def test_each_process_names_its_connections_and_a_name_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGAPPNAME", "postroom x")  # so that it is gone again afterwards
    monkeypatch.setattr("socket.gethostname", lambda: "müller-" + "x" * 90)
    name_connections("deliverer")
    assert os.environ["PGAPPNAME"].startswith(f"postroom deliverer {os.getpid()}@m?ller-x")
    assert len(os.environ["PGAPPNAME"]) <= 63
    name_connections("web")  # a child of another
    assert os.environ["PGAPPNAME"].startswith("postroom web ")
    monkeypatch.setenv("PGAPPNAME", "own")
    name_connections("web")
    assert os.environ["PGAPPNAME"] == "own"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_role_of_a_running_installation_gives_signs_and_takes_them_back_at_its_end() -> None:
    with ExitStack() as stack:
        ports = [Port() for _ in range(3)]
        for port in ports:
            stack.callback(port.release)
        web, smtp, lmtp = ports
        with installed(*ROLES, smtp=smtp, lmtp=lmtp, settings={"POSTROOM_WEB_PORT": str(web)}):
            wait_until(lambda: answers(int(web)), "the pages answer", DEADLINE)
            asked = HTTPConnection("127.0.0.1", int(web), timeout=60)
            stack.callback(asked.close)
            asked.request("GET", "/")
            asked.getresponse().read()
            wait_until(
                lambda: set(SignOfLife.objects.values_list("role", flat=True)) == set(ROLES),
                "all gave a sign",
                DEADLINE,
            )
        left = set(SignOfLife.objects.values_list("role", flat=True))
    assert left <= {"web"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_pages_that_hang_are_ended_as_the_cure_says_and_come_again() -> None:
    def page(port: Port) -> int:
        asked = HTTPConnection("127.0.0.1", int(port), timeout=30)
        try:
            asked.request("GET", "/")
            return asked.getresponse().status
        except OSError:
            return 0
        finally:
            asked.close()

    def of_pages() -> set[int]:
        return {one.pid for one in read_signs()[0] if one.role == "web"}

    with ExitStack() as stack:
        ports = [Port() for _ in range(3)]
        for port in ports:
            stack.callback(port.release)
        web, smtp, lmtp = ports
        with installed("web", smtp=smtp, lmtp=lmtp, settings={"POSTROOM_WEB_PORT": str(web)}):
            wait_until(lambda: page(web) and of_pages(), "the pages answered and gave a sign", DEADLINE)
            (hung,) = of_pages()
            os.kill(hung, signal.SIGSTOP)
            assert of_pages() == {hung}, "it is there, and its connection too"
            os.kill(hung, signal.SIGKILL)
            wait_until(lambda: page(web) and of_pages() - {hung}, "another one answered and gave a sign", DEADLINE)
