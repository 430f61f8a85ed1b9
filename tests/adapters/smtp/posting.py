"""What the tests of this room post, and how."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from postroom.adapters.smtp.handshake import TokenSource
from postroom.adapters.smtp.pool import SmtpPool
from postroom.core.delivery.wire import Encryption, Endpoint, WireJournal, WireMail, WireOutcome
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.secret import Secret

Result = TypeVar("Result")

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop  # see `every_loop`

HEADER = b"From: Alice <alice@sender.example>\r\nTo: Bob <bob@reader.example>\r\nSubject: Hello\r\n\r\n"
BODY = b"Dear Bob,\r\nall is well.\r\n"


class MemoryJournal:
    """Notes in the order in which they came."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int]] = []
        self.outcomes: list[WireOutcome] = []

    def started(self, key: int) -> None:
        self.notes.append(("started", key))

    def finished(self, outcome: WireOutcome) -> None:
        self.notes.append(("finished", outcome.key))
        self.outcomes.append(outcome)


def mail(
    key: int = 1,
    *,
    mail_from: str = "alice@sender.example",
    rcpt_to: tuple[str, ...] = ("bob@reader.example",),
    chunks: tuple[bytes, ...] = (HEADER, BODY),
    smtputf8: bool = False,
) -> WireMail:
    return WireMail(key=key, envelope=Envelope(mail_from=mail_from, rcpt_to=rcpt_to, smtputf8=smtputf8), chunks=chunks)


def mails(count: int) -> list[WireMail]:
    return [mail(key) for key in range(1, count + 1)]


def endpoint(
    port: int,
    *,
    host: str = "127.0.0.1",
    encryption: Encryption = Encryption.NONE,
    username: str = "",
    password: str = "",
    verify_certificate: bool = True,
    connect_timeout: float = 20.0,
    reply_timeout: float = 20.0,
    body_timeout: float = 20.0,
    max_connections: int = 1,
    mails_per_connection: int = 100,
    idle_timeout: float = 20.0,
) -> Endpoint:
    """One connection and long patience, unless said otherwise: a test waits for its peer, not for a clock."""
    return Endpoint(
        host=host,
        port=port,
        encryption=encryption,
        verify_certificate=verify_certificate,
        username=username,
        password=Secret(password),
        ehlo_name="postroom.example",
        connect_timeout=connect_timeout,
        reply_timeout=reply_timeout,
        body_timeout=body_timeout,
        max_connections=max_connections,
        mails_per_connection=mails_per_connection,
        idle_timeout=idle_timeout,
    )


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """To its end, or to an error after a minute."""

    async def bounded() -> Result:
        async with asyncio.timeout(60):
            return await work

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(bounded())


def post(
    to: Endpoint,
    *letters: WireMail,
    journal: WireJournal | None = None,
    ssl_context: ssl.SSLContext | None = None,
    access_token: TokenSource | None = None,
) -> list[WireOutcome]:
    """All at once through a pool of their own, which is closed at the end."""

    async def work() -> list[WireOutcome]:
        pool = SmtpPool(to, journal=journal or MemoryJournal(), ssl_context=ssl_context, access_token=access_token)
        try:
            return await asyncio.gather(*(pool.send(letter) for letter in letters))
        finally:
            await pool.close()

    return run(work())


def post_one(to: Endpoint, letter: WireMail | None = None, **options: Any) -> WireOutcome:
    [outcome] = post(to, letter or mail(), **options)
    return outcome
