"""The audit log: what is written, who reads it, and that nobody changes it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from postroom.core.terms.states import Role
from postroom.flows import audit
from postroom.flows.access import NotAllowed
from postroom.store.models import AuditEvent, Member
from postroom.wiring import ports
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Member:
    return seeding.a_member("ada", "Ada Admin", seeding.a_company(), Role.ADMINISTRATOR)


def test_a_line_says_who_what_when_and_from_where(ada: Member) -> None:
    with audit.from_where("192.0.2.9"):
        audit.note(ports(), "key_created", member=ada, subject="the shop", scope="ingress")
    (line,) = audit.list_events(ports(), member=None)
    assert (line.login, line.address, line.what, line.subject, line.detail) == (
        "ada",
        "192.0.2.9",
        "key_created",
        "the shop",
        {"scope": "ingress"},
    )


def test_what_has_no_name_is_not_written() -> None:
    with pytest.raises(ValueError, match="something"):
        audit.note(ports(), "something")


@pytest.mark.parametrize("deed", ["change", "delete"])
def test_a_line_is_never_changed_and_never_deleted(ada: Member, deed: str) -> None:
    audit.note(ports(), "sign_in", member=ada)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        AuditEvent.objects.update(login="somebody else") if deed == "change" else AuditEvent.objects.all().delete()
    assert AuditEvent.objects.get().login == "ada"


def test_retention_alone_deletes_and_only_what_is_old(ada: Member) -> None:
    audit.note(ports(), "sign_in", member=ada)
    now = ports().clock.now()
    assert audit.forget_events(now - timedelta(days=1), 10) == 0
    assert audit.forget_events(now + timedelta(days=1), 10) == 1
    audit.note(ports(), "sign_in", member=ada)
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        AuditEvent.objects.all().delete()


def test_administrators_read_what_is_their_companies_and_nobody_else_anything(ada: Member) -> None:
    mallory = seeding.a_member("mallory", "Mallory Else", seeding.a_company("Elsewhere"), Role.ADMINISTRATOR)
    rita = seeding.a_member("rita", "Rita Reader", ada.company, Role.READ_ONLY)
    audit.note(ports(), "sign_in", member=ada)
    audit.note(ports(), "sign_in_failed", login="")
    assert [line.login for line in audit.list_events(ports(), member=ada)] == ["ada"]
    assert audit.list_events(ports(), member=mallory) == ()
    assert len(audit.list_events(ports(), member=None)) == 2
    with pytest.raises(NotAllowed):
        audit.list_events(ports(), member=rita)


def test_every_event_has_words_and_a_name_that_fits() -> None:
    assert all(words and len(name) <= 40 for name, words in audit.EVENTS.items())
