"""Figures of a bench."""

from __future__ import annotations

import pytest

from postroom.cli.benching.results import percentile_95


@pytest.mark.parametrize(("count", "found"), [(1, 1), (10, 10), (19, 19), (20, 19), (100, 95), (200, 190)])
def test_five_of_a_hundred_lie_above_the_percentile(count: int, found: int) -> None:
    assert percentile_95(range(1, count + 1)) == found
