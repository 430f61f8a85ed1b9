"""After a worker died: what its journal tells is recorded, the rest goes back into the queue.

Laws: an outcome in the journal counts as if the worker had lived. Started without an outcome is ``unknown``. Claimed and never
started was not sent: back into the queue. Where there is no journal (a dead machine) a lease that ran out makes the
delivery ``unknown``, for nobody can tell whether it left; should that worker come back, it still tells what it knows. Where the
rule of the lane is to send unknown mail again (``mail.unknown.policy``), that is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from postroom.core.delivery.retry import next_attempt
from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.reasons import because
from postroom.core.terms.states import Blame, DeliveryState, FailureType, NotificationState
from postroom.flows.deliver_mail import LEASE, Ticket
from postroom.flows.ports import Ports
from postroom.flows.record_outcomes import MOST_RESENT, lanes_resending_unknown, record_outcomes
from postroom.flows.reserve_sending import give_back
from postroom.flows.tell_pages import tell_of_deliveries
from postroom.store import claims
from postroom.store.claims import Mark, NotificationMark, TicketRow

GRACE = timedelta(minutes=2)  # a worker that waits for the database shall be quicker than those who give it up
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How many deliveries of a dead worker were found finished, unknown, and never started."""

    finished: int = 0
    unknown: int = 0
    released: int = 0

    def __str__(self) -> str:
        return f"{self.finished} had their outcome, {self.unknown} are unknown, {self.released} go back into the queue"


def recover_worker(
    ports: Ports, worker: str, *, started: Iterable[int], finished: Mapping[int, WireOutcome]
) -> Recovery:
    """Settle everything that this dead worker held. Safe to be done twice."""
    cut = [_cut(key) for key in sorted(started)]
    told = _record(ports, worker, list(finished.values()))
    lost = _record(ports, worker, cut)
    return Recovery(finished=told, unknown=lost, released=claims.release(worker))


def _cut(key: int) -> WireOutcome:
    return WireOutcome(key=key, phase=Phase.BODY, reply=None, trouble="the worker died")


def _record(ports: Ports, worker: str, outcomes: Sequence[WireOutcome]) -> int:
    done = 0
    for at in range(0, len(outcomes), BATCH):
        batch = {outcome.key: outcome for outcome in outcomes[at : at + BATCH]}
        held = [
            Ticket(
                delivery_id=row.id,
                notification_id=row.notification_id,
                server_id=row.server_id,
                lane=row.lane,
                attempt_count=row.attempt_count,
                deadline_at=row.deadline_at,
            )
            for row in claims.tickets(worker, batch)
        ]
        done += len(record_outcomes(ports, worker, [(one, batch[one.delivery_id]) for one in held]).written)
    return done


def give_up_expired(ports: Ports, living: Iterable[str]) -> int:
    """Deliveries of workers whose leases ran out are ``unknown`` from now on, or sent again; how many. ``living`` are workers on this machine
    that live, or whose journals are here: they settle their own."""
    now = ports.clock.now()
    spared, count = set(living), 0
    for worker, delivery_ids in claims.holders_of_expired(now - GRACE).items():
        if worker in spared:
            continue
        again = lanes_resending_unknown(ports)
        rows = claims.tickets(worker, delivery_ids)
        marks = [
            _send_again(ports, row, now) if row.lane in again and row.attempt_count < MOST_RESENT else _lost(row, now)
            for row in rows
        ]
        lost = {mark.id: mark for mark in marks if mark.keeps_claim}
        with transaction.atomic():
            written = claims.mark(worker, marks)
            claims.mark_notifications(
                [
                    NotificationMark(
                        id=row.notification_id,
                        state=NotificationState.EXCEPTION.value,
                        failure_type=lost[row.id].failure_type,
                        failure_reason=lost[row.id].failure_reason,
                    )
                    for row in rows
                    if row.notification_id is not None and row.id in written and row.id in lost
                ]
            )
            tell_of_deliveries(written)
        count += len(written)
    return count


def _lost(row: TicketRow, now: datetime) -> Mark:
    return Mark(
        id=row.id,
        state=DeliveryState.UNKNOWN.value,
        failure_type=FailureType.UNKNOWN.value,
        failure_reason=str(because("outcome.lease")),
        blame=Blame.NETWORK.value,
        finished_at=now,
        keeps_claim=True,
    )


def _send_again(ports: Ports, row: TicketRow, now: datetime) -> Mark:
    """By the rule of its lane. Its worker, should it come back, is not heard any more."""
    return Mark(
        id=row.id,
        state=DeliveryState.DEFERRED.value,
        due_at=next_attempt(row.attempt_count + 1, now, ports.ids.fraction()),
        waits_for=because("wait.resend").as_json(),
        attempts=1,
    )


def renew_leases(ports: Ports, worker: str) -> None:
    """For another `LEASE`."""
    claims.renew(worker, ports.clock.now() + LEASE)


@transaction.atomic
def put_back(worker: str, unsent: Sequence[Ticket]) -> int:
    """Back into the queue: claimed by this worker, and not sent. Their places in the gates are free again. How many."""
    released = claims.release_these(worker, [ticket.delivery_id for ticket in unsent])
    give_back(place for ticket in unsent if ticket.delivery_id in released for place in ticket.reserved)
    return len(released)


def put_back_strays(worker: str, known: Iterable[int]) -> int:
    """Back into the queue what this worker claimed and lost sight of (the database went away in between)."""
    return claims.release_strays(worker, known)
