"""Retry, Send Now, Cancel for everything that a filter names: a few at once, very many by a job in the background.

Laws: what is meant is what matched at the moment of the click; what comes later is left alone. Bounded batches, each a
transaction of its own. The background asks for the person's rights again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from postroom.core.terms.reasons import Reason
from postroom.flows import queue
from postroom.flows.access import require
from postroom.flows.defer_job import defer_job
from postroom.flows.list_queue import QueueFilter, matching_ids, read_filter
from postroom.flows.ports import Ports
from postroom.flows.queue import ChangedDeliveries
from postroom.store.models import Member

BATCH = 1000
AT_ONCE = 2000  # deliveries that a person waits for
JOB = "change_matching_deliveries"

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


def change_matching(ports: Ports, action: str, wanted: QueueFilter, *, member: Member) -> Progress | None:
    """All that match: at once when they are few, else in the background (None). Raises as `read_filter`, and KeyError."""
    require(member, "queue")
    wish = read_filter(wanted, member=member)
    act = ACTIONS[action]
    ids = matching_ids(ports, wish, most=AT_ONCE + 1)
    if len(ids) > AT_ONCE:
        defer_job(JOB, action=action, wanted=json.dumps(asdict(wanted)), member_id=member.pk)
        return None
    done: list[int] = []
    refused: dict[int, Reason] = {}
    for start in range(0, len(ids), BATCH):
        changed = act(ports, ids[start : start + BATCH], member=member)
        done += changed.done
        refused |= changed.refused
    return Progress(seen=len(ids), total=len(ids), done=tuple(done), refused=refused)


def change_in_background(ports: Ports, action: str, wanted: str, member_id: int) -> int:
    """What `change_matching` deferred. How many were changed; 0 when the person is gone. Safe to be repeated."""
    member = Member.objects.select_related("user", "contact").filter(pk=member_id, user__is_active=True).first()
    if member is None:
        return 0
    wish = read_filter(QueueFilter(**json.loads(wanted)), member=member)
    ids = matching_ids(ports, wish)
    return sum(len(progress.done) for progress in change(ports, action, ids, member=member))
