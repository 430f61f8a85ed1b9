"""The sanitiser alone, before hundreds of hostile bodies and thousands of mixtures of their pieces."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.adapters.html.flattening import LONG, MOST_ATTRIBUTES
from postroom.adapters.html.sanitizing import CUT, MAX_HTML, MAX_TAGS, Sanitizer
from tests.adapters.html.strict_checker import dangers
from tests.web.hostile.bodies import BODIES, armed
from tests.web.hostile.words import WORDS

pytestmark = pytest.mark.slow

PIECES = sorted({piece for body in BODIES for piece in re.split(r"(?=<)|(?<=>)", body) if piece and len(piece) < 200})
clean = Sanitizer().sanitize


def test_there_are_more_than_two_hundred_hostile_bodies_and_none_twice() -> None:
    assert len(set(BODIES)) == len(BODIES) >= 200


@pytest.mark.parametrize("long", [False, True], ids=["as it is", "written anew"])
def test_nothing_dangerous_is_left_of_any_hostile_body(long: bool) -> None:
    for number, body in enumerate((*BODIES, *WORDS)):
        html = armed(body, number) + (" and so on" * LONG if long else "")
        found = clean(html)
        assert dangers(found) == [], (body, found[:500])


def test_cleaning_what_is_clean_changes_nothing() -> None:
    for body in (*BODIES, *WORDS):
        once = clean(armed(body, 1))
        assert clean(once) == once, body


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join))
def test_no_mixture_of_hostile_pieces_leaves_anything_dangerous(html: str) -> None:
    once = clean(html)
    twice = clean(once)  # boxes that were left out may let their contents close each other: once, and never again
    assert dangers(once) == dangers(twice) == []
    assert clean(twice) == twice


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join))
def test_no_mixture_that_is_written_anew_leaves_anything_dangerous(html: str) -> None:
    assert dangers(clean(html + "." * LONG)) == []


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="<>/='\"&;: \t\n\x00abijprsvx-![]", max_size=80))
def test_no_rubble_leaves_anything_dangerous(html: str) -> None:
    assert dangers(clean(html)) == []


@pytest.mark.parametrize(
    "piece",
    [
        "<b><p>",
        "<tr><td style='color:red'>x &amp; y</td></tr>",
        "<p x=1 style='color:red;background:url(x)'>",
        "<",
        "<!--",
        "<a href='https://x.example/?a=1&b=2'>x</a>",
    ],
)
def test_ten_megabytes_are_cut_and_say_so(piece: str) -> None:
    html = piece * (10_000_000 // len(piece))
    begun = time.process_time()
    found = clean(html)
    print(f"{piece}: {time.process_time() - begun:.2f} s")
    assert found.endswith(CUT)
    assert dangers(found[: -len(CUT)][:200_000].rsplit("<", 1)[0]) == []


def test_ten_megabytes_of_text_cost_little_and_are_cut_by_their_length() -> None:
    found = clean("x" * 10_000_000)
    assert len(found) == MAX_HTML + len(CUT)


def test_a_long_but_honest_mail_is_shown_whole() -> None:
    row = "<tr><td>Row</td></tr>"
    found = clean("<table>" + row * (MAX_TAGS // 4 - 10) + "</table>The end")
    assert found.endswith("The end")


def test_an_element_of_a_million_attributes_keeps_the_first_and_costs_no_square() -> None:
    html = '<p title="kept" ' + " ".join(f"a{number}=1" for number in range(400_000)) + " lang=de>x</p>"
    begun = time.process_time()
    found = clean(html)
    assert time.process_time() - begun < 20  # square, it would be minutes
    assert MOST_ATTRIBUTES < 400_000
    assert 'title="kept"' in found
    assert "a1=" not in found
