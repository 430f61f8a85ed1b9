"""The scheduler and the job worker, on a real database."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from procrastinate.exceptions import ConnectorException

from postroom.flows import run_scheduled_action
from postroom.flows.change_scheduled_action import trigger_early
from postroom.flows.defer_job import defer_job
from postroom.flows.run_scheduled_action import Action
from postroom.store.models import ScheduledAction, ScheduledRun
from postroom.wiring import ports as wired_ports
from postroom.workers import jobs, scheduler
from postroom.workers.jobs import JobWorker
from postroom.workers.scheduler import Scheduler
from postroom.workers.stopping import Stop
from tests.flows.scripted_mailbox import ScriptedMailbox, forget_jobs, kept_mails, make_mailbox, ports_with
from tests.laboratory.waiting import wait_until
from tests.workers.children import python

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_jobs_of_others(transactional_db: None) -> None:
    forget_jobs()


@contextmanager
def scheduling() -> Iterator[None]:
    stop = Stop()
    thread = threading.Thread(target=Scheduler(wired_ports(), stop).run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()
        stop.close()


@contextmanager
def working() -> Iterator[None]:
    worker = JobWorker()
    worker.start()
    try:
        yield
    finally:
        worker.stop()
        assert not [one for one in threading.enumerate() if one.name == "jobs"]


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the table of actions: ``actions(key=what it does)``."""
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.02)

    def replace(**todo: Callable[[], str]) -> None:
        table = {
            key: Action(key=key, name=key, interval=timedelta(hours=1), help="", run=lambda _p, _o, do=do: do())
            for key, do in todo.items()
        }
        monkeypatch.setattr(run_scheduled_action, "ACTIONS", table)

    return replace


def results() -> set[tuple[str, str]]:
    return set(ScheduledRun.objects.filter(finished_at__isnull=False).values_list("action_id", "result"))


def test_it_makes_the_rows_and_runs_what_becomes_due(actions: Callable[..., None]) -> None:
    actions(test=lambda: "done")
    with scheduling():
        wait_until(ScheduledAction.objects.exists, "the row is there")
        assert results() == set()
        trigger_early("test", wired_ports().clock.now())
        wait_until(lambda: results() == {("test", "done")}, "it ran")


def test_a_long_action_holds_up_no_other(actions: Callable[..., None]) -> None:
    gate = threading.Event()
    actions(long=lambda: str(gate.wait(90)), short=lambda: "done")
    with scheduling():
        wait_until(lambda: ScheduledAction.objects.count() == 2, "the rows are there")
        for key in ("long", "short"):
            trigger_early(key, wired_ports().clock.now())
        wait_until(lambda: results() == {("short", "done")}, "the short one ran")
        gate.set()
        wait_until(lambda: ("long", "True") in results(), "the long one ran")


def test_an_outage_is_waited_for_and_told_once(
    actions: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    actions(test=lambda: "done")
    looks: list[int] = []

    def refuse(*_: object) -> list[str]:
        looks.append(1)
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(scheduler, "due_keys", refuse)
        with scheduling():
            wait_until(lambda: len(looks) > 3, "it tried again and again")
            patch.undo()
            monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.02)
            trigger_early("test", wired_ports().clock.now())
            wait_until(lambda: results() or trigger_early("test", wired_ports().clock.now()), "it went on")
    assert caplog.text.count("scheduler: waits for the database") == 1


def test_a_bug_in_what_is_watched_keeps_no_action_from_running(
    actions: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(_ports: object) -> None:
        raise KeyError("a bug of ours")

    actions(test=lambda: "done")
    monkeypatch.setattr(scheduler, "WATCH_EVERY", 0.0)
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(scheduler, "watch_schedule", stumble)
    with scheduling():
        wait_until(lambda: "scheduler: watching failed" in caplog.text, "it was told")
        wait_until(lambda: results() or trigger_early("test", wired_ports().clock.now()), "it ran")


# ---- jobs


def jobs_left() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, status FROM procrastinate_jobs ORDER BY id")
        return [tuple(row) for row in cursor.fetchall()]


def test_a_job_runs_when_its_transaction_commits_and_leaves_nothing_behind(actions: Callable[..., None]) -> None:
    actions(test=lambda: "done")
    run_scheduled_action.ensure_actions(wired_ports())
    with working():
        with transaction.atomic():
            defer_job("run_scheduled_action", key="test")
            assert results() == set()
        wait_until(lambda: results() == {("test", "done")}, "it ran")
        wait_until(lambda: jobs_left() == [], "the job is gone")


def test_a_mailbox_is_fetched_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    box = ScriptedMailbox()
    box.put(b"Subject: Hello\r\n\r\n")
    monkeypatch.setattr(jobs, "wired_ports", lambda: ports_with(box))
    defer_job("fetch_mailbox_now", mailbox_id=make_mailbox().pk)
    with working():
        wait_until(lambda: len(kept_mails()) == 1, "the mail is here")


def test_a_job_that_fails_is_kept_to_be_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    defer_job("run_scheduled_action", key="make_coffee")
    with working():
        wait_until(lambda: jobs_left() == [("run_scheduled_action", "failed")], "it failed")
    assert "make_coffee" in caplog.text


@pytest.mark.parametrize(
    ("error", "level"), [(ConnectorException("it went away"), logging.WARNING), (ValueError("a bug"), logging.ERROR)]
)
def test_a_job_whose_end_could_not_be_written_down_is_told_as_an_outage(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise error

    loop = JobWorker()._loop
    task = loop.create_task(fail())
    loop.run_until_complete(asyncio.wait([task]))
    del task
    gc.collect()
    loop.close()
    assert [record.levelno for record in caplog.records] == [level]
    assert str(error) in caplog.text


@pytest.mark.slow
def test_the_worker_survives_the_loss_of_its_connections(
    actions: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RESTART_AFTER", 0.05)
    actions(test=lambda: "done")
    run_scheduled_action.ensure_actions(wired_ports())
    with working():
        for round_ in (1, 2):
            defer_job("run_scheduled_action", key="test")
            wait_until(lambda: ScheduledRun.objects.filter(finished_at__isnull=False).count() >= round_, "it ran")  # noqa: B023
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.mark.slow
def test_a_job_whose_worker_was_killed_is_run_again(
    actions: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STALLED_AFTER", 1)
    monkeypatch.setattr(jobs, "LOOK_FOR_STALLED_EVERY", 0.2)
    code = """
        import time
        from datetime import timedelta
        from postroom.flows import run_scheduled_action as flow
        from postroom.workers.jobs import JobWorker
        sleep = lambda _ports, _is_over: time.sleep(600)
        flow.ACTIONS = {"test": flow.Action(key="test", name="test", interval=timedelta(hours=1), help="", run=sleep)}
        JobWorker().start()
        time.sleep(600)
    """
    actions(test=lambda: "done")
    run_scheduled_action.ensure_actions(wired_ports())
    defer_job("run_scheduled_action", key="test")
    with python(code) as victim:
        wait_until(lambda: ScheduledAction.objects.get().running_since, "it runs in the other process")
        victim.kill()
        victim.wait(60)
    with working():
        wait_until(lambda: ("test", "done") in results(), "it ran here", 60)
    assert ("test", "ended without a word: its process died") in results()
