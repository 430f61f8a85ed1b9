"""The desk where senders are checked, beside the work of those who hand mails in.

Duty: `take` begins, `finished` gives what is done, `check` does one while the caller waits. All mails are checked at the same time,
in one thread with one event loop, so that a slow name server costs each of them its own patience and nobody's turn.
Laws: every mail that was taken is given back, once, within its seconds (and what its bytes cost to read); never raises.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from postroom.adapters.authenticity.checking import check_mail
from postroom.adapters.dns.remembering import RememberingResolver
from postroom.core.routing.authenticity import ArrivedMail, Authenticity, Checked, Proof
from postroom.core.senders.questions import Answer, Question
from postroom.core.terms.reasons import because

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Slip:
    """What is known of a mail that was taken: its bytes, and when it was due."""

    size: int
    due_at: datetime | None


class SenderDesk:
    """``servers``: name servers with ports; none: as the machine is set up. The thread begins with the first mail."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        self._servers = tuple(servers)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._resolver: RememberingResolver | None = None
        self._changed = threading.Condition()
        self._waiting: dict[int, _Slip] = {}
        self._done: dict[int, Checked] = {}

    def waiting(self) -> int:
        """How many are being checked, or are done and were not given yet."""
        with self._changed:
            return len(self._waiting) + len(self._done)

    def waiting_bytes(self) -> int:
        """Of the mails that are being checked."""
        with self._changed:
            return sum(slip.size for slip in self._waiting.values())

    def take(self, mails: Mapping[int, ArrivedMail], *, seconds: float) -> None:
        """Begin to check these, each within ``seconds``; a number that is being checked is left as it is."""
        for number, mail in mails.items():
            with self._changed:
                if number in self._waiting or number in self._done:
                    continue
                self._waiting[number] = _Slip(len(mail.raw), mail.due_at)
            future = self._begin(mail, seconds)
            future.add_done_callback(lambda done, number=number: self._note(number, done))  # type: ignore[misc]

    def finished(self, *, wait: float) -> Mapping[int, Checked]:
        """What is done, each once. Waits until nothing is being checked any more, ``wait`` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, wait)
            done, self._done = self._done, {}
            return done

    def check(self, mail: ArrivedMail, *, seconds: float) -> Authenticity:
        """One, now."""
        try:
            return self._begin(mail, seconds).result()
        except Exception:
            return _failed()

    def close(self) -> None:
        """End the thread; what is being checked is forgotten. For tests, and for who makes a desk for one question."""
        with self._changed:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            self._resolver = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(5)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5)
            loop.close()

    def _begin(self, mail: ArrivedMail, seconds: float) -> Future[Authenticity]:
        return asyncio.run_coroutine_threadsafe(self._checked(mail, monotonic() + seconds), self._running())

    async def _checked(self, mail: ArrivedMail, deadline: float) -> Authenticity:
        resolver = self._resolver
        if resolver is None:
            resolver = self._resolver = RememberingResolver(self._servers)

        async def ask(question: Question) -> Answer:
            return await resolver.answer(question, deadline=deadline)

        return await check_mail(mail, ask)

    def _note(self, number: int, done: Future[Authenticity]) -> None:
        try:
            found = done.result()
        except (Exception, CancelledError) as error:
            _log.error("a sender could not be checked", extra={"inbound": number, "error_type": type(error).__name__})
            found = _failed()
        with self._changed:
            slip = self._waiting.pop(number)
            self._done[number] = Checked(found=found, due_at=slip.due_at)
            self._changed.notify_all()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._changed:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="sender-desk", daemon=True)
                self._thread.start()
            return self._loop


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _failed() -> Authenticity:
    """A fault of ours must not cost the mail, and proves nothing."""
    return Authenticity(proof=Proof.UNPROVEN, reasons=(because("sender.trouble", author="the author"),))
