"""The pages as an ASGI application.

Laws: a body is counted while it comes. Django writes all of it to the disk before it looks at anything, the address included, so strangers'
bodies would fill the disk: what is larger than anything that we take is answered 413, and the rest is not read. Who shows neither a session nor
comes to a door of programs brings little; large bodies have a room together (503 when it is full) and a time to come in (408). The door for
agents stands beside Django, and is made when the first one knocks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "postroom.project.settings")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
AGENTS = "/mcp"


LITTLE = 1 << 20  # bytes: of anybody, held in memory and counted nowhere
MOST_UNDER_WAY = 500_000_000  # bytes of all large bodies of a process together
PATIENCE = 120.0  # seconds for a body to come, and more for a large one:
SLOWEST = 50_000  # bytes a second
RETRY_AFTER = b"60"  # seconds
_DOORS = ("/api/", "/ingress/", "/hooks/", AGENTS)  # for programs: their keys and secret addresses are looked at later


class BoundedBodies:
    """The application behind it gets bodies of at most ``most`` bytes, and of at most ``little`` from who shows no ``cookie`` and comes to no
    door of programs. ``room``: for what is beyond ``little`` of all requests under way. ``patience`` in seconds."""

    def __init__(
        self,
        application: Application,
        most: int,
        *,
        cookie: str = "",
        little: int = LITTLE,
        room: int = MOST_UNDER_WAY,
        patience: float = PATIENCE,
    ) -> None:
        self._application = application
        self._most = most
        self._cookie = cookie.encode()
        self._little = little
        self._room = room
        self._patience = patience

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = _Body(self, receive, self._most_of(scope))
        if status := body.refusal_of(_declared(scope)):
            await _refuse(send, status)
            return
        try:
            await self._application(scope, body.receive, send)
        finally:
            self._room += body.held
        if body.refused:  # nothing was answered: Django reads all before it begins
            await _refuse(send, body.refused)

    def _most_of(self, scope: Message) -> int:
        is_door = scope["path"].startswith(_DOORS)
        return self._most if is_door or _shows(scope, self._cookie) else min(self._most, self._little)


class _Body:
    """What came of one body. ``held``: bytes of the room that it takes. ``refused``: the status to answer, 0 while all is well."""

    def __init__(self, bounds: BoundedBodies, receive: Receive, most: int) -> None:
        self._bounds = bounds
        self._receive = receive
        self._most = most
        self._began = asyncio.get_running_loop().time()
        self._came = 0
        self._is_whole = False
        self.held = 0
        self.refused = 0

    def refusal_of(self, size: int) -> int:
        """The status that a body of this size is refused with, or 0."""
        if size > self._most:
            return 413
        return 503 if size - self._bounds._little - self.held > self._bounds._room else 0

    async def receive(self) -> Message:
        if self.refused:
            return {"type": "http.disconnect"}
        if self._is_whole:  # what comes now is the end of the connection, and may be hours away
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._began + self._bounds._patience + self._came / SLOWEST):
                message = await self._receive()
        except TimeoutError:
            self.refused = 408
            return {"type": "http.disconnect"}
        self._came += len(message.get("body", b""))
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        self.refused = self.refusal_of(self._came)
        if self.refused:
            return {"type": "http.disconnect"}
        more = max(0, self._came - self._bounds._little) - self.held
        self.held += more
        self._bounds._room -= more
        return message


def _shows(scope: Message, cookie: bytes) -> bool:
    """Whether a cookie of this name is shown. It may be anybody's invention: who has one may fill the room, and no more."""
    shown = (value for name, value in scope["headers"] if name.lower() == b"cookie")
    return any(one.strip().startswith(cookie + b"=") for value in shown for one in value.split(b";"))


def _declared(scope: Message) -> int:
    """By Content-Length; 0 where none is told, or none that can be read."""
    told = next((value for name, value in scope["headers"] if name.lower() == b"content-length"), b"")
    return int(told) if told.isdigit() and len(told) < 20 else 0


async def _refuse(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class WithAgents:
    """``pages``, and at `AGENTS` the door for agents: it speaks another protocol, in this process's loop."""

    def __init__(self, pages: Application) -> None:
        self._pages = pages
        self._door: Application | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].rstrip("/") != AGENTS:
            await self._pages(scope, receive, send)
            return
        async with self._making:
            if self._door is None:
                self._door = await asyncio.to_thread(_agent_door)  # its library is heavy, and pages go on meanwhile
            door = self._door
        await door(scope, receive, send)


def _agent_door() -> Application:
    from postroom.wiring import ports  # noqa: PLC0415 - after Django's setup
    from postroom.workers.agent_door import AgentDoor  # noqa: PLC0415 - only where agents come

    return AgentDoor(ports(), hosts=settings.ALLOWED_HOSTS)


def largest_body() -> int:
    """Bytes of the largest request that anything of ours takes: the largest mail in base64 or percent signs, and some more."""
    from postroom.api.ingress import most_bytes  # noqa: PLC0415 - after Django's setup

    return max(most_bytes(settings.POSTROOM.max_message_size), 200_000_000)


def _django() -> Application:
    django.setup(set_prefix=False)
    from postroom.web.handler import Handler  # noqa: PLC0415 - after Django's setup

    return cast("Application", Handler())


def _bounded(pages: Application) -> BoundedBodies:
    most = largest_body()
    return BoundedBodies(
        WithAgents(pages), most, cookie=settings.SESSION_COOKIE_NAME, room=max(MOST_UNDER_WAY, most * 2)
    )


application = _bounded(_django())
