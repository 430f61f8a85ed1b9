"""Many records changed at once: what it means, who may, what stays, and the way back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.core.terms.states import MessageKind, Role
from postroom.flows.access import NotAllowed, company_ids, visible_records
from postroom.flows.change_records import change_records, undo_change
from postroom.flows.merge_records import merge_records
from postroom.flows.post_message import post_message
from postroom.flows.undo_message import undo_message
from postroom.store.models import Company, Follower, Member, Message, Record
from postroom.store.queries.pages_records import RecordWish, record_list
from postroom.wiring import ports
from tests.flows.arriving import CARLA, a_thread, arrive
from tests.people import House, build_house, write_mail
from tests.web import seeding

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    seeding.a_kind(stages=["New", "Solved"])
    return seeding.a_company()


@pytest.fixture
def bob(company: Company) -> Member:
    return seeding.a_member("bob", "Bob Brandt", company)


@pytest.fixture
def house() -> House:
    return build_house()


def history(record: Record) -> list[list[list[str]]]:
    notes = Message.objects.filter(record=record, kind=MessageKind.SYSTEM).order_by("id")
    return [note.body.changes for note in notes]


def listed(member: Member, **wish: object) -> list[str]:
    rows = record_list(visible_records(member), RecordWish(**wish), company_ids(member)).rows  # type: ignore[arg-type]
    return [row.title for row in rows]


def test_done_records_leave_the_list_of_open_ones_and_their_history_says_who_filed_them(
    company: Company, bob: Member
) -> None:
    records = [seeding.a_record(company, f"R{number}", stage="New") for number in range(3)]
    changed = change_records(ports(), record_ids=[one.pk for one in records[:2]], what="done", value=True, by=bob)
    assert changed.before == {records[0].pk: False, records[1].pk: False}
    assert listed(bob, is_done=False) == ["R2"]
    assert sorted(listed(bob, is_done=True)) == ["R0", "R1"]
    assert len(listed(bob)) == 3
    assert history(records[0]) == [[["State", "Open", "Done"]]]
    assert history(records[2]) == []
    assert Message.objects.filter(record=records[0]).get().author == bob.contact
    assert Record.objects.get(pk=records[0].pk).stage == "New"


def test_undo_gives_back_what_is_still_as_it_was_left(company: Company, bob: Member) -> None:
    one, two = (seeding.a_record(company, title, stage="New") for title in "ab")
    changed = change_records(ports(), record_ids=[one.pk, two.pk], what="stage", value="Solved", by=bob)
    change_records(ports(), record_ids=[two.pk], what="stage", value="New", by=bob)
    Record.objects.filter(pk=two.pk).update(stage="New")
    assert undo_change(ports(), what="stage", after="Solved", before=changed.before, by=bob) == 1
    assert [Record.objects.get(pk=row.pk).stage for row in (one, two)] == ["New", "New"]
    assert history(one) == [[["Stage", "New", "Solved"]], [["Stage", "Solved", "New"]]]


def test_nobody_files_away_what_he_has_not_seen(company: Company, bob: Member) -> None:
    old, new = seeding.a_record(company, "old"), seeding.a_record(company, "new")
    seen = {old.pk: old.updated_at, new.pk: new.updated_at - timedelta(seconds=1)}
    changed = change_records(ports(), record_ids=[old.pk, new.pk], what="done", value=True, by=bob, seen=seen)
    assert (list(changed.before), changed.fresh) == ([old.pk], 1)
    assert listed(bob, is_done=False) == ["new"]


def test_what_cannot_have_a_value_stays_as_it_is(company: Company, bob: Member) -> None:
    seeding.a_kind("lead", "Lead", "Leads", stages=["Won"])
    ticket, lead = seeding.a_record(company, "t", stage="New"), seeding.a_record(company, "l", kind="lead")
    merged = seeding.a_record(company, "m", stage="New", merged_into=ticket)
    ids = [ticket.pk, lead.pk, merged.pk]
    changed = change_records(ports(), record_ids=ids, what="stage", value="Solved", by=bob)
    assert (list(changed.before), changed.unfit) == ([ticket.pk], 1)
    again = change_records(ports(), record_ids=ids, what="stage", value="Solved", by=bob)
    assert again.before == {}
    assert len(history(ticket)) == 1


def test_a_new_responsible_follows_and_must_belong_to_the_company(company: Company, bob: Member) -> None:
    alice = seeding.a_member("alice", "Alice Archer", company)
    stranger = seeding.a_member("mal", "Mallory", seeding.a_company("Else"))
    record = seeding.a_record(company, "R")
    change_records(ports(), record_ids=[record.pk], what="responsible", value=alice.pk, by=bob)
    assert Record.objects.get(pk=record.pk).responsible == alice
    assert Follower.objects.filter(record=record, contact=alice.contact, notes=True).exists()
    assert history(record) == [[["Responsible", "", "Alice Archer"]]]
    changed = change_records(ports(), record_ids=[record.pk], what="responsible", value=stranger.pk, by=bob)
    assert (changed.before, changed.unfit) == ({}, 1)
    change_records(ports(), record_ids=[record.pk], what="responsible", value=None, by=bob)
    assert Record.objects.get(pk=record.pk).responsible is None


def test_everybody_follows_for_himself_and_nobody_writes_about_it(company: Company) -> None:
    rita = seeding.a_member("rita", "Rita Reader", company, Role.READ_ONLY)
    record = seeding.a_record(company, "R")
    changed = change_records(ports(), record_ids=[record.pk], what="follow", value=True, by=rita)
    assert listed(rita, follower=rita.contact_id) == ["R"]
    assert undo_change(ports(), what="follow", after=True, before=changed.before, by=rita) == 1
    assert listed(rita, follower=rita.contact_id) == []
    assert history(record) == []


def test_who_reads_only_changes_nothing_and_other_companies_are_not_touched(company: Company, bob: Member) -> None:
    rita = seeding.a_member("rita", "Rita Reader", company, Role.READ_ONLY)
    theirs = seeding.a_record(seeding.a_company("Else"), "theirs")
    ours = seeding.a_record(company, "ours")
    with pytest.raises(NotAllowed):
        change_records(ports(), record_ids=[ours.pk], what="done", value=True, by=rita)
    changed = change_records(ports(), record_ids=[ours.pk, theirs.pk], what="done", value=True, by=bob)
    assert list(changed.before) == [ours.pk]
    assert not Record.objects.get(pk=theirs.pk).is_done
    assert undo_change(ports(), what="done", after=False, before={theirs.pk: True}, by=bob) == 0
    assert not Record.objects.get(pk=theirs.pk).is_done


def test_a_merged_record_is_done(company: Company, bob: Member) -> None:
    one, two = seeding.a_record(company, "one"), seeding.a_record(company, "two")
    merge_records(ports(), record_id=one.pk, into_id=two.pk, by=bob)
    assert listed(bob, is_done=False) == ["two"]


# -- whose turn it is


def a_reply(house: House, thread: object, **headers: str) -> None:
    arrive(
        write_mail(to=thread.reply_address, Message_ID="<again@customer.example>", **headers),  # type: ignore[attr-defined]
        thread.reply_address,  # type: ignore[attr-defined]
    )


def test_who_writes_waits_for_an_answer_until_a_colleague_sends_a_message(house: House) -> None:
    arrive(write_mail(to="support@in.test"), "support@in.test")
    record = Record.objects.latest("id")
    asked = record.unanswered_since
    assert asked is not None
    post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Note</p>", kind=MessageKind.NOTE)
    assert Record.objects.get(pk=record.pk).unanswered_since == asked
    assert listed(house.alice, is_unanswered=True) == [record.title]
    post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow!</p>", to_customer=True)
    assert Record.objects.get(pk=record.pk).unanswered_since is None
    assert listed(house.alice, is_unanswered=True) == []


def test_a_customer_who_writes_brings_back_what_was_done(house: House) -> None:
    thread = a_thread(house)
    change_records(ports(), record_ids=[thread.record.pk], what="done", value=True, by=house.alice)
    a_reply(house, thread)
    record = Record.objects.get(pk=thread.record.pk)
    assert not record.is_done
    assert record.unanswered_since is not None
    assert history(record)[-1] == [["State", "Done", "Open"]]
    assert Message.objects.filter(record=record, kind=MessageKind.SYSTEM).latest("id").author_address == CARLA


def test_a_robot_brings_nothing_back_and_asks_for_nothing(house: House) -> None:
    thread = a_thread(house)
    change_records(ports(), record_ids=[thread.record.pk], what="done", value=True, by=house.alice)
    a_reply(house, thread, Auto_Submitted="auto-replied")
    record = Record.objects.get(pk=thread.record.pk)
    assert record.is_done
    assert record.unanswered_since is None


def test_an_answer_that_is_taken_back_was_none(house: House) -> None:
    arrive(write_mail(to="support@in.test"), "support@in.test")
    record = Record.objects.latest("id")
    message = post_message(
        ports(), record_id=record.pk, author=house.alice, html="<p>No</p>", to_customer=True, may_be_undone=True
    )
    assert Record.objects.get(pk=record.pk).unanswered_since is None
    undo_message(ports(), message_id=message.pk, author=house.alice)
    assert Record.objects.get(pk=record.pk).unanswered_since is not None
