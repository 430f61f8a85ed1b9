"""The pages as an ASGI application.

Laws: a body is counted while it comes. Django writes all of it to the disk before it looks at anything, the address included, so a
stranger's endless body would fill the disk: what is larger than anything that we take is answered 413, and the rest is not read. The door for
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


class BoundedBodies:
    """The application behind it gets bodies of at most ``most`` bytes."""

    def __init__(self, application: Application, most: int) -> None:
        self._application = application
        self._most = most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if _declared(scope) > self._most:
            await _refuse(send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return {"type": "http.disconnect"} if came > self._most else message

        await self._application(scope, counted, send)
        if came > self._most:  # nothing was answered: Django reads all before it begins
            await _refuse(send)


def _declared(scope: Message) -> int:
    """By Content-Length; 0 where none is told, or none that can be read."""
    told = next((value for name, value in scope["headers"] if name.lower() == b"content-length"), b"")
    return int(told) if told.isdigit() and len(told) < 20 else 0


async def _refuse(send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
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


application = BoundedBodies(WithAgents(_django()), largest_body())
