"""What the clocks of others say about ours, where no time server is asked: dates in greetings and in answers of web servers.

Laws: pure. One stranger's clock proves nothing: two that agree with each other and not with us do. Standards: RFC 5322 3.3 (dates), RFC 9110
6.6.1 (Date).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise

from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, found

MOST_APART = timedelta(seconds=120)  # from us, before it is called wrong
AGREEING = timedelta(seconds=60)  # of two witnesses
DATE = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:[+-]\d{4}|GMT|UTC)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockWitness:
    """``says`` was heard at ``at``, by our clock."""

    name: str
    says: datetime
    at: datetime

    @property
    def skew(self) -> timedelta:
        """By how much it is ahead of us."""
        return self.says - self.at


def date_within(text: str) -> datetime | None:
    """The first date in a greeting, such as: mx.example ESMTP ready at Sat, 21 Nov 2026 18:00:00 +0000."""
    match = DATE.search(text[:1000])
    if match is None:
        return None
    try:
        moment = parsedate_to_datetime(match.group())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_outside_clocks(witnesses: Sequence[ClockWitness]) -> list[Finding]:
    """At most one finding."""
    off = sorted((one for one in witnesses if abs(one.skew) > MOST_APART), key=lambda one: one.skew)
    for first, second in pairwise(off):
        if first.name != second.name and second.skew - first.skew <= AGREEING and len(off) * 2 > len(witnesses):
            seconds = round(abs(first.skew).total_seconds())
            side = "behind" if first.skew > timedelta(0) else "ahead of"
            what = f"this machine's is {seconds} seconds {side} those of {first.name} and {second.name}"
            evidence = [f"{one.name}: {one.says:%Y-%m-%d %H:%M:%S %z}; here: {one.at:%Y-%m-%d %H:%M:%S %z}" for one in (first, second)]  # fmt: skip
            return [found(FindingCode.CLOCK_WRONG, evidence=evidence, detail="outside", facts={"what": what})]
    return []
