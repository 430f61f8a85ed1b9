"""Scheduled actions: once at a time, with a history, whatever dies in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction

from postroom.core.terms.states import Role
from postroom.flows import run_scheduled_action
from postroom.flows.access import NotAllowed
from postroom.flows.change_scheduled_action import trigger_early
from postroom.flows.fetch_mailbox import request_fetch
from postroom.flows.ports import Ports
from postroom.flows.run_scheduled_action import (
    ACTIONS,
    Action,
    ActionRun,
    due_keys,
    ensure_actions,
    run_action,
    run_now,
)
from postroom.store.models import Company, Contact, Member, ScheduledAction, ScheduledRun
from postroom.wiring import ports as wired_ports
from tests.flows.scripted_mailbox import ScriptedMailbox, forget_jobs, make_mailbox, ports_with

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_jobs_of_others(transactional_db: None) -> None:
    forget_jobs()


HOUR = timedelta(hours=1)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], str]]:
    """An action ``test`` that is due; what it does is the last thing in the list."""
    todo: list[Callable[[], str]] = [lambda: "done"]
    action = Action(key="test", name="Test", interval=HOUR, help="", run=lambda _ports, _is_over: todo[-1]())
    monkeypatch.setattr(run_scheduled_action, "ACTIONS", {"test": action})
    ensure_actions(wired_ports())
    make_due()
    return todo


def make_due(ago: timedelta = timedelta(seconds=1)) -> None:
    ScheduledAction.objects.filter(pk="test").update(next_run_at=wired_ports().clock.now() - ago)


def row() -> ScheduledAction:
    return ScheduledAction.objects.get(pk="test")


# ---- the table


def test_the_actions_of_the_users_habit_are_there_with_their_intervals() -> None:
    ensure_actions(wired_ports())
    rows = {action.name: action.interval_seconds for action in ScheduledAction.objects.all()}
    assert rows["Mail: Email Queue Manager"] == 3600
    assert rows["Mail: Fetchmail Service"] == 300
    assert rows["Auto-Vacuum"] == 86400


def test_what_a_person_changed_stays() -> None:
    ports = wired_ports()
    ensure_actions(ports)
    ScheduledAction.objects.filter(pk="queue_manager").update(interval_seconds=900, is_active=False)
    ensure_actions(ports)
    changed = ScheduledAction.objects.get(pk="queue_manager")
    assert (changed.interval_seconds, changed.is_active) == (900, False)


# ---- running


def test_a_run_leaves_its_result_and_the_next_time() -> None:
    ensure_actions(wired_ports())
    before = wired_ports().clock.now()
    done = run_action(wired_ports(), "queue_manager")
    assert done is not None
    assert not done.is_failed
    after = ScheduledAction.objects.get(pk="queue_manager")
    assert after.last_result == done.result
    assert "deliverers called" in done.result
    assert after.last_run_at is not None
    assert after.running_since is None
    assert after.next_run_at > before
    [run] = after.runs.all()
    assert run.finished_at is not None
    assert (run.is_failed, run.result) == (False, done.result)


def run_due(ports: Ports) -> int:
    """What the scheduler does, one after the other; how many ran."""
    return sum(run_action(ports, key, only_if_due=True) is not None for key in due_keys(ports))


@pytest.mark.usefixtures("work")
def test_what_is_due_runs_once() -> None:
    assert due_keys(wired_ports()) == ["test"]
    assert run_due(wired_ports()) == 1
    assert run_due(wired_ports()) == 0
    assert ScheduledRun.objects.count() == 1


@pytest.mark.usefixtures("work")
def test_the_beat_is_kept_after_a_long_pause() -> None:
    make_due(timedelta(days=3, minutes=20))
    planned = row().next_run_at
    run_due(wired_ports())
    assert (row().next_run_at - planned) % HOUR == timedelta(0)
    assert timedelta(0) < row().next_run_at - wired_ports().clock.now() <= HOUR
    assert ScheduledRun.objects.count() == 1


@pytest.mark.usefixtures("work")
def test_what_is_switched_off_does_not_run_by_itself_but_by_hand() -> None:
    ScheduledAction.objects.update(is_active=False)
    assert run_due(wired_ports()) == 0
    assert run_action(wired_ports(), "test", only_if_due=True) is None
    assert run_action(wired_ports(), "test") == ActionRun(key="test", is_failed=False, result="done")


def test_a_failure_is_kept_counted_and_tried_again_sooner(
    work: list[Callable[[], str]], caplog: pytest.LogCaptureFixture
) -> None:
    ports = wired_ports()

    def fail() -> str:
        raise ZeroDivisionError("nothing to share")

    work.append(fail)
    done = run_action(ports, "test")
    assert done == ActionRun(key="test", is_failed=True, result="ZeroDivisionError: nothing to share")
    assert row().failure_count == 1
    assert row().next_run_at - ports.clock.now() <= timedelta(minutes=1)
    assert ScheduledRun.objects.get().is_failed
    assert "nothing to share" in caplog.text
    work.append(lambda: "better")
    make_due()
    run_due(ports)
    assert (row().failure_count, row().last_result) == (0, "better")
    assert row().next_run_at - ports.clock.now() > timedelta(minutes=50)


def test_a_failed_statement_of_the_action_does_not_spoil_the_bookkeeping(work: list[Callable[[], str]]) -> None:
    def fail() -> str:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        return ""

    work.append(fail)
    done = run_action(wired_ports(), "test")
    assert done is not None
    assert done.is_failed
    assert row().running_since is None


def test_while_it_runs_it_does_not_run_again(work: list[Callable[[], str]]) -> None:
    begun, gate = threading.Event(), threading.Event()

    def wait() -> str:
        begun.set()
        assert gate.wait(90)
        return "done"

    work.append(wait)
    results: list[ActionRun | None] = []
    thread = threading.Thread(
        target=lambda: (results.append(run_action(wired_ports(), "test")), connections.close_all())
    )
    thread.start()
    assert begun.wait(90)
    assert row().running_since is not None
    assert run_action(wired_ports(), "test") is None
    make_due()
    assert run_due(wired_ports()) == 0
    gate.set()
    thread.join(90)
    assert results == [ActionRun(key="test", is_failed=False, result="done")]
    assert ScheduledRun.objects.count() == 1


def test_a_run_whose_process_died_is_told_and_followed_by_another(work: list[Callable[[], str]]) -> None:
    ports = wired_ports()

    def die() -> str:
        connection.close()  # what the database sees of a kill -9
        raise SystemExit

    work.append(die)
    with pytest.raises(SystemExit):
        run_action(ports, "test")
    assert row().running_since is not None
    work.append(lambda: "done")
    make_due()
    assert run_due(ports) == 1
    died, followed = ScheduledRun.objects.order_by("pk")
    assert (died.is_failed, died.result) == (True, "ended without a word: its process died")
    assert (followed.is_failed, followed.result) == (False, "done")
    assert row().running_since is None


def test_there_is_no_action_of_that_name() -> None:
    with pytest.raises(KeyError):
        run_action(wired_ports(), "make_coffee")


@pytest.mark.usefixtures("work")
def test_a_trigger_makes_it_due_at_once() -> None:
    ports = wired_ports()
    run_due(ports)
    assert due_keys(ports) == []
    trigger_early("test", ports.clock.now())
    assert due_keys(ports) == ["test"]


# ---- by hand


def member(role: Role) -> Member:
    company, _ = Company.objects.get_or_create(name="Postroom Test")
    user = get_user_model().objects.create_user(f"{role}@postroom.test")
    contact = Contact.objects.create(name=f"Alice the {role}", address=f"{role}@postroom.test")
    return Member.objects.create(user=user, contact=contact, company=company, role=role)


def waiting_jobs() -> list[tuple[str, dict[str, object]]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, args FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id")
        return [(name, json.loads(args) if isinstance(args, str) else args) for name, args in cursor.fetchall()]


def test_run_now_defers_one_job_with_the_transaction() -> None:
    ports, alice = wired_ports(), member(Role.ADMINISTRATOR)
    with transaction.atomic():
        assert run_now(ports, "auto_vacuum", member=alice)
        transaction.set_rollback(True)
    assert waiting_jobs() == []
    with transaction.atomic():
        assert run_now(ports, "auto_vacuum", member=alice)
        assert not run_now(ports, "auto_vacuum", member=alice)
        assert Company.objects.exists(), "the transaction is whole"
    assert [name for name, _ in waiting_jobs()] == ["run_scheduled_action"]


def test_run_now_is_not_for_everybody() -> None:
    with pytest.raises(NotAllowed):
        run_now(wired_ports(), "auto_vacuum", member=member(Role.MANAGER))
    with pytest.raises(NotAllowed):
        run_now(wired_ports(), "auto_vacuum", member=member(Role.READ_ONLY))


def test_the_operator_at_the_command_line_may_run_everything_that_there_is() -> None:
    assert run_now(wired_ports(), "auto_vacuum", member=None)
    with pytest.raises(KeyError):
        run_now(wired_ports(), "make_coffee", member=None)


def test_fetch_now_of_the_pages_defers_one_job() -> None:
    mailbox = make_mailbox()
    assert request_fetch(wired_ports(), mailbox.pk, member=member(Role.ADMINISTRATOR))
    assert not request_fetch(wired_ports(), mailbox.pk, member=None)
    assert waiting_jobs() == [("fetch_mailbox_now", {"mailbox_id": mailbox.pk})]
    with pytest.raises(NotAllowed):
        request_fetch(wired_ports(), mailbox.pk, member=member(Role.AGENT))


# ---- what they do


def test_the_fetchmail_service_fetches_what_nobody_watches() -> None:
    box = ScriptedMailbox()
    box.put(b"Subject: one\r\n\r\n")
    make_mailbox("due")
    now = wired_ports().clock.now()
    make_mailbox("watched", leased_by="alice", leased_until=now + HOUR)
    make_mailbox("fresh", fetched_at=now)
    assert do("fetchmail", ports_with(box)) == "1 mailboxes, 1 mails"


def test_the_fetchmail_service_tells_of_trouble() -> None:
    mailbox = make_mailbox("due", after_fetch="shred")
    box = ScriptedMailbox()
    assert do("fetchmail", ports_with(box)).startswith(f"1 mailboxes, 0 mails; mailbox {mailbox.pk}: the setting")


def test_the_vacuum_has_nothing_to_do_in_a_new_house() -> None:
    assert do("auto_vacuum", wired_ports()) == "nothing was old enough"


def do(key: str, ports: Ports) -> str:
    return ACTIONS[key].run(replace(ports), lambda: False)
