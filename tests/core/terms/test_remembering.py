"""What strangers wrote is remembered only where it is short."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from postroom.core.conversations.words import fold
from postroom.core.mime.headers import read_parameters
from postroom.core.senders.dmarc import read_dmarc
from postroom.core.senders.spf_terms import read_record
from postroom.core.terms.addresses import normalize_domain
from postroom.core.terms.remembering import remembered


def test_short_texts_are_worked_out_once_and_long_ones_each_time() -> None:
    asked: list[str] = []

    @remembered(most=2, longest=3)
    def doubled(text: str) -> str:
        asked.append(text)
        return text * 2

    assert [doubled(text) for text in ("abc", "abc", "abcd", "abcd")] == ["abcabc", "abcabc", "abcdabcd", "abcdabcd"]
    assert asked == ["abc", "abcd", "abcd"]


LONG = 100_000


@pytest.mark.parametrize(
    ("read", "beginning", "filling"),
    [
        (fold, "", "ä"),
        (normalize_domain, "", "a"),
        (read_parameters, "text/plain; name=", "a"),
        (read_dmarc, "v=DMARC1; p=", "a"),
        (read_record, "v=spf1 x=", "a"),
    ],
)
def test_nothing_long_of_a_stranger_stays_in_memory(
    read: Callable[[str], object], beginning: str, filling: str
) -> None:
    tracemalloc.start()
    try:
        for number in range(50):
            read(f"{beginning}{filling * LONG}{number}")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10 * LONG, "fifty were read"
