"""What name servers said is remembered, and never more than there is room for."""

from __future__ import annotations

import asyncio

import pytest

from postroom.adapters.dns import remembering
from postroom.adapters.dns.remembering import RememberingResolver
from postroom.core.senders.questions import Answer, AnswerStatus, Question, RecordType


class Talkative(RememberingResolver):
    """Each name has a record as long as its label says."""

    def __init__(self) -> None:
        super().__init__(monotonic=lambda: 0.0)
        self.asked: list[str] = []

    async def _asked(self, question: Question) -> tuple[Answer, float]:
        self.asked.append(question.name)
        length = int(question.name.partition(".")[0].partition("-")[0])
        return Answer(AnswerStatus.FOUND, ("x" * length,)), 3600.0


def question(name: str) -> Question:
    return Question(name, RecordType.TXT)


def ask_all(resolver: RememberingResolver, *names: str) -> None:
    async def one_by_one() -> None:
        for name in names:
            assert (await resolver.answer(question(name), deadline=1.0)).status is AnswerStatus.FOUND

    asyncio.run(one_by_one())


def test_long_answers_of_strangers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST_SIGNS", 1000)
    resolver = Talkative()
    ask_all(resolver, *(f"300-{number}.example" for number in range(10)))
    assert sum(len(one.answer.records[0]) for one in resolver._answers.values()) == 900
    ask_all(resolver, "300-9.example", "300-0.example")
    assert resolver.asked[10:] == ["300-0.example"], "the youngest are kept"


def test_an_answer_that_is_longer_than_all_the_room_is_given_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST_SIGNS", 1000)
    resolver = Talkative()
    ask_all(resolver, "2000.example", "10.example")
    assert list(resolver._answers) == [question("10.example")]


def test_the_oldest_of_many_answers_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST_ANSWERS", 3)
    resolver = Talkative()
    ask_all(resolver, *(f"1-{number}.example" for number in range(5)))
    assert [one.name for one in resolver._answers] == ["1-2.example", "1-3.example", "1-4.example"]
