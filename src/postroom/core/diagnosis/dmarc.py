"""DMARC of a domain of ours: is there one good record, can our mail pass it, and may its reports come?

Laws: pure; a generator of questions. Standards: RFC 9989 (record, tree walk, alignment), RFC 9990 (reports; 7489 7.1: who takes
reports of another domain says so in its own DNS).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from postroom.core.diagnosis.domain_facts import DomainFacts, shown, unchecked
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, PublishedRecord, found
from postroom.core.diagnosis.report_records import dmarc_record
from postroom.core.senders.dmarc import DmarcRecord, evaluate, names_to_ask, read_dmarc
from postroom.core.senders.questions import Asking, Question, RecordType
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.core.senders.tag_lists import TagListError, read_tags
from postroom.core.terms.reasons import catalogue

_ALMOST = re.compile(r"dmarc", re.IGNORECASE)
_POLICIES = frozenset({"none", "quarantine", "reject"})

catalogue(
    {
        "finding.dmarc_missing": "{domain} has no DMARC record: Gmail, Yahoo and Microsoft ask for one of those who send much.",
        "heal.dmarc_missing": "Publish this TXT record at _dmarc.{domain}; it only watches, and breaks nothing: {record}",
        "finding.dmarc_several": "There are {count} DMARC records at {name}; receivers then count none (RFC 9989 4.7).",
        "heal.dmarc_several": "Leave one of them and delete the others.",
        "finding.dmarc_syntax": "The DMARC record of {domain} cannot be used: {trouble}.",
        "heal.dmarc_syntax": "Replace it by: {record}",
        "finding.dmarc_alignment": "Mail of {domain} through {server} cannot pass DMARC: its return path belongs to {path}, and no DKIM signature of {domain} is on it.",
        "heal.dmarc_alignment": "Sign with a DKIM key of {domain} (postroom dkim create {domain}), or let the bounce address be of the same domain as the From.",
        "finding.dmarc_reports": "Reports of {domain} are to go to {target}, which does not say that it takes them: nobody sends them there.",
        "heal.dmarc_reports": "Publish this TXT record in the domain that takes the reports, or name an address of your own: {record}",
        "finding.dmarc_watches": "DMARC of {domain} only watches (p=none): forged mail in its name is delivered.",
        "heal.dmarc_watches": "When the reports show that all of your own mail passes, ask for more: p=quarantine, then p=reject.",
    }
)  # fmt: skip


def check_dmarc(facts: DomainFacts) -> Asking[list[Finding]]:
    """The record of the domain, or that of its organisation."""
    findings: list[Finding] = []
    policy = Policy.NONE
    is_there = False
    for name in names_to_ask(facts.name):
        place = f"_dmarc.{name}"
        answer = yield Question(place, RecordType.TXT)
        if answer.is_trouble:
            return [unchecked(facts, "DMARC")]
        records = [text for text in answer.records if read_dmarc(text) is not None]
        almost = [text for text in answer.records if text not in records and _ALMOST.search(text)]
        if len(records) > 1:
            findings.append(
                found(
                    FindingCode.DMARC_SEVERAL,
                    facts.subject,
                    evidence=shown(place, "TXT", answer),
                    about=facts.about,
                    facts={"count": len(records), "name": place},
                )
            )
        elif records:
            policy = (read_dmarc(records[0]) or DmarcRecord()).policy
            findings += yield from _judge(facts, name, records[0])
        elif almost:
            findings.append(_broken(facts, almost, "it must begin with v=DMARC1; and be a list of tags"))
        if is_there := bool(answer.records and (records or almost)):
            break
    if not is_there:
        wanted = dmarc_record(facts.name, facts.reports_address)
        findings.append(
            found(
                FindingCode.DMARC_MISSING,
                facts.subject,
                evidence=[f"_dmarc.{facts.name} TXT: no such record"],
                about=facts.about,
                publish=[wanted],
                facts={"domain": facts.name, "record": wanted.value},
            )
        )
    findings += yield from _alignment(facts, policy)
    return findings


def _judge(facts: DomainFacts, where: str, text: str) -> Asking[list[Finding]]:
    findings: list[Finding] = []
    try:
        tags = read_tags(text)
    except TagListError as error:
        return [_broken(facts, [text], str(error))]
    policy = tags.get("p", "")
    if policy.lower() not in _POLICIES:
        trouble = f"p={policy} is none of none, quarantine, reject" if policy else "there is no p= in it"
        return [_broken(facts, [text], trouble)]
    if policy.lower() == "none":
        findings.append(
            found(
                FindingCode.DMARC_WATCHES,
                facts.subject,
                evidence=[f"_dmarc.{where} TXT {text}"],
                facts={"domain": where},
            )
        )
    for target in _targets(tags.get("rua", "")):
        findings += yield from _may_report(facts, where, target)
    return findings


def _targets(rua: str) -> Iterable[str]:
    for uri in filter(None, (part.strip() for part in rua.split(","))):
        yield uri.removeprefix("mailto:").partition("!")[0]


def _may_report(facts: DomainFacts, where: str, target: str) -> Asking[list[Finding]]:
    taker = target.rpartition("@")[2].lower()
    if not taker or "@" not in target:
        return [_broken(facts, [f"rua={target}"], f"rua= names {target}, which is no mailto: address")]
    if taker == where or taker.endswith(f".{where}") or where.endswith(f".{taker}"):
        return []
    name = f"{where}._report._dmarc.{taker}"
    answer = yield Question(name, RecordType.TXT)
    if answer.is_trouble or any(text.lstrip().startswith("v=DMARC1") for text in answer.records):
        return []
    wanted = PublishedRecord(type="TXT", name=name, value="v=DMARC1")
    return [
        found(
            FindingCode.DMARC_REPORTS,
            facts.subject,
            evidence=[f"rua={target}", *shown(name, "TXT", answer)],
            detail=taker,
            publish=[wanted],
            facts={"domain": where, "target": taker, "record": f'{name} TXT "v=DMARC1"'},
        )
    ]


def _broken(facts: DomainFacts, evidence: Iterable[str], trouble: str) -> Finding:
    wanted = dmarc_record(facts.name, facts.reports_address)
    return found(
        FindingCode.DMARC_SYNTAX,
        facts.subject,
        evidence=evidence,
        about=facts.about,
        publish=[wanted],
        facts={"domain": facts.name, "trouble": trouble, "record": wanted.value},
    )


def _alignment(facts: DomainFacts, policy: Policy) -> Asking[list[Finding]]:
    """Whether SPF or DKIM could speak for the From, were they to pass (RFC 9989 4.4)."""
    findings: list[Finding] = []
    signers = {key.domain for key in facts.keys if key.is_active}
    for server in facts.servers if facts.sends else ():
        if not server.return_path or not (server.signs or not server.selectors):
            continue  # the provider signs in its own way
        passed = [MethodResult(method=Method.SPF, result=Result.PASS, domain=server.return_path)]
        if server.signs:
            passed += [
                MethodResult(method=Method.DKIM, result=Result.PASS, domain=signer) for signer in sorted(signers)
            ]
        verdict = yield from evaluate(facts.name, passed)
        if verdict.aligned or verdict.result is Result.TEMPERROR:
            continue
        findings.append(
            found(
                FindingCode.DMARC_ALIGNMENT,
                facts.subject,
                about=[server.subject],
                detail=server.name,
                severity=Severity.ERROR if policy.is_strict else Severity.WARNING,
                evidence=[
                    f"From: @{facts.name}; return path: @{server.return_path}; DKIM: {', '.join(sorted(signers)) or 'none'}"
                ],
                facts={"domain": facts.name, "server": server.name, "path": server.return_path},
            )
        )
    return findings
