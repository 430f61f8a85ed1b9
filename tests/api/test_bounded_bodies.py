"""A stranger's endless body ends early."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postroom.project.asgi import Application, BoundedBodies, Message, Receive, Send, largest_body


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


def ask(
    pieces: int,
    *,
    most: int = 100,
    length: bytes = b"",
    path: str = "/api/v1/messages",
    cookie: bytes = b"",
    bounds: BoundedBodies | None = None,
) -> tuple[int, int]:
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
    headers += [(b"cookie", cookie)] if cookie else []
    bounds = bounds or BoundedBodies(reads_all, most)
    asyncio.run(bounds({"type": "http", "path": path, "headers": headers}, receive, send))
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


# ---- who brings how much


def bounded(application: Application = reads_all, *, room: int = 1000, patience: float = 60.0) -> BoundedBodies:
    return BoundedBodies(application, 100, cookie="session", little=30, room=room, patience=patience)


@pytest.mark.parametrize("cookie", [b"", b"other=session", b"sessions=1", b"xsession=1; csrf=session="])
def test_who_shows_no_session_brings_little(cookie: bytes) -> None:
    assert ask(3, path="/login/", cookie=cookie, bounds=bounded()) == (200, 3)
    assert ask(9, path="/login/", cookie=cookie, bounds=bounded()) == (413, 4)
    assert ask(9, path="/login/", cookie=cookie, length=b"90", bounds=bounded()) == (413, 0)


def test_who_shows_a_session_brings_files() -> None:
    assert ask(9, path="/record/1/", cookie=b"csrf=x; session=abc", bounds=bounded()) == (200, 9)


@pytest.mark.parametrize("path", ["/api/v1/mail", "/ingress/sendgrid/x/mime", "/hooks/sendgrid/x"])
def test_programs_bring_mails_to_their_doors(path: str) -> None:
    assert ask(9, path=path, bounds=bounded()) == (200, 9)


def test_large_bodies_have_a_room_together_that_is_free_again_afterwards() -> None:
    bounds = bounded(room=50)
    assert ask(8, bounds=bounds) == (200, 8)
    assert ask(9, bounds=bounds) == (503, 9), "thirty are free, fifty are the room"
    assert ask(9, length=b"90", bounds=bounds) == (503, 0)
    assert ask(8, bounds=bounds) == (200, 8), "nothing of what was refused is held"


def test_while_the_room_is_full_little_is_taken_still() -> None:
    found: list[tuple[int, int]] = []

    async def holds(_scope: Message, receive: Receive, send: Send) -> None:
        """Reads all, and before it answers others come."""
        while (await receive()).get("more_body", False):
            pass
        bounds._application = reads_all
        for path, pieces in (("/api/v1/mail", 4), ("/login/", 3)):
            found.append(await asyncio.to_thread(ask, pieces, path=path, bounds=bounds))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    bounds = bounded(holds, room=50)
    assert ask(8, bounds=bounds) == (200, 8)
    assert found == [(503, 4), (200, 3)]


def test_a_body_that_never_comes_is_given_up() -> None:
    sent: list[Any] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/login/", "headers": []}
    asyncio.run(asyncio.wait_for(bounded(patience=0.05)(scope, receive, send), 30))
    assert sent[0]["status"] == 408


def test_a_page_that_waits_for_the_end_of_its_connection_may_wait() -> None:
    waited: list[str] = []

    async def streams(_scope: Message, receive: Receive, _send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        waited.append((await receive())["type"])

    async def receive() -> Message:
        if waited == ["asked"]:
            for _ in range(10):  # turns of the loop: the patience with bodies has long ended
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}
        waited.append("asked")
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Message) -> None:
        raise AssertionError

    scope = {"type": "http", "path": "/live/inbox/", "headers": []}
    asyncio.run(bounded(streams, patience=0.0)(scope, receive, send))
    assert waited == ["asked", "http.disconnect"]
