"""The mail test on the mails of many libraries' test suites: judged without a fault, each within its time."""

from __future__ import annotations

from collections import Counter

import pytest

from postroom.core.mailtest.authentication import NOBODY_ASKED
from postroom.core.mailtest.evidence import SenderChecks, SpamUnchecked
from postroom.core.mailtest.facts import Source, take_facts
from postroom.core.mailtest.judging import judge, report_as_row, report_from_row
from postroom.core.mailtest.rules import FULL
from tests.corpus.shared import SHARED

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def test_every_mail_and_report_is_judged_without_a_fault() -> None:
    codes: Counter[str] = Counter()
    count = 0
    for name in ("mail", "reports"):
        for file in sorted(one for one in (SHARED / name).rglob("*") if one.is_file()):
            raw = file.read_bytes()
            for source in (Source.MAIL, Source.HEADERS):
                report = judge(take_facts(raw, source), SenderChecks(), SpamUnchecked(why=NOBODY_ASKED))
                assert 0 <= report.tenths <= FULL, file
                assert report_from_row(report_as_row(report)) == report, file
            codes.update(one.code.value for one in report.findings)
            count += 1
    print(f"{count} files; {dict(codes.most_common(20))}")
    assert count > 600
