"""Server-sent events: a page hears that something changed, and fetches what it shows by itself.

Laws: an event carries no contents, so nobody can overhear anything; of lists a reader hears what happens in the own companies
(`flows.tell_pages.topics_of`), so nobody knows by its moment either; who may look is asked before the stream opens and again by every
fetch. A stream holds no database connection, speaks every `HEARTBEAT` seconds, and ends after `LIFETIME` (the browser comes back by
itself), when the reader goes, and when the server ends what is still open after its grace (a few seconds).
Standards: WHATWG HTML 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
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
from postroom.flows.tell_pages import topics_of
from postroom.store.models import Member
from postroom.web.live.hub import Hub, hub
from postroom.web.site import member_of

Topics = Mapping[str, frozenset[str]]

HEARTBEAT = 15.0
LIFETIME = 600.0
TOPICS = {
    "queue": "queue",
    "inbound": "inbound",
    "letterbox": "view",
    "suppression": "view",
    "records": "view",
}  # what a member must be allowed


async def stream(request: HttpRequest, topic: str, record_id: int | None = None) -> HttpResponseBase:
    """``/live/record/12/``, ``/live/queue/`` or ``/live/author/`` (what I wrote): events named ``changed``, without contents.

    ``/live/records/`` tells of any record, by events named ``listed``; ``/live/records/12/`` of both: a browser opens few streams.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    topics, parameters = await sync_to_async(_ask)(request, topic, record_id)
    if topics is None:
        return HttpResponse(status=401)
    if not topics:
        raise Http404
    answer = StreamingHttpResponse(_events(hub(parameters), topics), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"  # nginx passes it on as it comes
    return answer


def _ask(request: HttpRequest, topic: str, record_id: int | None) -> tuple[Topics | None, dict[str, Any]]:
    """What this member may hear under that name: nothing is empty, None when nobody is signed in. Leaves no connection behind, as
    a stream would keep it for its life."""
    try:
        member = member_of(request)
        return (None if member is None else _topics(member, topic, record_id)), _parameters()
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _topics(member: Member, topic: str, record_id: int | None) -> Topics:
    """The events' names, and what each tells of."""
    if record_id is not None:
        is_visible = topic in ("record", "records") and access.visible_records(member).filter(pk=record_id).exists()
        of_lists = {"listed": topics_of(member, topic)} if topic == "records" else {}
        return {**of_lists, "changed": frozenset({f"record:{record_id}"})} if is_visible else {}
    if topic == "author":  # one's own messages, whatever the role
        return {"changed": frozenset({f"author:{member.contact_id}"})}
    if topic not in TOPICS or not access.may(member, TOPICS[topic]):
        return {}
    return {"listed" if topic == "records" else "changed": topics_of(member, topic)}


def _parameters() -> dict[str, Any]:
    """How to reach the database, without Django's own wishes (its cursor class and adapters)."""
    found = connection.get_connection_params()
    return {key: value for key, value in found.items() if key not in ("cursor_factory", "context", "prepare_threshold")}


async def _events(source: Hub, topics: Topics) -> AsyncIterator[str]:
    """``topics``: the events' names and what each tells of."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFETIME
    with ExitStack() as stack:
        ears = {name: stack.enter_context(source.ear(some)) for name, some in topics.items()}
        waits = {name: asyncio.ensure_future(ear.wait()) for name, ear in ears.items()}
        stack.callback(lambda: [wait.cancel() for wait in waits.values()])
        yield "retry: 2000\n\n"
        while (left := ends - loop.time()) > 0:
            done, _ = await asyncio.wait(
                waits.values(), timeout=min(HEARTBEAT, left), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                yield ": still here\n\n"
            for name in [name for name, wait in waits.items() if wait in done]:
                ears[name].clear()
                waits[name] = asyncio.ensure_future(ears[name].wait())
                yield f"event: {name}\ndata: .\n\n"
