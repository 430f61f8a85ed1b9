"""What a bench found."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.cli.benching.counting import MEGABYTE, ProcessCost


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """``rate`` and ``yardstick`` in mails a second; ``ratio`` is rate / yardstick."""

    rate: float
    yardstick: float
    ratio: float
    cpu_s_per_message: float
    peak_rss_mb: float
    n: int
    workers: int
    cores: int


def result_of(
    *, count: int, seconds: float, yardstick: float, workers: int, staff: list[ProcessCost], cpu_seconds: float
) -> BenchResult:
    """``cpu_seconds`` are those of all our processes and of PostgreSQL while the mails were handled."""
    rate = count / seconds
    return BenchResult(
        rate=round(rate, 1),
        yardstick=round(yardstick, 1),
        ratio=round(rate / yardstick, 4),
        cpu_s_per_message=round(cpu_seconds / count, 6),
        peak_rss_mb=round(max((one.peak_rss for one in staff), default=0) / MEGABYTE, 1),
        n=count,
        workers=workers,
        cores=cores(),
    )


def percentile_95(ordered: Sequence[float]) -> float:
    """Of values in order, one at least: 95 of 100 are not above it."""
    return ordered[math.ceil(0.95 * len(ordered)) - 1]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
