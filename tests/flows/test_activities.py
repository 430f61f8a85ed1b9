"""What is planned on records, what changes on them, and who hears of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.record_values import ValueTrouble
from postroom.core.terms.states import ActivityKind, Channel, Role
from postroom.flows.access import NotAllowed
from postroom.flows.activities import Plan, cancel_activity, change_activity, finish_activity, plan_activity
from postroom.flows.merge_records import merge_records
from postroom.flows.ports import Ports
from postroom.flows.records import change_record, choose_subtypes, create_record, follow
from postroom.store.models import Activity, Company, Contact, Delivery, Follower, Member, Message, Notification, Record
from postroom.store.queries.pages_activities import Due, activities_of, activities_on
from postroom.wiring import ports
from tests.people import House, add_contact, add_member, build_house

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def at_noon(clock: Clock) -> Ports:
    return replace(ports(), clock=clock)


@pytest.fixture
def carla(house: House) -> Contact:
    return add_contact("Customer Carla", "carla@customer.example", house.company)


@pytest.fixture
def record(house: House, carla: Contact, at_noon: Ports) -> Record:
    return create_record(
        at_noon,
        company_id=house.company.pk,
        kind="ticket",
        title="My parcel is late",
        author=house.alice,
        contact_id=carla.pk,
    )


@pytest.fixture
def stranger(house: House) -> Member:
    """Of another company."""
    return add_member(Company.objects.create(name="Elsewhere"), "Mallory", "mallory@elsewhere.example")


def a_plan(member: Member, **values: object) -> Plan:
    return replace(
        Plan(kind=ActivityKind.CALL, due_on=TODAY, assignee_id=member.pk, summary="Call Carla back"),
        **values,  # type: ignore[arg-type]
    )


def entries(record: Record) -> list[list[list[str]]]:
    """The changes of each system message, in order."""
    rows = Message.objects.filter(record=record, kind="system").order_by("id")
    return [row.body.changes for row in rows if row.body.changes]


def told() -> set[tuple[str, str]]:
    return set(Notification.objects.values_list("contact__name", "channel"))


def mail_to(address: str) -> str:
    row = Delivery.objects.select_related("mail__content").get(to_address=address)
    return bytes(row.mail.content.body).replace(b"=\r\n", b"").decode()


# -- activities


def test_who_is_given_something_to_do_is_told_and_follows(house: House, record: Record, at_noon: Ports) -> None:
    plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.bob, note="<b>before</b> noon"), by=house.alice)
    assert told() == {("Bob", "mail")}
    said = mail_to("bob@box.test")
    assert "asks you to do something until 2026-03-02" in said
    assert "&lt;b&gt;before&lt;/b&gt; noon" in said
    assert record.followers.filter(contact=house.bob.contact, notes=True).exists()


def test_who_plans_for_himself_is_not_told(house: House, record: Record, at_noon: Ports) -> None:
    before = Message.objects.count()
    plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    assert told() == set()
    assert Message.objects.count() == before


def test_who_reads_in_the_app_gets_no_mail_of_it(house: House, record: Record, at_noon: Ports) -> None:
    Member.objects.filter(pk=house.bob.pk).update(channel=Channel.INBOX)
    plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.bob), by=house.alice)
    assert told() == {("Bob", "inbox")}
    assert not Delivery.objects.exists()


def test_what_is_done_stands_in_the_conversation_and_nobody_outside_hears(
    house: House, record: Record, carla: Contact, at_noon: Ports
) -> None:
    Follower.objects.filter(contact=carla).update(comments=True, notes=True, changes=True, activities=True)
    row = plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    message_id = finish_activity(at_noon, activity_id=row.pk, by=house.alice, feedback="She is <happy>.")
    message = Message.objects.get(pk=message_id)
    assert (message.kind, message.body.text) == ("system", "She is <happy>.")
    assert message.body.particulars["activity"] == {"kind": "call", "summary": "Call Carla back", "state": "done"}
    assert told() == set()
    row.refresh_from_db()
    assert (row.state, row.finished_at) == ("done", NOON)
    assert activities_on(record.pk, TODAY) == ()


def test_followers_of_activities_hear_that_one_is_done(house: House, record: Record, at_noon: Ports) -> None:
    for member, flags in ((house.bob, {"activities": True}), (house.charlie, {"changes": True})):
        follow(at_noon, record_id=record.pk, contact_id=member.contact_id, by=house.alice)
        chosen = {"comments": True, "notes": True, "changes": False, "activities": False} | flags
        choose_subtypes(at_noon, record_id=record.pk, contact_id=member.contact_id, by=house.alice, **chosen)
    row = plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    finish_activity(at_noon, activity_id=row.pk, by=house.alice)
    assert told() == {("Bob", "mail")}


def test_what_is_over_cannot_be_done_again(house: House, record: Record, at_noon: Ports) -> None:
    row = plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    cancel_activity(at_noon, activity_id=row.pk, by=house.alice)
    for again in (finish_activity, cancel_activity):
        with pytest.raises(Activity.DoesNotExist):
            again(at_noon, activity_id=row.pk, by=house.alice)
    assert Activity.objects.get().state == "cancelled"


def test_a_change_tells_the_one_who_is_given_it_and_nobody_twice(house: House, record: Record, at_noon: Ports) -> None:
    row = plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.bob), by=house.alice)
    change_activity(at_noon, activity_id=row.pk, plan=a_plan(house.bob, summary="Write to her"), by=house.alice)
    assert Notification.objects.count() == 1
    change_activity(at_noon, activity_id=row.pk, plan=a_plan(house.charlie), by=house.alice)
    assert told() == {("Bob", "mail"), ("Charlie", "mail")}


@pytest.mark.parametrize("wrong", [{"kind": "dance"}, {"due_on": date(1, 1, 1)}, {"note": "x" * 10_001}])
def test_what_makes_no_sense_is_not_planned(
    house: House, record: Record, at_noon: Ports, wrong: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice, **wrong), by=house.alice)


def test_activities_keep_to_their_company_and_need_a_role(
    house: House, record: Record, stranger: Member, at_noon: Ports
) -> None:
    with pytest.raises(Record.DoesNotExist):
        plan_activity(at_noon, record_id=record.pk, plan=a_plan(stranger), by=stranger)
    with pytest.raises(Member.DoesNotExist):
        plan_activity(at_noon, record_id=record.pk, plan=a_plan(stranger), by=house.alice)
    row = plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    with pytest.raises(Activity.DoesNotExist):
        finish_activity(at_noon, activity_id=row.pk, by=stranger)
    Member.objects.filter(pk=house.bob.pk).update(role=Role.READ_ONLY)
    reader = Member.objects.get(pk=house.bob.pk)
    with pytest.raises(NotAllowed):
        finish_activity(at_noon, activity_id=row.pk, by=reader)
    assert Activity.objects.get().state == "planned"


def test_my_activities_are_mine_the_most_urgent_first(
    house: House, record: Record, at_noon: Ports, django_assert_num_queries: object
) -> None:
    for days in (3, -2, 0):
        plan = a_plan(house.bob, due_on=TODAY + timedelta(days=days), summary=f"{days}")
        plan_activity(at_noon, record_id=record.pk, plan=plan, by=house.bob)
    plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    with django_assert_num_queries(1):  # type: ignore[operator]
        found = activities_of(house.bob, Record.objects.all(), TODAY)
    assert [(one.summary, one.due) for one in found] == [("-2", Due.OVERDUE), ("0", Due.TODAY), ("3", Due.PLANNED)]
    assert activities_of(house.bob, Record.objects.none(), TODAY) == ()


def test_activities_go_with_a_record_that_is_merged(house: House, record: Record, at_noon: Ports) -> None:
    kept = create_record(at_noon, company_id=house.company.pk, kind="ticket", title="The same", author=house.alice)
    row = plan_activity(at_noon, record_id=record.pk, plan=a_plan(house.alice), by=house.alice)
    merge_records(at_noon, record_id=record.pk, into_id=kept.pk, by=house.alice)
    row.refresh_from_db()
    assert row.record == kept


# -- changes


def test_a_new_responsible_follows_and_is_told(house: House, record: Record, at_noon: Ports) -> None:
    change_record(at_noon, record_id=record.pk, by=house.alice, responsible_id=house.bob.pk)
    assert told() == {("Bob", "mail")}
    assert "<b>Alice</b> has assigned you to Ticket" in mail_to("bob@box.test")
    reasons = Notification.objects.get().reasons
    assert [one["code"] for one in reasons] == ["audience.assigned", "audience.mail"]
    assert record.followers.filter(contact=house.bob.contact).exists()
    assert entries(record) == [[["Responsible", "", "Bob"]]]


def test_who_takes_a_record_himself_is_not_told(house: House, record: Record, at_noon: Ports) -> None:
    change_record(at_noon, record_id=record.pk, by=house.alice, responsible_id=house.alice.pk)
    assert told() == set()


def test_a_german_hears_in_german(house: House, record: Record, at_noon: Ports) -> None:
    Contact.objects.filter(pk=house.bob.contact_id).update(language="de")
    change_record(at_noon, record_id=record.pk, by=house.alice, responsible_id=house.bob.pk)
    assert "zugewiesen" in mail_to("bob@box.test")


def test_nobody_of_another_company_becomes_responsible_or_contact(
    house: House, record: Record, stranger: Member, at_noon: Ports
) -> None:
    with pytest.raises(Member.DoesNotExist):
        change_record(at_noon, record_id=record.pk, by=house.alice, responsible_id=stranger.pk)
    with pytest.raises(Contact.DoesNotExist):
        change_record(at_noon, record_id=record.pk, by=house.alice, contact_id=stranger.contact_id)
    assert entries(record) == []


def test_changes_of_a_minute_fold_into_one_entry(house: House, record: Record, at_noon: Ports, clock: Clock) -> None:
    change_record(at_noon, record_id=record.pk, by=house.alice, stage="In progress")
    clock.at += timedelta(seconds=50)
    change_record(at_noon, record_id=record.pk, by=house.alice, stage="Done", title="Parcel")
    assert entries(record) == [[["Stage", "New", "Done"], ["Title", "My parcel is late", "Parcel"]]]
    clock.at += timedelta(seconds=61)
    change_record(at_noon, record_id=record.pk, by=house.alice, stage="New")
    assert len(entries(record)) == 2


def test_what_came_back_to_where_it_was_is_no_change(house: House, record: Record, at_noon: Ports) -> None:
    change_record(at_noon, record_id=record.pk, by=house.alice, stage="Done")
    change_record(at_noon, record_id=record.pk, by=house.alice, stage="New")
    assert entries(record) == []


def test_changes_of_two_people_and_what_somebody_was_told_of_do_not_fold(
    house: House, record: Record, at_noon: Ports
) -> None:
    change_record(at_noon, record_id=record.pk, by=house.alice, stage="In progress")
    change_record(at_noon, record_id=record.pk, by=house.bob, stage="Done")
    change_record(at_noon, record_id=record.pk, by=house.bob, responsible_id=house.charlie.pk)
    change_record(at_noon, record_id=record.pk, by=house.bob, title="Parcel")
    assert [[row[0] for row in entry] for entry in entries(record)] == [["Stage"], ["Stage", "Responsible"], ["Title"]]
    assert told() == {("Charlie", "mail")}


def test_followers_of_changes_hear_of_them_and_nobody_else(
    house: House, record: Record, carla: Contact, at_noon: Ports
) -> None:
    follow(at_noon, record_id=record.pk, contact_id=house.bob.contact_id, by=house.alice)
    Follower.objects.filter(contact__in=[house.bob.contact, carla]).update(changes=True)
    change_record(at_noon, record_id=record.pk, by=house.alice, title="<Parcel>")
    assert told() == {("Bob", "mail")}
    assert "&lt;Parcel&gt;" in mail_to("bob@box.test")


def test_the_contact_is_changed_and_taken_away(house: House, record: Record, at_noon: Ports, clock: Clock) -> None:
    dora = add_contact("Dora", "Dora@customer.example", house.company)
    changed = change_record(at_noon, record_id=record.pk, by=house.alice, contact_id=dora.pk)
    assert (changed.contact_name, changed.contact_address) == ("Dora", "dora@customer.example")
    clock.at += timedelta(hours=1)
    changed = change_record(at_noon, record_id=record.pk, by=house.alice, contact_id=None)
    assert (changed.contact_id, changed.contact_name, changed.contact_address) == (None, "", "")
    assert entries(record) == [[["Contact", "Customer Carla", "Dora"]], [["Contact", "Dora", ""]]]


def test_values_are_of_the_type_that_their_kind_says(house: House, record: Record, at_noon: Ports) -> None:
    kind = house.ticket
    kind.value_names = ["Budget", "Due", "Paid", "Size", "Remark"]
    kind.value_types = {"Budget": "number", "Due": "date", "Paid": "switch", "Size": ["S", "L"]}
    kind.save()
    typed = {"Budget": "12.50", "Due": "2026-03-12", "Paid": "yes", "Size": "L", "Remark": " x "}
    changed = change_record(at_noon, record_id=record.pk, by=house.alice, values=typed)
    assert changed.values == {"Budget": 12.5, "Due": "2026-03-12", "Paid": True, "Size": "L", "Remark": "x"}
    for name, text in (("Budget", "much"), ("Due", "12.3."), ("Paid", "perhaps"), ("Size", "M"), ("Colour", "red")):
        with pytest.raises(ValueTrouble, match=name):
            change_record(at_noon, record_id=record.pk, by=house.alice, values={name: text})
    changed = change_record(at_noon, record_id=record.pk, by=house.alice, values={"Paid": "", "Size": "S"})
    assert changed.values == {"Budget": 12.5, "Due": "2026-03-12", "Size": "S", "Remark": "x"}
    assert entries(record) == [
        [["Budget", "", "12.5"], ["Due", "", "2026-03-12"], ["Size", "", "S"], ["Remark", "", "x"]]
    ]


# -- subtypes


def test_everybody_chooses_for_himself_and_nobody_outside_hears_of_the_house(
    house: House, record: Record, carla: Contact, stranger: Member, at_noon: Ports
) -> None:
    every = {"comments": True, "notes": True, "changes": True, "activities": True}
    choose_subtypes(at_noon, record_id=record.pk, contact_id=carla.pk, by=house.alice, **every)
    row = Follower.objects.get(contact=carla)
    assert (row.comments, row.notes, row.changes, row.activities) == (True, False, False, False)
    Member.objects.filter(pk=house.alice.pk).update(role=Role.READ_ONLY)
    reader = Member.objects.get(pk=house.alice.pk)
    choose_subtypes(at_noon, record_id=record.pk, contact_id=reader.contact_id, by=reader, **every)
    with pytest.raises(NotAllowed):
        choose_subtypes(at_noon, record_id=record.pk, contact_id=carla.pk, by=reader, **every)
    with pytest.raises(Record.DoesNotExist):
        choose_subtypes(at_noon, record_id=record.pk, contact_id=carla.pk, by=stranger, **every)
