"""The fault laboratory: for each injected fault the doctor names the root cause first, with the right cure, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postroom.adapters.dns import remembering
from postroom.core.diagnosis.findings import Folded
from postroom.core.terms.reasons import because
from postroom.core.terms.visits import NoVisit
from postroom.flows import diagnose
from postroom.store.models import Parameter
from tests.doctor.faults import FAULTS, NEAR_MISSES, WITH_PROCESSES, Fault
from tests.doctor.ward import DOMAIN, RELAY_IP, Ward

pytestmark = pytest.mark.django_db


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    monkeypatch.setattr(
        remembering, "QUESTION_TIME", 15.0
    )  # the name server of the ward is as slow as the machine is busy
    monkeypatch.setattr(diagnose, "DNS_PATIENCE", 60.0)
    with Ward(monkeypatch) as made:
        yield made


def problems(findings: tuple[Folded, ...]) -> list[Folded]:
    return [one for one in findings if one.severity.is_problem]


def test_a_healthy_house_has_nothing_wrong(ward: Ward) -> None:
    findings = ward.diagnose()
    assert [(one.finding.code.value, one.finding.subject, one.finding.evidence) for one in problems(findings)] == []
    assert [one.finding.code.value for one in findings] == []


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_what_only_looks_like_a_fault_is_not_called_one(ward: Ward, name: str) -> None:
    NEAR_MISSES[name](ward)
    told = [(one.finding.code.value, one.finding.detail, one.finding.evidence) for one in problems(ward.diagnose())]
    assert told == []


def test_a_blocklist_that_does_not_answer_this_name_server_is_unchecked_and_not_clear(ward: Ward) -> None:
    Parameter.objects.create(key="doctor.blocklists", value="bl.example")
    ward.dns.put("25.2.0.192.bl.example", "A", "127.255.255.254")
    assert [(one.finding.code.value, one.severity.value) for one in ward.diagnose()] == [("dns_unchecked", "unchecked")]


def test_a_policy_that_does_not_come_in_time_is_unchecked(ward: Ward) -> None:
    ward.policy("")
    ward.web[f"mta-sts.{DOMAIN}"] = NoVisit(reason=because("visit.silent"))
    assert [one.finding.code.value for one in ward.diagnose()] == ["dns_unchecked"]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_a_process_that_does_not_hang_is_not_said_to(ward: Ward, name: str) -> None:
    WITH_PROCESSES[name](ward)
    told = [(one.finding.code.value, one.finding.detail, one.finding.evidence) for one in problems(ward.diagnose())]
    assert told == []


@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, id=one.name, marks=[pytest.mark.slow] if one.is_slow else []) for one in FAULTS],
)
def test_the_root_cause_of_a_fault_is_named_first_and_alone(ward: Ward, fault: Fault) -> None:
    fault.breaks(ward)
    findings = ward.diagnose()
    told = [(one.finding.code.value, one.finding.detail, one.finding.subject, one.finding.evidence) for one in findings]
    assert findings, "nothing was found"
    first = findings[0]
    assert first.finding.code.value == fault.code, told
    assert not fault.detail or first.finding.detail == fault.detail, told
    beside = {one.finding.code.value for one in problems(findings)} - {fault.code} - fault.beside
    assert beside == set(), told
    cure = " ".join([str(first.finding.cure), *(record.value for record in first.finding.publish)])
    assert [words for words in fault.cures if words not in cure] == [], cure
    assert first.finding.evidence, "no evidence"
    assert "?" not in str(first.finding.cause).replace("What?", ""), str(first.finding.cause)


def test_reports_of_which_nothing_counts_are_passed_over(ward: Ward) -> None:
    ward.reported(RELAY_IP, failed=90, stopped=90, proven=False)  # nobody proves it
    ward.reported(RELAY_IP, failed=2)  # a few
    ward.reported("203.0.113.66", failed=19, stopped=19)  # life on the internet
    ward.reported_tls("certificate-expired", failed=1, total=900)
    assert problems(ward.diagnose()) == []
