"""The mark of a seed message: only this house makes it, and it is worth nothing in another mail."""

from __future__ import annotations

from postroom.core.mailtest.seeds import is_marked, make_mark

OLD, NEW = b"old key", b"new key"
MAIL = "<1.test.postroom@northwind.example>"


def test_a_mark_is_known_again() -> None:
    assert is_marked([NEW], MAIL, make_mark([NEW, OLD], MAIL))


def test_a_mark_survives_the_rotation_of_keys_and_a_change_of_case() -> None:
    assert is_marked([NEW, OLD], MAIL, f" {make_mark([OLD], MAIL).upper()} ")


def test_a_mark_is_worth_nothing_in_another_mail_or_house() -> None:
    mark = make_mark([OLD], MAIL)
    assert not is_marked([OLD], "<2.test.postroom@northwind.example>", mark)
    assert not is_marked([NEW], MAIL, mark)


def test_no_mark_and_a_made_up_one_are_none() -> None:
    assert not is_marked([OLD], MAIL, "")
    assert not is_marked([OLD], MAIL, "ünknown")
