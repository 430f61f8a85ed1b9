"""The files of logs, for who may see the whole house: lines tell of every company."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from postroom.core.terms.log_lines import LogLine, LogQuestion
from postroom.flows.access import require_house
from postroom.flows.ports import Ports
from postroom.store.models import Member


def search_logs(ports: Ports, question: LogQuestion, *, member: Member | None) -> Iterator[LogLine]:
    """The oldest first. Raises `NotAllowed`, and `TimeoutError` as the question's pattern does."""
    require_house(member)
    return ports.logbook.lines(question)


def newest_lines(ports: Ports, count: int, question: LogQuestion, *, member: Member | None) -> list[LogLine]:
    """The last ``count`` of them, in their order. Raises `NotAllowed`."""
    require_house(member)
    return ports.logbook.last(count, question)


def follow_logs(
    ports: Ports, question: LogQuestion, *, is_over: Callable[[], bool], member: Member | None
) -> Iterator[LogLine]:
    """What is written from now on. Raises `NotAllowed`; blocks."""
    require_house(member)
    return ports.logbook.follow(question, is_over=is_over)
