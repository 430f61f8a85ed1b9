"""Many connections to one server, one queue of mails.

Laws: a refusal or a network trouble is an outcome, never an exception. Connections are opened on demand,
the first one alone (a server that is down is asked once, a wrong password is tried once); the others follow
when it stands. If none stands and none can be made, everything that waits gets that outcome at once. If
some stand and one more is refused, the work stays with those that stand, and the pool grows no further for
a while. A mail whose connection died before its content is tried once more, as the first one on a fresh
connection. Outcomes are in the journal before anybody hears of them. Cancelled while waiting, a mail is not
sent; once its commands are on the wire it goes its way, and the journal knows of it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from postroom.adapters.smtp.content import WireContent
from postroom.adapters.smtp.exchanges import Job
from postroom.adapters.smtp.habits import ConnectionHabits
from postroom.adapters.smtp.handshake import (
    Greeted,
    ServerTrouble,
    TokenSource,
    shake_hands,
    ssl_context_for,
)
from postroom.adapters.smtp.transactions import Session
from postroom.core.delivery.wire import Encryption, Endpoint, Phase, WireJournal, WireMail, WireOutcome

_MODEST_FOR = 30.0  # seconds without growing after a server refused one connection more
_SINGLY_FOR = 600.0  # seconds without pipelining for a server that forgets what came together
_MOST_BREAKS = 3
_log = logging.getLogger(__name__)


class SmtpPool:
    """Use from one event loop. ``clock`` gives seconds, for durations.

    ``ssl_context`` and ``access_token`` as in `handshake.shake_hands`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        journal: WireJournal,
        clock: Callable[[], float] = time.monotonic,
        ssl_context: ssl.SSLContext | None = None,
        access_token: TokenSource | None = None,
    ) -> None:
        _check(endpoint)
        self._endpoint = endpoint
        self._journal = journal
        self._clock = clock
        self._ssl_context = ssl_context
        self._access_token = access_token
        self._content = WireContent()
        self._queue: deque[Job] = deque()
        self._carried: deque[Job] = deque()  # from dead connections, each to be first on a fresh one
        self._idle: list[Session] = []
        self._sessions: set[Session] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._serial = 0
        self._ceiling = endpoint.max_connections
        self._ceiling_until = 0.0
        self._singly_until = float("-inf")
        self._breaks = 0  # connections that broke with a mail on them, since the last reply to one
        self._last_break = ""
        self._is_closing = False
        self._habits = ConnectionHabits()
        self.announced_size = 0  # bytes, by SIZE of the last connection; 0: no limit, or not met yet

    @property
    def learned_mails(self) -> int:
        """So many mails a connection, as the server showed; 0: nothing was learned."""
        return self._habits.mails

    async def send(self, mail: WireMail) -> WireOutcome:
        """Raises only what the journal raised (then nothing was sent), `RuntimeError` on a closed pool."""
        return await self.submit(mail)

    def submit(self, mail: WireMail) -> asyncio.Future[WireOutcome]:
        """Like `send`, without a task for each mail: the quick form for batches."""
        if self._is_closing:
            raise RuntimeError("the pool is closed")
        future: asyncio.Future[WireOutcome] = asyncio.get_running_loop().create_future()
        job = Job(mail, future)
        self._queue.append(job)
        if self._idle:
            self._feed(self._idle.pop())
        else:
            self._grow()
        return future

    async def close(self, grace: float = 30.0) -> None:
        """Finishes what is on the wire, for ``grace`` seconds at most, and says QUIT.

        What still waited was not sent: its futures are cancelled.
        """
        self._is_closing = True
        for job in self._waiting():
            job.future.cancel()
        for task in list(self._opening):
            task.cancel()
        for session in self._idle:
            session.quit()
        self._idle.clear()
        if self._opening:
            await asyncio.wait(self._opening)
        goings = [session.gone for session in self._sessions]
        if goings:
            await asyncio.wait(goings, timeout=grace)
        for session in list(self._sessions):
            session.abort("the pool was closed")
        if goings:
            await asyncio.wait(goings, timeout=1.0)
        await asyncio.sleep(0)  # lets transports that were aborted a moment ago close their sockets

    # What sessions tell and ask.

    def take(self) -> Job | None:
        return self._next_of(self._queue)

    def settle(self, job: Job, outcome: WireOutcome) -> None:
        try:
            self._journal.finished(outcome)
        except Exception as error:  # the mail's fate is known all the same, and its caller shall hear it
            _log.error(
                "the wire journal could not note the outcome of delivery %d: %s",
                outcome.key,
                error,
                extra={"delivery": outcome.key},
            )
        if not job.future.done():
            job.future.set_result(outcome)
        if outcome.reply is not None:
            self._breaks = 0
        elif not outcome.phase.is_before_mail:
            self._breaks += 1
            self._last_break = outcome.trouble

    def group_was_forgotten(self) -> None:
        self._singly_until = self._clock() + _SINGLY_FOR

    def journal_failed(self, job: Job, error: Exception) -> None:
        """Nothing can be sent without a journal: everybody who waits hears why."""
        self._fail([job, *self._waiting()], error)

    def session_idles(self, session: Session) -> None:
        self._feed(session)

    def session_ended(self, session: Session, carried: Job | None) -> None:
        self._sessions.discard(session)
        if session in self._idle:
            self._idle.remove(session)
        if carried is not None:
            self._habits.ended(session.served, session.farewell)
        if carried is not None and self._is_closing:
            carried.future.cancel()
        elif carried is not None:
            self._carried.append(carried)
        if self._breaks >= _MOST_BREAKS:
            self._spare_the_others(session.label)
        self._grow()

    # Connections.

    def _feed(self, session: Session) -> None:
        """The next mail to this session, or rest, or its end."""
        if self._is_closing or session.is_used_up:
            session.quit()
            return
        while (job := self.take()) is not None:
            if session.begin(job):
                return
        self._idle.append(session)
        session.rest()

    def _grow(self) -> None:
        """As many connections as there are mails that wait, within the limits; the very first one alone."""
        while len(self._queue) + len(self._carried) > len(self._opening) and not self._is_closing:
            standing, coming = len(self._sessions), len(self._opening)
            if standing + coming >= self._most() or (coming and not standing):
                return
            self._serial += 1
            label = f"{self._endpoint.host}:{self._endpoint.port}#{self._serial}"
            self._opening.add(asyncio.get_running_loop().create_task(self._connect(label)))

    def _most(self) -> int:
        if self._ceiling < self._endpoint.max_connections and self._clock() >= self._ceiling_until:
            self._ceiling = self._endpoint.max_connections
        return self._ceiling

    async def _connect(self, label: str) -> None:
        """One connection, from nothing to its first mail. Only `close` cancels it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        try:
            if self._ssl_context is None and self._endpoint.encryption is not Encryption.NONE:
                with suppress(ValueError):  # a client certificate that cannot be used: the handshake says so
                    self._ssl_context = ssl_context_for(self._endpoint)
            greeted = await shake_hands(self._endpoint, ssl_context=self._ssl_context, access_token=self._access_token)
        except Exception as error:  # a bug: nobody shall wait for ever because of it
            self._fail(self._waiting(), error)
            return
        finally:
            self._opening.discard(task)
        if isinstance(greeted, ServerTrouble):
            self._not_connected(greeted, label)
        else:
            self._connected(greeted, label)

    def _connected(self, greeted: Greeted, label: str) -> None:
        self.announced_size = greeted.capabilities.size_limit or 0
        session = Session(
            greeted,
            office=self,
            endpoint=self._in_its_habits(),
            label=label,
            journal=self._journal,
            content=self._content,
            clock=self._clock,
            asks_singly=self._clock() < self._singly_until,
        )
        self._sessions.add(session)
        while (job := self._next_of(self._carried) or self.take()) is not None:
            if session.begin(job, is_opening=True):
                break
        else:
            self._feed(session)
        self._grow()

    def _in_its_habits(self) -> Endpoint:
        most = self._endpoint.mails_per_connection
        return replace(self._endpoint, mails_per_connection=min(most, self._habits.mails or most))

    def _not_connected(self, trouble: ServerTrouble, label: str) -> None:
        if self._sessions or self._opening:
            self._ceiling = max(1, len(self._sessions) + len(self._opening))
            self._ceiling_until = self._clock() + _MODEST_FOR
            self._queue.extendleft(reversed(self._carried))
            self._carried.clear()
            while self._queue and self._idle:
                self._feed(self._idle.pop())
            return
        self._settle_waiting(trouble, label)

    def _spare_the_others(self, label: str) -> None:
        text = f"{self._breaks} connections in a row broke with a mail on them, the last one: {self._last_break}"
        self._settle_waiting(ServerTrouble(phase=Phase.CONNECT, trouble=text), label)
        self._breaks = 0

    def _settle_waiting(self, trouble: ServerTrouble, label: str) -> None:
        """It is the outcome of everything that waits."""
        for job in self._waiting():
            outcome = WireOutcome(
                key=job.mail.key,
                phase=trouble.phase,
                reply=trouble.reply,
                trouble=trouble.trouble,
                connection=label,
                tls=trouble.tls,
            )
            self.settle(job, outcome)

    def _waiting(self) -> list[Job]:
        """Everything that waits, taken out of the queues."""
        waiting = [job for job in (*self._carried, *self._queue) if not job.future.done()]
        self._carried.clear()
        self._queue.clear()
        return waiting

    @staticmethod
    def _next_of(queue: deque[Job]) -> Job | None:
        while queue:
            job = queue.popleft()
            if not job.future.done():
                return job
        return None

    @staticmethod
    def _fail(jobs: list[Job], error: Exception) -> None:
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(error)


def _check(endpoint: Endpoint) -> None:
    for text in (endpoint.host, endpoint.ehlo_name):
        if not text or not text.isprintable() or " " in text:
            raise ValueError(f"{text!r} is no host name")
    if endpoint.max_connections < 1 or endpoint.mails_per_connection < 1:
        raise ValueError("a pool needs one connection and one mail a connection at least")
