"""Auto-Vacuum: what is old goes, what is needed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows import forget_old_mail as flow
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.store.models import (
    Attempt,
    Company,
    Delivery,
    InboundMessage,
    OutgoingContent,
    OutgoingMail,
    RawMail,
    RefusalNotice,
    ScheduledAction,
    ScheduledRun,
    SeenMail,
    SettingChange,
)
from postroom.wiring import ports as wired_ports

pytestmark = pytest.mark.django_db


def ago(days: float):  # type: ignore[no-untyped-def]
    return wired_ports().clock.now() - timedelta(days=days)


def company() -> Company:
    return Company.objects.get_or_create(name="Postroom Test")[0]


def outgoing(days: float, *states: DeliveryState) -> OutgoingMail:
    mail = OutgoingMail.objects.create(
        company=company(), header_message_id=f"<{days}@postroom.test>", created_at=ago(days)
    )
    OutgoingContent.objects.create(mail=mail, content_headers=b"", body=b"Hello")
    for state in states:
        delivery = Delivery.objects.create(
            mail=mail,
            company=company(),
            to_address="carla@customer.example",
            state=state,
            due_at=ago(days),
            deadline_at=ago(days - 5),
            created_at=ago(days),
            finished_at=None
            if state in (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING)
            else ago(days),
        )
        Attempt.objects.create(delivery=delivery, tried_at=ago(days), phase="body", code=250, state=state)
    return mail


def inbound(days: float, state: InboundState) -> InboundMessage:
    mail = InboundMessage.objects.create(door="smtp", size=5, state=state, due_at=ago(days), received_at=ago(days))
    RawMail.objects.create(inbound=mail, raw=b"Hello")
    SeenMail.objects.create(key=f"{mail.pk}", inbound=mail, seen_at=ago(days))
    return mail


def forget() -> dict[str, int]:
    return {name: count for name, count in forget_old_mail(wired_ports()).items() if count}


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_finished_deliveries_go_with_their_attempts_and_their_mail(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(flow, "BATCH", batch)
    outgoing(91, DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.BOUNCED)
    outgoing(100, DeliveryState.CANCELLED, DeliveryState.COMPLAINED)
    young = outgoing(89, DeliveryState.SENT)
    assert forget() == {"deliveries": 5, "outgoing mails": 2}
    assert list(OutgoingMail.objects.all()) == [young]
    assert Delivery.objects.count() == Attempt.objects.count() == OutgoingContent.objects.count() == 1


@pytest.mark.parametrize(
    "state", [DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.SENDING, DeliveryState.UNKNOWN]
)
def test_what_waits_or_needs_a_person_stays_however_old(state: DeliveryState) -> None:
    mail = outgoing(400, state, DeliveryState.SENT)
    assert forget() == {"deliveries": 1}
    assert [delivery.state for delivery in mail.deliveries.all()] == [state]
    assert OutgoingContent.objects.count() == 1


def test_raw_mail_goes_and_what_became_of_it_stays_known() -> None:
    old = inbound(401, InboundState.ROUTED)
    inbound(399, InboundState.ROUTED)
    assert forget() == {"raw mails": 1, "seen marks": 1}
    assert not RawMail.objects.filter(pk=old.pk).exists()
    assert InboundMessage.objects.count() == 2


@pytest.mark.parametrize("state", [InboundState.RECEIVED, InboundState.FAILED])
def test_the_bytes_of_what_is_not_routed_yet_stay(state: InboundState) -> None:
    inbound(500, state)
    assert forget() == {"seen marks": 1}
    assert RawMail.objects.count() == 1


def test_held_mail_goes_whole() -> None:
    inbound(61, InboundState.HELD)
    young = inbound(59, InboundState.HELD)
    assert forget() == {"held mails": 1}
    assert list(InboundMessage.objects.all()) == [young]
    assert RawMail.objects.count() == 1


def test_histories_go() -> None:
    action = ScheduledAction.objects.create(key="test", name="Test", interval_seconds=60, next_run_at=ago(0))
    for days in (91, 89):
        ScheduledRun.objects.create(action=action, started_at=ago(days), finished_at=ago(days))
        SettingChange.objects.create(changed_at=ago(days), subject="parameter mail.default.from")
    for days in (8, 6):
        RefusalNotice.objects.create(sender="carla@customer.example", kind="unknown", sent_on=ago(days).date())
    assert forget() == {"runs": 1, "setting changes": 1, "refusal notices": 1}


def test_it_ends_between_two_batches_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "BATCH", 1)
    for days in (91, 92, 93):
        outgoing(days, DeliveryState.SENT)
    answers = iter([False, False, False, True])
    gone = forget_old_mail(wired_ports(), lambda: next(answers, True))
    assert gone["deliveries"] == 2
    assert gone["outgoing mails"] == 0
    assert forget()["deliveries"] == 1
