"""One LISTEN for all streams of a process.

Duty: hears `postroom_live` on one PostgreSQL connection of its own and tells every stream that asked for what was named.
Laws: a stream costs no database connection. A lost connection is renewed, and everybody is told to look again, because what was said
meanwhile is unknown. A slow reader loses nothing: an event only says *look again*, so one unread event is as good as ten.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import psycopg

from postroom.flows.tell_pages import LIVE_CHANNEL

logger = logging.getLogger(__name__)

RENEW_AFTER = 1.0  # seconds between attempts to reach the database again


class Hub:
    """The listeners of one event loop, by topic (the payload: ``record:12``, ``queue:3`` …). Starts with the first, ends with the last."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._ears: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def ear(self, topics: Collection[str]) -> Iterator[asyncio.Event]:
        """An event that is set whenever one of the topics was named, and once when listening is certain; whoever waits clears it."""
        event = asyncio.Event()
        if self.listening.is_set():
            event.set()
        for topic in topics:
            self._ears[topic].add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="postroom-live")
        try:
            yield event
        finally:
            for topic in topics:
                self._ears[topic].discard(event)
                if not self._ears[topic]:
                    del self._ears[topic]
            if not self._ears:
                self._task.cancel()
                self._task = None
                self.listening.clear()

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {LIVE_CHANNEL}")
                    self.listening.set()
                    self._tell_everybody()
                    async for notice in connection.notifies():
                        self._tell(notice.payload)
            except (psycopg.Error, OSError) as error:
                self.listening.clear()
                logger.warning("live: the database is out of reach", extra={"error": type(error).__name__})
            await asyncio.sleep(RENEW_AFTER)

    def _tell(self, topic: str) -> None:
        for event in self._ears.get(topic, ()):
            event.set()

    def _tell_everybody(self) -> None:
        for events in self._ears.values():
            for event in events:
                event.set()


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub(parameters: dict[str, Any]) -> Hub:
    """The hub of the running event loop. Those of loops that are gone are forgotten."""
    loop = asyncio.get_running_loop()
    for old in [known for known in _hubs if known.is_closed()]:
        del _hubs[old]
    if loop not in _hubs:
        _hubs[loop] = Hub(parameters)
    return _hubs[loop]
