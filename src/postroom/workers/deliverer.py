"""The deliverer: takes deliveries out of the queue, sends them over many connections, and writes down what became of them.

Duty: claim in batches (woken by NOTIFY, and once a second), give each server's pool what it can take, record outcomes in batches
a few hundredths of a second after they came, recover what dead workers left behind.
Laws: the event loop never waits for the database; one thread speaks to it. Nothing is on the wire before its claim is committed
and the journal took note; the journal forgets only what is committed. An outage of the database delays, it loses nothing. Who cannot
write his journal sends nothing. Who could not renew his leases in time sends nothing more, for others may have given
him up. SIGTERM: what is on the wire is finished and recorded, the rest goes back into the queue.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.db import close_old_connections, connections

from postroom.core.delivery.wire import ApiEndpoint, Endpoint, Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply
from postroom.flows.deliver_mail import LEASE, ClaimedBatch, ReadyMail, Shelf, Ticket, claim_and_compose
from postroom.flows.note_habits import note_habits
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import RecordedBatch, record_outcomes
from postroom.flows.recover_journals import (
    Recovery,
    give_up_expired,
    put_back,
    put_back_strays,
    recover_worker,
    renew_leases,
)
from postroom.flows.wake_queue import ServersNow, wake_parked
from postroom.wiring import api_pool, journal_names, read_dead_journals, smtp_pool, wire_journal
from postroom.wiring import ports as wired_ports
from postroom.workers.counters import Counter, Held, slow_servers
from postroom.workers.loops import fastest_loop
from postroom.workers.outages import OUTAGES, Outage
from postroom.workers.signs import Signs
from postroom.workers.stopping import Stop
from postroom.workers.wakeups import Wakeups

if TYPE_CHECKING:
    from postroom.wiring import JournalContents, WireJournalFile

logger = logging.getLogger(__name__)

CHANNEL = "postroom_outgoing"
SWEEP = 1.0  # seconds
GATHER = 0.03  # an outcome waits so long for others, at most
BATCH = 500
MOST_BYTES = 256 * 1024 * 1024  # of claimed mails in memory
CEILINGS = (
    (0, 2000),
    (1, 1700),
    (2, 1300),
)  # of each lane: claimed only while fewer are held, so that room is left for better ones
TEND_EVERY, RENEW_EVERY, IDLE_AFTER = 5.0, 60.0, 60.0
LEASE_MARGIN = 60.0
JOURNAL_PAUSE = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0
WIRE_GRACE, RECORD_GRACE = 15.0, 8.0  # at the end

T = TypeVar("T")


def run(worker_name: str) -> None:
    """Until SIGTERM or SIGINT. ``worker_name`` names machine and process; it is made unique."""
    ports = wired_ports()
    worker = f"{re.sub(r'[^A-Za-z0-9._-]', '_', worker_name)[:70]}-{ports.ids.hex(3)}"
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(_until_told(Deliverer(ports, worker)))


async def _until_told(deliverer: Deliverer) -> None:
    loop = asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, deliverer.stop)
    await deliverer.run()


class Deliverer:
    """One worker. Made and `run` once, in one event loop."""

    def __init__(self, ports: Ports, worker: str) -> None:
        self.worker = worker
        self._ports = ports
        self._directory = Path(ports.configuration.data_dir) / "journal"
        self._shelf = Shelf()
        self._held = Held()
        self._counters: dict[tuple[int | None, Endpoint | ApiEndpoint], Counter] = {}
        self._outcomes: list[tuple[Ticket, WireOutcome]] = []
        self._unsent: list[Ticket] = []
        self._called = asyncio.Event()
        self._told = asyncio.Event()  # there are outcomes or unsent mails
        self._stop = Stop()
        self._stopping = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._journal: WireJournalFile
        self._paused_until = 0.0
        self._renewed_at = 0.0
        self._has_strays = False
        self._outage = Outage(f"deliverer {worker}")
        self._signs = Signs("deliverer")

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._renewed_at = self._loop.time()
        self._journal = wire_journal(self._directory / f"{self.worker}.journal")
        ear = threading.Thread(target=self._listen, name="ear")
        ear.start()
        recording = asyncio.create_task(self._record_all())
        tasks = [asyncio.create_task(work) for work in (self._claim_all(), self._tend_all())]
        logger.info("deliverer %s: ready", self.worker)
        try:
            await self._stopping.wait()
            await asyncio.gather(*tasks)
            await self._wind_down(recording)
        finally:
            self._stop.set()
            for task in (*tasks, recording):
                task.cancel()
            await self._loop.run_in_executor(None, ear.join)
            await self._database(connections.close_all)
            self._thread.shutdown()
            self._stop.close()

    def stop(self) -> None:
        """End soon, in order. From the loop's thread."""
        self._stopping.set()
        self._stop.set()
        self._called.set()
        self._told.set()

    def _listen(self) -> None:
        """In a thread of its own."""
        wakeups = Wakeups(CHANNEL)
        try:
            while not self._stop.is_set():
                if wakeups.wait(self._stop, SWEEP):
                    self._loop.call_soon_threadsafe(self._called.set)
        finally:
            wakeups.close()

    async def _database(self, work: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, work)

    # -- claiming

    async def _claim_all(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            self._called.clear()
            try:
                more = await self._claim()
                pause = 0.0
                self._outage.is_over()
            except OUTAGES as error:
                self._outage.goes_on(error)
                more, pause = False, min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
            except Exception:
                logger.exception("deliverer %s: claiming failed", self.worker)
                more, pause = False, min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
            if pause:
                await self._wait(self._stopping, pause)
            elif not more:
                await self._wait(self._called, SWEEP)

    async def _claim(self) -> bool:
        """Whether there may be more to claim at once."""
        lanes = [lane for lane, ceiling in CEILINGS if len(self._held) < ceiling]
        if not lanes or self._held.bytes >= MOST_BYTES or self._loop.time() < self._paused_until:
            return False
        room = min(BATCH, CEILINGS[lanes[-1]][1] - len(self._held))
        known = list(self._held) if self._has_strays else None
        busy = self._shed_slow()
        self._has_strays = False  # whoever suspects some while we wait is heard by the next claim
        try:
            batch = await self._database(lambda: self._claim_rows(room, lanes, known, busy))
        except BaseException:
            self._has_strays = True  # nobody knows what was claimed
            raise
        for alarm in batch.alarms:
            logger.warning("%s", alarm)
        for ready in batch.ready:
            self._held.add(ready)
            self._hand_over(ready)
        for counter in list(self._counters.values()):
            self._pump(counter)
        return batch.taken > 0  # there may be more; looking costs a millisecond

    def _shed_slow(self) -> list[int]:
        """What slow servers hold beyond their share goes back; they get no more for now."""
        slow = slow_servers(self._counters, self._loop.time())
        busy = [server_id for server_id, share in slow.items() if self._held_for(server_id) >= share]
        for (server_id, _), counter in self._counters.items():
            if server_id in busy:
                self._not_sent(counter.shed(slow[server_id] - counter.outstanding))
        return busy

    def _held_for(self, server_id: int) -> int:
        return sum(one.outstanding + one.waiting for key, one in self._counters.items() if key[0] == server_id)

    def _claim_rows(
        self, room: int, lanes: list[int], known: Iterable[int] | None, busy: Collection[int]
    ) -> ClaimedBatch:
        """In the database's thread."""
        close_old_connections()
        if known is not None:
            put_back_strays(self.worker, known)
        room_bytes = MOST_BYTES // 2
        return claim_and_compose(
            self._ports, self.worker, room, shelf=self._shelf, most_bytes=room_bytes, lanes=lanes, busy=busy
        )

    def _hand_over(self, ready: ReadyMail) -> None:
        try:
            self._counter_for(ready).add(ready, self._loop.time())
        except ValueError as error:  # a host name that is none: the server's trouble, and nobody else's
            key = ready.ticket.delivery_id
            outcome = WireOutcome(key=key, phase=Phase.CONNECT, reply=None, trouble=str(error))
            self._outcomes.append((ready.ticket, outcome))
            self._told.set()

    def _counter_for(self, ready: ReadyMail) -> Counter:
        key = (ready.ticket.server_id, ready.endpoint)
        counter = self._counters.get(key)
        if counter is None:
            endpoint = ready.endpoint
            make = partial(api_pool, endpoint) if isinstance(endpoint, ApiEndpoint) else partial(smtp_pool, endpoint)
            pool = make(self._journal)
            counter = self._counters[key] = Counter(pool, ready.endpoint.max_connections)
        counter.idle_since = None
        return counter

    # -- sending

    def _pump(self, counter: Counter) -> None:
        if self._stopping.is_set() or not self._leases_hold():
            return
        while (ready := counter.take()) is not None:
            counter.outstanding += 1
            counter.pool.submit(ready.wire).add_done_callback(partial(self._answered, counter, ready))

    def _leases_hold(self) -> bool:
        return self._loop.time() - self._renewed_at < LEASE.total_seconds() - LEASE_MARGIN

    def _answered(self, counter: Counter, ready: ReadyMail, future: asyncio.Future[WireOutcome]) -> None:
        counter.outstanding -= 1
        if future.cancelled():
            self._not_sent([ready])
        elif (error := future.exception()) is not None:
            self._refused_by_us([ready, *counter.clear()], error)
        else:
            self._take_outcome(counter, ready, future.result())
        self._told.set()
        self._pump(counter)

    def _take_outcome(self, counter: Counter, ready: ReadyMail, outcome: WireOutcome) -> None:
        self._outcomes.append((ready.ticket, outcome))
        if outcome.phase.is_before_mail:  # nobody is let in: the others here need not try
            self._outcomes += [
                (other.ticket, replace(outcome, key=other.ticket.delivery_id)) for other in counter.clear()
            ]

    def _refused_by_us(self, mails: list[ReadyMail], error: BaseException) -> None:
        """The journal cannot be written, or there is a bug of ours."""
        if self._loop.time() >= self._paused_until:
            logger.error("deliverer %s sends nothing for %g s: %s", self.worker, JOURNAL_PAUSE, error, exc_info=error)
        self._paused_until = self._loop.time() + JOURNAL_PAUSE
        self._not_sent(mails)

    def _not_sent(self, mails: Iterable[ReadyMail]) -> None:
        """Back into the queue, with their places in the gates."""
        self._unsent += [ready.ticket for ready in mails]
        self._told.set()

    # -- recording

    async def _record_all(self) -> None:
        pause = 0.0
        while True:
            await self._told.wait()
            if len(self._outcomes) < BATCH and not self._stopping.is_set():
                await asyncio.sleep(GATHER)
            if not self._outcomes and not self._unsent:
                self._told.clear()
                if self._stopping.is_set() and not len(self._held):
                    return
                continue
            try:
                await self._record()
                pause = 0.0
            except OUTAGES as error:
                self._outage.goes_on(error)
                pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
            except Exception:
                logger.exception("deliverer %s: recording failed", self.worker)
                pause = min(max(FIRST_PAUSE, 2 * pause), LONGEST_PAUSE)
                self._outcomes = [(ticket, _bare(outcome)) for ticket, outcome in self._outcomes]
            if pause:
                await asyncio.sleep(pause)

    async def _record(self) -> None:
        """One batch. Outcomes that cannot be written stay in their list."""
        if self._unsent:
            await self._put_back()
        batch = self._outcomes[:BATCH]
        recorded = await self._database(lambda: self._write(batch))
        self._outage.is_over()
        del self._outcomes[: len(batch)]
        keys = [ticket.delivery_id for ticket, _ in batch]
        self._journal.forget_committed(keys)
        for key in keys:
            self._held.drop(key)
        if recorded.slowed_domains:  # what is here for them asks anew
            for counter in self._counters.values():
                self._not_sent(counter.shed_domains(recorded.slowed_domains))
        for alarm in recorded.alarms:
            logger.error("%s", alarm)
        if lost := len(batch) - len(recorded.written):
            logger.warning("deliverer %s: %d outcomes came too late, others had given us up", self.worker, lost)
        self._called.set()  # there is room again

    async def _put_back(self) -> None:
        """Once, and never again: what is back in the queue may be claimed by ourselves the next moment, and be on the wire. Where nobody
        knows whether it was done they are strays, of which the next claim knows what to think."""
        unsent, self._unsent = self._unsent, []
        try:
            await self._database(lambda: self._put_rows_back(unsent))
        except BaseException:
            self._has_strays = True
            raise
        finally:
            for ticket in unsent:
                self._held.drop(ticket.delivery_id)

    def _put_rows_back(self, unsent: list[Ticket]) -> None:
        """In the database's thread."""
        close_old_connections()
        put_back(self.worker, unsent)

    def _write(self, batch: list[tuple[Ticket, WireOutcome]]) -> RecordedBatch:
        """In the database's thread."""
        close_old_connections()
        return record_outcomes(self._ports, self.worker, batch, shelf=self._shelf)

    # -- tending

    async def _tend_all(self) -> None:
        renew_at = recover_at = 0.0
        while not self._stopping.is_set():
            if self._signs.is_due:
                await self._database(self._signs.give)
            now = self._loop.time()
            try:
                if now >= recover_at:
                    recover_at = now + TEND_EVERY
                    await self._database(self._recover)
                if now >= renew_at or not self._leases_hold():
                    await self._database(self._renew)
                    self._renewed_at, renew_at = now, now + RENEW_EVERY
                    self._has_strays = True  # a claim whose connection broke may have been committed later
                await self._look_at_servers()
                await self._loop.run_in_executor(None, self._journal.sync)
                await self._close_idle_pools(now)
            except OUTAGES as error:
                self._outage.goes_on(error)
            except Exception:
                logger.exception("deliverer %s: tending failed", self.worker)
            for counter in list(self._counters.values()):
                self._pump(counter)
            await self._wait(self._stopping, 1.0)
        await self._database(self._signs.end)

    async def _look_at_servers(self) -> None:
        """What waits for those that work wakes; what is here for those that were paused goes back; what they showed is kept."""
        slow = slow_servers(self._counters, self._loop.time())
        rooms = {server_id: max(0, share - self._held_for(server_id)) for server_id, share in slow.items()}
        news = []
        for (server_id, _), counter in self._counters.items():
            shown = (counter.pool.announced_size, counter.pool.learned_mails)
            if server_id and shown != counter.told:
                news.append((server_id, shown))
                counter.told = shown
        found = await self._database(lambda: self._servers_now(rooms, news))
        for (server_id, _), counter in self._counters.items():
            if server_id in found.paused:
                self._not_sent(counter.clear())
        if found.woken:
            self._called.set()

    def _servers_now(self, rooms: dict[int, int], news: list[tuple[int, tuple[int, int]]]) -> ServersNow:
        """In the database's thread."""
        close_old_connections()
        for server_id, (size, mails) in news:
            note_habits(server_id, announced_size=size, learned_mails=mails)
        until = self._shelf.configured_broken_until
        is_broken = until is not None and until > self._ports.clock.now()
        return wake_parked(self._ports, rooms, configured_works=not is_broken)

    def _recover(self) -> None:
        """In the database's thread."""
        close_old_connections()

        def settle(worker: str, contents: JournalContents) -> None:
            found = recover_worker(self._ports, worker, started=contents.started, finished=contents.finished)
            if found != Recovery():
                logger.warning("deliverer %s is dead: %s", worker, found)

        read_dead_journals(self._directory, settle)

    def _renew(self) -> None:
        """In the database's thread."""
        close_old_connections()
        renew_leases(self._ports, self.worker)
        if given_up := give_up_expired(self._ports, [self.worker, *journal_names(self._directory)]):
            logger.error("%d deliveries of a machine that is gone are unknown now", given_up)

    async def _close_idle_pools(self, now: float) -> None:
        for key, counter in list(self._counters.items()):
            if not counter.is_idle:
                counter.idle_since = None
            elif counter.idle_since is None:
                counter.idle_since = now
            elif now - counter.idle_since > IDLE_AFTER:
                del self._counters[key]
                await counter.pool.close(1.0)

    # -- the end

    async def _wind_down(self, recording: asyncio.Task[None]) -> None:
        for counter in self._counters.values():
            self._not_sent(counter.clear())
        await asyncio.gather(*(counter.pool.close(WIRE_GRACE) for counter in self._counters.values()))
        self._told.set()
        with suppress(TimeoutError, *OUTAGES):
            async with asyncio.timeout(RECORD_GRACE):
                await recording
                if self._has_strays:
                    await self._database(lambda: put_back_strays(self.worker, ()))
                    self._has_strays = False
        if len(self._held):
            logger.error("deliverer %s: %d deliveries are left to its journal", self.worker, len(self._held))
            return  # the journal stays for whoever comes next
        self._journal.close()

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


def _bare(outcome: WireOutcome) -> WireOutcome:
    """Without the texts of strangers, in case they are what cannot be written."""
    reply = SmtpReply(outcome.reply.code, "", "") if outcome.reply is not None else None
    return replace(outcome, reply=reply, trouble="", connection="", tls="", refusals=())
