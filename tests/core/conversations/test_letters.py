"""The words around a message: subject, layout, reply address."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.conversations.letters import (
    MAX_REPLY_TO,
    Letter,
    letter_html,
    letter_subject,
    letter_text,
    reply_to,
    voice_of,
)
from postroom.core.terms.states import MessageKind

LETTER = Letter(
    kind=MessageKind.COMMENT,
    body_html="<p>Tomorrow!</p>",
    record_title="Bike <1>",
    kind_label="Ticket",
    record_url="https://desk.shop.example/records/1/?a=1&b=2",
    company="Shop & Sons",
    signature="<b>Alice</b>",
)


@pytest.mark.case("T-184")
def test_a_message_without_a_subject_has_the_title_of_its_record() -> None:
    assert letter_subject("", "My parcel is late", is_answer=False) == "My parcel is late"
    assert letter_subject("Other words", "My parcel is late", is_answer=False) == "Other words"
    assert letter_subject(" ", " ", is_answer=False) == "(no subject)"


@pytest.mark.case("T-191")
@pytest.mark.parametrize("subject", ["Two\nlines", "Two\r\nlines", "Two \r\n\t lines", "Two\n\nlines"])
def test_a_line_break_in_a_subject_becomes_a_space(subject: str) -> None:
    assert letter_subject(subject, "", is_answer=False) == "Two lines"


def test_an_answer_is_marked_once() -> None:
    assert letter_subject("Bike", "", is_answer=True) == "Re: Bike"
    assert letter_subject("RE: Bike", "", is_answer=True) == "RE: Bike"


@pytest.mark.case("T-194")
def test_a_colleague_gets_a_button_to_the_record_and_an_outside_person_does_not() -> None:
    inside, outside = letter_html(LETTER, for_colleague=True), letter_html(LETTER, for_colleague=False)
    assert 'href="https://desk.shop.example/records/1/?a=1&amp;b=2"' in inside
    assert "View Ticket" in inside
    assert "href" not in outside
    for html in (inside, outside):
        assert "<p>Tomorrow!</p>" in html
        assert "Shop &amp; Sons · Bike &lt;1&gt;" in html
        assert "<b>Alice</b>" in html


def test_a_note_says_that_answers_stay_inside() -> None:
    assert "stays inside" in letter_html(replace(LETTER, kind=MessageKind.NOTE), for_colleague=True)


@pytest.mark.case("T-200")
@pytest.mark.parametrize(
    ("company", "record", "shown"),
    [
        ("Shop", "Bike", "Shop Bike <support@shop.example>"),
        ("A company with quite a long name", "My parcel is late", "My parcel is late <support@shop.example>"),
        ("Shop", "A record whose title is longer than sixty characters, all by itself", "Shop <support@shop.example>"),
        (
            "A company whose name is longer than sixty characters, all by itself",
            "A record whose title is longer than sixty characters, all by itself",
            "support@shop.example",
        ),
        ("Shop, Sons", "Bike\r\n 1", '"Shop, Sons Bike 1" <support@shop.example>'),
    ],
)
def test_a_reply_address_is_shortened_until_it_fits(company: str, record: str, shown: str) -> None:
    found = str(reply_to(company, record, "support", "shop.example"))
    assert found == shown
    assert len(found) <= MAX_REPLY_TO


@pytest.mark.case("T-200")
def test_an_address_that_is_too_long_by_itself_is_used_bare() -> None:
    local = "a" * 64
    assert str(reply_to("Shop", "Bike", local, "shop.example")) == f"{local}@shop.example"


def test_colleagues_are_written_to_in_their_language_where_we_speak_it() -> None:
    assert [voice_of(one, for_colleague=True) for one in ("de", "de-at", "en", "fr", "")] == [
        "de",
        "de",
        "en",
        "en",
        "en",
    ]
    german = letter_html(replace(LETTER, kind=MessageKind.NOTE), for_colleague=True, voice="de")
    assert "Ticket ansehen" in german
    assert "bleibt im Haus" in german
    assert "Ticket ansehen: https://" in letter_text(LETTER, "Morgen!", for_colleague=True, voice="de")


def test_outside_people_get_no_words_of_ours_and_so_one_letter() -> None:
    assert {voice_of(one, for_colleague=False) for one in ("de", "en", "fr")} == {"en"}
