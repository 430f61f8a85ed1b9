"""Retry, Send Now, Cancel for what a person chose or a filter names: a few at once, very many by a job in the background, with progress.

    click -> QueueChange (what is meant) -> ids -> batch, progress, batch, progress … -> done, perhaps undone by another change

Laws: what is meant is what matched at the moment of the click; what was made later is left alone. Bounded batches: what a batch changed and
how far the work is are one transaction, so a job that is run again goes on where it was. The background asks for the person's rights
again. Only a cancelling can be undone: what it cancelled, and nobody has touched since, goes back into the queue.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import DeliveryState
from postroom.flows import queue
from postroom.flows.access import NotAllowed, require, visible_deliveries
from postroom.flows.defer_job import defer_job
from postroom.flows.list_queue import QueueFilter, matching_ids, read_filter
from postroom.flows.ports import Ports
from postroom.flows.queue import ChangedDeliveries
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import Delivery, Member, QueueChange

BATCH = 1000
LEAST_BATCH = 20
STEPS = 20  # of a progress bar, at the least
AT_ONCE = 100  # deliveries that a person waits for
JOB = "change_deliveries"
UNDO_FOR = timedelta(minutes=30)

ACTIONS: Mapping[str, Callable[..., ChangedDeliveries]] = {
    "retry": queue.retry,
    "send_now": queue.send_now,
    "cancel": queue.cancel,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """After a batch: how many of how many were looked at, how many of them changed, and what stays as it is, with the reasons."""

    seen: int
    total: int
    done: tuple[int, ...] = ()
    refused: Mapping[int, Reason] | None = None


def change(ports: Ports, action: str, delivery_ids: Sequence[int], *, member: Member | None) -> Iterator[Progress]:
    """Batch by batch, as the caller goes on. Raises `NotAllowed`, KeyError for an action that there is not."""
    act = ACTIONS[action]
    for start in range(0, len(delivery_ids), BATCH):
        batch = delivery_ids[start : start + BATCH]
        changed = act(ports, batch, member=member)
        yield Progress(
            seen=start + len(batch), total=len(delivery_ids), done=changed.done, refused=dict(changed.refused)
        )


# -- as a person asks for it on a page


def change_chosen(ports: Ports, action: str, delivery_ids: Sequence[int], *, member: Member) -> QueueChange:
    """Those that were chosen one by one. Raises `NotAllowed`, and KeyError for an action that there is not."""
    require(member, "queue")
    _known(action)
    visible = visible_deliveries(member).filter(pk__in=list(delivery_ids)).order_by("pk")
    return _begin(ports, QueueChange(member=member, action=action), list(visible.values_list("pk", flat=True)))


def change_matching(ports: Ports, action: str, wanted: QueueFilter, *, member: Member) -> QueueChange:
    """All that match at this moment. Raises as `read_filter`, and KeyError."""
    require(member, "queue")
    _known(action)
    wish = read_filter(wanted, member=member)
    ids = matching_ids(ports, wish, most=AT_ONCE + 1)
    newest = Delivery.objects.aggregate(newest=Max("pk"))["newest"] or 0
    asked = QueueChange(member=member, action=action, wanted=asdict(wanted), newest=newest)
    return _begin(ports, asked, ids if len(ids) <= AT_ONCE else None)


def undo_change(ports: Ports, change_id: int, *, member: Member) -> QueueChange:
    """Puts back what one's own cancelling cancelled. Raises `NotAllowed`, QueueChange.DoesNotExist, ValueError when it cannot be undone."""
    require(member, "queue")
    asked = QueueChange.objects.get(pk=change_id, member=member)
    if not can_be_undone(ports, asked):
        raise ValueError("This change cannot be undone.")
    return _begin(ports, QueueChange(member=member, action="retry", undoes=asked), _cancelled_by(asked))


def can_be_undone(ports: Ports, asked: QueueChange) -> bool:
    """Whether it cancelled something, is over since not long, and was not undone."""
    return (
        asked.action == "cancel"
        and asked.done > 0
        and asked.finished_at is not None
        and ports.clock.now() - asked.finished_at < UNDO_FOR
        and not QueueChange.objects.filter(undoes=asked).exists()
    )


def _known(action: str) -> None:
    if action not in ACTIONS:
        raise KeyError(action)


def _cancelled_by(asked: QueueChange) -> list[int]:
    """Of those that were meant, the ones that were cancelled meanwhile and are so still."""
    rows = Delivery.objects.filter(
        pk__in=asked.ids or (),
        state=DeliveryState.CANCELLED,
        finished_at__gte=asked.asked_at,
        finished_at__lte=asked.finished_at,
    )
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _begin(ports: Ports, asked: QueueChange, ids: list[int] | None) -> QueueChange:
    """At once when they are few; else a job is deferred. ``ids`` None: they are looked up by the job."""
    asked.asked_at = ports.clock.now()
    asked.ids, asked.total = ids, len(ids or ())
    with transaction.atomic():
        asked.save()
        if ids is None or len(ids) > AT_ONCE:
            defer_job(JOB, change_id=asked.pk)
            return asked
    change_in_background(ports, asked.pk)
    asked.refresh_from_db()
    return asked


# -- the work


def change_in_background(ports: Ports, change_id: int) -> int:
    """What `_begin` deferred; how many were changed in all. Nothing is left to do when it is gone or over. Safe to be repeated."""
    asked = QueueChange.objects.select_related("member__user", "member__contact").filter(pk=change_id).first()
    if asked is None:
        return 0
    try:
        if not asked.member.user.is_active:
            raise NotAllowed("The person who asked for it may not sign in any more.")
        if asked.ids is None:
            _look_up(ports, asked)
        while _next_batch(ports, asked):
            pass
    except NotAllowed as error:
        _end(ports, asked, trouble=str(error))
    return asked.done


def _look_up(ports: Ports, asked: QueueChange) -> None:
    wish = read_filter(QueueFilter(**(asked.wanted or {})), member=asked.member)
    ids = [number for number in matching_ids(ports, wish) if number <= asked.newest]
    asked.ids, asked.total = ids, len(ids)
    asked.save(update_fields=["ids", "total"])
    tell_pages(queued=ids[:BATCH])


def _next_batch(ports: Ports, asked: QueueChange) -> bool:
    """Changes the next ones; whether there may be more."""
    size = max(LEAST_BATCH, min(BATCH, asked.total // STEPS))
    with transaction.atomic():
        row = QueueChange.objects.select_for_update().defer("ids").get(pk=asked.pk)
        if row.finished_at is not None:
            return False
        batch = (asked.ids or [])[row.seen : row.seen + size]
        if batch:
            changed = ACTIONS[asked.action](ports, batch, member=asked.member)
            asked.seen, asked.done = row.seen + len(batch), row.done + len(changed.done)
            asked.refused = _counted(row.refused, changed.refused.values())
        asked.finished_at = ports.clock.now() if asked.seen >= asked.total else None
        asked.save(update_fields=["seen", "done", "refused", "finished_at"])
        tell_pages(queued=batch)
    return asked.finished_at is None


def _end(ports: Ports, asked: QueueChange, *, trouble: str) -> None:
    asked.finished_at, asked.trouble = ports.clock.now(), trouble[:300]
    asked.save(update_fields=["finished_at", "trouble"])
    tell_pages(queued=(asked.ids or [])[:BATCH])


def _counted(before: list[list[Any]], refused: Iterable[Reason]) -> list[list[Any]]:
    """How many stay as they are, by reason, with those of the batches before; the most frequent first."""
    counts = Counter({json.dumps(reason, sort_keys=True): int(count) for reason, count in before})
    counts.update(json.dumps(reason.as_json(), sort_keys=True) for reason in refused)
    return [[json.loads(reason), count] for reason, count in counts.most_common(20)]


def refusals_of(asked: QueueChange) -> list[tuple[Reason, int]]:
    """What stays as it is, the most frequent reason first."""
    return [(reasons_from_json([reason])[0], int(count)) for reason, count in asked.refused]
