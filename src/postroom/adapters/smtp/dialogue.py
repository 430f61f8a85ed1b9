"""One command, one reply: the slow and thorough way to speak SMTP, for handshakes and tests of a server.

Laws: what the server says unasked ends the conversation. Trouble is a `TroubleError` whose text is for people, a reply that is
not the wanted one a `RefusedError`; who speaks turns both into values.
Standards: RFC 5321 4.2.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from postroom.adapters.smtp.replies import RawReply, ReplyReader, as_reply
from postroom.core.terms.smtp_replies import SmtpReply


class RefusedError(Exception):
    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class TroubleError(Exception):
    """Its text is for people."""


class Dialogue(asyncio.Protocol):
    """One command, one reply: the slow and thorough way to speak."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._reader = ReplyReader()
        self._replies: deque[RawReply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._lost = ""
        self._connected = False

    @property
    def is_silent(self) -> bool:
        """Nothing came that was not asked for."""
        return not self._replies and self._reader.is_between_replies

    def check(self) -> None:
        """Before the next command, and before the connection is handed on."""
        if self._lost:
            raise TroubleError(self._lost)
        if not self.is_silent:
            raise TroubleError("the server sent more than it was asked for")

    async def ask(self, line: str, timeout: float) -> SmtpReply:  # noqa: ASYNC109
        """A command and its reply, within so many seconds."""
        self.check()
        self.transport.write(line.encode("utf-8", "replace") + b"\r\n")
        async with deadline(timeout):
            return await self.reply()

    async def reply(self) -> SmtpReply:
        while not self._replies:
            if self._lost:
                raise TroubleError(self._lost)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return as_reply(self._replies.popleft())

    def abort(self) -> None:
        if self._connected:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connected = True

    def data_received(self, data: bytes) -> None:
        self._replies.extend(self._reader.feed(data))
        if self._replies:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = f"the connection broke: {plain_words(exc)}" if exc else "the server closed the connection"
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@asynccontextmanager
async def deadline(seconds: float) -> AsyncIterator[None]:
    """Trouble in plain words when it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        if error.errno:  # the operating system's own patience ended first
            raise
        raise TroubleError(f"no answer within {seconds:g} seconds") from error


def expect(reply: SmtpReply, code: int) -> None:
    """The same first digit is enough (RFC 5321 4.2.1)."""
    if reply.code // 100 != code // 100:
        raise RefusedError(reply)


def plain_words(error: Exception) -> str:
    """What the system says of it."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, ConnectionError) and not str(error):
        return "the server closed the connection"
    return str(error) or type(error).__name__
