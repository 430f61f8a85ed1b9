"""Auto-Vacuum: what is old enough goes, by the parameters ``retention.*`` (PRODUCT A12).

Laws: in batches, each in a transaction of its own, oldest first, so that it disturbs nobody and can stop anywhere. What still
waits, or needs a person (``unknown`` deliveries, mail that failed to route), is never forgotten. Conversations are not
touched: they are what is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, models, transaction

from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.store.models import (
    Delivery,
    InboundMessage,
    OutgoingMail,
    RawMail,
    RefusalNotice,
    ScheduledRun,
    SeenMail,
    SettingChange,
)

BATCH = 1000
LEAST_DELIVERY_DAYS = 35  # blacklist rules look back a month
REFUSAL_DAYS = 7

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
        "held mails": lambda: _forget_held(before("retention.held_days"), is_over),
        "raw mails": lambda: _forget_raw(mail, is_over),
        "seen marks": lambda: _forget(SeenMail.objects.filter(seen_at__lt=mail), is_over),
        "runs": lambda: _forget(ScheduledRun.objects.filter(started_at__lt=log, finished_at__isnull=False), is_over),
        "setting changes": lambda: _forget(SettingChange.objects.filter(changed_at__lt=log), is_over),
        "refusal notices": lambda: _forget(
            RefusalNotice.objects.filter(sent_on__lt=(now - timedelta(days=REFUSAL_DAYS)).date()), is_over
        ),
        "failed jobs": lambda: _forget_jobs(log),
    }
    return {name: 0 if is_over() else step() for name, step in steps.items()}


def _forget_deliveries(before: datetime, is_over: Callable[[], bool]) -> int:
    """Deliveries with their attempts. Rows are as old as their numbers: the walk ends at the first that is too young."""
    old = Delivery.objects.filter(created_at__lt=before)
    return _walk(
        old, lambda ids: Delivery.objects.filter(pk__in=ids, state__in=FINISHED, finished_at__lt=before), is_over
    )


def _forget_outgoing_mails(before: datetime, is_over: Callable[[], bool]) -> int:
    """Mails with their content once the last of their deliveries is gone."""
    used = Delivery.objects.filter(mail=models.OuterRef("pk"))
    old = OutgoingMail.objects.filter(created_at__lt=before)
    return _walk(old, lambda ids: OutgoingMail.objects.filter(~models.Exists(used), pk__in=ids), is_over)


def _forget_held(before: datetime, is_over: Callable[[], bool]) -> int:
    return _forget(InboundMessage.objects.filter(state=InboundState.HELD, received_at__lt=before), is_over)


def _forget_raw(before: datetime, is_over: Callable[[], bool]) -> int:
    """The bytes; that the mail came, and what became of it, stays known."""
    old = RawMail.objects.filter(inbound__received_at__lt=before)
    done = InboundMessage.objects.filter(pk=models.OuterRef("pk")).exclude(state__in=STILL_NEEDED)
    return _walk(old, lambda ids: RawMail.objects.filter(models.Exists(done), pk__in=ids), is_over)


def _walk(
    candidates: models.QuerySet[models.Model],
    deletable: Callable[[list[int]], models.QuerySet[models.Model]],
    is_over: Callable[[], bool],
) -> int:
    """Go over the candidates by their primary key, batch by batch, and delete those that may go."""
    deleted, last = 0, 0
    while not is_over():
        with transaction.atomic():
            ids = list(candidates.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH])
            if not ids:
                break
            last = ids[-1]
            deleted += _delete(deletable(ids))
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


def _forget_jobs(before: datetime) -> int:
    """Jobs that succeeded are deleted by their worker; the others stay to be looked at, for a while."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM procrastinate_jobs WHERE status IN ('failed', 'cancelled', 'aborted', 'succeeded') AND NOT EXISTS "
            "(SELECT FROM procrastinate_events e WHERE e.job_id = procrastinate_jobs.id AND e.at >= %s)",
            [before],
        )
        return int(cursor.rowcount)
