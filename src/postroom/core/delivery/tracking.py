"""What a provider's event means for a delivery that left through its API.

Duty: `read` by `adapters.esp.notices`, decided here, applied by `flows.record_tracking`. Laws: events repeat and overtake each other,
so the order in which they come decides nothing: a complaint stands above all; between "delivered" and "bounced" the later moment counts,
and where both are the same the bounce; a soft bounce after delivery (an out-of-office reply, mostly) changes nothing. Whatever an
event says, it proves that the provider had the mail: an ``unknown`` outcome is settled by it. What never left, failed here or was cancelled
is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import postroom.core.delivery.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.reports.blame import blame
from postroom.core.terms.reasons import because
from postroom.core.terms.states import Blame, DeliveryState, FailureType, NotificationState


class EventKind(StrEnum):
    """What happened, in one vocabulary for all providers."""

    ACCEPTED = "accepted"  # the provider has it
    DELIVERED = "delivered"  # the recipient's server took it
    DEFERRED = "deferred"  # it did not yet; the provider tries on
    BOUNCED = "bounced"  # it refused it
    REJECTED = "rejected"  # the provider refused it after all: its own list, its rules, a fault
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


NOTED = frozenset(EventKind) - {EventKind.ACCEPTED, EventKind.DELIVERED}  # kept as rows of the delivery's history


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingEvent:
    """``token`` is ours as it came back, ``""`` when none did; ``message_id`` the provider's. ``text`` is the words of the recipient's
    server or the provider, verbatim. ``is_soft``: a bounce that says nothing against the address."""

    kind: EventKind
    at: datetime | None = None
    token: str = ""
    message_id: str = ""
    recipient: str = ""
    event_id: str = ""
    status: str = ""  # RFC 3463, "" when it is not said
    text: str = ""
    hint: Blame | None = None
    is_soft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPost:
    """A request of a provider's as it came. Names of header fields in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HookReading:
    """``confirm_at``: an address that must be asked once, so that events begin to come."""

    events: tuple[TrackingEvent, ...] = ()
    confirm_at: str = ""


class HookRefusal(StrEnum):
    """Why a request is not believed."""

    FORGED = "forged"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedFact:
    """A delivery as it stands. ``waits_to_resend``: its outcome was unknown, and a rule sends such mail again."""

    id: int
    state: DeliveryState
    confirmed_at: datetime | None = None
    finished_at: datetime | None = None
    waits_to_resend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedChange:
    """The delivery as it is afterwards. ``notification`` None: it stays as it is. ``bounces``: the contact's count grows."""

    fact: TrackedFact
    failure_type: FailureType = FailureType.NONE
    reason: str = ""
    blame: str = ""
    notification: NotificationState | None = None
    bounces: bool = False
    is_changed: bool = False


_LEFT = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.BOUNCED)


def judge_events(fact: TrackedFact, events: Iterable[TrackingEvent], now: datetime) -> TrackedChange:
    """All that is known of one delivery, in the order of the moments; those of a batch at once."""
    change = TrackedChange(fact=fact)
    for event in sorted(events, key=lambda one: (_moment(one, now), one.kind.value)):
        change = _judge(change, event, min(_moment(event, now), now))
    return change


def _moment(event: TrackingEvent, now: datetime) -> datetime:
    return event.at or now


def _judge(change: TrackedChange, event: TrackingEvent, at: datetime) -> TrackedChange:
    change = _settle_unknown(change, at)
    match event.kind:
        case EventKind.COMPLAINED:
            return _complain(change)
        case EventKind.BOUNCED | EventKind.REJECTED:
            return _bounce(change, event, at)
        case EventKind.DELIVERED:
            return _deliver(change, at)
        case EventKind.ACCEPTED | EventKind.DEFERRED | EventKind.UNSUBSCRIBED:
            return change


def _settle_unknown(change: TrackedChange, at: datetime) -> TrackedChange:
    fact = change.fact
    if fact.state is not DeliveryState.UNKNOWN and not (fact.state is DeliveryState.DEFERRED and fact.waits_to_resend):
        return change
    return _sent(replace(fact, state=DeliveryState.SENT, finished_at=at, waits_to_resend=False))


def _sent(fact: TrackedFact) -> TrackedChange:
    return TrackedChange(fact=fact, notification=NotificationState.SENT, is_changed=True)


def _complain(change: TrackedChange) -> TrackedChange:
    if change.fact.state not in _LEFT:
        return change
    return _sent(replace(change.fact, state=DeliveryState.COMPLAINED))


def _deliver(change: TrackedChange, at: datetime) -> TrackedChange:
    fact = change.fact
    confirmed = replace(fact, confirmed_at=fact.confirmed_at or at)
    match fact.state:
        case DeliveryState.BOUNCED if fact.finished_at is not None and at > fact.finished_at:
            return _sent(replace(confirmed, state=DeliveryState.SENT, confirmed_at=at))
        case DeliveryState.SENT | DeliveryState.SENDING | DeliveryState.COMPLAINED if fact.confirmed_at is None:
            return replace(change, fact=confirmed, is_changed=True)
        case _:
            return change


def _bounce(change: TrackedChange, event: TrackingEvent, at: datetime) -> TrackedChange:
    fact = change.fact
    if fact.state not in _LEFT or fact.state is DeliveryState.BOUNCED:
        return change
    if fact.confirmed_at is not None and (event.is_soft or at < fact.confirmed_at):
        return change
    return TrackedChange(
        fact=replace(fact, state=DeliveryState.BOUNCED, finished_at=at),
        failure_type=FailureType.MAIL_BOUNCE,
        reason=reason_of(event),
        blame=blame_for(event).value,
        notification=NotificationState.BOUNCE,
        bounces=True,
        is_changed=True,
    )


def reason_of(event: TrackingEvent) -> str:
    """What was said, verbatim; else words for people."""
    if event.text:
        return event.text
    code = "tracking.rejected" if event.kind is EventKind.REJECTED else "tracking.bounced"
    return str(because(code))


def blame_for(event: TrackingEvent) -> Blame:
    """Of the words and the status; the provider's own class where these tell nothing."""
    found = blame(event.status, event.text)
    if found is Blame.SERVER and event.hint is not None:
        return event.hint
    return found
