"""What every page reads is written as SQL: it says what the tables say, to whom may see it, in one question."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from pytest_django import DjangoAssertNumQueries

from postroom.core.terms.states import InboundState, MessageKind, Role
from postroom.flows.access import company_cut, company_ids, visible_inbound, visible_records, with_companies
from postroom.store.models import (
    Attachment,
    Company,
    Contact,
    Follower,
    InboundMessage,
    Installation,
    Member,
    Message,
    Record,
    RecordKind,
    Star,
)
from postroom.store.queries.pages_chatter import FAILED, message, newer, thread
from postroom.store.queries.pages_home import MANY
from postroom.store.queries.pages_records import followers
from postroom.store.queries.pages_shell import shell_facts
from postroom.store.queries.record_heads import record_head
from postroom.store.queries.signed_in import member_of_user
from tests.people import House, add_contact, add_member, build_house
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def other() -> Company:
    return seeding.a_company("Bravo")


@pytest.fixture
def record(house: House) -> Record:
    """With all that a head can have."""
    carla = add_contact("Customer Carla", "carla@customer.example", house.company)
    Contact.objects.filter(pk=carla.pk).update(language="de")
    RecordKind.objects.filter(pk=house.ticket.pk).update(
        stages=["Neu", "Über"], value_names=["Size", "Paid"], value_types={"Paid": {"type": "switch"}}
    )
    return seeding.a_record(
        house.company,
        'A "quoted" title, 100 % {so}',
        kind=house.ticket.pk,
        contact=carla,
        stage="Neu",
        responsible=house.bob,
        values={"Size": "3 € é", "Paid": True, "Note": None},
        alias=house.support,
        unanswered_since=seeding.NOW,
    )


# -- the member at the door


def test_the_member_at_the_door_is_the_one_that_the_tables_have(
    house: House, other: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    house.bob.companies.add(other)
    user = get_user_model().objects.get(pk=house.bob.user_id)
    with django_assert_num_queries(1):
        found = member_of_user(user)
        assert found is not None
        assert (found.user, found.contact.name, found.company.name) == (user, "Bob", house.company.name)
        assert company_ids(found) == sorted([house.company.pk, other.pk])
        assert company_cut(found) is None
    stored = with_companies(Member.objects.all()).get(pk=house.bob.pk)
    names = [field.attname for field in Member._meta.concrete_fields] + ["listed_companies", "all_companies"]
    assert {name: found.__dict__[name] for name in names} == {name: stored.__dict__[name] for name in names}
    assert Contact.objects.filter(pk=found.contact.pk).values().get() == {
        field.attname: getattr(found.contact, field.attname) for field in Contact._meta.concrete_fields
    }


def test_what_is_changed_on_the_member_at_the_door_is_saved(house: House) -> None:
    found = member_of_user(house.bob.user)
    assert found is not None
    found.signature = "Bob, of the press"
    found.save()
    assert Member.objects.get(pk=found.pk).signature == "Bob, of the press"
    assert Member.objects.count() == 3


def test_an_account_that_is_no_members_has_none(house: House) -> None:
    assert member_of_user(get_user_model().objects.create(username="dora")) is None


# -- what stands around a page


def test_what_stands_around_a_page_is_what_the_tables_have(
    house: House, other: Company, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    RecordKind.objects.create(key="old", label="Old", label_plural="Olds", position=1, is_active=False)
    for company, state in (
        (house.company, "held"),
        (house.company, "held"),
        (other, "held"),
        (house.company, "failed"),
    ):
        seeding.an_inbound(company, "mail", b"", state)
    alice = house.alice
    seen, companies = visible_inbound(alice), company_ids(alice)
    with django_assert_num_queries(1):
        facts = shell_facts(alice, seen, companies)
    assert facts.held == seen.filter(state=InboundState.HELD).count() == 2
    assert facts.kind_keys == tuple(RecordKind.objects.values_list("key", flat=True))
    active = RecordKind.objects.filter(is_active=True)
    assert [(one.key, one.label_plural, list(one.stages)) for one in facts.kinds] == [
        (one.key, one.label_plural, one.stages) for one in active
    ]
    assert facts.installation is None
    assert facts.my_failed == 0


def test_who_may_not_look_at_what_came_in_is_told_of_no_held_mail(house: House) -> None:
    seeding.an_inbound(house.company, "mail", b"", "held")
    assert shell_facts(house.bob, InboundMessage.objects.none(), company_ids(house.bob)).held == 0


def test_around_a_page_held_mail_is_counted_as_far_as_anybody_counts(house: House) -> None:
    at = seeding.NOW
    InboundMessage.objects.bulk_create(
        InboundMessage(company=house.company, door="smtp", size=1, state="held", due_at=at, received_at=at)
        for _ in range(MANY + 9)
    )
    assert shell_facts(house.alice, visible_inbound(house.alice), company_ids(house.alice)).held == MANY + 1


def test_around_a_page_it_is_told_where_the_house_lives_and_what_failed_of_the_readers(house: House) -> None:
    Installation.objects.create(identity='host "one"', found_elsewhere="two", confirmed_at=seeding.NOW)
    record = seeding.a_record(house.company, "Lamp", kind=house.lead.pk)
    seeding.a_notification(seeding.a_message(record, house.bob.contact, "<p>x</p>"), house.alice.contact, "bounce")
    facts = shell_facts(house.bob, InboundMessage.objects.none(), company_ids(house.bob))
    assert facts.installation is not None
    assert (facts.installation.identity, facts.installation.found_elsewhere) == ('host "one"', "two")
    assert facts.installation.is_capturing is False
    assert facts.my_failed == 1


# -- the head of a record


def test_the_head_of_a_record_is_what_the_tables_have(
    house: House, record: Record, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    seen = visible_records(house.bob)
    company_ids(house.bob)
    with django_assert_num_queries(1):
        head = record_head(seen, record.pk)
    assert head is not None
    record.refresh_from_db()
    for name in ("title", "stage", "company_id", "contact_id", "responsible_id", "values", "created_at", "updated_at",
                 "is_done", "unanswered_since"):  # fmt: skip
        assert getattr(head, name) == getattr(record, name), name
    assert (head.company, head.responsible, head.alias) == (house.company.name, "Bob", str(house.support))
    assert (head.contact_name, head.contact_address) == ("Customer Carla", "carla@customer.example")
    assert (head.contact_language, head.merged_into) == ("de", None)
    assert (head.kind.key, head.kind.stages) == (house.ticket.pk, ("Neu", "Über"))
    assert [one.name for one in head.fields][:2] == ["Size", "Paid"]


def test_a_record_with_nothing_around_it_has_a_head(house: House) -> None:
    bare = seeding.a_record(house.company, "Bare", kind=house.lead.pk)
    Record.objects.filter(pk=bare.pk).update(contact_name="Written by hand")
    head = record_head(visible_records(house.bob), bare.pk)
    assert head is not None
    assert (head.contact_name, head.contact_address, head.contact_language) == ("Written by hand", "", "")
    assert (head.responsible, head.alias, head.followers, head.values) == ("", "", (), {})


def test_who_may_not_see_a_record_is_given_no_head_of_it(house: House, record: Record, other: Company) -> None:
    stranger = add_member(other, "Mallory", "mallory@else.test", role=Role.ADMINISTRATOR)
    assert record_head(visible_records(stranger), record.pk) is None
    assert record_head(Record.objects.none(), record.pk) is None
    assert record_head(visible_records(house.bob), record.pk + 10**6) is None
    stranger.companies.add(house.company)
    assert record_head(visible_records(Member.objects.get(pk=stranger.pk)), record.pk) is not None


def test_the_head_names_followers_in_the_order_and_with_the_marks_of_their_own_list(
    house: House, record: Record, other: Company
) -> None:
    """A colleague, one who was switched off, a member of another company alone, and two from outside."""
    mallory = add_member(other, "Mallory", "mallory@else.test")
    get_user_model().objects.filter(pk=house.charlie.user_id).update(is_active=False)
    outside = [add_contact(name, f"{name.lower()}@customer.example", house.company) for name in ("Zoe", "Anna")]
    for contact in (*outside, mallory.contact, house.charlie.contact, house.bob.contact):
        Follower.objects.create(record=record, contact=contact, notes=contact == house.bob.contact)
    head = record_head(visible_records(house.bob), record.pk)
    assert head is not None
    assert head.followers == followers(record.pk)
    assert [one.name for one in head.followers if one.is_colleague] == ["Bob"]
    assert [one.name for one in head.followers][-2:] == ["Anna", "Zoe"]


# -- the conversation


@pytest.fixture
def written(house: House, record: Record) -> list[Message]:
    """A comment with all around it, a note of a colleague, a system message, and a comment with nothing."""
    came = seeding.an_inbound(house.company, "Hello", b"")
    InboundMessage.objects.filter(pk=came.pk).update(
        verdict=[{"decision": "AppendToRecord", "record_id": record.pk, "reasons": [{"code": "x.y", "facts": {}}]}]
    )
    full = seeding.a_message(
        record,
        add_contact("Dora", "dora@customer.example", house.company),
        "<p>Hello</p>",
        inbound=came,
        subject="Hello",
        attachment_count=2,
        addressed={"to": [["Bob", "bob@box.test"]]},
    )
    for name in ("b.txt", "a.txt"):
        Attachment.objects.create(
            message=full, name=name, content_type="text/plain", size=2**33, sha256="0" * 64, is_inline=name == "a.txt"
        )
    for contact, state in (
        (house.alice.contact, FAILED[0]),
        (house.bob.contact, "ready"),
        (house.charlie.contact, FAILED[1]),
        (add_contact("Eve", "eve@customer.example", house.company), "sent"),
    ):
        seeding.a_notification(full, contact, state)
    note = seeding.a_message(record, house.bob.contact, "<p>Inside</p>", kind=MessageKind.NOTE)
    told = seeding.a_message(
        record, house.bob.contact, "<p>Done</p>", kind=MessageKind.SYSTEM, changes=[["Stage", "New", "Done"]]
    )
    bare = seeding.a_message(record, house.alice.contact, "<p>Bare</p>")
    for starred, member in ((note, house.alice), (full, house.bob)):
        Star.objects.create(message=starred, member=member)
    return [full, note, told, bare]


def test_a_conversation_tells_of_each_message_what_the_tables_have(
    house: House, record: Record, written: list[Message], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(2):
        page = thread(record.pk, reader=house.alice.pk)
    bare, told, note, full = page.rows
    assert [one.id for one in page.rows] == [one.pk for one in reversed(written)]
    assert (full.author, full.author_address, full.is_colleague) == ("Dora", "dora@customer.example", False)
    assert (full.subject, full.door, full.inbound_id) == ("Hello", "smtp", written[0].inbound_id)
    assert [reason.code for reason in full.reasons] == ["x.y"]
    assert full.to == (("Bob", "bob@box.test"),)
    assert [(one.name, one.size, one.is_inline) for one in full.attachments] == [
        ("b.txt", 2**33, False),
        ("a.txt", 2**33, True),
    ]
    assert (full.envelope.total, full.envelope.failed, full.envelope.waiting) == (4, 2, 1)
    assert (bare.envelope.total, bare.attachments, bare.reasons, bare.inbound_id) == (0, (), (), None)
    assert (note.is_colleague, note.is_starred, full.is_starred) == (True, True, False)
    assert [one.text for one in page.rows] == ["", "Done", "", ""]
    assert told.changes == (("Stage", "New", "Done"),)
    assert full.posted_at == written[0].posted_at


@pytest.mark.parametrize(
    ("show", "places"), [("", (3, 2, 1, 0)), ("messages", (3, 0)), ("notes", (1,)), ("starred", (1,))]
)
def test_a_conversation_shows_what_is_asked_for(
    house: House, record: Record, written: list[Message], show: str, places: tuple[int, ...]
) -> None:
    page = thread(record.pk, show=show, reader=house.alice.pk)
    assert [one.id for one in page.rows] == [written[place].pk for place in places]


def test_a_conversation_is_read_on_behind_its_cursor(house: House, record: Record, written: list[Message]) -> None:
    first = thread(record.pk, size=3)
    assert len(first.rows) == 3
    behind = thread(record.pk, size=3, before=first.next)
    assert [one.id for one in (*first.rows, *behind.rows)] == [one.pk for one in reversed(written)]
    assert behind.next == ""
    assert [one.id for one in newer(record.pk, after=written[1].pk)] == [written[3].pk, written[2].pk]


def test_a_message_of_a_record_that_may_not_be_seen_is_not_there(
    house: House, written: list[Message], other: Company
) -> None:
    stranger = add_member(other, "Mallory", "mallory@else.test", role=Role.ADMINISTRATOR)
    number = written[0].pk
    assert message(visible_records(stranger), number) is None
    assert message(Record.objects.none(), number) is None
    found = message(visible_records(house.bob), number, reader=house.bob.pk)
    assert found is not None
    assert found.is_starred
    assert found.posted_at - written[0].posted_at == timedelta(0)
