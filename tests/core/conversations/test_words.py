"""Cutting texts into words, asking for them, and showing where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.conversations.words import (
    LONGEST_WORD,
    MOST_WORDS,
    SHIFTS,
    Piece,
    Question,
    asked_as,
    block_mark,
    excerpt,
    kept_as,
    marks_of,
    question_of,
    words_of,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Where is MY parcel?", ["is", "my", "parcel", "where"]),
        ("Grüße aus Zürich", ["aus", "grusse", "zurich"]),
        ("GRÜSSE", ["grusse"]),
        ("snake_case and-dash", ["and", "case", "dash", "snake"]),
        ("請求書を", ["求書", "書を", "請求"]),
        ("PDFの請求", ["pdf", "の請", "請求"]),
        ("", []),
        ("?! --", []),
    ],
)
def test_a_text_is_cut_into_words_that_are_alike(text: str, words: list[str]) -> None:
    assert words_of([text]) == sorted(words)


def test_an_address_is_found_whole_by_its_domain_and_by_its_words() -> None:
    found = words_of([], ["Carla.Conti@Customer.example"])
    assert {"carla.conti@customer.example", "customer.example", "carla", "conti", "customer", "example"} == set(found)


def test_what_is_kept_of_a_message_is_bounded() -> None:
    found = words_of([" ".join(f"w{number}" for number in range(50_000)), "x" * 5000])
    assert len(found) <= MOST_WORDS
    assert max(map(len, words_of(["x" * 5000]))) == LONGEST_WORD


@pytest.mark.parametrize(
    ("typed", "question"),
    [
        ("parcel", Question(words=(), beginning="parcel")),
        ("parcel ", Question(words=("parcel",))),
        ("order par", Question(words=("order",), beginning="par")),
        ("order pa", Question(words=("order", "pa"))),
        ("carla@customer.example", Question(words=("carla@customer.example",))),
        ("請求書", Question(words=("請求", "求書"))),
        ("請", Question(words=(), beginning="請")),
        ("'; DROP TABLE", Question(words=("drop",), beginning="table")),
        ("& | !", Question(words=())),
    ],
)
def test_what_is_typed_becomes_words_and_one_beginning(typed: str, question: Question) -> None:
    assert question_of(typed) == question


@given(st.text(max_size=300))
def test_whatever_is_typed_every_word_of_the_question_is_one_that_is_kept(typed: str) -> None:
    question = question_of(typed)
    plain = [word for word in question.words if "@" not in word]
    assert set(plain) <= set(words_of([typed]))
    assert not any("'" in word or "\\" in word for word in question.words)


def test_the_asked_words_are_cut_to_companies_and_to_a_block() -> None:
    asked = asked_as(Question(words=("order",), beginning="par"), [3, 5], block_mark(1, 7))
    assert asked == "'order' & 'par':* & ('=3' | '=5') & '~1:7'"
    assert marks_of((7 << SHIFTS[1]) + 5, 5)[0] == "=5"
    assert "~1:7" in marks_of((7 << SHIFTS[1]) + 5, 5)


def test_words_are_kept_as_they_are_asked_for() -> None:
    assert (
        kept_as(["order", "carla@customer.example", "=5", "o'b\\"]) == "order 'carla@customer.example' '=5' 'o''b\\\\'"
    )


def test_an_excerpt_shows_the_first_hit_with_its_surroundings() -> None:
    text = (
        "Dear all, "
        + "nothing of interest here. " * 20
        + "The parcel\n\nleft the PARCEL depot tonight, they say. "
        + "More. " * 50
    )
    pieces = excerpt(text, question_of("parc"))
    assert [piece.text for piece in pieces if piece.is_hit] == ["parcel", "PARCEL"]
    shown = "".join(piece.text for piece in pieces)
    assert shown.startswith("… ")
    assert "parcel left the PARCEL depot" in shown
    assert len(shown) < 260


def test_an_excerpt_without_a_hit_is_the_beginning() -> None:
    assert excerpt("One two three", question_of("zzz")) == (Piece("One two three"),)
    assert excerpt("", question_of("zzz")) == ()


def test_hits_are_found_whatever_case_accents_or_script() -> None:
    for text, typed in (
        ("Viele GRÜSSE", "grüße"),
        ("請求書を送る", "求書"),
        ("an carla@x.example da", "carla@x.example"),
    ):
        assert any(piece.is_hit for piece in excerpt(text, question_of(typed))), text


@given(st.text(max_size=400), st.text(max_size=40))
def test_an_excerpt_never_invents_or_loses_order(text: str, typed: str) -> None:
    shown = "".join(piece.text for piece in excerpt(text, question_of(typed))).removeprefix("… ")
    assert "".join(shown.split()) in "".join(text.split())
