"""One mail for each group of readers who get the same words, and no query more for another language (O-20)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.terms.states import Role
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.records import create_record, follow
from postroom.store.models import Contact, Delivery, Member, OutgoingContent, OutgoingMail, Record
from tests.flows.outgoing_mails import a_company, ports_with
from tests.people import add_contact, add_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def ports() -> Ports:
    return ports_with()


@pytest.fixture
def alice() -> Member:
    return add_member(a_company(), "Alice", "alice@northwind.example", role=Role.ADMINISTRATOR)


def with_readers(ports: Ports, alice: Member, *languages: str) -> Record:
    """Two colleagues and two outside people for each language."""
    record = create_record(ports, company_id=alice.company_id, kind="ticket", title="Poster", author=alice)
    for language in languages:
        for number in range(2):
            colleague = add_member(
                alice.company,
                f"Bob {Contact.objects.count()} {language}{number}",
                f"b{language}{number}@northwind.example",
            )
            outside = add_contact(f"Carla {language}{number}", f"c{language}{number}@reader.example", alice.company)
            for contact in (colleague.contact, outside):
                Contact.objects.filter(pk=contact.pk).update(language=language)
                follow(ports, record_id=record.pk, contact_id=contact.pk, by=alice)
    return record


def test_readers_are_grouped_by_the_words_they_get(ports: Ports, alice: Member) -> None:
    record = with_readers(ports, alice, "en", "de", "fr")
    post_message(ports, record_id=record.pk, author=alice, html="<p>Hello</p>")
    groups = {
        frozenset(Delivery.objects.filter(mail=mail).values_list("to_address", flat=True)): bytes(mail.content.body)
        for mail in OutgoingMail.objects.select_related("content")
    }
    assert sorted(map(len, groups)) == [2, 4, 6]  # German colleagues; other colleagues; everybody outside
    for readers, body in groups.items():
        assert (b"Ticket ansehen" in body) == ("bde0@northwind.example" in readers)
        assert (b"View Ticket" in body) == ("ben0@northwind.example" in readers)
    assert OutgoingMail.objects.values("header_message_id").distinct().count() == 1


def test_another_language_costs_no_query(ports: Ports, alice: Member) -> None:
    counts = []
    for languages in (("en",), ("en", "de", "fr")):
        Contact.objects.exclude(pk=alice.contact_id).update(is_active=False)
        Member.objects.exclude(pk=alice.pk).delete()
        record = with_readers(ports, alice, *languages)
        with CaptureQueriesContext(connection) as captured:
            post_message(ports, record_id=record.pk, author=alice, html="<p>Hello</p>")
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert OutgoingContent.objects.count() == 2 + 3
