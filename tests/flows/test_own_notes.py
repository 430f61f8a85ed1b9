"""A note is put right or taken away by who wrote it: its words, its pictures, and what the search finds."""

from __future__ import annotations

import base64

import pytest
from django.core.exceptions import ValidationError

from postroom.core.terms.states import MessageKind
from postroom.flows.access import NotAllowed
from postroom.flows.index_messages import index_new
from postroom.flows.own_notes import LONGEST, change_note, remove_note
from postroom.flows.post_message import post_message
from postroom.store.models import Attachment, Member, Message, Record
from postroom.store.queries.pages_records import RecordWish
from postroom.store.queries.pages_search import search_messages
from postroom.wiring import ports
from tests.web import seeding

pytestmark = pytest.mark.django_db


def picture(shade: bytes) -> str:
    """As a browser pastes it."""
    content = base64.b64encode(b"\x89PNG\r\n\x1a\n" + shade).decode()
    return f'<img src="data:image/png;base64,{content}">'


@pytest.fixture
def bob() -> Member:
    seeding.a_kind(stages=["New"])
    return seeding.a_member("bob", "Bob Brandt", seeding.a_company())


@pytest.fixture
def note(bob: Member) -> Message:
    index_new(ports())  # what comes from now on is new
    record: Record = seeding.a_record(bob.company, "Poster")
    html = f"<p>The secret lantern</p>{picture(b'one')}"
    message = post_message(ports(), record_id=record.pk, author=bob, html=html, kind=MessageKind.NOTE)
    index_new(ports())
    return message


def found(typed: str, bob: Member) -> int:
    return len(search_messages(RecordWish(), typed, [bob.company_id], "").rows)


def change(note: Message, html: str, bob: Member) -> Message:
    change_note(ports(), message_id=note.pk, html=html, by=bob)
    return Message.objects.select_related("body").get(pk=note.pk)


def test_a_picture_that_is_pasted_into_it_stays_and_one_that_is_taken_out_goes(note: Message, bob: Member) -> None:
    (before,) = Attachment.objects.filter(message=note)
    changed = change(note, note.body.html + picture(b"two"), bob)
    both = set(Attachment.objects.filter(message=note, is_inline=True).values_list("content_id", flat=True))
    assert changed.attachment_count == len(both) == 2
    assert all(f"cid:{content_id}" in changed.body.html for content_id in both)
    changed = change(note, f'<p>Only one</p><img src="cid:{before.content_id}">', bob)
    assert list(Attachment.objects.filter(message=note)) == [before]
    assert changed.attachment_count == 1


def test_the_search_finds_the_new_words_and_the_old_ones_no_more(note: Message, bob: Member) -> None:
    assert found("lantern", bob) == 1
    change(note, "<p>The lighthouse</p>", bob)
    assert (found("lantern", bob), found("lighthouse", bob)) == (0, 1)
    remove_note(ports(), message_id=note.pk, by=bob)
    assert found("lighthouse", bob) == 0


def test_what_is_too_long_is_refused_and_not_cut(note: Message, bob: Member) -> None:
    with pytest.raises(ValidationError, match="too long"):
        change(note, f"<p>{'x' * LONGEST}</p>", bob)
    assert "lantern" in Message.objects.get(pk=note.pk).body.html


def test_what_was_taken_away_is_not_written_again(note: Message, bob: Member) -> None:
    remove_note(ports(), message_id=note.pk, by=bob)
    with pytest.raises(NotAllowed):
        change(note, "<p>Again</p>", bob)
    assert Message.objects.get(pk=note.pk).body.html == ""
