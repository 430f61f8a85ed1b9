"""The scheduler: runs scheduled actions when they are due, and the background jobs of everybody else.

Duty: a look at the table every second (and once a minute whether something is off or late), a thread for each action that is due, a thread for the job worker, and one that posts scheduled
messages at their date and lets automation rules act (a resident: woken when one is written, and once a second), and one that writes down the words of new messages
for the search. Several schedulers share the work by the locks that
the flows take.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from django.db import close_old_connections, connections

from postroom.flows.index_messages import CHANNEL as SEARCH_CHANNEL
from postroom.flows.index_messages import index_some
from postroom.flows.ports import Ports
from postroom.flows.run_rules import run_due_rules
from postroom.flows.run_scheduled_action import due_keys, ensure_actions, run_action
from postroom.flows.scheduled_messages import CHANNEL as SCHEDULED_CHANNEL
from postroom.flows.scheduled_messages import post_due
from postroom.flows.watch_receiving import watch_receiving
from postroom.flows.watch_schedule import watch_schedule
from postroom.wiring import ports as wired_ports
from postroom.workers.jobs import JobWorker
from postroom.workers.outages import OUTAGES, Outage
from postroom.workers.resident import Resident
from postroom.workers.signs import Signs
from postroom.workers.stopping import Stop

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds
WATCH_EVERY = 60.0  # seconds; whether actions are off or late
THREADS = 4
CLERK, INDEXER = "scheduled messages", "search"


def run(stop: Stop) -> None:
    """Until ``stop`` is set; actions under way are told to end early, jobs under way are finished."""
    ports = wired_ports()
    signs = Signs("scheduler", parts=(CLERK, INDEXER))
    jobs = JobWorker()
    jobs.start()
    clerk = Resident(
        CLERK,
        lambda: post_due(ports) + run_due_rules(ports),
        channel=SCHEDULED_CHANNEL,
        stop=stop,
        sign=lambda: signs.tick(CLERK),
    )
    clerk_thread = threading.Thread(target=clerk.run, name=CLERK)
    clerk_thread.start()
    indexer = Resident(
        INDEXER, lambda: index_some(ports), channel=SEARCH_CHANNEL, stop=stop, sign=lambda: signs.tick(INDEXER)
    )
    indexer_thread = threading.Thread(target=indexer.run, name=INDEXER)
    indexer_thread.start()
    try:
        Scheduler(ports, stop, signs).run()
    finally:
        stop.set()  # also when it ends by a fault of ours
        clerk_thread.join()
        indexer_thread.join()
        jobs.stop()


class Scheduler:
    """Runs what is due; see `run`."""

    def __init__(self, ports: Ports, stop: Stop, signs: Signs | None = None) -> None:
        self._signs = signs or Signs("scheduler")
        self._ports = ports
        self._stop = stop
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="action")
        self._running: dict[str, Future[None]] = {}
        self._outage = Outage("scheduler")
        self._has_rows = False
        self._watch_at = time.monotonic() + WATCH_EVERY  # what is due while nobody ran is done first

    def run(self) -> None:
        try:
            while not self._stop.is_set():
                self._look()
                self._signs.give()
                self._stop.wait(LOOK_EVERY)
        finally:
            self._signs.end()  # actions under way may take their time
            self._threads.shutdown(wait=True, cancel_futures=True)
            connections.close_all()

    def _look(self) -> None:
        try:
            close_old_connections()
            if not self._has_rows:
                ensure_actions(self._ports)
                self._has_rows = True
            due = due_keys(self._ports)
            if time.monotonic() >= self._watch_at:
                self._watch_at = time.monotonic() + WATCH_EVERY
                self._watch()
        except OUTAGES as error:
            self._outage.goes_on(error)
            return
        self._outage.is_over()
        self._running = {key: future for key, future in self._running.items() if not future.done()}
        for key in due:
            if key not in self._running:
                self._running[key] = self._threads.submit(self._act, key)

    def _watch(self) -> None:
        """A bug in it is told, and ends nothing: actions and jobs are under way. Raises what is an outage."""
        try:
            watch_schedule(self._ports)
            watch_receiving(self._ports)
        except OUTAGES:
            raise
        except Exception:
            logger.exception("scheduler: watching failed")

    def _act(self, key: str) -> None:
        """In a thread of the pool."""
        try:
            close_old_connections()
            done = run_action(self._ports, key, only_if_due=True, is_over=self._stop.is_set)
            if done is not None:
                logger.info("action %s: %s", key, done.result)
        except OUTAGES as error:
            logger.warning("action %s: the database went away: %s", key, str(error).strip())
        except Exception:
            logger.exception("action %s", key)
        finally:
            connections.close_all()
