"""Tables, numbered lists and pictures as plain text: the words that people read who see no HTML."""

from __future__ import annotations

import pytest

from postroom.core.mime.markup import html_to_text


def test_a_row_of_cells_is_one_line() -> None:
    html = "<table><tr><th>Item</th><th>Qty</th></tr><tr><td>Lamp</td><td>2</td></tr></table>"
    assert html_to_text(html) == "Item Qty\nLamp 2"


def test_paragraphs_around_the_words_of_cells_do_not_tear_the_row() -> None:
    html = "<table><tr><td><p>Lamp</p></td><td><div>2</div></td><td><p>90</p></td></tr><tr><td>Desk</td><td>1</td></tr></table>"
    assert html_to_text(html) == "Lamp 2 90\nDesk 1"


def test_several_paragraphs_in_one_cell_stay_apart() -> None:
    """Whole mails stand in one cell."""
    html = (
        "<table><tr><td><p>Dear Carla,</p><p>first</p><div>second</div><ul><li>a</li></ul><p>end</p></td></tr></table>"
    )
    assert html_to_text(html) == "Dear Carla,\n\nfirst\n\nsecond\n\n- a\n\nend"


def test_tables_in_tables_are_read_row_by_row() -> None:
    inner = "<table><tr><td><p>a</p></td><td><p>b</p></td></tr><tr><td>c</td><td>d</td></tr></table>"
    assert html_to_text(f"<table><tr><td>{inner}</td></tr></table>z") == "a b\nc d\n\nz"


@pytest.mark.parametrize(
    ("start", "first"), [("3", "3."), ("x", "1."), ("-2", "1."), ("99999999", "1."), ("0", "1."), ("²", "1.")]
)
def test_a_numbered_list_begins_where_it_says(start: str, first: str) -> None:
    assert html_to_text(f'<ol start="{start}"><li>a</li><li>b</li></ol>').startswith(f"{first} a")


def test_a_picture_speaks_by_its_alternative_text() -> None:
    html = '<p><img src="cid:a" alt="Our &lt;new&gt; logo"> and <a href="https://shop.example"><img src="b" alt="Shop"></a></p>'
    assert html_to_text(html, footnotes=True) == "Our <new> logo and Shop [1]\n\n[1] https://shop.example"
