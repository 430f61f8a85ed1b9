"""The collected reports and mails of many servers, where they are at hand: ``../shared/corpora`` beside the project.

A row of ``reports.jsonl`` holds ``file``, ``kind``, ``recipients``, ``status`` and ``hardbounce``; one of ``mail.jsonl`` ``file`` and
``category``.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.reports.reading import read_report
from postroom.flows.read_report import read_mail_as_report
from tests.corpus.shared import SHARED

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def rows(name: str) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (SHARED / name).read_text().splitlines())


def test_nearly_all_known_reports_are_read_and_their_recipients_named() -> None:
    n: Counter[str] = Counter()
    for row in rows("reports.jsonl"):
        found = read_mail_as_report((SHARED / row["file"]).read_bytes())
        is_bounce = found.kind in ("bounce", "delayed")
        if row["kind"] != "bounce":
            assert not is_bounce, row["file"]
            continue
        wanted = {address.lower() for address in row["recipients"] or []}
        told = {one.address for one in found.recipients} if is_bounce else set()
        n += Counter({"bounces": 1, "detected": is_bounce, "wanted": len(wanted), "told": len(told)})
        n["right"] += len(wanted & told)
        if not told:
            continue
        first = found.recipients[0]
        if row["status"]:
            n += Counter({"classes": 1, "class right": first.status[:1] == row["status"][:1]})
        if row["hardbounce"] is not None:
            n += Counter({"verdicts": 1, "verdict right": (first.verdict == "address") == row["hardbounce"]})
    print(dict(n))
    assert n["detected"] >= 0.99 * n["bounces"]
    assert n["right"] >= 0.99 * n["wanted"]
    assert n["right"] >= 0.99 * n["told"]
    assert n["class right"] >= 0.97 * n["classes"]
    assert n["verdict right"] >= 0.92 * n["verdicts"]


def test_no_ordinary_mail_is_taken_for_a_report() -> None:
    """A mail that both collections hold may be a bounce that is malformed as well."""
    known = {row["file"].partition("/")[2] for row in rows("reports.jsonl") if row["kind"] in ("bounce", "complaint")}
    for row in rows("mail.jsonl"):
        found = read_mail_as_report((SHARED / row["file"]).read_bytes())
        if row["category"] not in ("bounce", "complaint") and row["file"].partition("/")[2] not in known:
            assert found.kind in ("ordinary", "autoreply", "mdn"), row["file"]


@pytest.mark.parametrize("name", ["mail.jsonl", "reports.jsonl"])
def test_how_long_reading_takes(name: str) -> None:
    mails = [parse((SHARED / row["file"]).read_bytes()) for row in rows(name)]
    taken = []
    for mail in mails:
        begun = time.perf_counter()
        read_report(mail)
        taken.append((time.perf_counter() - begun) * 1e6)
    print(
        f"{name}: median {statistics.median(taken):.0f} µs, mean {statistics.mean(taken):.0f} µs of {len(taken)} mails"
    )
    assert taken
