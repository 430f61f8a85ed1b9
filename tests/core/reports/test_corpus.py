"""The collected reports of many mail servers, where they are at hand: ``../shared/corpora`` beside the project.

A row of ``reports.jsonl`` holds ``file``, ``kind`` and ``recipients``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.reports.delivery_reports import ReportKind
from postroom.core.reports.reading import read_report

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (CORPORA / "reports.jsonl").exists(), reason="the mail corpora are not beside the project"),
]


def test_nearly_all_known_reports_are_read_and_no_other_mail_is_taken_for_one() -> None:
    bounces = detected = named = found = 0
    for row in map(json.loads, (CORPORA / "reports.jsonl").read_text().splitlines()):
        report = read_report(parse((CORPORA / row["file"]).read_bytes()))
        is_bounce = report is not None and report.kind in (ReportKind.BOUNCE, ReportKind.DELAYED)
        if row["kind"] != "bounce":
            assert not is_bounce, row["file"]
            continue
        bounces += 1
        detected += is_bounce
        wanted = {address.lower() for address in row["recipients"] or []}
        told = (
            {address for one in report.recipients for address in (one.address, one.final_address)} if report else set()
        )
        named += len(wanted)
        found += len(wanted & told)
    print(f"detected {detected} of {bounces}, recipients {found} of {named}")
    assert detected >= 0.95 * bounces
    assert found >= 0.93 * named
