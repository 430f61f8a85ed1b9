"""A check that broke says so, and of what nothing is known meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from postroom.core.diagnosis.broken_checks import CODES, Check, broken
from postroom.core.diagnosis.finding_codes import KINDS, FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding, fold, found
from postroom.core.diagnosis.symptoms import Outcome, Symptom, walk
from postroom.core.diagnosis.watching import Comparison, compare

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOLD_BY_NO_CHECK = {FindingCode.DATABASE_UNREACHABLE, FindingCode.DNS_UNREACHABLE, FindingCode.CHECK_BROKEN}


def looked_twice(first: list[Finding], then: list[Finding]) -> Comparison:
    before = compare([], fold(first), AT)
    return compare(before.open, fold(then), AT + timedelta(hours=1))


def test_every_finding_is_told_by_a_check() -> None:
    assert set(FindingCode) - {code for codes in CODES.values() for code in codes} == TOLD_BY_NO_CHECK


def test_it_is_unchecked_and_names_the_kind_of_the_exception_alone() -> None:
    finding = broken(Check.QUEUE, "KeyError")
    assert (finding.severity, finding.subject, finding.evidence) == (Severity.UNCHECKED, HOUSE, ("KeyError",))
    assert "(the queue)" in str(finding.cause)
    assert KINDS[FindingCode.CHECK_BROKEN].severity is Severity.UNCHECKED


def test_what_a_broken_check_would_have_found_is_neither_there_nor_gone() -> None:
    late = found(FindingCode.QUEUE_LATE, "the queue")
    missing = found(FindingCode.SERVER_MISSING)
    told = looked_twice([late, missing], [broken(Check.QUEUE, "KeyError")])
    assert [one.code for one in told.open] == [FindingCode.QUEUE_LATE]
    assert [one.code for one in told.gone] == [FindingCode.SERVER_MISSING]


def test_a_test_of_one_server_that_broke_hides_that_server_alone() -> None:
    troubles = [found(FindingCode.SERVER_REFUSES, f"server {name}", evidence=["550"]) for name in ("Relay", "Spare")]
    told = looked_twice(troubles, [broken(Check.SERVERS, "KeyError", subject="server Relay")])
    assert [one.subject for one in told.open] == ["server Relay"]
    assert [one.subject for one in told.gone] == ["server Spare"]


def test_a_look_whose_check_broke_is_not_called_clear() -> None:
    walked = walk(Symptom.DUPLICATES, fold([broken(Check.MACHINE, "KeyError")]))
    outcomes = {look.name: look.outcome for look in walked.looks}
    assert (outcomes["machine"], outcomes["same_filter"]) == (Outcome.UNCHECKED, Outcome.CLEAR)
