"""The file of secret keys, as a text."""

from __future__ import annotations

import pytest

from postroom.core.terms.key_file import KeyFileContent, mark_of, read_key_file
from postroom.core.terms.secret import Secret

ONE, TWO = "1" * 64, "2" * 64


def test_a_file_with_one_key_gives_the_installation_its_name() -> None:
    found = read_key_file(ONE)
    assert found.keys == (Secret(ONE),)
    assert found.mark == mark_of(ONE)


def test_the_name_stays_when_keys_change() -> None:
    before = read_key_file(f"{ONE}\n")
    after = read_key_file(str(KeyFileContent((Secret(TWO), *before.keys), before.mark)))
    assert after.keys == (Secret(TWO), Secret(ONE))
    assert read_key_file(str(KeyFileContent(after.keys[:1], after.mark))).mark == before.mark


@pytest.mark.parametrize(
    "text", ["", "\n", ONE[:63], f"{ONE}\nmore", "mark=0123456789abcdef", f"{ONE}\nmark=0", "Z" * 64]
)
def test_what_is_damaged_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="no file of secret keys") as trouble:
        read_key_file(text)
    assert ONE[:20] not in str(trouble.value)


def test_keys_do_not_show_themselves() -> None:
    assert ONE[:20] not in repr(read_key_file(ONE))
