"""What the mail servers of the world write: every family is recognised, its recipients and reasons are told."""

from __future__ import annotations

import pytest

from postroom.core.mime.parsing import parse
from postroom.core.reports.reading import read_report
from tests.core.reports.families import FAMILIES, Family


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name.replace(" ", "-"))
def test_a_notice_of_this_family_tells_whom_and_why(family: Family) -> None:
    report = read_report(parse(family.raw()))
    assert report is not None
    assert [(one.address, one.reason) for one in report.recipients] == list(family.says)
    assert report.kind.value == family.kind
