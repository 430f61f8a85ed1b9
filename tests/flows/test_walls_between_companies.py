"""Two companies share the house: what stays inside one of them never reaches the other's people, however these came to be members."""

from __future__ import annotations

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.test import Client

from postroom.core.terms.states import MessageKind, Role
from postroom.flows.add_member import add_member
from postroom.flows.manage_people import PersonWish, change_person, invite_person
from postroom.flows.post_message import foresee_audience, post_message
from postroom.flows.records import change_record, choose_subtypes, create_record, follow
from postroom.store.models import Company, Contact, Follower, Member, Notification, Record, RecordKind
from postroom.store.queries.authors import authors_by_address
from postroom.store.queries.colleagues import follows_as_colleague, is_colleague
from postroom.store.queries.pages_people import contact_fact
from postroom.store.queries.pages_records import find_people, followers, people
from postroom.wiring import ports

pytestmark = pytest.mark.django_db


def member(name: str, company: str, role: Role = Role.AGENT, *, belongs: bool = True) -> Member:
    """Somebody made at the command line; ``belongs`` False: as members were made once, with a contact of no company."""
    made = add_member(
        ports(),
        login=name.lower(),
        name=name,
        address=f"{name.lower()}@{company.lower()}.example",
        role=role,
        company=company,
        password="a-quiet-harbour-7",
    )
    if not belongs:
        Contact.objects.filter(pk=made.contact_id).update(company=None)
        made.contact.company_id = None
    return made


@pytest.fixture
def kind() -> RecordKind:
    return RecordKind.objects.create(key="walled", label="Ticket", label_plural="Tickets")


@pytest.fixture
def alice() -> Member:
    return member("Alice", "Northwind", Role.ADMINISTRATOR)


@pytest.fixture(params=[True, False], ids=["contact of the company", "contact of no company"])
def mallory(request: pytest.FixtureRequest, alice: Member) -> Member:
    return member("Mallory", "Elsewhere", belongs=request.param)


@pytest.fixture
def record(kind: RecordKind, alice: Member) -> Record:
    return create_record(ports(), company_id=alice.company_id, kind=kind.key, title="Broken press", author=alice)


def test_another_companys_agent_is_not_mentioned_in_a_note_and_gets_no_mail(
    alice: Member, mallory: Member, record: Record
) -> None:
    foreseen = foresee_audience(
        ports(), record=record, author=alice, kind=MessageKind.NOTE, mentioned_contact_ids=[mallory.contact_id]
    )
    assert mallory.contact_id not in {one.contact_id for one in foreseen.members}
    post_message(
        ports(),
        record_id=record.pk,
        author=alice,
        html="<p>Between us.</p>",
        kind=MessageKind.NOTE,
        mentioned_contact_ids=[mallory.contact_id],
        extra_contact_ids=[mallory.contact_id],
        addresses=[mallory.contact.address],
    )
    assert not Notification.objects.filter(contact=mallory.contact_id).exists()


def test_who_followed_before_the_walls_stood_hears_no_notes(alice: Member, mallory: Member, record: Record) -> None:
    Follower.objects.create(record=record, contact=mallory.contact, notes=True, changes=True, activities=True)
    for kind in (MessageKind.NOTE, MessageKind.SYSTEM):
        heard = foresee_audience(ports(), record=record, author=alice, kind=kind).members
        assert mallory.contact_id not in {one.contact_id for one in heard}
    assert {one.contact_id: one.is_colleague for one in followers(record.pk)} == {
        alice.contact_id: True,
        mallory.contact_id: False,
    }
    row = choose_subtypes(
        ports(), record_id=record.pk, contact_id=mallory.contact_id, by=alice,
        comments=True, notes=True, changes=True, activities=True,
    )  # fmt: skip
    assert (row.comments, row.notes, row.changes, row.activities) == (True, False, False, False)


def test_another_companys_agent_is_made_no_follower_contact_or_responsible(
    alice: Member, mallory: Member, record: Record, kind: RecordKind
) -> None:
    named = {"contact_id": mallory.contact_id}
    with pytest.raises(ObjectDoesNotExist):
        follow(ports(), record_id=record.pk, by=alice, contact_id=mallory.contact_id)
    with pytest.raises(ObjectDoesNotExist):
        change_record(ports(), record_id=record.pk, by=alice, contact_id=mallory.contact_id)
    with pytest.raises(ObjectDoesNotExist):
        change_record(ports(), record_id=record.pk, by=alice, responsible_id=mallory.pk)
    for wanted in (named, {"responsible_id": mallory.pk}):
        with pytest.raises(ObjectDoesNotExist):
            create_record(ports(), company_id=alice.company_id, kind=kind.key, title="Next", author=alice, **wanted)


def test_names_and_addresses_of_another_companys_people_are_not_read(
    alice: Member, mallory: Member, record: Record, client: Client
) -> None:
    ours, theirs = [alice.company_id], [mallory.company_id]
    assert find_people(ours, "mallory") == find_people(theirs, "alice") == ()
    assert people([mallory.contact_id], ours) == ()
    assert contact_fact(mallory.contact_id, ours) is None
    client.force_login(alice.user)
    assert client.get("/people/find/?who=mallory").content.decode().count("mallory@") == 0
    assert client.get(f"/people/{mallory.contact_id}/").status_code == 404
    assert client.get(f"/people/{alice.contact_id}/").status_code == 200


def test_who_sees_two_companies_is_a_colleague_in_both(alice: Member, mallory: Member, record: Record) -> None:
    mallory.companies.add(alice.company)
    both = [alice.company_id, mallory.company_id]
    assert [[one.is_colleague for one in find_people([company], "mallory")] for company in both] == [[True], [True]]
    assert follow(ports(), record_id=record.pk, by=alice, contact_id=mallory.contact_id).notes
    heard = foresee_audience(ports(), record=record, author=alice, kind=MessageKind.NOTE).members
    assert [one.contact_id for one in heard] == [mallory.contact_id]
    found = contact_fact(mallory.contact_id, [alice.company_id])
    assert found is not None
    assert found.member_id == mallory.pk


def test_who_may_do_everything_is_a_colleague_everywhere(alice: Member, mallory: Member, record: Record) -> None:
    mallory.user.is_superuser = True
    mallory.user.save()
    heard = foresee_audience(
        ports(), record=record, author=alice, kind=MessageKind.NOTE, mentioned_contact_ids=[mallory.contact_id]
    ).members
    assert [one.contact_id for one in heard] == [mallory.contact_id]
    assert [one.is_colleague for one in find_people([alice.company_id], "mallory")] == [True]


def test_outside_contacts_of_no_company_are_still_everybodys(alice: Member, record: Record) -> None:
    carla = Contact.objects.create(name="Customer Carla", address="carla@x.example", normal="carla@x.example")
    assert [one.id for one in find_people([alice.company_id], "carla")] == [carla.pk]
    assert not follow(ports(), record_id=record.pk, by=alice, contact_id=carla.pk).notes


def test_another_companys_agent_who_is_written_to_becomes_an_outside_person(
    alice: Member, mallory: Member, record: Record
) -> None:
    post_message(
        ports(), record_id=record.pk, author=alice, html="<p>Good day.</p>", addresses=[mallory.contact.address]
    )
    told = Notification.objects.get(message__record=record)
    assert told.contact_id != mallory.contact_id
    assert Contact.objects.get(pk=told.contact_id).company_id == alice.company_id


def test_the_contact_of_an_invited_person_belongs_to_the_one_company_he_sees(alice: Member) -> None:
    second = Company.objects.create(name="Southwind")
    alice.companies.add(second)
    alice = Member.objects.get(pk=alice.pk)

    def wish(*companies: int) -> PersonWish:
        return PersonWish(name="Bob", address="bob@northwind.example", role=Role.AGENT, companies=companies)

    bob = invite_person(ports(), wish(alice.company_id), by=alice)
    assert bob.contact.company_id == alice.company_id
    for companies, home in (((alice.company_id, second.pk), None), ((second.pk,), second.pk)):
        changed = change_person(ports(), bob.pk, wish(*companies), by=alice)
        assert Contact.objects.get(pk=changed.contact_id).company_id == home


def test_whoever_is_switched_off_hears_of_no_notes_and_is_no_colleague_any_more(alice: Member, record: Record) -> None:
    gone = member("Bob", "Northwind")
    follow(ports(), record_id=record.pk, contact_id=gone.contact_id, by=alice)
    gone.user.is_active = False
    gone.user.save()
    post_message(
        ports(),
        record_id=record.pk,
        author=alice,
        html="<p>Between us.</p>",
        kind=MessageKind.NOTE,
        mentioned_contact_ids=[gone.contact_id],
    )
    assert not Notification.objects.filter(contact=gone.contact_id).exists()
    assert not Contact.objects.filter(is_colleague([record.company_id]), pk=gone.contact_id).exists()
    (follower,) = Follower.objects.filter(follows_as_colleague(), record=record)
    assert follower.contact_id == alice.contact_id
    assert contact_fact(gone.contact_id, [record.company_id]) is not None, "still known to the company"


def test_mail_of_whom_was_switched_off_is_no_colleagues(alice: Member) -> None:
    gone = member("Bob", "Northwind")
    assert authors_by_address([gone.contact.normal], ())[gone.contact.normal].is_colleague
    gone.user.is_active = False
    gone.user.save()
    found = authors_by_address([gone.contact.normal], ())[gone.contact.normal]
    assert (found.is_colleague, found.member_id) == (False, gone.pk)
