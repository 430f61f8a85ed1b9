"""What the demo begins with."""

from __future__ import annotations

import pytest

from postroom.flows.deliver_mail import Shelf, claim_and_compose
from postroom.flows.seed_demo import LOGIN, seed_demo
from postroom.store.models import Attachment, Company, Delivery, Installation, Message, Notification, Record
from postroom.wiring import ports

pytestmark = pytest.mark.django_db


def test_only_an_empty_database_is_filled() -> None:
    assert seed_demo(ports()).login == LOGIN
    records = Record.objects.count()
    assert records > 5
    seed_demo(ports())
    assert (Record.objects.count(), Company.objects.count()) == (records, 1)


def test_who_speaks_of_an_attachment_has_attached_it() -> None:
    seed_demo(ports())
    message = Message.objects.get(body__html__contains="attached")
    attachment = Attachment.objects.get(message=message)
    assert attachment.name.startswith("invoice")
    assert len(ports().blobs.get(attachment.sha256)) == attachment.size > 0


def test_a_newcomer_sees_each_kind_of_bad_luck_and_nothing_left() -> None:
    seed_demo(ports())
    assert set(Delivery.objects.values_list("state", flat=True)) >= {"failed", "bounced", "unknown", "sent"}
    lost = Delivery.objects.get(state="failed")
    assert "User unknown" in lost.failure_reason
    assert Notification.objects.filter(state="bounce").count() == 1
    assert Notification.objects.filter(state="exception").count() == 2
    assert Installation.objects.get().is_capturing
    assert not Delivery.objects.filter(state="sending").exists()


def test_what_waits_in_the_demo_goes_to_the_letterbox() -> None:
    seed_demo(ports())
    claim_and_compose(ports(), "worker", 100, shelf=Shelf())
    assert not Delivery.objects.filter(state__in=["queued", "deferred"], due_at__lte=ports().clock.now()).exists()
