"""What the demo begins with."""

from __future__ import annotations

import pytest

from postroom.flows.seed_demo import LOGIN, seed_demo
from postroom.store.models import Attachment, Company, Message, Record
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
