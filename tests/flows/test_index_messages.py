"""The words of messages are written down beside the way of the mail, and found again by who may see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from postroom.core.conversations.words import SHIFTS
from postroom.flows import index_messages
from postroom.flows.access import company_ids, visible_records
from postroom.flows.index_messages import index_new, index_old, index_some
from postroom.store.models import Attachment, Message, MessageIdentifier, Record, SearchEntry, SearchProgress
from postroom.store.queries import pages_search
from postroom.store.queries.pages_records import RecordWish
from postroom.store.queries.pages_search import HitPage, exactly, search_messages
from postroom.wiring import ports
from tests.web import seeding

pytestmark = pytest.mark.django_db

EVERYTHING = RecordWish()


@pytest.fixture
def company() -> seeding.Company:
    seeding.a_kind(stages=["New", "Solved"])
    index_new(ports())  # what comes from now on is new
    return seeding.a_company()


@pytest.fixture
def carla(company: seeding.Company) -> seeding.Contact:
    return seeding.a_contact("Customer Carla", "carla@customer.example", company)


def written(record: Record, author: seeding.Contact, text: str, **more: object) -> Message:
    message = seeding.a_message(record, author, f"<p>{text}</p>", **more)
    index_new(ports())
    return message


def titles(typed: str, company: seeding.Company, wish: RecordWish = EVERYTHING) -> list[str]:
    return [hit.title for hit in search(typed, company, wish).rows]


def search(typed: str, company: seeding.Company, wish: RecordWish = EVERYTHING, after: str = "") -> HitPage:
    return search_messages(wish, typed, [company.pk], after)


@pytest.mark.parametrize(
    "typed",
    ["depot", "DEPOT tonight", "leaves the dep", "carla@customer.example", "customer.example depot", "carla parcel",
     "bob@other.example", "invoice.pdf", "Overdue"],
)  # fmt: skip
def test_a_message_is_found_by_its_words_people_addresses_and_files(
    typed: str, company: seeding.Company, carla: seeding.Contact
) -> None:
    record = seeding.a_record(company, "Where is my parcel?", contact=carla)
    message = seeding.a_message(
        record,
        carla,
        "<p>It leaves the depot tonight.</p>",
        subject="Overdue",
        attachment_count=1,
        addressed={"to": [["Support", "support@ours.example"]], "cc": [["Bob", "bob@other.example"]]},
    )
    Attachment.objects.create(message=message, name="invoice.pdf", size=1, sha256="0" * 64)
    index_new(ports())
    assert titles(typed, company) == ["Where is my parcel?"]
    assert titles(f"{typed} elsewhere", company) == []


def test_nothing_of_another_company_is_found_even_when_asked_for_both_words(
    company: seeding.Company, carla: seeding.Contact
) -> None:
    other = seeding.a_company("Elsewhere")
    stranger = seeding.a_contact("Stranger", "stranger@else.example", other)
    written(seeding.a_record(company, "Ours"), carla, "the secret word")
    written(seeding.a_record(other, "Theirs"), stranger, "the secret word")
    assert titles("secret", company) == ["Ours"]
    assert titles("secret", other) == ["Theirs"]
    assert search_messages(EVERYTHING, "secret", []).rows == ()
    SearchEntry.objects.update(
        words=SearchEntry.objects.order_by("pk").values("words")[:1]
    )  # were the marks ever wrong
    assert titles("secret", other) == []


def test_hits_come_newest_first_each_record_once_page_by_page(company: seeding.Company, carla: seeding.Contact) -> None:
    records = [seeding.a_record(company, f"R{number:02}") for number in range(75)]
    for record in [*records, *records[:5]]:
        seeding.a_message(record, carla, "<p>lamp</p>")
    index_new(ports())
    seen: list[str] = []
    after = ""
    for _ in range(12):
        page = search("lamp", company, after=after)
        seen += [hit.title for hit in page.rows]
        after = page.next
        if not after:
            break
    assert after == ""
    assert seen[:6] == ["R04", "R03", "R02", "R01", "R00", "R74"]
    assert set(seen) == {record.title for record in records}
    assert len(seen) <= 80


@pytest.mark.usefixtures("_numbers_are_put_back")
def test_old_and_rare_words_are_found_far_behind_the_newest_messages(
    company: seeding.Company, carla: seeding.Contact
) -> None:
    written(seeding.a_record(company, "Old"), carla, "zanzibar")
    first = Message.objects.latest("pk").pk
    _restart_numbers((first >> SHIFTS[2]) + 3 << SHIFTS[2])
    written(seeding.a_record(company, "New"), carla, "something else")
    assert titles("zanzibar", company) == ["Old"]
    assert search("zanzibar", company).next == ""


def _restart_numbers(at: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('postroom_message_id_seq', %s)", [at])


@pytest.fixture
def _numbers_are_put_back() -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('postroom_message_id_seq', greatest(1, (SELECT max(id) FROM postroom_message)))")


def test_the_list_narrows_what_messages_bring(company: seeding.Company, carla: seeding.Contact) -> None:
    bob = seeding.a_member("bob", "Bob Brandt", company)
    mine = seeding.a_record(company, "Mine", responsible=bob, stage="Solved", is_done=True)
    free = seeding.a_record(company, "Free", contact=carla, unanswered_since=seeding.NOW)
    for record in (mine, free):
        seeding.a_message(record, carla, "<p>lamp</p>")
    seeding.Follower.objects.create(record=free, contact=bob.contact)
    index_new(ports())
    for wish, found in (
        (RecordWish(), ["Free", "Mine"]),
        (RecordWish(kind="lead"), []),
        (RecordWish(stage="Solved"), ["Mine"]),
        (RecordWish(responsible=bob.pk), ["Mine"]),
        (RecordWish(responsible=0), ["Free"]),
        (RecordWish(contact=carla.pk), ["Free"]),
        (RecordWish(is_done=True), ["Mine"]),
        (RecordWish(is_done=False), ["Free"]),
        (RecordWish(is_unanswered=True), ["Free"]),
        (RecordWish(follower=bob.contact_id), ["Free"]),
        (RecordWish(failed_author=bob.contact_id), []),
    ):
        assert titles("lamp", company, wish) == found, wish


def test_hits_are_marked_in_the_text_around_them(company: seeding.Company, carla: seeding.Contact) -> None:
    written(seeding.a_record(company, "R"), carla, "one &lt;b&gt;two&lt;/b&gt; parcels here")
    (hit,) = search("parc", company).rows
    assert [(piece.text, piece.is_hit) for piece in hit.said] == [
        ("one <b>two</b> ", False),
        ("parcels", True),
        (" here", False),
    ]


def test_a_number_or_a_message_id_names_its_record_to_who_may_see_it(
    company: seeding.Company, carla: seeding.Contact
) -> None:
    bob, mallory = seeding.a_member("bob", "Bob", company), seeding.a_member("mal", "Mal", seeding.a_company("Else"))
    record = seeding.a_record(company, "R")
    message = seeding.a_message(record, carla, "<p>x</p>")
    MessageIdentifier.objects.create(message=message, identifier="<one@customer.example>")
    for typed in (f"#{record.pk}", str(record.pk), "<one@customer.example>", "one@customer.example"):
        assert exactly(visible_records(bob), typed) == (record.pk,), typed
        assert exactly(visible_records(mallory), typed) == (), typed
    assert exactly(visible_records(bob), "#0") == ()
    assert exactly(visible_records(bob), "two words@x") == ()
    assert company_ids(bob) == [company.pk]


# -- how far it is


def test_what_was_there_before_is_written_down_newest_first_and_goes_on_where_it_stopped(
    company: seeding.Company, carla: seeding.Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_messages, "BATCH", 2)
    record = seeding.a_record(company, "R")
    old = [seeding.a_message(record, carla, f"<p>old{number}</p>").pk for number in range(5)]
    SearchProgress.objects.all().delete()
    assert index_some(ports()) == 2
    assert set(SearchEntry.objects.values_list("pk", flat=True)) == set(old[3:])
    assert not search("old4", company).is_complete
    looks = iter([False, True, True])
    assert "come next" in index_old(ports(), lambda: next(looks))
    assert set(SearchEntry.objects.values_list("pk", flat=True)) == set(old[1:])
    assert "1 old messages" in index_old(ports(), lambda: False)
    assert search("old4", company).is_complete
    assert titles("old0", company) == ["R"]


def test_new_messages_are_found_while_old_ones_are_still_waiting(
    company: seeding.Company, carla: seeding.Contact
) -> None:
    seeding.a_message(seeding.a_record(company, "Before"), carla, "<p>lamp</p>")
    SearchProgress.objects.all().delete()
    index_new(ports())
    written(seeding.a_record(company, "After"), carla, "lamp")
    assert titles("lamp", company) == ["After"]
    index_some(ports())
    assert titles("lamp", company) == ["After", "Before"]


def test_a_message_that_was_committed_late_is_not_missed(company: seeding.Company, carla: seeding.Contact) -> None:
    """Its number is lower than those that are written down already."""
    index_new(ports())
    record = seeding.a_record(company, "R")
    late, first = (
        seeding.a_message(record, carla, f"<p>{word}</p>", posted_at=ports().clock.now()) for word in ("late", "first")
    )
    index_new(ports())
    SearchEntry.objects.filter(pk=late.pk).delete()  # as if it had not been there
    index_new(ports())
    assert titles("late", company) == ["R"]
    assert SearchProgress.objects.get().newest < late.pk < first.pk


def test_what_slipped_through_long_ago_is_mended(company: seeding.Company, carla: seeding.Contact) -> None:
    index_new(ports())
    message = written(seeding.a_record(company, "R"), carla, "lamp", posted_at=seeding.NOW - timedelta(hours=1))
    assert SearchProgress.objects.get().newest == message.pk
    SearchEntry.objects.all().delete()
    assert index_new(ports()) == 0
    assert titles("lamp", company) == []
    assert "1 that were missed" in index_old(ports(), lambda: False)
    assert titles("lamp", company) == ["R"]


def test_a_message_that_is_deleted_is_found_no_more(company: seeding.Company, carla: seeding.Contact) -> None:
    message = written(seeding.a_record(company, "R"), carla, "lamp")
    message.delete()
    assert not SearchEntry.objects.exists()
    assert titles("lamp", company) == []


def test_words_of_a_moved_message_lead_to_where_it_is_now(company: seeding.Company, carla: seeding.Contact) -> None:
    message = written(seeding.a_record(company, "Old place"), carla, "lamp")
    Message.objects.filter(pk=message.pk).update(record=seeding.a_record(company, "New place"))
    assert titles("lamp", company) == ["New place"]


def test_the_question_is_answered_from_the_index_of_words(company: seeding.Company, carla: seeding.Contact) -> None:
    record = seeding.a_record(company, "R")
    for number in range(300):
        seeding.a_message(record, carla, f"<p>word{number} and more</p>")
    index_new(ports())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE postroom_searchentry")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN (FORMAT JSON) SELECT message_id FROM postroom_searchentry WHERE words @@ '''word7'' & ''~0:0'''::tsquery"
        )
        plan = json.dumps(cursor.fetchone()[0])
    assert "search_words" in plan


def test_many_messages_of_one_record_do_not_hide_the_record_behind_them(
    company: seeding.Company, carla: seeding.Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_search, "MOST_AT_ONCE", 4)
    seeding.a_message(seeding.a_record(company, "Behind"), carla, "<p>walnut</p>")
    long = seeding.a_record(company, "Long")
    for _ in range(6):
        seeding.a_message(long, carla, "<p>walnut</p>")
    index_some(ports())
    with CaptureQueriesContext(connection) as seen:
        found = search("walnut ", company)
    assert [hit.title for hit in found.rows] == ["Long", "Behind"]
    assert len(seen) <= 5


def test_the_mark_follows_a_flood_so_that_it_is_not_looked_through_again_each_time(
    company: seeding.Company, carla: seeding.Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_messages, "BATCH", 2)
    monkeypatch.setattr(index_messages, "BATCHES", 2)
    record = seeding.a_record(company, "R")
    rows = [
        seeding.a_message(record, carla, f"<p>lamp{number}</p>", posted_at=seeding.NOW - timedelta(hours=1))
        for number in range(7)
    ]
    assert index_new(ports()) == 4
    assert SearchProgress.objects.get().newest == rows[3].pk
    index_new(ports())
    assert SearchProgress.objects.get().newest == rows[6].pk
    assert SearchEntry.objects.count() == 7
