"""The watcher of mailboxes: one thread for each, so that a slow server delays nobody else's mail.

Duty: hold the lease of each mailbox that is switched on, fetch what is new, then wait for news: by IDLE where the server
knows it, for the mailbox's interval otherwise. Several watchers share the mailboxes by their leases.
Laws: a thread that waits holds no database connection. Trouble with a mailbox makes its thread pause, longer each time;
trouble of ours is told and survived. Who calls (`flows.reach_mailbox.call_watchers`) is heard at once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import suppress

from django.db import close_old_connections, connections

from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxProtocol, MailboxSession, MailboxTrouble, TroubleKind
from postroom.flows.fetch_mailbox import (
    Lease,
    LeaseLost,
    MailboxFetch,
    fetch_round,
    release_lease,
    renew_lease,
    take_lease,
    watched_mailboxes,
)
from postroom.flows.note_health import note_trouble, pause_after
from postroom.flows.ports import Ports
from postroom.flows.reach_mailbox import CHANNEL, endpoint_of
from postroom.store.models import Mailbox
from postroom.wiring import ports as wired_ports
from postroom.workers.outages import OUTAGES, Outage
from postroom.workers.signs import Signs
from postroom.workers.stopping import Stop
from postroom.workers.wakeups import Wakeups

logger = logging.getLogger(__name__)

REFRESH = 10.0  # seconds between two looks at the list of mailboxes; leases are renewed then, too
TAKEN_ELSEWHERE_PAUSE = 15.0
LOST_PAUSE, LONGEST_LOST_PAUSE = 5.0, 300.0
OUTAGE_PAUSE = 3.0
BUG_PAUSE = 60.0
END_PATIENCE = 20.0
MOST_THREADS = 200  # beyond, mailboxes are fetched by the scheduled action alone


def run(stop: Stop) -> None:
    """Until ``stop`` is set; the batches under way are finished."""
    MailboxWatcher(wired_ports(), stop).run()


class MailboxWatcher:
    """The process: starts, calls and ends a `_Watch` for each mailbox."""

    def __init__(self, ports: Ports, stop: Stop) -> None:
        self._ports = ports
        self._stop = stop
        self._watches: dict[int, _Watch] = {}
        self._wakeups = Wakeups(CHANNEL)
        self._outage = Outage("mailbox watcher")
        self._signs = Signs("watcher")

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._signs.give()
                if self._wakeups.wait(self._stop, REFRESH):
                    for watch in self._watches.values():
                        watch.call()
        finally:
            self._signs.end()
            self._end(list(self._watches))
            self._wakeups.close()
            connections.close_all()

    def _look(self) -> None:
        """Compare the mailboxes with the threads."""
        try:
            close_old_connections()
            wanted = watched_mailboxes()
        except OUTAGES as error:
            self._outage.goes_on(error)
            return
        self._outage.is_over()
        if len(wanted) > MOST_THREADS:
            logger.warning("%d mailboxes are too many to watch; %d are", len(wanted), MOST_THREADS)
        self._end([mailbox_id for mailbox_id in self._watches if mailbox_id not in wanted])
        for mailbox_id in wanted[:MOST_THREADS]:
            if mailbox_id not in self._watches:
                self._watches[mailbox_id] = _Watch(self._ports, mailbox_id)
                self._watches[mailbox_id].start()
        for watch in self._watches.values():
            watch.keep_lease()

    def _end(self, mailbox_ids: list[int]) -> None:
        ending = [self._watches.pop(mailbox_id) for mailbox_id in mailbox_ids]
        for watch in ending:
            watch.end()
        deadline = time.monotonic() + END_PATIENCE  # for all of them: the leases of the others must be renewed
        for watch in ending:
            watch.join(max(0.0, deadline - time.monotonic()))
            if watch.is_alive():
                logger.warning("mailbox %d does not let go", watch.mailbox_id)


class _Watch(threading.Thread):
    """One mailbox. The watcher's own thread calls `call`, `keep_lease` and `end`."""

    def __init__(self, ports: Ports, mailbox_id: int) -> None:
        super().__init__(name=f"mailbox-{mailbox_id}", daemon=True)
        self.mailbox_id = mailbox_id
        self._ports = ports
        # of this thread alone: one that did not let go must not share the lease with its successor
        self._holder = f"{socket.gethostname()[:40]}:{os.getpid()}:{ports.ids.hex(4)}"
        self._lease: Lease | None = None
        self._session: MailboxSession | None = None
        self._bell = threading.Event()
        self._is_over = False
        self._outage = Outage(f"mailbox {mailbox_id}")

    # From the watcher's thread

    def call(self) -> None:
        """Look now."""
        self._bell.set()
        if session := self._session:
            session.interrupt()

    def keep_lease(self) -> None:
        """A thread that waits in IDLE cannot do it."""
        if lease := self._lease:
            try:
                renew_lease(self._ports, lease)
            except LeaseLost:
                self._lease = None
                self.call()
            except OUTAGES:
                return

    def end(self) -> None:
        self._is_over = True
        self.call()

    # In its own thread

    def run(self) -> None:
        while not self._is_over:
            try:
                pause = self._watch()
                self._outage.is_over()
            except OUTAGES as error:
                self._outage.goes_on(error)
                pause = OUTAGE_PAUSE
            except Exception:
                logger.exception("mailbox %d: failed", self.mailbox_id, extra={"mailbox": self.mailbox_id})
                pause = BUG_PAUSE
            connections.close_all()
            self._rest(pause)

    def _rest(self, seconds: float) -> None:
        if not self._is_over and seconds:
            self._bell.wait(seconds)
        self._bell.clear()

    def _watch(self) -> float:
        """Under one lease and with one session, until one of them ends. How long to leave the mailbox alone then."""
        close_old_connections()
        lease = self._lease = take_lease(self._ports, self.mailbox_id, self._holder)
        if lease is None:
            return TAKEN_ELSEWHERE_PAUSE
        try:
            return self._read(lease)
        except (LeaseLost, Mailbox.DoesNotExist):
            return 0.0
        finally:
            self._lease = None
            with suppress(*OUTAGES):
                release_lease(lease)

    def _read(self, lease: Lease) -> float:
        try:
            endpoint = endpoint_of(self._ports, Mailbox.objects.get(pk=self.mailbox_id))
        except MailboxTrouble as trouble:
            note_trouble(self._ports, self.mailbox_id, trouble, holder=lease.holder)
            self._pause(trouble.kind)
            return 0.0
        session = self._session = self._ports.mailbox_session(endpoint)
        lost = 0  # connections in a row that ended while nothing happened
        try:
            while not self._is_over and self._lease is lease:
                self._bell.clear()
                done = fetch_round(self._ports, lease, session, is_over=lambda: self._is_over)
                self._tell(done)
                if done.trouble:
                    session.close()
                    self._pause(done.trouble_kind)
                    return 0.0
                mailbox = Mailbox.objects.get(pk=self.mailbox_id)
                if endpoint_of(self._ports, mailbox) != endpoint:
                    return 0.0
                if not done.has_more:
                    lost = 0 if self._wait_for_news(session, endpoint, float(mailbox.interval_seconds)) else lost + 1
                if lost:  # the session knows that, and waits in another way next time
                    connections.close_all()
                    self._bell.wait(min(LOST_PAUSE * (1 << min(lost - 1, 10)), LONGEST_LOST_PAUSE))
        finally:
            self._session = None
            session.close()
        return 0.0

    def _pause(self, kind: TroubleKind | None) -> None:
        """With the lease: another watcher would only run into the same trouble."""
        seconds = pause_after(Mailbox.objects.get(pk=self.mailbox_id).error_count, kind).total_seconds()
        connections.close_all()
        if not self._is_over:
            self._bell.wait(seconds)

    def _wait_for_news(self, session: MailboxSession, endpoint: MailboxEndpoint, interval: float) -> bool:
        """False when the connection was lost meanwhile: nothing happened, so that is no news."""
        connections.close_all()
        if self._bell.is_set() or self._is_over:
            return True
        if endpoint.protocol is MailboxProtocol.POP3:  # a connection shows nothing new, and locks others out
            session.close()
            self._bell.wait(interval)
            return True
        try:
            session.wait_for_new(interval)
        except MailboxTrouble as trouble:
            logger.info("mailbox %d: %s", self.mailbox_id, trouble.text, extra={"mailbox": self.mailbox_id})
            return False
        return True

    def _tell(self, done: MailboxFetch) -> None:
        if done.trouble:
            logger.warning("mailbox %d: %s", self.mailbox_id, done.trouble, extra={"mailbox": self.mailbox_id})
        elif done.warning:
            logger.warning("mailbox %d: %s", self.mailbox_id, done, extra={"mailbox": self.mailbox_id})
        elif done.taken:
            logger.info("mailbox %d: %s", self.mailbox_id, done, extra={"mailbox": self.mailbox_id})
