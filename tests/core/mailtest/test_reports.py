"""A report is stored and read back, told to programs, and its arithmetic adds up."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from postroom.core.mailtest.evidence import SenderChecks, SpamUnchecked
from postroom.core.mailtest.facts import Source, take_facts
from postroom.core.mailtest.findings import arithmetic_of, found, score_of
from postroom.core.mailtest.judging import judge, report_as_row, report_from_row
from postroom.core.mailtest.rules import RULES, RuleCode
from postroom.core.terms.reasons import because
from tests.core.mailtest.samples import a_mail, checks, report_on

NOBODY = SpamUnchecked(why=because("piece.spam.unnamed"))


def test_a_report_is_stored_and_read_back() -> None:
    report = report_on(a_mail(Subject="Re: BUY NOW", To=None), checks())
    assert report_from_row(json.loads(json.dumps(report_as_row(report)))) == report


def test_a_report_of_another_version_is_none() -> None:
    assert report_from_row(None) is None
    assert report_from_row({"source": "mail"}) is None
    assert report_from_row({**report_as_row(report_on(a_mail())), "findings": [{"code": "gone"}]}) is not None


def test_programs_get_every_finding_with_its_points_and_sentences() -> None:
    told = report_on(a_mail(To=None)).as_json()
    assert told["score"] == 9.0
    (lost,) = [one for one in told["findings"] if one["outcome"] == "lost"]
    assert (lost["code"], lost["section"], lost["points"]) == ("to_missing", "headers", 1.0)
    assert lost["why"]
    assert lost["what_to_do"]
    assert told["path"][0]["by"] == "mail.northwind.example"


def test_a_mail_cannot_have_fewer_than_no_points() -> None:
    worst = [found(code) for code, rule in RULES.items() if rule.tenths]
    assert score_of(worst) == 0
    assert arithmetic_of(worst).endswith(", so 0")


def test_evidence_is_bounded_and_each_piece_stands_once() -> None:
    one = found(RuleCode.SCRIPT, evidence=["a\0" * 1_000, "b", "b", *map(str, range(100))], what="x" * 5_000)
    assert len(one.evidence) == 8
    assert one.evidence[1:3] == ("b", "0")
    assert all(len(piece) <= 300 and "\0" not in piece for piece in one.evidence)
    assert len(str(one.why)) < 400


@given(st.binary(max_size=3_000), st.sampled_from(Source))
def test_any_bytes_have_a_report_that_can_be_stored(raw: bytes, source: Source) -> None:
    report = judge(take_facts(raw, source), SenderChecks(), NOBODY)
    row = json.dumps(report_as_row(report))
    assert "\\u0000" not in row
    assert report_from_row(json.loads(row)) == report
