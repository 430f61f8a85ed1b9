"""Several hands at one provider's API, one queue of mails: `adapters.smtp.pool.SmtpPool` for HTTP.

Laws: a refusal or a network trouble is an outcome, never an exception. The journal is written, in the loop's thread, before a mail's
request and after its answer. The first mail goes alone (a wrong key, an API that is down is met once); trouble with the provider is the
outcome of all that waits. Asked to slow down, the pool does, and the mail that was sent back goes first: a short pause is nobody's
failure. A mail whose answer was lost is asked for again only where an idempotency key makes that safe; otherwise it is unknown, and after
two of these in a row nothing more is risked. Cancelled while waiting, a mail is not sent.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from postroom.adapters.esp.sending import Clerk, label_of
from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.wire import ApiEndpoint, Phase, WireJournal, WireMail, WireOutcome

_LONGEST_PAUSE = 20.0  # seconds that mails wait here when the provider asks for it; longer ones are the queue's affair
_MOST_PAUSES = 4
_MOST_QUESTIONS = 2  # how often a lost answer is asked for
_MOST_SILENCES = 2
_FASTER_AFTER = 20  # mails accepted, then one hand more
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Job:
    mail: WireMail
    future: asyncio.Future[WireOutcome]
    idempotency_key: str = field(default_factory=lambda: str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)))
    pauses: int = 0
    questions: int = 0


class EspPool:
    """Use from one event loop. ``clock`` gives seconds. Raises `ValueError` for an endpoint that is none."""

    announced_size = learned_mails = 0  # habits of SMTP servers; an API shows none

    def __init__(
        self, endpoint: ApiEndpoint, *, journal: WireJournal, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if endpoint.provider not in PROVIDERS:
            raise ValueError(f"{endpoint.provider!r} is no provider of ours")
        if endpoint.max_connections < 1:
            raise ValueError("a pool needs one connection at least")
        self._endpoint = endpoint
        self._is_idempotent = PROVIDERS[endpoint.provider].is_idempotent
        self._journal = journal
        self._clock = clock
        self._label = label_of(endpoint)
        self._threads = ThreadPoolExecutor(endpoint.max_connections, thread_name_prefix=f"api-{endpoint.provider}")
        self._queue: deque[_Job] = deque()
        self._idle: list[Clerk] = []
        self._running: dict[asyncio.Future[WireOutcome], _Job] = {}
        self._hands = 0  # made so far, for labels
        self._ceiling = endpoint.max_connections
        self._is_proven = False
        self._accepted = self._silences = 0
        self._held_until = 0.0
        self._is_closing = False

    async def send(self, mail: WireMail) -> WireOutcome:
        """Raises only what the journal raised (then nothing was sent), `RuntimeError` on a closed pool."""
        return await self.submit(mail)

    def submit(self, mail: WireMail) -> asyncio.Future[WireOutcome]:
        if self._is_closing:
            raise RuntimeError("the pool is closed")
        future: asyncio.Future[WireOutcome] = asyncio.get_running_loop().create_future()
        self._queue.append(_Job(mail, future))
        self._feed()
        return future

    async def close(self, grace: float = 30.0) -> None:
        """Finishes what is under way, for ``grace`` seconds at most. What still waited was not sent: its futures are cancelled."""
        self._is_closing = True
        for job in self._waiting():
            if job.questions:
                self._settle(job, self._lost(job, "the pool was closed"))
            else:
                job.future.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=grace)
            await asyncio.sleep(0)  # lets those that came in time be settled
        for job in list(self._running.values()):
            self._settle(job, self._lost(job, "the pool was closed"))
        self._running.clear()
        for clerk in self._idle:
            clerk.close()
        self._idle.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- giving out

    def _feed(self) -> None:
        """As many mails to hands as the provider bears."""
        while self._queue and not self._is_closing and self._clock() >= self._held_until:
            if len(self._running) >= (self._ceiling if self._is_proven else 1):
                return
            job = self._queue.popleft()
            if not job.future.done() and not self._begin(job):
                return

    def _begin(self, job: _Job) -> bool:
        try:
            self._journal.started(job.mail.key)
        except Exception as error:  # nothing can be sent without a journal: everybody who waits hears why
            for one in [job, *self._waiting()]:
                if one.questions:
                    self._settle(one, self._lost(one, f"its answer was lost, and the journal failed: {error}"))
                elif not one.future.done():
                    one.future.set_exception(error)
            return False
        self._hands += 1
        clerk = self._idle.pop() if self._idle else Clerk(self._endpoint)
        work = partial(clerk.send, job.mail, label=f"{self._label}#{self._hands}", idempotency_key=job.idempotency_key)
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._running[running] = job
        running.add_done_callback(partial(self._done, clerk))
        return True

    # -- taking back

    def _done(self, clerk: Clerk, running: asyncio.Future[WireOutcome]) -> None:
        job = self._running.pop(running, None)
        if job is None:
            return  # the pool was closed over it
        self._idle.append(clerk)
        error = None if running.cancelled() else running.exception()
        if running.cancelled() or error is not None:
            _log.error("delivery %d: a bug at the API of %s", job.mail.key, self._endpoint.provider, exc_info=error)
            outcome = self._lost(job, "a bug of ours, see the log")
        else:
            outcome = running.result()
        self._judge(job, outcome)
        self._feed()

    def _judge(self, job: _Job, outcome: WireOutcome) -> None:
        if self._is_limit(outcome) and self._may_pause(job, outcome):
            self._pause(job, outcome)
            return
        if outcome.is_unknown and self._is_idempotent and job.questions < _MOST_QUESTIONS and not self._is_closing:
            job.questions += 1
            self._queue.appendleft(job)
            return
        if job.questions and not outcome.is_accepted:
            outcome = self._lost(job, f"its answer was lost; asked again: {outcome.reply or outcome.trouble}")
        self._settle(job, outcome)
        self._learn(outcome)

    def _learn(self, outcome: WireOutcome) -> None:
        if outcome.is_unknown:
            self._is_proven = False
            self._silences += 1
            if self._silences >= _MOST_SILENCES:
                self._tell_waiting(replace(outcome, phase=Phase.CONNECT, trouble=f"no answer: {outcome.trouble}"))
                self._silences = 0
            return
        if _is_trouble(outcome):
            self._is_proven = False
            self._tell_waiting(outcome)
            return
        self._is_proven, self._silences = True, 0
        if outcome.is_accepted and self._ceiling < self._endpoint.max_connections:
            self._accepted += 1
            if self._accepted >= _FASTER_AFTER:
                self._accepted, self._ceiling = 0, self._ceiling + 1

    def _tell_waiting(self, outcome: WireOutcome) -> None:
        for job in self._waiting():
            if job.questions:  # it was sent once, and nobody knows
                self._settle(job, self._lost(job, outcome.trouble))
            else:
                self._settle(job, replace(outcome, key=job.mail.key, duration=0.0, provider_message_id=""))

    # -- slower

    @staticmethod
    def _is_limit(outcome: WireOutcome) -> bool:
        reply = outcome.reply
        return outcome.phase is Phase.MAIL and reply is not None and (reply.code, reply.enhanced) == (421, "4.7.0")

    def _may_pause(self, job: _Job, outcome: WireOutcome) -> bool:
        return job.pauses < _MOST_PAUSES and outcome.retry_after <= _LONGEST_PAUSE and not self._is_closing

    def _pause(self, job: _Job, outcome: WireOutcome) -> None:
        pause = outcome.retry_after or 0.5 * 2**job.pauses
        job.pauses += 1
        if not job.questions:
            self._note(outcome)  # should we die now: it was not accepted
        self._queue.appendleft(job)
        self._ceiling, self._accepted = max(1, self._ceiling // 2), 0
        self._held_until = max(self._held_until, self._clock() + pause)
        asyncio.get_running_loop().call_later(pause + 0.01, self._feed)

    # -- settling

    def _settle(self, job: _Job, outcome: WireOutcome) -> None:
        self._note(outcome)
        if not job.future.done():
            job.future.set_result(outcome)

    def _note(self, outcome: WireOutcome) -> None:
        try:
            self._journal.finished(outcome)
        except Exception as error:  # the mail's fate is known all the same, and its caller shall hear it
            _log.error("the wire journal could not note the outcome of delivery %d: %s", outcome.key, error)

    def _lost(self, job: _Job, why: str) -> WireOutcome:
        return WireOutcome(key=job.mail.key, phase=Phase.BODY, reply=None, trouble=why, connection=self._label)

    def _waiting(self) -> list[_Job]:
        """Everything that waits, taken out of the queue."""
        waiting = [job for job in self._queue if not job.future.done()]
        self._queue.clear()
        return waiting


def _is_trouble(outcome: WireOutcome) -> bool:
    """The provider's, not the mail's."""
    if outcome.phase.is_before_mail:
        return True
    return outcome.phase is Phase.MAIL and outcome.reply is not None and outcome.reply.code == 421
