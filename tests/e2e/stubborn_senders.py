"""Senders as mail servers are: what was not answered with 250 is kept and sent again, over a new connection."""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.laboratory.ports import LOOPBACK, answers
from tests.laboratory.waiting import wait_until

PER_CONNECTION = 25


@dataclass(slots=True)
class StubbornSenders:
    """``mails`` by Message-ID, dealt out to ``count`` threads. `answered` grows with each 250."""

    port: int
    mails: dict[str, bytes]
    recipient: str
    count: int = 8
    answered: list[str] = field(default_factory=list)
    tries: int = 0
    refusals: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _gives_up: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """They send while the block runs; an error in it stops them."""
        ids = list(self.mails)
        for number in range(self.count):
            thread = threading.Thread(target=self._work, args=[ids[number :: self.count]], name=f"sender-{number}")
            self._threads.append(thread)
            thread.start()
        try:
            yield
        except BaseException:
            self._gives_up.set()
            raise
        finally:
            for thread in self._threads:
                thread.join(120)

    def all_answered(self) -> bool:
        return len(self.answered) == len(self.mails)

    def _work(self, ids: Sequence[str]) -> None:
        waiting = list(ids)
        while waiting and not self._gives_up.is_set():
            with suppress(smtplib.SMTPServerDisconnected, OSError):
                self._one_connection(waiting)
            self._wait_for_the_door()

    def _one_connection(self, waiting: list[str]) -> None:
        with smtplib.SMTP(LOOPBACK, self.port, local_hostname="mx.customer.example", timeout=60) as peer:
            for _ in range(min(PER_CONNECTION, len(waiting))):
                self._note_try()
                try:
                    peer.sendmail("carla@customer.example", [self.recipient], self.mails[waiting[0]])
                except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as refused:
                    self._note_refusal(str(refused))
                    return
                with self._lock:
                    self.answered.append(waiting.pop(0))

    def _note_try(self) -> None:
        with self._lock:
            self.tries += 1

    def _note_refusal(self, text: str) -> None:
        with self._lock:
            self.refusals.append(text)

    def _wait_for_the_door(self) -> None:
        ready: Callable[[], bool] = lambda: self._gives_up.is_set() or answers(self.port)  # noqa: E731
        wait_until(ready, "the door is open again", 400)
