"""Drafts: nothing is lost, nothing is overwritten unseen, nobody else sees them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.states import Role
from postroom.flows.access import NotAllowed
from postroom.flows.forget_old_mail import forget_old_mail
from postroom.flows.keep_draft import (
    DraftWords,
    Overtaken,
    Saved,
    add_draft_file,
    becoming_links,
    discard_draft,
    draft_file,
    draft_of,
    files_to_send,
    remove_draft_file,
    save_draft,
)
from postroom.flows.new_files import NewFile
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.records import create_record
from postroom.flows.scheduled_messages import Words, schedule_message
from postroom.flows.settings import parameters
from postroom.flows.undo_message import TakenBack, undo_message
from postroom.store.models import Attachment, Draft, DraftFile, Member, Message, Parameter, Record, ScheduledMessage
from tests.flows.outgoing_mails import HandClock, a_company, a_server, ports_with
from tests.people import add_contact, add_member

pytestmark = pytest.mark.django_db
DOT = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ports(clock: HandClock) -> Ports:
    a_server()
    return ports_with(clock=clock)


@pytest.fixture
def alice() -> Member:
    return add_member(a_company(), "Alice", "alice@northwind.example", role=Role.AGENT)


@pytest.fixture
def record(ports: Ports, alice: Member) -> Record:
    return create_record(ports, company_id=alice.company_id, kind="ticket", title="Poster", author=alice)


def save(ports: Ports, record: Record, member: Member, html: str, version: int) -> Saved | Overtaken:
    return save_draft(ports, record_id=record.pk, member=member, words=DraftWords(html=html), version=version)


def a_file(name: str = "plan.pdf", size: int = 4, **more: object) -> NewFile:
    return NewFile(name=name, content_type="application/pdf", content=b"x" * size, **more)  # type: ignore[arg-type]


def test_words_are_kept_cleaned_and_each_window_sees_only_its_own_version(
    ports: Ports, record: Record, alice: Member
) -> None:
    first = save(ports, record, alice, '<p onclick="x()">Dear<script>alert(1)</script> Carla</p>', 0)
    assert isinstance(first, Saved)
    assert first.version == 1
    assert Draft.objects.get().html == "<p>Dear Carla</p>"
    assert save(ports, record, alice, "<p>of another window</p>", 0) == Overtaken(version=1)
    assert Draft.objects.get().html == "<p>Dear Carla</p>", "nothing was overwritten unseen"
    assert isinstance(save(ports, record, alice, "<p>seen</p>", 1), Saved)
    discard_draft(ports, record_id=record.pk, member=alice)
    assert save(ports, record, alice, "<p>late</p>", 2) == Overtaken(version=0), "it was discarded elsewhere"


def test_what_says_nothing_is_not_kept(ports: Ports, record: Record, alice: Member) -> None:
    assert isinstance(save(ports, record, alice, " ", 0), Saved)
    assert not Draft.objects.exists()
    save(ports, record, alice, "<p>x</p>", 0)
    save(ports, record, alice, "", 1)
    assert not Draft.objects.exists()


def test_a_draft_is_its_members_alone(ports: Ports, record: Record, alice: Member) -> None:
    save(ports, record, alice, "<p>mine</p>", 0)
    file = add_draft_file(ports, record_id=record.pk, member=alice, file=a_file())
    bob = add_member(alice.company, "Bob", "bob@northwind.example")
    rita = add_member(alice.company, "Rita", "rita@northwind.example", role=Role.READ_ONLY)
    mallory = add_member(a_company("Other", "other.example"), "Mallory", "m@other.example", role=Role.ADMINISTRATOR)
    assert draft_of(record.pk, bob) is None
    assert draft_file(file.pk, bob) is None
    assert files_to_send(ports, record_id=record.pk, member=bob, file_ids=[file.pk], html="") == []
    remove_draft_file(ports, record_id=record.pk, file_id=file.pk, member=bob)
    discard_draft(ports, record_id=record.pk, member=bob)
    assert DraftFile.objects.filter(pk=file.pk).exists()
    alice.companies.clear()
    Member.objects.filter(pk=alice.pk).update(company=mallory.company)
    assert draft_file(file.pk, Member.objects.get(pk=alice.pk)) is None, "of a record that she sees no more"
    with pytest.raises(NotAllowed):
        save(ports, record, rita, "<p>x</p>", 0)
    with pytest.raises(Record.DoesNotExist):
        save(ports, record, mallory, "<p>x</p>", 0)


def test_files_are_there_before_the_words_and_do_not_count_as_another_version(
    ports: Ports, record: Record, alice: Member
) -> None:
    add_draft_file(ports, record_id=record.pk, member=alice, file=a_file("../../etc/pass\x00wd"))
    assert DraftFile.objects.get().name == "pass_wd"
    assert isinstance(save(ports, record, alice, "<p>x</p>", 0), Saved)
    assert DraftFile.objects.count() == 1


def test_too_many_and_too_large_files_are_refused_in_words(ports: Ports, record: Record, alice: Member) -> None:
    Parameter.objects.create(key="mail.upload.files", value="2")
    Parameter.objects.create(key="mail.upload.size", value="1")
    with pytest.raises(ValidationError, match="at most 1 MB together"):
        add_draft_file(ports, record_id=record.pk, member=alice, file=a_file(size=1_000_001))
    for _ in range(2):
        add_draft_file(ports, record_id=record.pk, member=alice, file=a_file())
    with pytest.raises(ValidationError, match="at most 2 files"):
        add_draft_file(ports, record_id=record.pk, member=alice, file=a_file())
    with pytest.raises(ValidationError, match="too long"):
        save(ports, record, alice, "x" * 1_000_001, 0)


def test_the_largest_files_become_links(ports: Ports) -> None:
    assert becoming_links(parameters(ports), [1_000_000, 2_000_000]) == frozenset()
    assert becoming_links(parameters(ports), [1_000_000, 9_000_000, 12_000_000]) == {1, 2}
    Parameter.objects.create(key="mail.attachment.link.days", value="0")
    assert becoming_links(parameters(ports), [12_000_000]) == frozenset()


def test_sending_and_scheduling_end_the_draft(ports: Ports, record: Record, alice: Member, clock: HandClock) -> None:
    save(ports, record, alice, "<p>x</p>", 0)
    post_message(ports, record_id=record.pk, author=alice, html="<p>x</p>", ends_draft=True)
    assert not Draft.objects.exists()
    save(ports, record, alice, "<p>x</p>", 0)
    schedule_message(
        ports,
        record_id=record.pk,
        author=alice,
        words=Words(html="<p>x</p>", mentioned_contact_ids=[alice.contact_id], addresses=["new@customer.example"]),
        at=clock.now() + timedelta(days=1),
        ends_draft=True,
    )
    assert not Draft.objects.exists()
    assert ScheduledMessage.objects.get().addresses == ["new@customer.example"]


def test_pictures_travel_with_the_words_and_come_back_when_it_is_taken_back(
    ports: Ports, record: Record, alice: Member
) -> None:
    carla = add_contact("Customer Carla", "carla@customer.example", alice.company)
    save(ports, record, alice, f'<p>See <img src="{DOT}" alt="dot"></p>', 0)
    plan = add_draft_file(ports, record_id=record.pk, member=alice, file=a_file())
    draft = Draft.objects.get()
    picture = draft.files.get(is_inline=True)
    assert f"cid:{picture.content_id}" in draft.html
    files = files_to_send(ports, record_id=record.pk, member=alice, file_ids=[plan.pk], html=draft.html)
    message = post_message(
        ports,
        record_id=record.pk,
        author=alice,
        html=draft.html,
        attachments=files,
        extra_contact_ids=[carla.pk],
        may_be_undone=True,
        ends_draft=True,
    )
    assert set(Attachment.objects.values_list("name", "is_inline")) == {(picture.name, True), ("plan.pdf", False)}
    posted = message.body.html
    save(ports, record, alice, "<p>begun since</p>", 0)
    assert isinstance(undo_message(ports, message_id=message.pk, author=alice), TakenBack)
    again = Draft.objects.get()
    assert again.html == f"{posted}<p>begun since</p>"
    assert f"cid:{picture.content_id}" in again.html
    assert again.extra_contact_ids == [carla.pk]
    assert set(again.files.values_list("name", "is_inline")) == {(picture.name, True), ("plan.pdf", False)}
    assert not Message.objects.exists()


def test_old_drafts_are_forgotten(ports: Ports, record: Record, alice: Member, clock: HandClock) -> None:
    save(ports, record, alice, "<p>x</p>", 0)
    clock.pass_by(days=59)
    assert forget_old_mail(ports)["drafts"] == 0
    clock.pass_by(days=2)
    assert forget_old_mail(ports)["drafts"] == 1
