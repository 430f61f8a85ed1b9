"""Symptoms: from what people say to the cause, in the laboratory of faults and by the tables alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from postroom.core.diagnosis.finding_codes import KINDS, FindingCode
from postroom.core.diagnosis.findings import fold, found
from postroom.core.diagnosis.symptoms import WALKS, Outcome, Symptom, codes_of, walk
from postroom.core.terms.reasons import SENTENCES
from tests.doctor.faults import FAULTS
from tests.doctor.ward import Ward

BY_NAME = {fault.name: fault for fault in FAULTS}

# The first of each is the documents' own cause, wherever the laboratory can make it.
LEADS_TO = {
    Symptom.NOT_SENDING: (
        "wrong password", "Gmail wants an app password", "default From of a stranger", "administrator with a placeholder",
        "relay refuses the connection", "no outgoing server", "a copy of the database", "certificate expired",
    ),
    Symptom.SPAM: ("no SPF record", "no DKIM key", "DMARC missing", "SPF does not name our relay", "relay on a blocklist"),
    Symptom.CONNECTION_REFUSED: ("relay refuses the connection", "relay's name does not resolve", "mailbox host refuses"),
    Symptom.AUTHENTICATION_FAILED: (
        "Gmail wants an app password", "wrong password", "Microsoft has SMTP AUTH off", "token of the mailbox is dead",
        "mailbox refuses the password", "the secret key is another one",
    ),
    Symptom.NO_REPLIES: ("no alias domain", "catchall domain that is none", "MX leads to strangers", "fetching is switched off"),
    Symptom.DUPLICATES: ("two servers with one filter", "the same account twice", "outcomes nobody knows"),
    Symptom.QUEUED: ("queue manager is off", "nobody takes what is due", "no deliverer", "server paused, mail waits", "greylisted"),
    Symptom.DAILY_LIMIT: ("daily limit reached", "Gmail for production"),
    Symptom.NO_ERROR: ("no SPF record", "DKIM record missing", "bounce address is an alias", "mailbox refuses the password"),
    Symptom.BOUNCES: (
        "550 5.1.1 no such user", "sender's domain unknown", "550 5.7.26 unauthenticated", "552 mailbox full", "421 4.7.0 rate limited",
        "554 5.7.1 on a blocklist",
    ),
    Symptom.NOT_RECEIVING: (
        "mailbox refuses the password", "fetching is switched off", "mailbox never confirmed", "mail that breaks the router", "no MX",
    ),
}  # fmt: skip


@pytest.fixture
def ward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    with Ward(monkeypatch) as made:
        yield made


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symptom", "name"), [(symptom, name) for symptom, names in LEADS_TO.items() for name in names]
)
def test_a_symptom_leads_to_the_fault_behind_it(ward: Ward, symptom: Symptom, name: str) -> None:
    fault = BY_NAME[name]
    fault.breaks(ward)
    walked = walk(symptom, ward.diagnose())
    assert [one.finding.code.value for one in walked.found][:1] == [fault.code], [look.name for look in walked.looks]
    assert not fault.detail or walked.found[0].finding.detail == fault.detail
    assert walked.advice is None
    assert Outcome.FOUND in {look.outcome for look in walked.looks}


@pytest.mark.django_db
def test_in_a_healthy_house_nothing_is_found_and_each_walk_says_what_it_looked_at(ward: Ward) -> None:
    findings = ward.diagnose()
    for symptom in Symptom:
        walked = walk(symptom, findings)
        assert walked.found == ()
        assert tuple(look.name for look in walked.looks) == WALKS[symptom]
        assert {look.outcome for look in walked.looks} == {Outcome.CLEAR}
        assert walked.advice is not None
        assert walked.elsewhere == 0


@pytest.mark.django_db
def test_what_leads_to_another_symptom_is_counted_and_not_told(ward: Ward) -> None:
    BY_NAME["no MX"].breaks(ward)
    walked = walk(Symptom.DUPLICATES, ward.diagnose())
    assert (walked.found, walked.elsewhere) == ((), 1)


def test_every_symptom_and_every_look_has_its_words() -> None:
    for symptom in Symptom:
        assert SENTENCES[f"symptom.{symptom}"]
        assert SENTENCES[f"next.{symptom}"]
        assert codes_of(symptom), symptom
        for look in WALKS[symptom]:
            assert SENTENCES[f"look.{look}"]
    used = {look for looks in WALKS.values() for look in looks}
    assert {code.removeprefix("look.") for code in SENTENCES if code.startswith("look.")} == used


def test_every_problem_that_is_no_mere_clue_explains_some_symptom() -> None:
    explained = {code for symptom in Symptom for code in codes_of(symptom)}
    left = {code.value for code, kind in KINDS.items() if kind.severity.is_problem} - explained
    assert left == {"dmarc_reports", "mta_sts_broken", "tls_rpt_broken", "changed_before", "alarm_open"}


@pytest.mark.parametrize(
    ("symptom", "first"),
    [
        (Symptom.SPAM, "spf_missing"),
        (Symptom.NO_ERROR, "spf_missing"),
        (Symptom.AUTHENTICATION_FAILED, "server_secret"),
        (Symptom.NO_REPLIES, "catchall_missing"),
        (Symptom.DUPLICATES, "same_filter"),
        (Symptom.QUEUED, "schedule_off"),
        (Symptom.DAILY_LIMIT, "server_limit"),
    ],
)
def test_the_cause_that_is_known_best_is_looked_for_first(symptom: Symptom, first: str) -> None:
    assert codes_of(symptom)[0].value == first


def test_the_walk_stops_at_the_first_problem_and_not_at_what_is_only_good_to_know() -> None:
    addresses = found(FindingCode.ADDRESSES_REFUSED, detail="user_unknown")
    limit = found(FindingCode.SERVER_LIMIT, "server A")
    filters = found(FindingCode.SAME_FILTER)
    walked = walk(Symptom.DAILY_LIMIT, fold([addresses, limit, filters]))
    assert [one.finding.code for one in walked.found] == [FindingCode.SERVER_LIMIT]
    assert [look.name for look in walked.looks] == ["limits"]
    assert walked.elsewhere == 1
    lesser = walk(Symptom.DAILY_LIMIT, fold([addresses, filters]))
    assert [one.finding.code for one in lesser.found] == [FindingCode.ADDRESSES_REFUSED]
    assert len(lesser.looks) == len(WALKS[Symptom.DAILY_LIMIT])


def test_what_follows_from_a_deeper_cause_is_told_with_it() -> None:
    refused = found(FindingCode.MAILS_REFUSED, detail="auth_failure")
    folded = fold([found(FindingCode.SPF_SEVERAL, "domain a.example"), refused])
    walked = walk(Symptom.BOUNCES, folded)
    assert [one.finding.code for one in walked.found] == [FindingCode.SPF_SEVERAL]
    assert walked.found[0].follows[0].finding == refused


def test_a_login_is_no_refused_connection() -> None:
    login = fold([found(FindingCode.SERVER_REFUSES, "server A", detail="login_refused")])
    line = fold([found(FindingCode.SERVER_REFUSES, "server A", detail="connect_timeout")])
    assert walk(Symptom.AUTHENTICATION_FAILED, login).looks[0].outcome is Outcome.FOUND
    assert walk(Symptom.AUTHENTICATION_FAILED, line).looks[0].outcome is Outcome.CLEAR
    assert walk(Symptom.CONNECTION_REFUSED, line).looks[0].outcome is Outcome.FOUND
    assert walk(Symptom.CONNECTION_REFUSED, login).looks[0].outcome is Outcome.CLEAR


def test_a_look_that_nobody_answered_is_unchecked_and_not_clear() -> None:
    silent = found(FindingCode.DNS_UNCHECKED, "domain a.example", detail="SPF", facts={"what": "SPF", "domain": "a"})
    looks = {look.name: look for look in walk(Symptom.SPAM, fold([silent])).looks}
    assert (looks["spf"].outcome, looks["spf"].hindered) == (Outcome.UNCHECKED, (silent,))
    assert looks["dkim"].outcome is Outcome.CLEAR
    captured = fold([found(FindingCode.DOMAIN_CAPTURED, "domain a.example")])
    assert {look.outcome for look in walk(Symptom.SPAM, captured).looks[:3]} == {Outcome.NOT_APPLICABLE}
    offline = {look.name: look.outcome for look in walk(Symptom.NOT_SENDING, (), asks_world=False).looks}
    assert (offline["login"], offline["spf"], offline["from"]) == (
        Outcome.UNCHECKED,
        Outcome.UNCHECKED,
        Outcome.CLEAR,
    )


def test_without_a_database_that_is_the_cause_of_everything() -> None:
    gone = fold([found(FindingCode.DATABASE_UNREACHABLE)])
    for symptom in Symptom:
        assert walk(symptom, gone).found == gone
