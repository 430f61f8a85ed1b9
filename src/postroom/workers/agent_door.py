"""The door for agents: the tools of `flows.agent_tools` over the Model Context Protocol, at stdin and stdout or over HTTP.

Duty: `serve_stdio` for a program that starts us, `AgentDoor` as an ASGI application for those who come over the network. Laws: over HTTP
nobody is answered without a key that is good for agents, and each request is judged by its own key: there are no sessions to steal. At
both, each call is judged by the key and the member as they are then. A key has so many calls a minute, the process so many at once, a tool
its seconds; whoever is over is told so at once. Pages of browsers (which send Origin) are turned away, and so are strange Hosts: no name that
somebody points at us opens the door. Nobody holds a connection open: who would listen to a stream (GET) hears that there is none.
Standards: Model Context Protocol, streamable HTTP (2025-06-18 and newer).
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import mcp.types as wire
from django.db import connections
from django.http.request import split_domain_port, validate_host
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from postroom import __version__
from postroom.core.diagnosis.tools_for_agents import INSTRUCTIONS, READING, Tool
from postroom.flows.agent_tools import Told, seconds_of, tools_of, use
from postroom.flows.api_keys import KeyHolder, as_it_is_now, holder_of_key
from postroom.flows.audit import from_where
from postroom.flows.ports import Ports

logger = logging.getLogger(__name__)

AT_ONCE = 4  # tools under way, of one process
A_MINUTE = 60  # calls of one key
MOST_KEYS = 1_000  # that are counted
MOST_BODY = 1 << 20  # bytes of a request
_HOLDER = "postroom.holder"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
WhoAsks = Callable[[ServerRequestContext[Any]], KeyHolder | None]


class Allowance:
    """How many calls are left to whom. ``clock`` gives seconds. Safe for threads."""

    def __init__(self, a_minute: int = A_MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = a_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[int, tuple[float, float]] = OrderedDict()  # calls, and when that was

    def takes(self, key_id: int) -> bool:
        """Whether one more may come; it is counted."""
        now = self._clock()
        with self._lock:
            left, since = self._left.pop(key_id, (float(self._most), now))
            left = min(float(self._most), left + (now - since) * self._most / 60)
            self._left[key_id] = (left - 1 if left >= 1 else left, now)
            while len(self._left) > MOST_KEYS:
                self._left.popitem(last=False)
            return left >= 1


class Hands:
    """Does the work of tools in a few threads; none waits for another's."""

    def __init__(
        self, ports: Ports, *, at_once: int = AT_ONCE, allowance: Allowance | None = None, seconds: float = 0.0
    ) -> None:
        self._ports = ports
        self._pool = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="agent")
        self._places = threading.BoundedSemaphore(at_once)
        self._allowance = allowance or Allowance()
        self._seconds = seconds  # instead of the tools' own

    async def use(self, name: str, given: object, holder: KeyHolder | None) -> Told:
        """What the tool tells, or why it was not used. Who takes too long goes on alone, and keeps the place until it is done."""
        if not self._allowance.takes(holder.key_id if holder is not None else 0):
            return _error(f"Too many calls: {A_MINUTE} a minute are allowed. Wait.")
        if not self._places.acquire(blocking=False):
            return _error("Too many tools are at work now. Wait a moment.")
        working = asyncio.get_running_loop().run_in_executor(self._pool, self._work, name, given, holder)
        try:
            return await asyncio.wait_for(asyncio.shield(working), self._seconds or seconds_of(name))
        except TimeoutError:
            return _error("It takes too long: ask for less.")
        except Exception:
            logger.exception("the tool %s for agents broke", name)
            return _error("Something broke here. It was noted.")

    def _work(self, name: str, given: object, holder: KeyHolder | None) -> Told:
        try:
            asking = as_it_is_now(self._ports, holder) if holder is not None else None
            if holder is not None and asking is None:
                return _error("The key was removed, or its member is switched off.")
            return use(self._ports, name, given, holder=asking)
        finally:
            connections.close_all()
            self._places.release()


def _error(words: str) -> Told:
    return Told(text=json.dumps({"error": words}), is_error=True)


def agent_server(hands: Hands, who_asks: WhoAsks) -> Server[Any]:
    """The protocol's side. It never starts talking by itself: no sampling, no prompts, no resources."""

    async def list_tools(context: ServerRequestContext[Any], _: object) -> wire.ListToolsResult:
        return wire.ListToolsResult(tools=[_as_tool(tool) for tool in tools_of(who_asks(context))])

    async def call_tool(context: ServerRequestContext[Any], asked: wire.CallToolRequestParams) -> wire.CallToolResult:
        told = await hands.use(asked.name, asked.arguments or {}, who_asks(context))
        return wire.CallToolResult(content=[wire.TextContent(type="text", text=told.text)], is_error=told.is_error)

    return Server(
        "postroom",
        version=__version__,
        title="Postroom",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _as_tool(tool: Tool) -> wire.Tool:
    return wire.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.about,
        input_schema=tool.schema(),
        annotations=wire.ToolAnnotations(
            title=tool.title,
            read_only_hint=not tool.action,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=tool.asks_world,
        ),
    )


# ---- at stdin and stdout


def serve_stdio(ports: Ports, holder: KeyHolder | None) -> None:
    """Until the other side closes. ``holder`` None: the operator, who reads."""
    asyncio.run(_at_stdio(agent_server(Hands(ports), lambda _: holder)))


async def _at_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


# ---- over HTTP


class AgentDoor:
    """An ASGI application for one address. ``hosts``: names under which we may be asked, as Django's ``ALLOWED_HOSTS``."""

    def __init__(self, ports: Ports, *, hosts: Sequence[str], hands: Hands | None = None) -> None:
        self._ports = ports
        self._hands = hands or Hands(ports)
        self._hosts = hosts
        self._porters = ThreadPoolExecutor(
            max_workers=2, thread_name_prefix="agent key"
        )  # a flood of keys stays in line here
        self._starting = asyncio.Lock()
        self._manager: StreamableHTTPSessionManager | None = None
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        host, _ = split_domain_port(headers.get(b"host", b"").decode("latin-1"))
        if b"origin" in headers or not validate_host(host, self._hosts):
            await _answer(send, 403, "No page of a browser speaks to this door, and it is not asked by this name.")
            return
        said = headers.get(b"authorization", b"")
        holder = await asyncio.get_running_loop().run_in_executor(self._porters, self._holder, said, scope)
        if holder is None:
            await _answer(send, 401, "A key of the scope agent is needed: Authorization: Bearer prk_…")
            return
        if scope["method"] != "POST":  # we begin no talk and keep no session: a stream would stand open for nothing
            await _answer(send, 405, "This door answers to POST alone.")
            return
        manager = await self._started()
        await manager.handle_request({**scope, _HOLDER: holder}, receive, send)

    def _holder(self, said: bytes, scope: Message) -> KeyHolder | None:
        scheme, _, key = said.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or len(key) > 200:
            return None
        try:
            with from_where((scope.get("client") or ("",))[0]):
                return holder_of_key(self._ports, key.strip(), scopes=READING)
        finally:
            connections.close_all()

    async def _started(self) -> StreamableHTTPSessionManager:
        """The server runs beside the requests, for as long as this process's loop does; without sessions it keeps nothing."""
        async with self._starting:
            if self._manager is None or self._running is None or self._running.done():
                manager = StreamableHTTPSessionManager(
                    agent_server(self._hands, _who_asks),
                    json_response=True,
                    stateless=True,
                    max_request_body_size=MOST_BODY,
                )
                ready = asyncio.Event()
                self._running = asyncio.create_task(_keep_running(manager, ready))
                await ready.wait()
                self._manager = manager
            return self._manager

    async def close(self) -> None:
        """End what runs beside the requests."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running


async def _keep_running(manager: StreamableHTTPSessionManager, ready: asyncio.Event) -> None:
    async with manager.run():
        ready.set()
        await asyncio.Event().wait()


def _who_asks(context: ServerRequestContext[Any]) -> KeyHolder | None:
    """Whose request it is: `AgentDoor` let in no other. Raises KeyError where that was forgotten: nobody becomes the operator by accident."""
    holder = context.request.scope[_HOLDER]  # type: ignore[union-attr]
    if not isinstance(holder, KeyHolder):
        raise TypeError(_HOLDER)
    return holder


async def _answer(send: Send, status: int, words: str) -> None:
    body = json.dumps({"detail": words}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += {401: [(b"www-authenticate", b"Bearer")], 405: [(b"allow", b"POST")]}.get(status, [])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
