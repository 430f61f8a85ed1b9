"""A stranger's endless body ends early."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postroom.project.asgi import BoundedBodies, Message, Receive, Send, largest_body


async def reads_all(_scope: Message, receive: Receive, send: Send) -> None:
    """As Django does: the whole body first, and no answer to who went away."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def ask(pieces: int, *, most: int = 100, length: bytes = b"") -> tuple[int, int]:
    """The status, and how many pieces of ten bytes were taken."""
    taken = 0
    sent: list[Any] = []

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": b"x" * 10, "more_body": taken < pieces}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-length", length)] if length else []
    asyncio.run(BoundedBodies(reads_all, most)({"type": "http", "headers": headers}, receive, send))
    return sent[0]["status"], taken


def test_a_body_that_fits_is_taken() -> None:
    assert ask(10) == (200, 10)


def test_a_body_that_does_not_end_is_refused_when_it_is_too_large() -> None:
    assert ask(1_000_000) == (413, 11)


@pytest.mark.parametrize(
    ("length", "found"), [(b"101", (413, 0)), (b"100", (200, 3)), (b"-1", (200, 3)), (b"x", (200, 3))]
)
def test_what_is_announced_too_large_is_not_read_at_all(length: bytes, found: tuple[int, int]) -> None:
    assert ask(3, length=length) == found


def test_the_largest_body_has_room_for_the_largest_mail() -> None:
    assert largest_body() >= 150_000_000
