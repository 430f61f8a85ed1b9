"""Mails of the grammar, through everything that reads them. `make fuzz` does the same for ten minutes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpus.fuzz import read_all_the_way, seeds, strange
from tests.corpus.strange_mails import strange_mail


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_strange_mail_goes_all_the_way(seed: int) -> None:
    read_all_the_way(strange(seed, []))


@pytest.mark.shared
@pytest.mark.slow
def test_damaged_mails_of_the_corpora_go_all_the_way() -> None:
    others = seeds()
    for seed in range(300):
        read_all_the_way(strange(seed, others))


def test_the_same_dice_make_the_same_mail() -> None:
    from random import Random

    assert strange_mail(Random(7)) == strange_mail(Random(7))
    assert len({strange_mail(Random(seed)) for seed in range(200)}) > 150
