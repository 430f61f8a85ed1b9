"""Background jobs (Procrastinate): thin tasks that call flows, and the worker that runs them.

Duty: what is too slow for a request and no batch of a resident's: "Fetch Now", "Run Now". Flows defer a job by its name in
the transaction of the change (`flows.defer_job`).
Laws: a task is one call of a flow. A job is safe to repeat: when its worker dies it is stalled, found within a minute,
and run again. The worker outlives outages of the database.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import connections
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException

from postroom.flows.change_queue import change_in_background
from postroom.flows.fetch_mailbox import fetch_now
from postroom.flows.read_reports import read_reports
from postroom.flows.reconcile_mailbox import reconcile_mailbox
from postroom.flows.run_scheduled_action import run_action
from postroom.flows.send_seed import look_again
from postroom.flows.sign_in import send_password_links
from postroom.flows.tell_watch import post_one
from postroom.flows.wake_queue import wake_rest
from postroom.wiring import ports as wired_ports

logger = logging.getLogger(__name__)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # in an outage it tells of each try

CONCURRENCY = 4
POLL_EVERY = 1.0  # seconds; a LISTEN that was lost in an outage does not come back
STALLED_AFTER = 30  # seconds without a sign of life of the worker
LOOK_FOR_STALLED_EVERY = 20.0
RESTART_AFTER = 3.0
GRACE = 15.0  # seconds that jobs under way have to finish


@app.task(name="fetch_mailbox_now")
def fetch_mailbox_now(mailbox_id: int) -> None:
    """One round on this mailbox."""
    _with_own_connection(lambda: logger.info("mailbox %d: %s", mailbox_id, fetch_now(wired_ports(), mailbox_id)))


@app.task(name="reconcile_mailbox_now")
def reconcile_mailbox_now(mailbox_id: int) -> None:
    """Compare this mailbox with what is here."""
    _with_own_connection(
        lambda: logger.info("mailbox %d: %s", mailbox_id, reconcile_mailbox(wired_ports(), mailbox_id))
    )


@app.task(name="run_scheduled_action")
def run_scheduled_action(key: str) -> None:
    """Run this action now, due or not; nothing happens when it runs already."""
    _with_own_connection(lambda: logger.info("action %s: %s", key, run_action(wired_ports(), key) or "runs already"))


@app.task(name="post_watch_news")
def post_watch_news(post_id: int) -> None:
    """Tell a program what the doctor's watch found; tried again later by itself."""
    _with_own_connection(
        lambda: logger.info("news %d: %s", post_id, "over" if post_one(wired_ports(), post_id) else "later")
    )


@app.task(name="wake_queue")
def wake_queue(server_ids: str, codes: str, before: str) -> None:
    """Make due what waits for these servers (or ``all``), for one of these reasons, since before that moment."""
    _with_own_connection(lambda: logger.info("woke %d deliveries", wake_rest(wired_ports(), server_ids, codes, before)))


@app.task(name="change_deliveries")
def change_deliveries(change_id: int) -> None:
    """Retry, Send Now or Cancel for all that a person meant, from where the work stands."""
    _with_own_connection(
        lambda: logger.info("change %d: %d deliveries", change_id, change_in_background(wired_ports(), change_id))
    )


@app.task(name="look_for_mail_test")
def look_for_mail_test(test_id: int) -> None:
    """One look for a seed message; the next one is deferred where it is not back yet."""
    _with_own_connection(
        lambda: logger.info(
            "mail test %d: %s", test_id, "over" if look_again(wired_ports(), test_id) else "not back yet"
        )
    )


@app.task(name="send_password_links")
def send_password_links_now(sealed: str, place: str, address: str, language: str) -> None:
    """Send a link to a new password to whom somebody asked for, if there is anybody."""
    _with_own_connection(lambda: send_password_links(wired_ports(), sealed, place, address, language))


@app.task(name="read_reports")
def read_reports_now() -> None:
    """Read what receivers reported and was put by."""
    _with_own_connection(lambda: logger.info("receivers' reports: %s", read_reports(wired_ports())))


def _with_own_connection(work: Callable[[], Any]) -> None:
    """Tasks run in threads of a pool, which would keep their connections."""
    try:
        work()
    finally:
        connections.close_all()


class JobWorker:
    """A Procrastinate worker in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_told)
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._live, name="jobs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Jobs under way are finished, within `GRACE`."""
        self._is_over = True
        self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        self._thread.join(GRACE + 5.0)

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._work_on())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _work_on(self) -> None:
        """Again and again: whatever ends the worker is told and survived."""
        while not self._is_over:
            self._task = asyncio.ensure_future(_work())
            try:
                await self._task
            except asyncio.CancelledError:
                return
            except Exception as error:
                logger.warning("jobs: the worker ended and is started again: %s", str(error).strip() or repr(error))
            if not self._is_over:
                await asyncio.sleep(RESTART_AFTER)


def _told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A job whose end could not be written down is an outage, told in a line: it is found stalled, and run again."""
    error = context.get("exception")
    if isinstance(error, ConnectorException):
        logger.warning("jobs: the end of a job could not be written down: %s", str(error.__cause__ or error).strip())
    else:
        loop.default_exception_handler(context)


async def _work() -> None:
    """A connector of the worker's own, with Django's kept for deferring: so what a job defers is part of its transaction."""
    worker_app = app.with_connector(PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=4))
    async with worker_app.open_async():
        reviver = asyncio.create_task(_revive_stalled(worker_app))
        try:
            await worker_app.run_worker_async(
                name="postroom",
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=POLL_EVERY,
                delete_jobs="successful",
                install_signal_handlers=False,
                shutdown_graceful_timeout=GRACE,
            )
        finally:
            reviver.cancel()


async def _revive_stalled(worker_app: App) -> None:
    """Jobs whose worker died are put back into the queue."""
    while True:
        try:
            for job in await worker_app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER):
                logger.warning("job %s (%s) is run again: its worker died", job.id, job.task_name)
                await worker_app.job_manager.retry_job(job)
        except ConnectorException as error:
            logger.info("jobs: no look for stalled ones: %s", error)
        await asyncio.sleep(LOOK_FOR_STALLED_EVERY)
