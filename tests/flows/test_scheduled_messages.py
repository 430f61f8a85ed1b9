"""Messages that wait for their date: posted once, with the rights of then, and never lost in silence."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import connection, connections

from postroom.core.terms.states import MessageKind, Role
from postroom.flows.access import NotAllowed
from postroom.flows.ports import Ports
from postroom.flows.post_message import NewFile
from postroom.flows.scheduled_messages import (
    ScheduleError,
    Words,
    cancel_scheduled,
    change_scheduled,
    post_due,
    schedule_message,
    send_scheduled_now,
    visible_scheduled,
)
from postroom.store.models import (
    Company,
    Delivery,
    Follower,
    MailTemplate,
    Member,
    Message,
    Notification,
    OutgoingMail,
    Record,
    ScheduledMessage,
)
from tests.flows.outgoing_mails import HandClock, ports_with
from tests.people import House, add_contact, add_member, build_house

pytestmark = pytest.mark.django_db

PICTURE = b"\x89PNG\r\n\x1a\n" + b"not a real one" * 4
PICTURE_ADDRESS = (
    "data:image/png;base64,iVBORw0KGgpub3QgYSByZWFsIG9uZW5vdCBhIHJlYWwgb25lbm90IGEgcmVhbCBvbmVub3QgYSByZWFsIG9uZQ=="
)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    return ports_with(clock=clock)


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def record(house: House, clock: HandClock) -> Record:
    """Bob and Customer Carla follow it."""
    made = Record.objects.create(
        company=house.company, kind=house.ticket, title="Late parcel", created_at=clock.now(), updated_at=clock.now()
    )
    for contact in (house.bob.contact, add_contact("Customer Carla", "carla@customer.example", house.company)):
        Follower.objects.create(record=made, contact=contact)
    return made


def of_another_company() -> Member:
    company = Company.objects.create(name="Other Works")
    return add_member(company, "Mallory", "mallory@else.test", role=Role.ADMINISTRATOR)


def in_days(clock: HandClock, days: float) -> datetime:
    return clock.now() + timedelta(days=days)


def scheduled(
    ports: Ports, record: Record, author: Member, at: datetime, html: str = "<p>Good news</p>", **more: object
) -> ScheduledMessage:
    files = more.pop("files", ())
    return schedule_message(
        ports, record_id=record.pk, author=author, words=Words(html=html, **more), at=at, files=files
    )  # type: ignore[arg-type]


def test_t_188_nobody_hears_of_a_scheduled_message_before_its_date_and_everybody_at_it(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    scheduled(ports, record, house.alice, in_days(clock, 5), subject="Your parcel")
    assert post_due(ports) == 0
    clock.pass_by(days=4, hours=23, minutes=59)
    assert post_due(ports) == 0
    assert not Notification.objects.exists()
    clock.pass_by(minutes=1)
    assert post_due(ports) == 1
    message = Message.objects.get()
    assert (message.author_name, message.subject, message.posted_at) == ("Alice", "Your parcel", clock.now())
    assert set(Delivery.objects.values_list("to_address", flat=True)) == {"bob@box.test", "carla@customer.example"}


def test_t_206_the_row_is_gone_once_the_message_is_posted_and_nothing_is_posted_twice(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    scheduled(ports, record, house.alice, in_days(clock, 1))
    clock.pass_by(days=1)
    assert (post_due(ports), post_due(ports)) == (1, 0)
    assert Message.objects.count() == 1
    assert not ScheduledMessage.objects.exists()


@pytest.mark.case("T-190")
@pytest.mark.parametrize("days", [-1.0, 0.0])
def test_t_206_a_date_that_is_past_is_refused_with_words(
    ports: Ports, house: House, record: Record, clock: HandClock, days: float
) -> None:
    with pytest.raises(ScheduleError, match="past"):
        scheduled(ports, record, house.alice, in_days(clock, days))
    row = scheduled(ports, record, house.alice, in_days(clock, 1))
    with pytest.raises(ScheduleError, match="past"):
        change_scheduled(ports, row.pk, member=house.alice, html="<p>x</p>", subject="", at=in_days(clock, days))
    assert ScheduledMessage.objects.get().html == "<p>Good news</p>"


def test_a_date_of_the_next_century_is_refused(ports: Ports, house: House, record: Record, clock: HandClock) -> None:
    with pytest.raises(ScheduleError, match="five years"):
        scheduled(ports, record, house.alice, in_days(clock, 36500))


def test_t_125_a_moment_in_any_zone_is_stored_in_utc(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    row = scheduled(ports, record, house.alice, datetime(2026, 3, 2, 9, 0, tzinfo=there))
    row.refresh_from_db()
    assert row.scheduled_at == datetime(2026, 3, 2, 3, 30, tzinfo=UTC)


def test_t_206_scheduling_needs_the_right_to_post(ports: Ports, house: House, record: Record, clock: HandClock) -> None:
    reader = add_member(house.company, "Rita", "rita@box.test", role=Role.READ_ONLY)
    with pytest.raises(NotAllowed):
        scheduled(ports, record, reader, in_days(clock, 1))
    stranger = of_another_company()
    with pytest.raises(Record.DoesNotExist):
        scheduled(ports, record, stranger, in_days(clock, 1))


def test_an_author_who_lost_the_right_hears_of_it_and_the_others_are_not_held_up(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    mine = scheduled(ports, record, house.charlie, in_days(clock, 1), "<p>From Charlie</p>")
    scheduled(ports, record, house.alice, in_days(clock, 1), "<p>From Alice</p>")
    Member.objects.filter(pk=house.charlie.pk).update(role=Role.READ_ONLY)
    clock.pass_by(days=1)
    assert post_due(ports) == 2
    assert Message.objects.get().author_name == "Alice"
    mine.refresh_from_db()
    assert "may not post here any more" in mine.trouble
    assert list(visible_scheduled(house.charlie)) == [mine]
    told = Delivery.objects.get(to_address="charlie@box.test")
    assert b"From Charlie" in bytes(told.mail.content.body)
    assert told.mail.null_return_path
    assert post_due(ports) == 0, "it waits for a person now"


def test_an_author_who_sees_the_record_no_more_keeps_the_words(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    row = scheduled(ports, record, house.charlie, in_days(clock, 1))
    Member.objects.filter(pk=house.charlie.pk).update(company=of_another_company().company)
    clock.pass_by(days=1)
    post_due(ports)
    row.refresh_from_db()
    assert "may not see this record" in row.trouble
    assert not Message.objects.exists()
    charlie = Member.objects.get(pk=house.charlie.pk)
    assert list(visible_scheduled(charlie)) == [row]


@pytest.mark.parametrize("how", ["switched off", "gone"])
def test_nobody_speaks_in_the_name_of_an_account_that_is(
    ports: Ports, house: House, record: Record, clock: HandClock, how: str
) -> None:
    row = scheduled(ports, record, house.charlie, in_days(clock, 1))
    if how == "gone":
        house.charlie.user.delete()
    else:
        house.charlie.user.is_active = False
        house.charlie.user.save()
    clock.pass_by(days=1)
    assert post_due(ports) == 1
    row.refresh_from_db()
    assert "Charlie" in row.trouble
    assert not Message.objects.exists()


def test_what_could_not_be_posted_is_posted_once_its_author_gave_it_a_new_date(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    row = scheduled(ports, record, house.charlie, in_days(clock, 1))
    Member.objects.filter(pk=house.charlie.pk).update(role=Role.READ_ONLY)
    clock.pass_by(days=1)
    post_due(ports)
    Member.objects.filter(pk=house.charlie.pk).update(role=Role.AGENT)
    charlie = Member.objects.get(pk=house.charlie.pk)
    change_scheduled(ports, row.pk, member=charlie, html="<p>Again</p>", subject="", at=in_days(clock, 1))
    clock.pass_by(days=1)
    assert post_due(ports) == 1
    assert Message.objects.get().body.html == "<p>Again</p>"


@pytest.mark.case("T-206")
def test_only_the_author_changes_it_whoever_may_post_cancels_it_and_an_administrator_sends_it_now(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    row = scheduled(ports, record, house.charlie, in_days(clock, 1))
    for other in (house.bob, house.alice):
        with pytest.raises(NotAllowed, match="Only its author"):
            change_scheduled(ports, row.pk, member=other, html="<p>forged</p>", subject="", at=in_days(clock, 2))
    with pytest.raises(NotAllowed, match="administrator"):
        send_scheduled_now(ports, row.pk, member=house.bob)
    sent = send_scheduled_now(ports, row.pk, member=house.alice)
    assert sent.author_name == "Charlie"
    other_row = scheduled(ports, record, house.charlie, in_days(clock, 1))
    cancel_scheduled(ports, other_row.pk, member=house.bob)
    clock.pass_by(days=2)
    assert post_due(ports) == 0
    assert Message.objects.count() == 1


def test_somebody_of_another_company_finds_no_scheduled_message(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    row = scheduled(ports, record, house.alice, in_days(clock, 1))
    mallory = of_another_company()
    for act in (cancel_scheduled, send_scheduled_now):
        with pytest.raises(ScheduledMessage.DoesNotExist):
            act(ports, row.pk, member=mallory)
    assert not visible_scheduled(mallory).exists()


def test_its_files_and_pictures_wait_with_it(ports: Ports, house: House, record: Record, clock: HandClock) -> None:
    html = f'<p>Look: <img src="{PICTURE_ADDRESS}" alt="lamp"></p><script>alert(1)</script>'
    file = NewFile(name="offer.pdf", content_type="application/pdf", content=b"%PDF offer")
    row = scheduled(ports, record, house.alice, in_days(clock, 1), html, files=[file])
    assert "script" not in row.html
    assert "cid:" in row.html
    clock.pass_by(days=1)
    post_due(ports)
    message = Message.objects.get()
    assert sorted(message.attachments.values_list("name", "is_inline")) == [
        ("offer.pdf", False),
        ("picture-1.png", True),
    ]
    body = bytes(OutgoingMail.objects.first().content.body)  # type: ignore[union-attr]
    assert b"multipart/related" in body
    assert b"offer.pdf" in body


def test_a_picture_that_was_taken_out_again_does_not_travel(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    html = f'<p><img src="{PICTURE_ADDRESS}"></p>'
    file = NewFile(name="old.txt", content_type="text/plain", content=b"old")
    row = scheduled(ports, record, house.alice, in_days(clock, 1), html, files=[file])
    removed = row.files.get(name="old.txt").pk
    at = in_days(clock, 2)
    change_scheduled(ports, row.pk, member=house.alice, html="<p>x</p>", subject="", at=at, removed_file_ids=[removed])
    assert not row.files.exists()


def test_a_note_that_is_scheduled_stays_in_the_house(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    Follower.objects.update(notes=True)
    scheduled(ports, record, house.alice, in_days(clock, 1), kind=MessageKind.NOTE)
    clock.pass_by(days=1)
    post_due(ports)
    assert set(Delivery.objects.values_list("to_address", flat=True)) == {"bob@box.test"}


def test_a_template_that_was_archived_meanwhile_is_a_visible_trouble(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    template = MailTemplate.objects.create(company=house.company, name="Offer", from_address="sales@in.test")
    row = scheduled(ports, record, house.alice, in_days(clock, 1), template_id=template.pk)
    MailTemplate.objects.update(is_active=False)
    clock.pass_by(days=1)
    post_due(ports)
    row.refresh_from_db()
    assert "template" in row.trouble


def test_a_fault_of_ours_is_shown_and_takes_nobody_along(
    ports: Ports, house: House, record: Record, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    file = NewFile(name="a.txt", content_type="text/plain", content=b"a")
    row = scheduled(ports, record, house.alice, in_days(clock, 1), files=[file])
    scheduled(ports, record, house.bob, in_days(clock, 1))

    clock.pass_by(days=1)
    assert post_due(replace(ports, blobs=Unreadable(ports.blobs, TypeError("a fault")))) == 2
    row.refresh_from_db()
    assert "bug of ours" in row.trouble
    assert Message.objects.get().author_name == "Bob"


class Unreadable:
    """Blobs that are written and not to be read again."""

    def __init__(self, blobs: Any, error: Exception) -> None:
        self.put, self.error = blobs.put, error

    def get(self, sha256: str) -> bytes:
        raise self.error


def test_a_file_that_the_disk_has_lost_is_named_and_the_message_waits_on(
    ports: Ports, house: House, record: Record, clock: HandClock
) -> None:
    file = NewFile(name="plan.txt", content_type="text/plain", content=b"a")
    row = scheduled(ports, record, house.alice, in_days(clock, 1), files=[file])
    lossy = replace(ports, blobs=Unreadable(ports.blobs, KeyError("gone")))
    with pytest.raises(ScheduleError, match=r"plan\.txt is lost"):
        send_scheduled_now(lossy, row.pk, member=house.alice)
    row.refresh_from_db()
    assert row.trouble == ""
    clock.pass_by(days=1)
    post_due(lossy)
    row.refresh_from_db()
    assert row.trouble.startswith("The file plan.txt is lost")
    assert not Message.objects.exists()
    send_scheduled_now(ports, row.pk, member=house.alice)
    assert Message.objects.get().attachment_count == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_clerks_at_the_same_moment_post_each_message_once(clock: HandClock) -> None:
    ports = ports_with(clock=clock)
    house = build_house()
    record = Record.objects.create(
        company=house.company, kind=house.ticket, title="Busy", created_at=clock.now(), updated_at=clock.now()
    )
    Follower.objects.create(record=record, contact=house.bob.contact)
    for number in range(24):
        scheduled(ports, record, house.alice, in_days(clock, 1), f"<p>message {number}</p>")
    clock.pass_by(days=1)
    settled: list[int] = []
    start = threading.Barrier(3)

    def clerk() -> None:
        try:
            start.wait(90)
            while done := post_due(ports):
                settled.append(done)
        finally:
            connections.close_all()

    clerks = [threading.Thread(target=clerk) for _ in range(3)]
    for one in clerks:
        one.start()
    for one in clerks:
        one.join(60)
    assert sum(settled) == 24
    assert Message.objects.count() == 24
    assert len(set(Message.objects.values_list("body__html", flat=True))) == 24
    assert Delivery.objects.count() == 24
    connection.close()
