"""MX of an alias domain: does mail to it find a host, and does it come back to us?

Laws: pure; a generator of questions. Standards: RFC 5321 5.1 (MX, implicit MX), RFC 7505 (null MX), RFC 2181 10.3 (no CNAME behind an MX).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

from postroom.core.diagnosis.domain_facts import DomainFacts, addresses_of, is_internal, shown, unchecked
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, PublishedRecord, found
from postroom.core.senders.questions import AnswerStatus, Asking, Question, RecordType
from postroom.core.terms.reasons import catalogue

MOST_HOSTS = 10

catalogue(
    {
        "finding.mx_null": "{domain} says that it takes no mail at all (a null MX, RFC 7505): replies and bounces are refused before they leave.",
        "heal.mx_null": "Replace the MX record of {domain} by the host that takes its mail{wanted}.",
        "finding.mx_missing": "{domain} has no MX record: replies and bounces do not find their way.",
        "heal.mx_missing": "Publish an MX record at {domain} that names the host which takes its mail{wanted}.",
        "finding.mx_wrong": "The MX of {domain} names {host}, {trouble}: mail does not arrive there.",
        "heal.mx_wrong": "Correct the host in the MX record of {domain}, or publish the address of {host}{wanted}.",
        "finding.mx_alias": "The MX of {domain} names {host}, which is only another name (CNAME) for {target}; that is forbidden, and some refuse it.",
        "heal.mx_alias": "Name {target} itself in the MX record of {domain}.",
        "finding.mx_elsewhere": "Mail to {domain} goes to {hosts}, and nothing of ours takes or fetches mail there: replies and bounces never come here.",
        "heal.mx_elsewhere": "Set up a mailbox there that collects what comes to the domain (postroom mailbox), let that server forward it to us, or point the MX here{wanted}.",
    }
)  # fmt: skip


def wanted_record(facts: DomainFacts) -> tuple[PublishedRecord, ...]:
    """The MX that points at our door; none where the door is not public."""
    if not facts.door_is_public or "." not in facts.hostname:
        return ()
    return (PublishedRecord(type="MX", name=facts.name, value=f"10 {facts.hostname}."),)


def check_mx(facts: DomainFacts) -> Asking[list[Finding]]:
    """For alias domains alone: of others it does not concern us who takes their mail."""
    if not facts.is_alias_domain:
        return []
    answer = yield Question(facts.name, RecordType.MX)
    if answer.is_trouble:
        return [unchecked(facts, "MX")]
    if answer.status is AnswerStatus.NO_NAME:
        return []  # there is no such domain: told elsewhere
    hosts = [host for host in answer.records if host.strip(".")][:MOST_HOSTS]
    evidence = list(shown(facts.name, "MX", answer))
    if answer.records and not hosts:
        return [_told(FindingCode.MX_NULL, facts, evidence)]
    if not hosts:
        return (yield from _without_mx(facts, evidence))
    findings, places = yield from _check_hosts(facts, hosts, evidence)
    if places and not (_is_ours(facts, hosts, places) or (yield from _leads_here(facts, places))):
        findings.append(_elsewhere(facts, hosts, evidence))
    return findings


def _without_mx(facts: DomainFacts, evidence: Sequence[str]) -> Asking[list[Finding]]:
    """RFC 5321 5.1: the address of the domain itself stands in for an MX."""
    places = yield from addresses_of(facts.name)
    if places is None:
        return [unchecked(facts, "MX")]
    if places and facts.name in (facts.hostname, *facts.ways_in):
        return []
    one = _told(FindingCode.MX_MISSING, facts, [*evidence, *(f"{facts.name} A {place}" for place in places)])
    return [replace(one, severity=Severity.WARNING) if places and facts.is_proven else one]


def _check_hosts(
    facts: DomainFacts, hosts: Sequence[str], evidence: Sequence[str]
) -> Asking[tuple[list[Finding], list[str]]]:
    """What is wrong with them, and their addresses."""
    findings: list[Finding] = []
    places: list[str] = []
    bad: list[Finding] = []
    for host in hosts:
        if _is_address(host):
            bad.append(
                _told(FindingCode.MX_WRONG, facts, evidence, host=host, trouble="which is an address and no name")
            )
            continue
        alias = yield Question(host, RecordType.CNAME)
        if alias.records:
            findings.append(
                _told(
                    FindingCode.MX_ALIAS,
                    facts,
                    [*evidence, f"{host} CNAME {alias.records[0]}"],
                    host=host,
                    target=alias.records[0],
                )
            )
        found_there = yield from addresses_of(host)
        if found_there is None:
            findings.append(unchecked(facts, f"the mail host {host}"))
            places.append("")
        elif not found_there:
            bad.append(
                _told(
                    FindingCode.MX_WRONG,
                    facts,
                    [*evidence, f"{host}: no address"],
                    host=host,
                    trouble="which has no address",
                )
            )
        elif all(is_internal(place) for place in found_there) and not (facts.is_proven or not facts.door_is_public):
            bad.append(
                _told(
                    FindingCode.MX_WRONG,
                    facts,
                    [*evidence, f"{host} A {found_there[0]}"],
                    host=host,
                    trouble="whose address nobody outside can reach",
                )
            )
        else:
            places += found_there
    lesser = Severity.WARNING if places else Severity.ERROR
    findings += [replace(one, severity=lesser) for one in bad]
    return findings, places


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_ours(facts: DomainFacts, hosts: Sequence[str], places: Sequence[str]) -> bool:
    """Whether one of the hosts is our door, or belongs to those from whom we fetch."""
    if "" in places:
        return True  # nobody could tell: not held against it
    known = {facts.hostname.lower(), *(way.lower() for way in facts.ways_in)} - {"", "localhost"}
    return any(host in known or _family(host) in {_family(way) for way in known} for host in hosts)


def _leads_here(facts: DomainFacts, places: Sequence[str]) -> Asking[bool]:
    """Whether one of the addresses is one at which we take mail, or fetch it."""
    ours = {"127.0.0.1", "::1"}
    for name in filter(None, (facts.hostname, *facts.ways_in)):
        ours.update((yield from addresses_of(name)) or ())
    return not ours.isdisjoint(places)


_PROVIDERS = {
    "gmail": ("google.com", "googlemail.com", "gmail.com"),
    "microsoft": ("outlook.com", "office365.com", "protection.outlook.com", "mx.microsoft"),
    "yahoo": ("yahoo.com", "yahoodns.net"),
    "ionos": ("ionos.com", "ionos.de", "kundenserver.de", "1and1.com"),
    "zoho": ("zoho.com", "zoho.eu"),
    "icloud": ("icloud.com", "me.com", "mail.me.com"),
}


_SECOND_LEVELS = frozenset("co com net org ac gov edu or ne gob".split())  # under which names are registered (co.uk)


def _family(host: str) -> str:
    """Who runs a host: a known provider, else its last labels."""
    for provider, ends in _PROVIDERS.items():
        if any(host == end or host.endswith(f".{end}") for end in ends):
            return provider
    labels = host.split(".")
    return ".".join(labels[-3:] if len(labels) > 2 and labels[-2] in _SECOND_LEVELS else labels[-2:])


def _elsewhere(facts: DomainFacts, hosts: Sequence[str], evidence: Sequence[str]) -> Finding:
    severity = Severity.WARNING if facts.is_proven else Severity.ERROR
    ours = ", ".join(way for way in (facts.hostname, *facts.ways_in) if way) or "none"
    one = _told(FindingCode.MX_ELSEWHERE, facts, [*evidence, f"ways in here: {ours}"], hosts=", ".join(hosts))
    return replace(one, severity=severity)


def _told(code: FindingCode, facts: DomainFacts, evidence: Sequence[str], **more: object) -> Finding:
    records = wanted_record(facts)
    wanted = f": {records[0].name} MX {records[0].value}" if records else ""
    return found(
        code,
        facts.subject,
        evidence=evidence,
        about=facts.about,
        publish=records,
        detail=str(more.get("host", "")),
        facts={"domain": facts.name, "wanted": wanted, **more},
    )
