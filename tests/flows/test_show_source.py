"""The source of a message is read by those who read the message, and that it was read is noted."""

from __future__ import annotations

import pytest

from postroom.core.terms.states import Role
from postroom.flows.show_source import sources_of
from postroom.store.models import AuditEvent, Company, Member, Message
from postroom.wiring import ports
from tests.web import seeding

pytestmark = pytest.mark.django_db
RAW = b"From: carla@customer.example\r\nSubject: Poster\r\n\r\nHello"


@pytest.fixture
def company() -> Company:
    seeding.a_kind()
    return seeding.a_company()


@pytest.fixture
def rita(company: Company) -> Member:
    return seeding.a_member("rita", "Rita Reader", company, Role.READ_ONLY)


@pytest.fixture
def message(company: Company) -> Message:
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    came = seeding.an_inbound(company, "Poster", RAW)
    return seeding.a_message(seeding.a_record(company, "Poster"), carla, "<p>Hello</p>", inbound=came)


def test_who_reads_the_source_of_a_message_is_noted(message: Message, rita: Member) -> None:
    assert sources_of(ports(), message_id=message.pk, member=rita)[0].content == RAW
    assert list(AuditEvent.objects.values_list("login", "what", "subject")) == [
        ("rita", "source_read", f"message {message.pk}")
    ]


def test_where_there_is_nothing_to_read_nothing_is_noted(message: Message, company: Company, rita: Member) -> None:
    note = seeding.a_message(message.record, rita.contact, "<p>x</p>", kind="note")
    assert sources_of(ports(), message_id=note.pk, member=rita) == ()
    mallory = seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)
    with pytest.raises(Message.DoesNotExist):
        sources_of(ports(), message_id=message.pk, member=mallory)
    assert not AuditEvent.objects.exists()
