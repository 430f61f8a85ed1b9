"""Auto-Vacuum: what is old goes, what is needed stays."""

from __future__ import annotations

import dataclasses
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.adapters.blobs.disk import DiskBlobs
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.flows import forget_old_mail as flow
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.ports import Ports
from postroom.store.models import (
    Attachment,
    Attempt,
    Company,
    Delivery,
    InboundMessage,
    LetterboxMail,
    Message,
    OutgoingContent,
    OutgoingMail,
    RawMail,
    RefusalNotice,
    ScheduledAction,
    ScheduledRun,
    SeenMail,
    SettingChange,
)
from postroom.store.queries.blobs import naming_models
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


def test_a_mail_that_never_had_a_recipient_goes_too() -> None:
    outgoing(91)
    young = outgoing(89)
    assert forget() == {"outgoing mails": 1}
    assert OutgoingContent.objects.get().mail == young


def test_what_was_captured_goes_and_what_is_young_stays() -> None:
    for days in (91, 89):
        LetterboxMail.objects.create(company=company(), to_address="carla@x.example", raw=b"x", captured_at=ago(days))
    assert forget() == {"letters": 1}


def test_what_is_kept_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk ends where the young rows begin: a hundred of them are as cheap as two."""
    monkeypatch.setattr(flow, "BATCH", 2)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert forget() == {}
        return len(asked)

    outgoing(1, DeliveryState.SENT, DeliveryState.SENT)
    inbound(1, InboundState.ROUTED)
    of_few = queries()
    for _ in range(10):
        outgoing(1, *[DeliveryState.SENT] * 10)
        inbound(1, InboundState.ROUTED)
    assert queries() <= of_few + 3  # once past the first two of each kind


@pytest.fixture
def shelf(tmp_path: Path) -> Ports:
    """Ports with blobs of their own."""
    return dataclasses.replace(wired_ports(), blobs=DiskBlobs(tmp_path))


def put(ports: Ports, content: bytes, days: float = 3) -> str:
    """As if it had been put days ago."""
    assert isinstance(ports.blobs, DiskBlobs)
    digest, at = ports.blobs.put(content), ago(days).timestamp()
    os.utime(ports.blobs._path(digest), (at, at))
    return digest


def is_there(ports: Ports, digest: str) -> bool:
    try:
        ports.blobs.get(digest)
    except KeyError:
        return False
    return True


@pytest.mark.parametrize("batch", [1, 1000])
def test_bytes_that_no_row_names_go_from_the_disk(shelf: Ports, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(flow, "BATCH", batch)
    attached, raw, stray = put(shelf, b"attached"), put(shelf, b"raw"), put(shelf, b"stray")
    put(shelf, b"stray too")
    message = Message.objects.create(company=company(), posted_at=ago(3))
    Attachment.objects.create(message=message, name="a.txt", size=8, sha256=attached)
    RawMail.objects.filter(inbound=inbound(3, InboundState.ROUTED)).update(raw=None, sha256=raw)
    assert forget_old_mail(shelf)["blobs"] == 2
    assert [is_there(shelf, digest) for digest in (attached, raw, stray)] == [True, True, False]


def test_bytes_that_several_rows_share_stay_until_the_last_of_them_is_gone(shelf: Ports) -> None:
    shared = put(shelf, b"shared by a mail and its attachment")
    message = Message.objects.create(company=company(), posted_at=ago(500))
    attachment = Attachment.objects.create(message=message, name="a.eml", size=8, sha256=shared)
    RawMail.objects.filter(inbound=inbound(401, InboundState.ROUTED)).update(raw=None, sha256=shared)
    gone = forget_old_mail(shelf)
    assert (gone["raw mails"], gone["blobs"], is_there(shelf, shared)) == (1, 0, True)
    attachment.delete()
    assert (forget_old_mail(shelf)["blobs"], is_there(shelf, shared)) == (1, False)


def test_bytes_that_just_came_in_stay_though_their_row_is_not_there_yet(shelf: Ports) -> None:
    fresh, again = put(shelf, b"fresh", days=0.5), put(shelf, b"again", days=3)
    shelf.blobs.put(b"again")  # a mail with the same bytes, whose transaction is under way
    assert forget_old_mail(shelf)["blobs"] == 0
    assert is_there(shelf, fresh)
    assert is_there(shelf, again)


def test_a_run_that_is_stopped_goes_on_the_next_day(shelf: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [put(shelf, bytes([number])) for number in range(40)]
    left = len(flow.PREFIXES) // 2

    def is_over() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    forget_old_mail(shelf, is_over)
    some = sum(is_there(shelf, digest) for digest in digests)
    assert 0 < some < 40
    forget_old_mail(shelf)
    assert not any(is_there(shelf, digest) for digest in digests)


def test_every_table_with_a_digest_is_asked_before_bytes_go() -> None:
    assert {Attachment, RawMail} <= set(naming_models())
