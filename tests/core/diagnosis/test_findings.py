"""Findings: the tables agree with each other, and causes come before what follows from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import postroom.core.diagnosis.checks  # noqa: F401 - the sentences
from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.finding_codes import FOLLOWS, KINDS, FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding, PublishedRecord, fold, found, is_well
from postroom.core.terms.reasons import SENTENCES, because

C = FindingCode


def a_finding(code: FindingCode, subject: str = HOUSE, **more: Any) -> Finding:
    return found(code, subject, evidence=["seen"], **more)


@pytest.mark.parametrize("code", list(FindingCode))
def test_each_code_has_its_gravity_a_cause_and_a_cure(code: FindingCode) -> None:
    assert code in KINDS
    assert SENTENCES[f"finding.{code}"].endswith((".", ")", "}"))
    assert SENTENCES[f"heal.{code}"]


def test_what_follows_stands_after_its_cause() -> None:
    wrong = [(cause, effect) for cause, effects in FOLLOWS.items() for effect in effects if effect.rank <= cause.rank]
    assert wrong == []


def test_the_gravest_stands_first_and_of_equally_grave_ones_the_deepest() -> None:
    folded = fold([a_finding(C.DMARC_WATCHES, "domain a"), a_finding(C.SPF_MISSING, "domain a"), a_finding(C.MX_NULL, "domain b"), a_finding(C.DOMAIN_UNKNOWN, "domain c")])  # fmt: skip
    assert [one.finding.code for one in folded] == [C.DOMAIN_UNKNOWN, C.MX_NULL, C.SPF_MISSING, C.DMARC_WATCHES]


def test_what_follows_is_folded_under_the_deepest_cause_of_the_same_subject() -> None:
    folded = fold(
        [
            a_finding(C.SPF_SERVER, "domain a"),
            a_finding(C.SPF_LOOKUPS, "domain a"),
            a_finding(C.SPF_SEVERAL, "domain a"),
        ]
    )
    (root,) = folded
    assert root.finding.code is C.SPF_SEVERAL
    assert {one.finding.code for one in root.follows} == {C.SPF_LOOKUPS, C.SPF_SERVER}


def test_another_subject_is_another_trouble() -> None:
    folded = fold([a_finding(C.SPF_SEVERAL, "domain a"), a_finding(C.SPF_LOOKUPS, "domain b")])
    assert [len(one.follows) for one in folded] == [0, 0]


def test_a_finding_follows_from_the_cause_of_a_thing_that_it_touches() -> None:
    waiting = a_finding(C.QUEUE_WAITS, "the queue", about=["server Relay"])
    (root,) = fold([waiting, a_finding(C.SERVER_PAUSED, "server Relay")])
    assert root.finding.code is C.SERVER_PAUSED
    assert [one.finding.code for one in root.follows] == [C.QUEUE_WAITS]


def test_what_stops_the_house_explains_what_is_late_anywhere() -> None:
    late = [
        a_finding(C.QUEUE_LATE, "the queue"),
        a_finding(C.SCHEDULE_LATE, "action x"),
        a_finding(C.MAILBOX_UNREAD, "mailbox m"),
    ]
    (root,) = fold([*late, a_finding(C.NOT_RUNNING)])
    assert len(root.follows) == 3


def test_a_cause_is_as_grave_as_what_follows_from_it() -> None:
    slow = a_finding(C.SERVER_PAUSED, "server Relay", severity=Severity.INFO)
    (root,) = fold([slow, a_finding(C.QUEUE_LATE, "the queue", about=["server Relay"])])
    assert root.finding.severity is Severity.INFO
    assert root.severity is Severity.ERROR
    assert not is_well([root])


def test_what_was_not_looked_at_explains_nothing_that_is_wrong() -> None:
    folded = fold(
        [a_finding(C.SERVER_UNCHECKED, "server Relay"), a_finding(C.QUEUE_LATE, "the queue", about=["server Relay"])]
    )
    assert [one.finding.code for one in folded] == [C.QUEUE_LATE, C.SERVER_UNCHECKED]


def test_the_same_finding_stands_once() -> None:
    assert len(fold([a_finding(C.SPF_MISSING, "domain a")] * 3)) == 1


def test_warnings_alone_are_well() -> None:
    assert is_well(fold([a_finding(C.SPF_MISSING, "domain a")]))


def test_programs_get_all_of_it_with_its_sentences_and_when_it_was_seen_first() -> None:
    record = PublishedRecord(type="TXT", name="a.example", value="v=spf1 ~all")
    cause = a_finding(
        C.SPF_MISSING, "domain a.example", publish=[record], facts={"domain": "a.example", "record": record.value}
    )
    effect = a_finding(
        C.MAILS_REFUSED, "the queue", about=["domain a.example"], facts={"count": 3, "meaning": "M.", "advice": "A."}
    )
    (root,) = fold([effect, cause])
    told = replace(root, since=datetime(2026, 3, 1, 12, tzinfo=UTC)).as_json()
    assert told["code"] == "spf_missing"
    assert (told["severity"], told["subject"], told["who"]) == (
        "warning",
        "domain a.example",
        Actor.ADMINISTRATOR.value,
    )
    assert (told["cause"], told["cure"]) == (str(cause.cause), str(cause.cure))
    assert told["since"] == "2026-03-01T12:00:00+00:00"
    assert told["records"] == [{"type": "TXT", "name": "a.example", "value": "v=spf1 ~all"}]
    follows: Any = told["follows"]
    assert [one["code"] for one in follows] == ["mails_refused"]
    assert "a.example" in str(told["cause"])
    assert root.as_json()["since"] is None


def test_long_evidence_is_cut() -> None:
    assert len(found(C.SPF_MISSING, evidence=["x" * 5000]).evidence[0]) == 500


@pytest.mark.parametrize("code", [FindingCode.NOT_RUNNING, FindingCode.SERVER_TLS_ENDS])
def test_what_is_no_error_of_a_setting_accuses_no_change(code: FindingCode) -> None:
    folded = fold([found(code, facts=_Anything()), found(FindingCode.CHANGED_BEFORE, facts=_Anything())])
    assert len(folded) == 2


def test_a_sentence_is_told_once_and_what_follows_from_it_moves_up() -> None:
    said = because("finding.mails_held", count=1)
    folded = fold(
        [
            found(FindingCode.SERVER_REFUSES, "server A", cause=said, cure=said),
            found(FindingCode.SERVER_BROKEN, "server A", cause=said, cure=said),
            found(
                FindingCode.QUEUE_WAITS,
                "the queue",
                about=["server A"],
                cause=because("finding.mails_held", count=2),
                cure=said,
            ),
        ]
    )
    assert "server_broken" not in [one.finding.code for one in folded[0].told_follows]
    assert [one.finding.code for one in folded[0].told_follows] == ["queue_waits"]


class _Anything(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return key
