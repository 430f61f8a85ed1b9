"""Many ask, one thread answers in groups."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from django.db import OperationalError

from postroom.workers.group_commit import Desk, Unanswered


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120):
            await story()

    asyncio.run(bounded())


class Work:
    """Doubles numbers; notes the groups; waits or fails when told."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.groups: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.trouble: Exception | None = None
        self.poison = -1

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.begun.set()
        assert self.gate.wait(60)
        self.groups.append(list(numbers))
        self.threads.add(threading.get_ident())
        if self.trouble:
            raise self.trouble
        if self.poison in numbers:
            raise ValueError("poison")
        return [2 * number for number in numbers]


async def in_hand(work: Work) -> None:
    """Until the thread has its first group."""
    await asyncio.to_thread(work.begun.wait, 60)


def test_what_comes_while_the_thread_works_becomes_the_next_group() -> None:
    async def story() -> None:
        work = Work()
        desk = Desk("test", work)
        work.gate.clear()
        first = asyncio.create_task(desk.ask(1))
        await in_hand(work)
        rest = [asyncio.create_task(desk.ask(number)) for number in range(2, 12)]
        await asyncio.sleep(0)
        work.gate.set()
        assert await first == 2
        assert await asyncio.gather(*rest) == [2 * number for number in range(2, 12)]
        assert work.groups == [[1], list(range(2, 12))]
        assert len(work.threads) == 1
        assert threading.get_ident() not in work.threads
        await desk.close()

    run(story)


def test_a_group_is_bounded_in_number_and_in_weight() -> None:
    async def story() -> None:
        work = Work()
        desk = Desk("test", work, group_size=4, group_weight=10, weigh=lambda number: number)
        await asyncio.gather(*(desk.ask(number) for number in (1, 1, 1, 1, 1, 20, 6, 6, 3)))
        assert work.groups == [[1, 1, 1, 1], [1], [20], [6], [6, 3]]
        await desk.close()

    run(story)


def test_a_question_that_spoils_its_group_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        work = Work()
        work.poison = 3
        desk = Desk("test", work)
        answers = await asyncio.gather(*(desk.ask(number) for number in range(5)), return_exceptions=True)
        assert answers[:3] == [0, 2, 4]
        assert isinstance(answers[3], Unanswered)
        assert isinstance(answers[3].__cause__, ValueError)
        assert answers[4] == 8
        await desk.close()

    run(story)
    assert "poison" in caplog.text


def test_in_an_outage_everybody_hears_of_it_at_once_and_the_log_once(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        work = Work()
        work.trouble = OperationalError("connection refused")
        desk = Desk("test", work)
        for _ in range(3):
            answers = await asyncio.gather(*(desk.ask(number) for number in range(5)), return_exceptions=True)
            assert all(isinstance(answer, Unanswered) for answer in answers)
        assert len(work.groups) == 3
        work.trouble = None
        assert await desk.ask(4) == 8
        await desk.close()

    with caplog.at_level(logging.WARNING):
        run(story)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("postroom.workers")] == [
        "test: does not work: connection refused",
        "test: works again",
    ]


def test_who_goes_away_spoils_nothing_for_the_others() -> None:
    async def story() -> None:
        work = Work()
        desk = Desk("test", work)
        work.gate.clear()
        tasks = [asyncio.create_task(desk.ask(number)) for number in range(3)]
        await in_hand(work)
        tasks[1].cancel()
        await asyncio.sleep(0)
        work.gate.set()
        assert await tasks[0] == 0
        assert await tasks[2] == 4
        assert work.groups == [[0, 1, 2]]
        await desk.close()

    run(story)


def test_a_wrong_number_of_answers_is_an_error_and_not_a_mix_up(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        desk: Desk[int, int] = Desk("test", lambda numbers: [0] * (len(numbers) + 1))
        with pytest.raises(Unanswered):
            await desk.ask(1)
        await desk.close()

    run(story)
    assert "1 questions, 2 answers" in caplog.text


def test_closing_answers_what_was_asked_and_takes_nothing_more() -> None:
    async def story() -> None:
        work = Work()
        desk = Desk("test", work)
        work.gate.clear()
        asked = asyncio.create_task(desk.ask(5))
        await asyncio.sleep(0)
        closing = asyncio.create_task(desk.close())
        await asyncio.sleep(0)
        with pytest.raises(Unanswered):
            await desk.ask(6)
        work.gate.set()
        assert await asked == 10
        await closing

    run(story)
