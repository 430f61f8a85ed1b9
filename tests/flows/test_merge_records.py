"""Two records become one, and mail to either of them finds the one that lives on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postroom.core.terms.states import InboundState, MessageKind
from postroom.flows.access import NotAllowed
from postroom.flows.keep_draft import DraftWords, add_draft_file, draft_of, save_draft
from postroom.flows.merge_records import CannotMerge, merge_records
from postroom.flows.new_files import NewFile
from postroom.flows.settings import save_alias
from postroom.store.models import Company, Message, Record
from postroom.wiring import ports
from tests.flows.arriving import Thread, a_thread, arrive
from tests.people import House, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def thread(house: House) -> Thread:
    return a_thread(house)


def another(subject: str, to: str = "support@in.test") -> Record:
    arrive(write_mail(subject=subject, to=to), to)
    return Record.objects.latest("id")


def merge(house: House, one: Record, into: Record) -> Record:
    return merge_records(ports(), record_id=one.pk, into_id=into.pk, by=house.alice)


def test_answers_to_a_merged_record_land_on_the_one_that_lives_on(house: House, thread: Thread) -> None:
    kept = another("The same again")
    merge(house, thread.record, kept)
    assert [m.kind for m in thread.record.messages.all()] == []
    for mail in (write_mail(to=thread.reply_address), write_mail(subject="b", In_Reply_To=thread.message_id)):
        to = thread.reply_address if b"+r" in mail.split(b"\r\n\r\n")[0] else "support@in.test"
        assert arrive(mail, to).state == InboundState.ROUTED
        assert Message.objects.latest("id").record == kept
    assert set(kept.followers.values_list("contact__name", flat=True)) >= {"Alice", "Bob"}


def test_chains_of_merges_are_short_and_rings_impossible(house: House, thread: Thread) -> None:
    second, third = another("two"), another("three")
    merge(house, thread.record, second)
    merge(house, second, third)
    assert set(Record.objects.exclude(pk=third.pk).values_list("merged_into", flat=True)) == {third.pk}
    for one, into in ((third, thread.record), (third, third), (second, third)):
        with pytest.raises(CannotMerge):
            merge(house, one, into)
    arrive(write_mail(to=thread.reply_address, subject="last"), thread.reply_address)
    assert Message.objects.latest("id").record == third


def test_an_alias_that_belongs_to_a_merged_record_follows_it(house: House, thread: Thread) -> None:
    save_alias(ports(), {"id": house.sales.pk, "forced_record_id": thread.record.pk}, member=house.alice)
    kept = another("two")
    merge(house, thread.record, kept)
    arrive(write_mail(to="sales@in.test", subject="three"), "sales@in.test")
    assert Message.objects.latest("id").record == kept


def test_records_of_two_kinds_or_companies_stay_apart(house: House, thread: Thread) -> None:
    with pytest.raises(CannotMerge):
        merge(house, thread.record, another("lead", "sales@in.test"))
    mallory = add_member(Company.objects.create(name="Elsewhere"), "Mallory", "mallory@else.test")
    with pytest.raises(Record.DoesNotExist):
        merge_records(ports(), record_id=thread.record.pk, into_id=another("x").pk, by=mallory)
    rita = add_member(house.company, "Rita", "rita@box.test")
    rita.role = "read_only"
    with pytest.raises(NotAllowed):
        merge_records(ports(), record_id=thread.record.pk, into_id=another("y").pk, by=rita)


def test_an_answer_to_a_deleted_record_is_held_and_one_to_its_alias_begins_anew(house: House, thread: Thread) -> None:
    """I-51: an alias was written to, so it takes it; a reply address alone means a record that is gone."""
    thread.record.messages.all().delete()
    thread.record.delete()
    assert arrive(write_mail(to=thread.reply_address), thread.reply_address).state == InboundState.HELD
    inbound = arrive(write_mail(subject="b", In_Reply_To=thread.message_id), "support@in.test")
    assert inbound.state == InboundState.ROUTED
    assert Record.objects.count() == 1


def test_whoever_waits_for_an_answer_on_either_waits_on(house: House, thread: Thread) -> None:
    kept = another("The same again")
    asked_at = Record.objects.get(pk=kept.pk).unanswered_since
    assert asked_at is not None
    Record.objects.filter(pk=thread.record.pk).update(unanswered_since=asked_at - timedelta(hours=2))
    Record.objects.filter(pk=kept.pk).update(unanswered_since=None, is_done=True)
    merge(house, thread.record, kept)
    kept.refresh_from_db()
    assert (kept.unanswered_since, kept.is_done) == (asked_at - timedelta(hours=2), False)
    settled = another("And again")
    Record.objects.filter(pk=settled.pk).update(is_done=True)
    merge(house, kept, last := another("The last one"))
    last.refresh_from_db()
    assert last.unanswered_since == asked_at - timedelta(hours=2)
    merge(house, settled, last)
    last.refresh_from_db()
    assert last.unanswered_since == asked_at - timedelta(hours=2), "what was done asks nothing"


def test_what_was_begun_on_either_is_not_lost_and_no_note_becomes_a_message(house: House, thread: Thread) -> None:
    kept = another("The same again")
    words = DraftWords(html="<p>Dear Carla</p>")
    save_draft(ports(), record_id=kept.pk, member=house.alice, words=words, version=0)
    for member in (house.alice, house.bob):
        note = DraftWords(html="<p>Between us</p>", kind=MessageKind.NOTE)
        save_draft(ports(), record_id=thread.record.pk, member=member, words=note, version=0)
    file = NewFile(name="plan.txt", content_type="text/plain", content=b"a")
    add_draft_file(ports(), record_id=thread.record.pk, member=house.alice, file=file)
    merge(house, thread.record, kept)
    mine, bobs = draft_of(kept.pk, house.alice), draft_of(kept.pk, house.bob)
    assert mine is not None
    assert (mine.html, mine.kind, mine.version) == ("<p>Dear Carla</p><p>Between us</p>", "note", 2)
    assert [file.name for file in mine.files] == ["plan.txt"]
    assert bobs is not None
    assert bobs.html == "<p>Between us</p>"
    assert not thread.record.drafts.exists()
