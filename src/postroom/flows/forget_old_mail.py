"""Auto-Vacuum: what is old enough goes, by the parameters ``retention.*`` (PRODUCT A12).

Laws: in batches, each in a transaction of its own, oldest first, so that it disturbs nobody and can stop anywhere. What a run costs
depends on what there is to forget, not on what is kept (blobs alone are gone over one by one: a question for a thousand names). What
still waits, or needs a person (``unknown`` deliveries, mail that failed to route), is never forgotten. Conversations are not
touched: they are what is kept. A mail keeps its content as long as one of its deliveries is kept, so that it can be sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, models, transaction

from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows.audit import forget_events
from postroom.flows.forget_bounces import forget_bounces
from postroom.flows.mail_tests import KEPT as MAIL_TESTS_KEPT
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.suppress_address import end_expired
from postroom.store.models import (
    Alarm,
    Delivery,
    Draft,
    HookReceipt,
    InboundMessage,
    IngressReceipt,
    LetterboxMail,
    LoopHold,
    LoopPermit,
    MailTest,
    ObservedFact,
    OutgoingMail,
    RawMail,
    ReceiversReport,
    RefusalNotice,
    ScheduledRun,
    SeenMail,
    SettingChange,
    SourceOwner,
    WatchedFinding,
    WatchPost,
    WatchRun,
)
from postroom.store.queries.blobs import named

BATCH = 1000
LEAST_DELIVERY_DAYS = 35  # blacklist rules look back a month
REFUSAL_DAYS = 7
RECEIPT_DAYS = 7  # an Idempotency-Key is known for so long
BLOB_REST = timedelta(days=1)  # longer than any transaction between putting a blob and naming it in a row
PREFIXES = tuple(f"{number:02x}" for number in range(256))

FINISHED = [
    state.value
    for state in (
        DeliveryState.SENT,
        DeliveryState.FAILED,
        DeliveryState.CANCELLED,
        DeliveryState.BOUNCED,
        DeliveryState.COMPLAINED,
    )
]
STILL_NEEDED = [InboundState.RECEIVED.value, InboundState.FAILED.value, InboundState.HELD.value]


def forget_old_mail(ports: Ports, is_over: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Forget all that is due; how many rows of what. Stops after the batch under way when ``is_over``."""
    now = ports.clock.now()
    settings = parameters(ports)

    def before(key: str, least: int = 0) -> datetime:
        return now - timedelta(days=max(settings.number(key), least))

    mail, log = before("retention.raw_days"), before("retention.log_days")
    deliveries = before("retention.delivery_days", LEAST_DELIVERY_DAYS)
    steps: dict[str, Callable[[], int]] = {
        "deliveries": lambda: _forget_deliveries(deliveries, is_over),
        "outgoing mails": lambda: _forget_outgoing_mails(deliveries, is_over),
        "letters": lambda: _forget_letters(deliveries, is_over),
        "held mails": lambda: _forget_held(before("retention.held_days"), is_over),
        "raw mails": lambda: _forget_raw(mail, is_over),
        "seen marks": lambda: _forget(SeenMail.objects.filter(seen_at__lt=mail), is_over),
        "runs": lambda: _forget(ScheduledRun.objects.filter(started_at__lt=log, finished_at__isnull=False), is_over),
        "setting changes": lambda: _forget(SettingChange.objects.filter(changed_at__lt=log), is_over),
        "audit lines": lambda: _forget_audit(log, is_over),
        "loop holds": lambda: _forget(LoopHold.objects.filter(ended_at__lt=log), is_over),
        "loop permits": lambda: _forget(LoopPermit.objects.filter(until__lt=log), is_over),
        "drafts": lambda: _forget(Draft.objects.filter(updated_at__lt=before("retention.draft_days")), is_over),
        "receivers' reports": lambda: _forget(
            ReceiversReport.objects.filter(received_at__lt=before("retention.report_days")), is_over
        ),
        "owners of sources": lambda: _forget(
            SourceOwner.objects.filter(looked_at__lt=before("retention.report_days")), is_over
        ),
        "alarms": lambda: _forget(Alarm.objects.filter(ended_at__lt=log), is_over),
        "findings over": lambda: _forget(WatchedFinding.objects.filter(ended_at__lt=log), is_over),
        "looks of the doctor": lambda: _forget(WatchRun.objects.filter(ran_at__lt=log), is_over),
        "posts of the watch": lambda: _forget(WatchPost.objects.filter(done_at__lt=log), is_over),
        "observed facts": lambda: _forget(ObservedFact.objects.filter(last_seen_at__lt=log), is_over),
        "ingress receipts": lambda: _forget(
            IngressReceipt.objects.filter(created_at__lt=now - timedelta(days=RECEIPT_DAYS)), is_over
        ),
        "hook receipts": lambda: _forget(
            HookReceipt.objects.filter(created_at__lt=now - timedelta(days=RECEIPT_DAYS)), is_over
        ),
        "mail tests": lambda: _forget(MailTest.objects.filter(asked_at__lt=now - MAIL_TESTS_KEPT), is_over),
        "refusal notices": lambda: _forget(
            RefusalNotice.objects.filter(sent_on__lt=(now - timedelta(days=REFUSAL_DAYS)).date()), is_over
        ),
        "suppressions over": lambda: _end_suppressions(ports, is_over),
        "bounces": lambda: forget_bounces(before("retention.bounce_days", LEAST_DELIVERY_DAYS), is_over),
        "failed jobs": lambda: _forget_jobs(log),
        "blobs": lambda: _forget_blobs(ports, now, is_over),
    }
    return {name: 0 if is_over() else step() for name, step in steps.items()}


def _forget_deliveries(before: datetime, is_over: Callable[[], bool]) -> int:
    """Deliveries with their attempts."""
    may_go = Delivery.objects.filter(state__in=FINISHED, finished_at__lt=before)
    return _walk(Delivery, "created_at", before, may_go, is_over)


def _forget_outgoing_mails(before: datetime, is_over: Callable[[], bool]) -> int:
    """Mails with their content once the last of their deliveries is gone, and those that never had one."""
    used = Delivery.objects.filter(mail=models.OuterRef("pk"))
    return _walk(OutgoingMail, "created_at", before, OutgoingMail.objects.filter(~models.Exists(used)), is_over)


def _forget_letters(before: datetime, is_over: Callable[[], bool]) -> int:
    """What was captured."""
    return _walk(LetterboxMail, "captured_at", before, LetterboxMail.objects.all(), is_over)


def _forget_held(before: datetime, is_over: Callable[[], bool]) -> int:
    return _forget(InboundMessage.objects.filter(state=InboundState.HELD, received_at__lt=before), is_over)


def _forget_raw(before: datetime, is_over: Callable[[], bool]) -> int:
    """The bytes; that the mail came, and what became of it, stays known."""
    done = InboundMessage.objects.filter(pk=models.OuterRef("pk")).exclude(state__in=STILL_NEEDED)
    return _walk(RawMail, "inbound__received_at", before, RawMail.objects.filter(models.Exists(done)), is_over)


def _walk(
    model: type[models.Model],
    age: str,
    before: datetime,
    may_go: models.QuerySet[models.Model],
    is_over: Callable[[], bool],
) -> int:
    """From the oldest row on, batch by batch, delete those that may go. Rows are as old as their numbers: it ends at the first batch
    with one that is too young, however many follow."""
    deleted, last = 0, 0
    while not is_over():
        with transaction.atomic():
            rows = list(model._default_manager.filter(pk__gt=last).order_by("pk").values_list("pk", age)[:BATCH])
            old = [number for number, at in rows if at < before]
            if old:
                deleted += _delete(may_go.filter(pk__in=old))
        if len(rows) < BATCH or len(old) < len(rows):
            break
        last = rows[-1][0]
    return deleted


def _forget(old: models.QuerySet[models.Model], is_over: Callable[[], bool]) -> int:
    deleted = 0
    while not is_over():
        with transaction.atomic():
            ids = list(old.values_list("pk", flat=True)[:BATCH])
            deleted += _delete(old.model._default_manager.filter(pk__in=ids))
        if len(ids) < BATCH:
            break
    return deleted


def _delete(rows: models.QuerySet[models.Model]) -> int:
    """How many of these rows went (what went with them is not counted)."""
    return rows.delete()[1].get(rows.model._meta.label, 0)


def _forget_audit(before: datetime, is_over: Callable[[], bool]) -> int:
    gone = 0
    while not is_over():
        step = forget_events(before, BATCH)
        gone += step
        if step < BATCH:
            break
    return gone


def _end_suppressions(ports: Ports, is_over: Callable[[], bool]) -> int:
    ended = 0
    while not is_over():
        step = end_expired(ports, BATCH)
        ended += step
        if step < BATCH:
            break
    return ended


def _forget_jobs(before: datetime) -> int:
    """Jobs that succeeded are deleted by their worker; the others stay to be looked at, for a while."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM procrastinate_jobs WHERE status IN ('failed', 'cancelled', 'aborted', 'succeeded') AND NOT EXISTS "
            "(SELECT FROM procrastinate_events e WHERE e.job_id = procrastinate_jobs.id AND e.at >= %s)",
            [before],
        )
        return int(cursor.rowcount)


def _forget_blobs(ports: Ports, now: datetime, is_over: Callable[[], bool]) -> int:
    """Bytes on disk that no row names any more, whatever removed the row. Each day begins at another shelf, so that a run that is
    stopped early leaves none out for ever."""
    unused_since, first = now - BLOB_REST, now.toordinal() * 37 % len(PREFIXES)
    gone = 0
    for prefix in (*PREFIXES[first:], *PREFIXES[:first]):
        if is_over():
            break
        names = ports.blobs.names(prefix)
        for start in range(0, len(names), BATCH):
            digests = names[start : start + BATCH]
            kept = named(digests)
            gone += sum(ports.blobs.delete(one, unused_since=unused_since) for one in digests if one not in kept)
            if is_over():
                return gone
        ports.blobs.forget_drafts(prefix, unused_since=unused_since)
    return gone
