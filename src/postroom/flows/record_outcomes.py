"""A mail leaves, second half: what the wire said is written down, a batch at a time.

    outcome -> judge -> delivery, attempt, notification, circuit of the server: one transaction, then the pages are told

Laws: only what is still the worker's is written. Trouble with a server opens its circuit, once for all the mails that met it,
and costs these no attempt: they go back into the queue, where another server may take them, and their places in the gates are given back. A
circuit that closes wakes who waits for any server. A destination that asks us to slow down is heeded from the next batch on. The worker forgets an
outcome (journal, memory) only after this returned.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from postroom.core.delivery.outcomes import Judgement, is_server_trouble, judge, trouble_text
from postroom.core.delivery.retry import circuit_open_until, next_attempt
from postroom.core.delivery.servers import CONFIGURED
from postroom.core.delivery.throttle import Span
from postroom.core.delivery.wire import WireOutcome
from postroom.core.terms.log_lines import LONGEST
from postroom.core.terms.reasons import because
from postroom.core.terms.states import DeliveryState, Lane, NotificationState
from postroom.flows.deliver_mail import Shelf, Ticket
from postroom.flows.note_bounces import note_refusals
from postroom.flows.ports import Ports
from postroom.flows.reserve_sending import give_back
from postroom.flows.settings import parameters
from postroom.flows.slow_down import slow_down, slow_down_servers
from postroom.flows.tell_pages import tell_of_deliveries
from postroom.flows.wake_queue import wake_parked_elsewhere
from postroom.store import claims
from postroom.store.claims import AttemptRow, Mark, NotificationMark
from postroom.store.gates import Reservation
from postroom.store.models import OutgoingServer
from postroom.store.models.outgoing import LANE_RANK

_log = logging.getLogger(__name__)
MOST_RESENT = 2  # tries; who meets unknown outcomes again and again has had the mail often enough
_NUMBER = 20  # characters of a line for the number of a delivery, and for what stands between it and the next
_ENDED = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedBatch:
    """``written`` were still the worker's. ``alarms`` are sentences about servers whose circuit opened, and about destinations that want
    less; ``slowed_domains`` are theirs."""

    written: frozenset[int] = frozenset()
    slowed_domains: frozenset[str] = frozenset()
    alarms: tuple[str, ...] = ()


def record_outcomes(
    ports: Ports, worker: str, outcomes: Sequence[tuple[Ticket, WireOutcome]], *, shelf: Shelf | None = None
) -> RecordedBatch:
    """One transaction. ``shelf`` holds the circuit of the configured server; recovery has none. Raises database errors only."""
    if not outcomes:
        return RecordedBatch()
    now = ports.clock.now()
    resend = lanes_resending_unknown(ports) if any(outcome.is_unknown for _, outcome in outcomes) else frozenset()
    judged = [(ticket, outcome, _judge(ports, ticket, outcome, now, resend)) for ticket, outcome in outcomes]
    with transaction.atomic():
        alarms = _keep_circuits(ports, judged, now, shelf)
        written = claims.mark(worker, [_mark(ticket, outcome, found, now) for ticket, outcome, found in judged])
        mine = [one for one in judged if one[0].delivery_id in written]
        claims.note_attempts([_attempt(*one, now) for one in mine if not one[2].is_server_trouble])
        claims.mark_notifications([mark for one in mine if (mark := _notification(one[0], one[2])) is not None])
        note_refusals(ports, ((ticket.delivery_id, outcome, found) for ticket, outcome, found in mine))
        tell_of_deliveries(written)
        refused = [(ticket, outcome) for ticket, outcome, _ in mine if not outcome.is_accepted]
        alarms += slow_down_servers([(ticket.server_id or 0, outcome) for ticket, outcome in refused], now)
        slowed = slow_down([(ticket.domain, outcome) for ticket, outcome in refused], now)
        give_back(place for one in mine if one[0].reserved for place in _unused(*one))
    _note_in_log(mine)
    if slowed and shelf is not None:
        shelf.destinations.read_at = None
    return RecordedBatch(
        written=frozenset(written),
        slowed_domains=frozenset().union(*(one.domains for one in slowed)),
        alarms=(*alarms, *(one.alarm for one in slowed)),
    )


def _note_in_log(mine: Iterable[Judged]) -> None:
    """One line for many that were taken, for thousands leave in a second; one for each that was not."""
    taken = []
    for ticket, outcome, found in mine:
        if outcome.is_accepted:
            taken.append(ticket)
        else:
            about = {"delivery": ticket.delivery_id, "server": ticket.server_id, "domain": ticket.domain}
            about |= {"message_id": ticket.message_id} if ticket.message_id else {}
            _log.info("delivery %d was not taken: %s", ticket.delivery_id, found.state.value, extra=about)
    for together in _in_lines(taken):
        named = list(dict.fromkeys(one.message_id for one in together if one.message_id))
        numbers = [one.delivery_id for one in together]
        _log.info("%d mails were taken", len(numbers), extra={"deliveries": numbers, "message_ids": named})


def _in_lines(tickets: Iterable[Ticket]) -> Iterator[list[Ticket]]:
    """As many as a line can name so that whoever reads it reads it whole."""
    together: list[Ticket] = []
    size = 0
    for ticket in tickets:
        size += len(ticket.message_id) + _NUMBER
        if together and size > LONGEST // 2:
            yield together
            together, size = [], len(ticket.message_id) + _NUMBER
        together.append(ticket)
    if together:
        yield together


def _unused(ticket: Ticket, outcome: WireOutcome, found: Judgement) -> Iterator[Reservation]:
    """Places through which nothing left. A refused mail leaves the day as it was; in the minute it was a mail all the same."""
    if outcome.is_accepted or outcome.is_unknown:
        return
    for place in ticket.reserved:
        if found.is_server_trouble or is_server_trouble(outcome) or place.key.span is Span.DAY:
            yield place


Judged = tuple[Ticket, WireOutcome, Judgement]


def lanes_resending_unknown(ports: Ports) -> frozenset[int]:
    """The numbers of the lanes whose unknown deliveries are sent again, by `mail.unknown.policy` and its three exceptions."""
    values = parameters(ports)
    general = values.text("mail.unknown.policy")
    policies = {lane: values.text(f"mail.unknown.policy.{lane.value}") or general for lane in Lane}
    return frozenset(LANE_RANK[lane] for lane, policy in policies.items() if policy == "resend")


def _judge(ports: Ports, ticket: Ticket, outcome: WireOutcome, now: datetime, resend: frozenset[int]) -> Judgement:
    jitter = 0.0 if outcome.is_accepted else ports.ids.fraction()
    found = judge(outcome, attempt_count=ticket.attempt_count, deadline_at=ticket.deadline_at, now=now, jitter=jitter)
    if found.state is DeliveryState.UNKNOWN and ticket.lane in resend and ticket.attempt_count < MOST_RESENT:
        due_at = next_attempt(ticket.attempt_count + 1, now, jitter)
        return replace(found, state=DeliveryState.DEFERRED, due_at=due_at, reason=because("wait.resend"))
    return found


def _mark(ticket: Ticket, outcome: WireOutcome, found: Judgement, now: datetime) -> Mark:
    state, attempts = found.state, 0 if found.is_server_trouble else 1
    waits = state is DeliveryState.DEFERRED
    if found.is_server_trouble and waits and not ticket.attempt_count:
        state = DeliveryState.QUEUED
    return Mark(
        id=ticket.delivery_id,
        state=state.value,
        due_at=found.due_at,
        waits_for=found.reason.as_json() if waits and found.reason else None,
        held_at=now,
        attempts=attempts,
        server_id=ticket.server_id or None,
        reasons=ticket.reasons,
        failure_type="" if waits else found.failure_type.value,
        failure_reason="" if waits or found.reason is None else str(found.reason),
        blame=found.blame.value if found.blame else "",
        finished_at=now if state in _ENDED else None,
        provider_message_id=outcome.provider_message_id,
    )


def _attempt(ticket: Ticket, outcome: WireOutcome, found: Judgement, now: datetime) -> AttemptRow:
    reply = outcome.reply
    return AttemptRow(
        delivery_id=ticket.delivery_id,
        server_id=ticket.server_id or None,
        tried_at=now - timedelta(seconds=outcome.duration),
        duration_ms=min(int(outcome.duration * 1000), 2_000_000_000),
        phase=outcome.phase.value,
        code=reply.code if reply else 0,
        enhanced=reply.enhanced[:12] if reply else "",
        text=reply.text if reply else outcome.trouble,
        connection=outcome.connection[:300],
        tls=outcome.tls[:12],
        state=found.state.value,
    )


def _notification(ticket: Ticket, found: Judgement) -> NotificationMark | None:
    if ticket.notification_id is None:
        return None
    match found.state:
        case DeliveryState.SENT:
            return NotificationMark(id=ticket.notification_id, state=NotificationState.SENT.value)
        case DeliveryState.FAILED | DeliveryState.UNKNOWN:
            return NotificationMark(
                id=ticket.notification_id,
                state=NotificationState.EXCEPTION.value,
                failure_type=found.failure_type.value,
                failure_reason=str(found.reason or ""),
            )
        case _:
            return None


# -- the circuits of the servers


def _keep_circuits(ports: Ports, judged: Iterable[Judged], now: datetime, shelf: Shelf | None) -> list[str]:
    """Open those that were in trouble, close those that took a mail. Sentences for what opened."""
    troubled: dict[int, WireOutcome] = {}
    worked: set[int] = set()
    for ticket, outcome, _ in judged:
        if ticket.server_id is None:
            continue
        if is_server_trouble(outcome):  # also where the deadline made a failure of it
            troubled.setdefault(ticket.server_id, outcome)
        elif outcome.reply is not None:
            worked.add(ticket.server_id)
    if _close(worked - troubled.keys(), shelf):
        wake_parked_elsewhere(ports, worked)
    return [*_open_rows(troubled, now), *_open_configured(troubled.get(CONFIGURED), now, shelf)]


def _close(worked: set[int], shelf: Shelf | None) -> int:
    """How many work again."""
    count = 0
    if worked - {CONFIGURED}:
        was_in_trouble = Q(trouble_count__gt=0) | Q(broken_until__isnull=False)
        count = OutgoingServer.objects.filter(was_in_trouble, pk__in=worked).update(
            trouble_count=0, broken_until=None, trouble=""
        )
    if CONFIGURED in worked and shelf is not None:
        shelf.configured_broken_until, shelf.configured_trouble, shelf.configured_trouble_count = None, "", 0
    return count


def _open_rows(troubled: Mapping[int, WireOutcome], now: datetime) -> list[str]:
    alarms = []
    for row in OutgoingServer.objects.filter(pk__in=troubled).order_by("pk").select_for_update():
        if row.broken_until is not None and row.broken_until > now:
            continue  # another worker met the same
        until, text = circuit_open_until(row.trouble_count + 1, now), trouble_text(troubled[row.pk])
        until = max(until, now + timedelta(seconds=troubled[row.pk].retry_after))
        OutgoingServer.objects.filter(pk=row.pk).update(
            broken_until=until, trouble=text, trouble_count=F("trouble_count") + 1
        )
        alarms.append(f"outgoing server {row.pk} ({row.name}) rests until {until:%H:%M:%S} UTC: {text}")
    return alarms


def _open_configured(outcome: WireOutcome | None, now: datetime, shelf: Shelf | None) -> list[str]:
    if outcome is None or shelf is None:
        return []
    if shelf.configured_broken_until is not None and shelf.configured_broken_until > now:
        return []
    shelf.configured_trouble_count += 1
    shelf.configured_trouble = trouble_text(outcome)
    shelf.configured_broken_until = circuit_open_until(shelf.configured_trouble_count, now)
    until = shelf.configured_broken_until
    return [f"the configured server rests until {until:%H:%M:%S} UTC: {shelf.configured_trouble}"]
