"""Server-sent events: a page hears that something changed, and fetches what it shows by itself.

Laws: an event carries no contents, so nobody can overhear anything; who may look is asked before the stream opens and again by every
fetch. A stream holds no database connection, speaks every `HEARTBEAT` seconds, and ends after `LIFETIME` (the browser comes back by
itself), when the reader goes, and when the server ends what is still open after its grace (a few seconds).
Standards: WHATWG HTML 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)

from postroom.flows import access
from postroom.web.live.hub import Hub, hub
from postroom.web.site import member_of

HEARTBEAT = 15.0
LIFETIME = 600.0
TOPICS = {"queue": "queue", "inbound": "inbound", "letterbox": "view"}  # topic -> what a member must be allowed


async def stream(request: HttpRequest, topic: str, record_id: int | None = None) -> HttpResponseBase:
    """``/live/records/12/`` or ``/live/queue/``: events named ``changed``, without contents."""
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    allowed, parameters = await sync_to_async(_ask)(request, topic, record_id)
    if allowed is None:
        return HttpResponse(status=401)
    if not allowed:
        raise Http404
    named = topic if record_id is None else f"{topic}:{record_id}"
    answer = StreamingHttpResponse(_events(hub(parameters), named), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"  # nginx passes it on as it comes
    return answer


def _ask(request: HttpRequest, topic: str, record_id: int | None) -> tuple[bool | None, dict[str, Any]]:
    """May this member hear of it (None: nobody is signed in)? Leaves no connection behind, as a stream would keep it for its life."""
    try:
        member = member_of(request)
        if member is None:
            return None, {}
        if topic == "record" and record_id is not None:
            allowed = access.visible_records(member).filter(pk=record_id).exists()
        else:
            allowed = record_id is None and topic in TOPICS and access.may(member, TOPICS[topic])
        return allowed, _parameters()
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _parameters() -> dict[str, Any]:
    """How to reach the database, without Django's own wishes (its cursor class and adapters)."""
    found = connection.get_connection_params()
    return {key: value for key, value in found.items() if key not in ("cursor_factory", "context", "prepare_threshold")}


async def _events(source: Hub, topic: str) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFETIME
    with source.ear(topic) as changed:
        yield "retry: 2000\n\n"
        while (left := ends - loop.time()) > 0:
            try:
                await asyncio.wait_for(changed.wait(), min(HEARTBEAT, left))
            except TimeoutError:
                yield ": still here\n\n"
                continue
            changed.clear()
            yield "event: changed\ndata: .\n\n"
