"""Scheduled actions: what happens again and again, with its history (PRODUCT E, D-60 to D-67).

Duty: one table of what there is, and the one way to run any of it: when it is due, or now because a person says so.
Laws: an action runs once at a time, on all machines together (a lock of the database session that runs it: it dies with
the runner, whose run is then marked as failed by the next). "Run Now" while it runs has no effect. Every run leaves a row
with its result; a failure is tried again sooner, and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection, transaction

from postroom.core.schedule.actions import ACTION_NAMES
from postroom.core.schedule.intervals import next_run, retry_after_failure
from postroom.core.terms.states import DeliveryState
from postroom.flows.access import require_house
from postroom.flows.defer_job import defer_job
from postroom.flows.fetch_mailbox import FETCH_ACTION, fetch_due, summary
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.index_messages import index_old
from postroom.flows.keep_pulse import keep_pulse
from postroom.flows.manage_keys import forget_retired_keys
from postroom.flows.note_health import check_backlog, check_mailboxes
from postroom.flows.ports import Ports
from postroom.flows.reconcile_mailbox import reconcile_all
from postroom.flows.resolve_destinations import resolve_destinations
from postroom.flows.run_rules import run_due_rules
from postroom.flows.scheduled_messages import post_due
from postroom.flows.slow_down import DESTINATIONS_ACTION
from postroom.flows.wake_queue import CHANNEL
from postroom.flows.watch_house import scheduled_look
from postroom.store.models import Delivery, Member, ReceiversReport, ScheduledAction, ScheduledRun
from postroom.store.models.outgoing import WAITING
from postroom.store.models.receivers import WAITING as REPORT_WAITS

logger = logging.getLogger(__name__)

LOCKS = 0x706F7374  # "post": the first half of the advisory locks' keys; the second is the action's

WATCH_ACTION = "watch"
IsOver = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One scheduled action. ``run`` returns what it did, in a line for people, and stops early when asked to."""

    key: str
    name: str
    interval: timedelta
    help: str
    run: Callable[[Ports, IsOver], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRun:
    """What a run came to."""

    key: str
    is_failed: bool
    result: str


# ---- what there is


def _manage_queue(ports: Ports, _is_over: IsOver) -> str:
    now = ports.clock.now()
    waiting = Delivery.objects.filter(state__in=WAITING, due_at__lte=now).count()
    expired = Delivery.objects.filter(state=DeliveryState.SENDING, lease_until__lt=now).count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return f"{waiting} deliveries due, {expired} with a lease that ran out; deliverers called"


def _fetch_mailboxes(ports: Ports, is_over: IsOver) -> str:
    done = summary(fetch_due(ports, is_over))
    troubled = check_mailboxes(ports)
    check_backlog(ports)
    return f"{done}; {troubled} silent or unread" if troubled else done


def _reconcile(ports: Ports, is_over: IsOver) -> str:
    parts = [f"mailbox {one.mailbox_id}: {one}" for one in reconcile_all(ports, is_over)]
    waiting = check_backlog(ports)
    return (
        "; ".join([*parts, f"{waiting} accepted mails wait to be routed for over an hour"] if waiting else parts)
        or "no mailboxes"
    )


def _vacuum(ports: Ports, is_over: IsOver) -> str:
    gone = forget_old_mail(ports, is_over) | {"private DKIM keys": forget_retired_keys(ports)}
    return ", ".join(f"{count} {name}" for name, count in gone.items() if count) or "nothing was old enough"


def _post_scheduled(ports: Ports, is_over: IsOver) -> str:
    posted = 0
    while not is_over() and (some := post_due(ports)):
        posted += some
    return f"{posted} scheduled messages settled"


def _call_reader(_ports: Ports, _is_over: IsOver) -> str:
    """The reader asks what the doctor asks, and the doctor looks at this table: so it is called by name."""
    waiting = ReceiversReport.objects.filter(state=REPORT_WAITS).count()
    defer_job("read_reports", only_one="receivers' reports")
    return f"{waiting} reports wait; the reader is called"


def _run_rules(ports: Ports, is_over: IsOver) -> str:
    settled = 0
    while not is_over() and (some := run_due_rules(ports)):
        settled += some
    return f"{settled} events of automation rules settled"


_TABLE = (
    Action(
        key="queue_manager",
        name=ACTION_NAMES["queue_manager"],
        interval=timedelta(minutes=60),
        help="Calls the deliverers to what is due and shows what hangs.",
        run=_manage_queue,
    ),
    Action(
        key=FETCH_ACTION,
        name=ACTION_NAMES[FETCH_ACTION],
        interval=timedelta(minutes=5),
        help="Fetches from mailboxes that nobody watches, and raises an alarm for those that are silent or unread; switched off, no mailbox is "
        "fetched from at all.",
        run=_fetch_mailboxes,
    ),
    Action(
        key="reconciliation",
        name=ACTION_NAMES["reconciliation"],
        interval=timedelta(days=1),
        help="Compares what lies in each mailbox on its server with what is here, and fetches what is missing.",
        run=_reconcile,
    ),
    Action(
        key=DESTINATIONS_ACTION,
        name=ACTION_NAMES[DESTINATIONS_ACTION],
        interval=timedelta(minutes=15),
        help="Asks the DNS which providers take our recipients' mail, so that limits and slow-downs hold for a provider as a whole.",
        run=resolve_destinations,
    ),
    Action(
        key="scheduled_messages",
        name=ACTION_NAMES["scheduled_messages"],
        interval=timedelta(days=1),
        help="Posts scheduled messages whose date has come, should any have been missed; each is posted at its own date anyway.",
        run=_post_scheduled,
    ),
    Action(
        key="automation",
        name=ACTION_NAMES["automation"],
        interval=timedelta(hours=1),
        help="Lets automation rules act that were due and missed; each acts within a second or two anyway, and those that wait for answers "
        "when nobody has answered for long enough.",
        run=_run_rules,
    ),
    Action(
        key="search",
        name=ACTION_NAMES["search"],
        interval=timedelta(hours=1),
        help="Writes down the words of messages that were there before the search was, newest first, and of any that were missed; new "
        "ones are written down within a second or two.",
        run=index_old,
    ),
    Action(
        key="receivers_reports",
        name="Mail: Receivers' reports",
        interval=timedelta(hours=1),
        help="Reads DMARC and TLS reports that were put by and missed (each is read within a second or two anyway), and finds out whose the "
        "addresses are that sent mail in our name.",
        run=_call_reader,
    ),
    Action(
        key="pulse",
        name=ACTION_NAMES["pulse"],
        interval=timedelta(minutes=5),
        help="Adds up what was sent, received and failed by the hour, and notes how late the queue is: the charts of Home and of the queue.",
        run=keep_pulse,
    ),
    Action(
        key=WATCH_ACTION,
        name=ACTION_NAMES[WATCH_ACTION],
        interval=timedelta(hours=1),
        help="Looks for what is wrong as the doctor does, and tells what is new and what is over: an alarm, a mail by a server that is well, a webhook.",
        run=scheduled_look,
    ),
    Action(
        key="auto_vacuum",
        name=ACTION_NAMES["auto_vacuum"],
        interval=timedelta(days=1),
        help="Forgets old deliveries, raw mail, held mail, histories, by the parameters retention.*, and private halves of DKIM keys that were retired.",
        run=_vacuum,
    ),
)

ACTIONS: Mapping[str, Action] = {action.key: action for action in _TABLE}


def ensure_actions(ports: Ports) -> None:
    """Give each action its row; what a person changed in it stays."""
    now = ports.clock.now()
    rows = [
        ScheduledAction(
            key=action.key,
            name=action.name,
            interval_seconds=int(action.interval.total_seconds()),
            next_run_at=now + action.interval,
        )
        for action in ACTIONS.values()
    ]
    ScheduledAction.objects.bulk_create(rows, ignore_conflicts=True)


# ---- running


def due_keys(ports: Ports) -> list[str]:
    """The actions to run now, the longest due first. (A row of an action that is no more is left alone.)"""
    due = ScheduledAction.objects.filter(is_active=True, next_run_at__lte=ports.clock.now(), key__in=ACTIONS)
    return list(due.order_by("next_run_at").values_list("key", flat=True))


def run_action(
    ports: Ports, key: str, *, only_if_due: bool = False, is_over: IsOver = lambda: False
) -> ActionRun | None:
    """Run it here and now; None when it runs already, or is not due any more. Raises KeyError, and database errors."""
    action = ACTIONS[key]
    with _alone(key) as is_free:
        run = _begin(ports, key, only_if_due=only_if_due) if is_free else None
        if run is None:
            return None
        try:
            done = ActionRun(key=key, is_failed=False, result=action.run(ports, is_over))
        except Exception as error:
            logger.exception("scheduled action %s failed", key)
            done = ActionRun(key=key, is_failed=True, result=f"{type(error).__name__}: {error}")
        _finish(ports, run, done)
        return done


@contextmanager
def _alone(key: str) -> Iterator[bool]:
    """Whether this database session holds the action's lock; until the end of the block, or of the session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCKS, key])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [LOCKS, key])


def _begin(ports: Ports, key: str, *, only_if_due: bool) -> ScheduledRun | None:
    now = ports.clock.now()
    with transaction.atomic():
        row = ScheduledAction.objects.select_for_update(skip_locked=True).filter(pk=key).first()
        if row is None or (only_if_due and not (row.is_active and row.next_run_at <= now)):
            return None
        # We hold the lock, so whoever has not finished is dead.
        row.runs.filter(finished_at=None).update(
            finished_at=now, is_failed=True, result="ended without a word: its process died"
        )
        row.running_since = now
        row.next_run_at = next_run(row.next_run_at, timedelta(seconds=row.interval_seconds), now)
        row.save(update_fields=["running_since", "next_run_at"])
        return ScheduledRun.objects.create(action=row, started_at=now)


def _finish(ports: Ports, run: ScheduledRun, done: ActionRun) -> None:
    now = ports.clock.now()
    with transaction.atomic():
        ScheduledRun.objects.filter(pk=run.pk).update(
            finished_at=now, is_failed=done.is_failed, result=done.result[:10_000]
        )
        row = ScheduledAction.objects.select_for_update().get(pk=done.key)
        row.running_since = None
        row.last_run_at = run.started_at
        row.last_result = done.result[:10_000]
        row.failure_count = row.failure_count + 1 if done.is_failed else 0
        if done.is_failed:
            interval = timedelta(seconds=row.interval_seconds)
            row.next_run_at = retry_after_failure(row.next_run_at, row.failure_count, interval, now)
        row.save(update_fields=["running_since", "last_run_at", "last_result", "failure_count", "next_run_at"])


# ---- for people and for other flows


def run_now(_ports: Ports, key: str, *, member: Member | None) -> bool:
    """Have it run in the background, whether or not it is due or active. False when it waits to be run already.

    Raises `NotAllowed`, and KeyError for an action that there is not.
    """
    require_house(member)
    return defer_job("run_scheduled_action", only_one=f"action {key}", key=ACTIONS[key].key)
