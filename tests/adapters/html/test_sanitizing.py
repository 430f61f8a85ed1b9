"""Harmless HTML, in time that grows with its length and not with how deep it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.adapters.html.flattening import MANY, MOST_DEEP, flattened
from postroom.adapters.html.sanitizing import _CLEANER, _SILENT, _TAGS, Sanitizer

ROW = (
    '<tr><td style="color:red">Row &amp; {0}<td><a href="https://shop.example/?a=1&amp;b={0}">go</a>'
    "<p>one<p>two<br>three<ul><li>x<li><b>y</b></ul>"
)


def deepest(html: str) -> int:
    """Of well-formed HTML."""
    depth = most = 0
    for piece in html.split("<")[1:]:
        name = piece.split(">")[0].split(" ")[0]
        if name in ("br", "hr", "img"):
            continue
        depth += -1 if name.startswith("/") else 1
        most = max(most, depth)
    return most


@pytest.mark.parametrize(
    "piece",
    [
        "<div>",
        "<ul><li>",
        '<div a">',
        "<div><iframe></div></iframe>",
        "<div><table><td></div>",
        "<div></span>",
        "<font><p>",
        "<b><i>",
        '<div title="',
        "<div><!--></div>-->",
        "<svg><div>",
        "<a/b=<div>",
    ],
)
def test_deep_html_costs_what_its_length_costs(piece: str) -> None:
    begun = time.process_time()
    found = Sanitizer().sanitize(piece * 20_000 + "the end")
    print(f"{piece}: {time.process_time() - begun:.2f} s for 20,000")
    assert time.process_time() - begun < 20  # square, it would be minutes
    assert deepest(found) <= 3 * MOST_DEEP  # what HTML implies (tbody, tr) counts, too


def test_twenty_thousand_boxes_keep_their_words() -> None:
    found = Sanitizer().sanitize("<div>" * 20_000 + "Dear Carla" + "</div>" * 20_000 + "<p>Bye</p>")
    assert "Dear Carla" in found
    assert found.endswith("<p>Bye</p>")


def test_a_long_newsletter_looks_as_if_it_were_short() -> None:
    html = "<table>" + "".join(ROW.format(number) for number in range(1000)) + "</table>"
    assert html.count("<") > MANY
    assert Sanitizer().sanitize(html) == _CLEANER.clean(html)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "<div>",
                "</div>",
                "<p>",
                "</p>",
                "<table>",
                "<tr>",
                "<td>",
                "</table>",
                "<script>",
                "</script>",
                "<b x='\"'>",
                "<img src=x onerror=alert(1)>",
                "<a href=javascript:x>",
                "text & <",
                "<!--",
                "-->",
                "'",
                '"',
                "<svg>",
                "<li>",
            ]
        ),
        max_size=60,
    )
)
def test_what_is_written_anew_is_harmless_and_shallow(pieces: list[str]) -> None:
    found = _CLEANER.clean(flattened("".join(pieces), _TAGS, _SILENT))
    assert "<script" not in found
    assert "<svg" not in found
    assert deepest(found) <= 3 * len(pieces) + 3
