"""Many ask, one thread answers in groups: the way from the event loop to the database and back.

Duty: questions of all connections are put together and answered by one call, in one thread that owns one database
connection. While a call runs the next group gathers, so one mail alone waits for nobody, and a hundred share one commit.

Laws:
- An answer comes after the call returned, that is after its commit: what is answered is durable.
- A question that spoils its group is found by asking one by one; the others get their answer. In an outage nobody is
  asked one by one: everybody hears of it at once.
- Whoever stops waiting spoils nothing for the others; his question is answered all the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import close_old_connections, connections

from postroom.workers.outages import OUTAGES, Outage

logger = logging.getLogger(__name__)

CHECK_AFTER = 1.0  # seconds of silence after which a connection may have been lost unnoticed

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Unanswered(Exception):  # noqa: N818 - an answer that could not be given is no error of the asker's
    """The work raised, and the log has said so; the cause is the error. Or the desk is closed."""


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Question, Answer]):
    question: Question
    weight: int
    answer: asyncio.Future[Answer]


class Desk(Generic[Question, Answer]):
    """``work`` gets a group of questions and returns as many answers, in order; it runs in the desk's own thread.

    A group has at most ``group_size`` questions and, beyond the first, ``group_weight`` of what ``weigh`` says (bytes).
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Question]], Sequence[Answer]],
        *,
        group_size: int = 200,
        group_weight: int = 32 * 1024 * 1024,
        weigh: Callable[[Question], int] = lambda _question: 0,
    ) -> None:
        self.name = name
        self._work = work
        self._group_size = group_size
        self._group_weight = group_weight
        self._weigh = weigh
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._queue: deque[_Waiting[Question, Answer]] = deque()
        self.unanswered = 0
        self._check_at = 0.0
        self._is_busy = False
        self._is_closed = False
        self._outage = Outage(name, "does not work")
        self._idle = asyncio.Event()
        self._idle.set()

    async def ask(self, question: Question) -> Answer:
        """The answer to one question. Raises `Unanswered`."""
        if self._is_closed:
            raise Unanswered(f"{self.name} is closed")
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Question, Answer] = _Waiting(question, self._weigh(question), loop.create_future())
        self._queue.append(waiting)
        self.unanswered += 1
        self._idle.clear()
        if not self._is_busy:
            self._is_busy = True
            loop.call_soon(self._next_group)  # whoever asks in this turn of the loop comes along
        return await waiting.answer

    async def run_between(self, work: Callable[[], None]) -> None:
        """In the desk's own thread, between two groups."""
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Answer what was asked, close the thread's database connection, end the thread."""
        self._is_closed = True
        await self._idle.wait()
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown(wait=False)

    def _next_group(self) -> None:
        if not self._queue:
            self._is_busy = False
            self._idle.set()
            return
        group = self._take_group()
        loop = asyncio.get_running_loop()
        questions = [waiting.question for waiting in group]
        done = loop.run_in_executor(self._thread, self._answer, questions)
        done.add_done_callback(lambda future: self._hand_out(group, future.result()))

    def _take_group(self) -> list[_Waiting[Question, Answer]]:
        group = [self._queue.popleft()]
        weight = group[0].weight
        while self._queue and len(group) < self._group_size and weight + self._queue[0].weight <= self._group_weight:
            group.append(self._queue.popleft())
            weight += group[-1].weight
        return group

    def _hand_out(self, group: Sequence[_Waiting[Question, Answer]], answers: Sequence[Answer | Exception]) -> None:
        self.unanswered -= len(group)
        for waiting, answer in zip(group, answers, strict=True):
            if waiting.answer.done():  # he went away
                continue
            if isinstance(answer, Exception):
                trouble = Unanswered(self.name)
                trouble.__cause__ = answer
                waiting.answer.set_exception(trouble)
            else:
                waiting.answer.set_result(answer)
        self._next_group()

    # In the thread

    def _answer(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        answers = self._try(questions)
        if not isinstance(answers, Exception):
            return answers
        if len(questions) == 1 or isinstance(answers, OUTAGES):
            return [answers] * len(questions)
        return [one if isinstance(one, Exception) else one[0] for one in map(self._try, ([q] for q in questions))]

    def _try(self, questions: Sequence[Question]) -> Sequence[Answer] | Exception:
        try:
            self._look_after_connection()
            answers = self._work(questions)
            if len(answers) != len(questions):
                raise AssertionError(f"{self.name}: {len(questions)} questions, {len(answers)} answers")
        except Exception as error:
            self._note(error)
            return error
        self._outage.is_over()
        return answers

    def _look_after_connection(self) -> None:
        """Asking PostgreSQL whether it is still there costs as much as a small group: not while it answers all the time."""
        now = time.monotonic()
        if now >= self._check_at:
            close_old_connections()
        self._check_at = now + CHECK_AFTER

    def _note(self, error: Exception) -> None:
        """An outage is told once, when it begins; a bug each time."""
        self._check_at = 0.0
        if not isinstance(error, OUTAGES):
            logger.error("%s: failed", self.name, exc_info=error)
        else:
            self._outage.goes_on(error)
