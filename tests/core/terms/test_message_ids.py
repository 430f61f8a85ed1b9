"""Message-IDs (RFC 5322 3.6.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.terms.message_ids import MAX_REFERENCES, make_message_id, read_message_ids, thread_references


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("<a@b.example>", ("<a@b.example>",)),
        ("<a@b.example> <c@d.example>", ("<a@b.example>", "<c@d.example>")),
        ("<a@b.example><c@d.example>\r\n\t<a@b.example>", ("<a@b.example>", "<c@d.example>")),
        ("<a@\r\n b.example>", ("<a@b.example>",)),
        ("Your mail <a@b.example> of Monday", ("<a@b.example>",)),
        ("a@b.example", ("<a@b.example>",)),
        ("a@b.example c@d.example", ("<a@b.example>", "<c@d.example>")),
        ("nonsense", ()),
        ("<>", ()),
        ("< >", ()),
        ("", ()),
        ("<" + "x" * 2_000 + ">", ()),
    ],
)
def test_ids_are_read_in_order_and_once(value: str, ids: tuple[str, ...]) -> None:
    assert read_message_ids(value) == ids


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_reading_never_raises_and_gives_ids_in_brackets(value: str) -> None:
    for one in read_message_ids(value):
        assert one.startswith("<")
        assert one.endswith(">")
        assert not any(char.isspace() for char in one)


def test_our_ids_are_readable_and_never_without_a_domain() -> None:
    ours = make_message_id(unique="c0ffee", domain="ours.example")
    assert ours == "<c0ffee.postroom@ours.example>"
    assert read_message_ids(ours) == (ours,)
    assert make_message_id(unique="c0ffee", domain="") == "<c0ffee.postroom@postroom.invalid>"


def test_references_name_the_parent_and_the_mail_itself() -> None:
    """O-67."""
    assert thread_references((), "", "<own@x>") == ("<own@x>",)
    assert thread_references(("<root@x>",), "<parent@x>", "<own@x>") == ("<root@x>", "<parent@x>", "<own@x>")
    assert thread_references(("<root@x>", "<parent@x>"), "<parent@x>", "<own@x>") == (
        "<root@x>",
        "<parent@x>",
        "<own@x>",
    )


def test_of_a_long_thread_the_root_and_the_newest_are_kept() -> None:
    chain = tuple(f"<{number}@x>" for number in range(100))
    kept = thread_references(chain, "<parent@x>", "<own@x>")
    assert len(kept) == MAX_REFERENCES
    assert kept[0] == "<0@x>"
    assert kept[-3:] == ("<99@x>", "<parent@x>", "<own@x>")
