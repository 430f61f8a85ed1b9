"""Fills a database with a made-up house of any size: companies, people, records, conversations and all that became of the mail.

Laws: only into a database that is empty, a demo or seeded before, unless told; never while mail leaves: capture mode must be on. Written
in batches, each one transaction that notes itself as done: an interrupted seeding goes on where it stopped when it is asked for again.
What the pages of settings call *Changes* shows every seeding with its numbers: that row is also how far it came.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction

from postroom.flows.guard_installation import check_home
from postroom.flows.index_messages import index_old
from postroom.flows.ports import Ports
from postroom.flows.seed_demo import DOMAIN as DEMO_DOMAIN
from postroom.flows.seed_mail import write_batch
from postroom.flows.seed_people import found, houses, login_of, stored_files
from postroom.flows.seed_plan import Plan, SeedWish, make_plan
from postroom.flows.seed_rows import COLUMNS, Stage
from postroom.flows.seed_words import Writer
from postroom.store.bulk import reserve
from postroom.store.models import (
    AddressHealth,
    BounceEvent,
    Company,
    Contact,
    InboundMessage,
    Message,
    Record,
    RecordKind,
    SettingChange,
    Suppression,
)

SUBJECT = "seeding"
WRITERS = 3  # threads: while the database writes one's rows, another makes the next
SEED_LOCK = 0x706F7374_73656564  # "postseed"

Progress = Callable[[int], None]


class NotSeeded(Exception):  # noqa: N818 - the text is for people
    """This database is not to be filled; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeded:
    """What was written now (rows, also of an interrupted seeding that went on), and who may sign in with the password given."""

    rows: int
    messages: int
    administrator: str
    agent: str


def seed_house(
    ports: Ports,
    wish: SeedWish,
    *,
    password: str,
    into_any: bool = False,
    progress: Progress = lambda _: None,
    writers: int = WRITERS,
) -> Seeded:
    """Fill the database; ``progress`` hears how many messages are written. Raises `NotSeeded`.

    ``into_any``: also a database that real people work in. ``password``: of the two accounts that can sign in afterwards.
    ``writers`` 0: in this thread and on its connection.
    """
    if not check_home(ports, is_capturing=True).is_capturing:
        raise NotSeeded("Mail leaves this database. Say: postroom capture on, so that made-up mail never does.")
    if not into_any and _is_real():
        raise NotSeeded(
            "There is real work in this database. Seed another one, or say --into-a-real-house if that is meant."
        )
    with _alone():
        row, plan = _begun(ports, wish)
        known = _known(row)
        stage = _stage(ports, plan, known)
        done = set(known["done"])
        progress(sum(len(plan.places(batch)) for batch in done))
        rows = _write(stage, row, done, progress, writers)
        _finish(ports, row)
    run = int(known["run"])
    return Seeded(
        rows=rows,
        messages=wish.messages,
        administrator=_may_sign_in(login_of(run, "admin"), password),
        agent=_may_sign_in(login_of(run, "agent"), password),
    )


def _is_real() -> bool:
    """Whether somebody who was not made up works here."""
    if not (Record.objects.exists() or InboundMessage.objects.exists() or Message.objects.exists()):
        return False
    made_up = {number for row in SettingChange.objects.filter(subject=SUBJECT) for number in _known(row)["companies"]}
    return Company.objects.exclude(pk__in=made_up).exclude(alias_domain__name=DEMO_DOMAIN).exists()


def _known(row: SettingChange) -> dict[str, Any]:
    """What a seeding noted about itself."""
    known: dict[str, Any] = row.after or {}
    return known


class _alone:  # noqa: N801 - a context manager
    """One seeding at a time."""

    def __enter__(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [SEED_LOCK])
            if not cursor.fetchone()[0]:
                raise NotSeeded("Another seeding is under way in this database.")

    def __exit__(self, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SEED_LOCK])


def _begun(ports: Ports, wish: SeedWish) -> tuple[SettingChange, Plan]:
    """The unfinished seeding of this kind, or a new one."""
    open_one = SettingChange.objects.filter(subject=SUBJECT, after__finished=False).first()
    if open_one is not None:
        known = _known(open_one)
        if known["wish"] != wish.as_json():
            said = " ".join(f"--{name} {known['wish'][name]}" for name in wish.as_json())
            raise NotSeeded(f"A seeding was interrupted here. End it first: postroom seed {said}")
        return open_one, make_plan(wish, datetime.fromisoformat(known["began_at"]))
    now = ports.clock.now()
    plan = make_plan(wish, now)
    run = SettingChange.objects.filter(subject=SUBJECT).count()
    with transaction.atomic():
        first_contacts = found(ports, plan, run)
        companies = Contact.objects.in_bulk(first_contacts)
        after = {
            "wish": wish.as_json(),
            "run": run,
            "began_at": now.isoformat(),
            "companies": [companies[number].company_id for number in first_contacts],
            "first_contacts": first_contacts,
            "first_record": reserve(Record, wish.records),
            "first_message": reserve(Message, wish.messages),
            "done": [],
            "finished": False,
        }
        row = SettingChange.objects.create(changed_at=now, subject=SUBJECT, before=None, after=after)
    return row, plan


def _stage(ports: Ports, plan: Plan, known: Mapping[str, Any]) -> Stage:
    return Stage(
        plan=plan,
        houses=houses(plan, known["companies"], known["first_contacts"]),
        writer=Writer(f"{plan.wish.seed} words"),
        files=stored_files(ports),
        stages={kind.key: tuple(kind.stages) for kind in RecordKind.objects.filter(is_active=True)},
        first_record=known["first_record"],
        first_message=known["first_message"],
    )


def _write(stage: Stage, row: SettingChange, done: set[int], progress: Progress, writers: int) -> int:
    waiting = [batch for batch in range(stage.plan.batches) if batch not in done]
    messages = sum(len(stage.plan.places(batch)) for batch in done)
    written = 0
    if not writers:
        for batch in waiting:
            written += _one(stage, row, batch)
            messages += len(stage.plan.places(batch))
            progress(messages)
        return written
    turns = _Turns(waiting)
    with ThreadPoolExecutor(writers) as pool:
        futures = {pool.submit(_in_a_thread, stage, row, batch, turns): batch for batch in waiting}
        try:
            for future in as_completed(futures):
                written += future.result()
                messages += len(stage.plan.places(futures[future]))
                progress(messages)
        except BaseException as error:
            turns.give_up()
            for future in futures:
                future.cancel()
            raise next(filter(None, map(_error_of, futures)), error) from None
    return written


def _error_of(future: Future[int]) -> BaseException | None:
    """What a batch failed with by itself."""
    error = None if future.cancelled() else future.exception()
    return None if isinstance(error, _Over) else error


class _Turns:
    """Batches are made side by side and committed one after the other: a message answers one of an earlier batch."""

    def __init__(self, batches: Sequence[int]) -> None:
        self._left = deque(batches)
        self._changed = threading.Condition()
        self._is_over = False

    def await_mine(self, batch: int) -> None:
        """Until all earlier ones are committed. Raises `_Over` when one of them never will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._left[0] == batch)
            if self._is_over:
                raise _Over

    def pass_on(self) -> None:
        with self._changed:
            self._left.popleft()
            self._changed.notify_all()

    def give_up(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


class _Over(Exception):  # noqa: N818 - no error of this batch
    """Another batch failed, and its error is the one to hear of."""


def _in_a_thread(stage: Stage, row: SettingChange, batch: int, turns: _Turns) -> int:
    """Each thread has a connection of its own, and leaves none behind."""
    try:
        rows = _one(stage, row, batch, lambda: turns.await_mine(batch))
        turns.pass_on()
    except BaseException:
        turns.give_up()
        raise
    finally:
        connection.close()
    return rows


def _one(stage: Stage, row: SettingChange, batch: int, before_commit: Callable[[], None] = lambda: None) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")  # lost with the machine, it is written again
        rows = write_batch(stage, batch)
        before_commit()
        cursor.execute(_DONE, [batch, row.pk])
        return rows


_DONE = """UPDATE postroom_settingchange SET after = jsonb_set(after, '{done}', after->'done' || to_jsonb(%s::int)) WHERE id = %s"""

_HEALTH = """
INSERT INTO postroom_addresshealth (company_id, address, domain, bounce_count, first_bounced_at, last_bounced_at, last_status,
    last_reply, last_blame, complaint_count, last_complained_at, alive_by)
SELECT company_id, lower(to_address), split_part(lower(to_address), '@', 2), count(*) FILTER (WHERE state <> 'complained'),
    min(finished_at) FILTER (WHERE state <> 'complained'), max(finished_at) FILTER (WHERE state <> 'complained'),
    CASE WHEN bool_or(failure_type = 'mail_email_invalid') THEN '5.1.1' ELSE '5.2.2' END, coalesce(max(failure_reason), ''),
    coalesce(max(blame), ''), count(*) FILTER (WHERE state = 'complained'), max(finished_at) FILTER (WHERE state = 'complained'), ''
FROM postroom_delivery
WHERE company_id = ANY(%(companies)s) AND state IN ('failed', 'bounced', 'complained') AND blame IN ('address', 'mailbox', '')
GROUP BY company_id, lower(to_address)
"""
_EVENTS = """
INSERT INTO postroom_bounceevent (health_id, company_id, kind, source, delivery_id, attempt, status, reply, blame, fault, is_proof,
    happened_at, recorded_at)
SELECT health.id, delivery.company_id, CASE delivery.state WHEN 'complained' THEN 'complained' ELSE 'bounced' END,
    CASE delivery.state WHEN 'failed' THEN 'session' ELSE 'report' END, delivery.id, delivery.attempt_count,
    CASE delivery.state WHEN 'failed' THEN '5.1.1' WHEN 'bounced' THEN '5.2.2' ELSE '' END, delivery.failure_reason, delivery.blame,
    CASE delivery.state WHEN 'failed' THEN 'address' WHEN 'bounced' THEN 'full' ELSE '' END, delivery.state = 'failed',
    delivery.finished_at, delivery.finished_at
FROM postroom_delivery delivery
JOIN postroom_addresshealth health ON health.company_id = delivery.company_id AND health.address = lower(delivery.to_address)
WHERE delivery.company_id = ANY(%(companies)s) AND delivery.state IN ('failed', 'bounced', 'complained')
    AND delivery.blame IN ('address', 'mailbox', '')
"""
_SUPPRESSIONS = """
INSERT INTO postroom_suppression (health_id, company_id, cause, reasons, since, who, released_who, released_why, released_at)
SELECT id, company_id, CASE WHEN complaint_count > 0 THEN 'complaint' WHEN last_status = '5.1.1' THEN 'address' ELSE 'bounces' END,
    CASE WHEN complaint_count > 0
            THEN jsonb_build_array(jsonb_build_object('code', 'suppression.complaint', 'facts', jsonb_build_object(
                'on', to_char(last_complained_at, 'YYYY-MM-DD'))))
        WHEN last_status = '5.1.1'
            THEN jsonb_build_array(jsonb_build_object('code', 'suppression.no_such_address', 'facts', jsonb_build_object('reply', last_reply)))
        ELSE jsonb_build_array(jsonb_build_object('code', 'suppression.bounces', 'facts', jsonb_build_object('count', bounce_count::text,
            'first', to_char(first_bounced_at, 'YYYY-MM-DD'), 'last', to_char(last_bounced_at, 'YYYY-MM-DD'))))
    END, coalesce(last_complained_at, last_bounced_at), '', '', '',
    CASE WHEN id %% 11 = 0 THEN coalesce(last_complained_at, last_bounced_at) + interval '1 day' END
FROM postroom_addresshealth
WHERE company_id = ANY(%(companies)s) AND (complaint_count > 0 OR last_status = '5.1.1' OR bounce_count >= 5)
"""


def _finish(ports: Ports, row: SettingChange) -> None:
    """What follows from all batches together, and what the planner must know."""
    row.refresh_from_db()
    known = _known(row)
    if known["finished"]:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in (_HEALTH, _EVENTS, _SUPPRESSIONS):
            cursor.execute(statement, {"companies": known["companies"]})
        row.after = known | {"finished": True, "finished_at": ports.clock.now().isoformat()}
        row.save(update_fields=["after"])
    index_old(ports, lambda: False)
    _look_over()


def _look_over() -> None:
    """Statistics, and (outside a transaction) the map of what is visible to all, as autovacuum would make it by and by."""
    what = "ANALYZE" if connection.in_atomic_block else "VACUUM (ANALYZE)"
    models: Sequence[Any] = (*COLUMNS, Contact, AddressHealth, BounceEvent, Suppression)
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute(f"{what} {model._meta.db_table}")


def _may_sign_in(login: str, password: str) -> str:
    user = get_user_model().objects.filter(username=login).first()
    if user is None:
        return ""
    user.set_password(password)
    user.save(update_fields=["password"])
    return login
