"""What events mean for a delivery, in whatever order they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from postroom.core.delivery.tracking import (
    EventKind,
    TrackedChange,
    TrackedFact,
    TrackingEvent,
    blame_for,
    judge_events,
)
from postroom.core.terms.states import Blame, DeliveryState, NotificationState

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
SENT_AT = NOW - timedelta(minutes=10)
S = DeliveryState


def event(kind: EventKind, minute: int = 1, **more: object) -> TrackingEvent:
    return TrackingEvent(kind=kind, at=SENT_AT + timedelta(minutes=minute), **more)  # type: ignore[arg-type]


def delivery(state: DeliveryState = S.SENT, **more: object) -> TrackedFact:
    return TrackedFact(id=1, state=state, finished_at=SENT_AT, **more)  # type: ignore[arg-type]


def after(fact: TrackedFact, *events: TrackingEvent) -> TrackedChange:
    return judge_events(fact, events, NOW)


def one_by_one(fact: TrackedFact, *events: TrackingEvent) -> TrackedFact:
    for each in events:
        fact = judge_events(fact, [each], NOW).fact
    return fact


DELIVERED, BOUNCED, COMPLAINED = (
    event(EventKind.DELIVERED, 1),
    event(EventKind.BOUNCED, 2),
    event(EventKind.COMPLAINED, 3),
)


def test_delivered_is_confirmed_and_stays_sent() -> None:
    change = after(delivery(), DELIVERED)
    assert (change.fact.state, change.fact.confirmed_at) == (S.SENT, DELIVERED.at)
    assert change.notification is None


def test_a_bounce_reddens_the_notification_with_words_and_blame() -> None:
    change = after(delivery(), event(EventKind.BOUNCED, text="550 5.1.1 No such user", status="5.1.1"))
    assert (change.fact.state, change.notification, change.bounces) == (S.BOUNCED, NotificationState.BOUNCE, True)
    assert (change.reason, change.blame) == ("550 5.1.1 No such user", "address")
    assert after(delivery(), event(EventKind.REJECTED)).reason.startswith("The provider refused it")


def test_told_twice_is_told_once() -> None:
    for kind in EventKind:
        once = after(delivery(), event(kind)).fact
        assert not after(once, event(kind)).is_changed, kind


@pytest.mark.parametrize("order", list(permutations([DELIVERED, BOUNCED, COMPLAINED])))
def test_a_complaint_stands_above_all_in_every_order(order: tuple[TrackingEvent, ...]) -> None:
    assert one_by_one(delivery(), *order).state is S.COMPLAINED
    assert after(delivery(), *order).fact.state is S.COMPLAINED


@pytest.mark.parametrize("order", list(permutations([event(EventKind.BOUNCED, 1), event(EventKind.DELIVERED, 2)])))
def test_what_was_delivered_after_a_bounce_is_delivered(order: tuple[TrackingEvent, ...]) -> None:
    fact = one_by_one(delivery(), *order)
    assert (fact.state, fact.confirmed_at) == (S.SENT, SENT_AT + timedelta(minutes=2))


@pytest.mark.parametrize("order", list(permutations([DELIVERED, BOUNCED])))
def test_what_bounced_after_delivery_bounced(order: tuple[TrackingEvent, ...]) -> None:
    assert one_by_one(delivery(), *order).state is S.BOUNCED


@pytest.mark.parametrize("order", list(permutations([event(EventKind.DELIVERED, 1), event(EventKind.BOUNCED, 1)])))
def test_at_the_same_moment_the_bounce_counts(order: tuple[TrackingEvent, ...]) -> None:
    assert one_by_one(delivery(), *order).state is S.BOUNCED
    assert after(delivery(), *order).fact.state is S.BOUNCED


def test_a_soft_bounce_after_delivery_is_an_out_of_office_reply() -> None:
    assert one_by_one(delivery(), DELIVERED, event(EventKind.BOUNCED, 2, is_soft=True)).state is S.SENT
    assert one_by_one(delivery(), event(EventKind.BOUNCED, 2, is_soft=True)).state is S.BOUNCED


def test_delivered_again_heals_the_envelope() -> None:
    bounced = after(delivery(), event(EventKind.BOUNCED, 1)).fact
    change = after(bounced, event(EventKind.DELIVERED, 5))
    assert (change.fact.state, change.notification, change.reason) == (S.SENT, NotificationState.SENT, "")


@pytest.mark.parametrize("kind", list(EventKind))
def test_whatever_is_told_proves_that_it_left(kind: EventKind) -> None:
    change = after(delivery(S.UNKNOWN), event(kind))
    wanted = {EventKind.BOUNCED: S.BOUNCED, EventKind.REJECTED: S.BOUNCED, EventKind.COMPLAINED: S.COMPLAINED}
    assert change.fact.state is wanted.get(kind, S.SENT)
    assert change.is_changed
    resending = delivery(S.DEFERRED, waits_to_resend=True)
    assert after(resending, event(kind)).fact.state is wanted.get(kind, S.SENT)


@pytest.mark.parametrize("state", [S.QUEUED, S.DEFERRED, S.FAILED, S.CANCELLED])
@pytest.mark.parametrize("kind", list(EventKind))
def test_what_never_left_is_left_alone(state: DeliveryState, kind: EventKind) -> None:
    assert not after(delivery(state), event(kind)).is_changed


def test_an_event_that_overtakes_our_own_books_is_kept() -> None:
    assert after(delivery(S.SENDING), DELIVERED).fact.state is S.SENDING
    assert after(delivery(S.SENDING), DELIVERED).fact.confirmed_at == DELIVERED.at
    assert after(delivery(S.SENDING), BOUNCED).fact.state is S.BOUNCED


def test_no_moment_lies_in_the_future() -> None:
    change = after(delivery(), event(EventKind.DELIVERED, 10_000))
    assert change.fact.confirmed_at == NOW
    assert after(delivery(), TrackingEvent(kind=EventKind.BOUNCED)).fact.finished_at == NOW


def test_blame_is_that_of_the_words_else_of_the_providers_class() -> None:
    assert blame_for(event(EventKind.BOUNCED, hint=Blame.ADDRESS)) is Blame.ADDRESS
    assert blame_for(event(EventKind.BOUNCED, text="mailbox full", hint=Blame.ADDRESS)) is Blame.MAILBOX
    assert blame_for(event(EventKind.BOUNCED)) is Blame.SERVER
