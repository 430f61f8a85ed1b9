"""SPF of a domain of ours: is there one good record, may it be followed to its end, and does it name the servers that we send through?

Laws: pure; a generator of questions. What is counted is the worst case: all terms of all records, as a receiver meets them whom none
matches (RFC 7208 4.6.4: ten look-ups, two void ones). Standards: RFC 7208.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from postroom.core.diagnosis.domain_facts import DomainFacts, SendingServer, addresses_of, is_internal, shown, unchecked
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, PublishedRecord, found
from postroom.core.senders.questions import Answer, Asking, Question, RecordType
from postroom.core.senders.results import Result
from postroom.core.senders.spf import MOST_LOOKUPS, MOST_VOIDS, check_sender
from postroom.core.senders.spf_terms import Mechanism, SpfRecord, SpfSyntaxError, is_spf, read_record
from postroom.core.terms.reasons import catalogue

MOST_QUESTIONS = 60  # whatever a record includes
_ALMOST = re.compile(r"^\W*(v\s*=\s*spf|spf1?\b|spf2\.0/)", re.IGNORECASE)

catalogue(
    {
        "finding.spf_missing": "{domain} has no SPF record: receivers cannot see that our servers may send for it, and put mail into spam or refuse it.",
        "heal.spf_missing": "Publish this TXT record at {domain}: {record}",
        "finding.spf_several": "{domain} has {count} SPF records; receivers then count none (RFC 7208 4.5: permerror).",
        "heal.spf_several": "Leave one TXT record with v=spf1 at {domain} and delete the others: {record}",
        "finding.spf_syntax": "The SPF record of {domain} cannot be read: {trouble}. Receivers count it as none.",
        "heal.spf_syntax": "Replace it by: {record}",
        "finding.spf_lookups": "The SPF record of {domain} takes {count} look-ups; more than 10 are not made, and it then counts as broken (RFC 7208 4.6.4).",
        "heal.spf_lookups": "Take out the includes of services that do not send for you any more, or replace a and mx by addresses (ip4:). What our servers need is: {record}",
        "finding.spf_include": "The SPF record of {domain} leads to {target}, which has no good SPF record: {trouble}. Receivers count the whole record as broken.",
        "heal.spf_include": "Take {term} out of the record, or correct its spelling: {record}",
        "finding.spf_voids": "The SPF record of {domain} names {count} hosts that do not exist; after two, many receivers count it as broken (RFC 7208 4.6.4).",
        "heal.spf_voids": "Take the names out that lead nowhere: {names}.",
        "finding.spf_server": "The SPF record of {domain} does not allow {server}: what leaves through it fails SPF.",
        "heal.spf_server": "Publish this record instead: {record}",
        "finding.spf_anybody": "The SPF record of {domain} allows the whole world to send for it ({term}).",
        "heal.spf_anybody": "End it with ~all: {record}",
        "finding.spf_ptr": "The SPF record of {domain} uses ptr, which is slow, unreliable and not to be used (RFC 7208 5.5).",
        "heal.spf_ptr": "Name the addresses instead (ip4:, ip6:, a:, include:), and take ptr out.",
        "finding.spf_open": "The SPF record of {domain} says nothing about other servers: it does not end in ~all or -all.",
        "heal.spf_open": "End it with ~all: {record}",
    }
)  # fmt: skip


def wanted_record(facts: DomainFacts) -> PublishedRecord:
    """One record that allows all servers in use (RFC 7208 3.2: one for a domain)."""
    return _with_servers("v=spf1 ~all", facts, _needed(facts))


@dataclass(slots=True)
class _Walk:
    """What following a record to its end meets."""

    lookups: int = 0
    costs: list[str] = field(default_factory=list)
    voids: list[str] = field(default_factory=list)
    targets: set[str] = field(default_factory=set)
    broken: list[tuple[str, str, str]] = field(default_factory=list)  # term, target, why
    questions: int = 0
    is_trouble: bool = False

    def ask(self, name: str, kind: RecordType) -> Asking[Answer]:
        self.questions += 1
        answer = yield Question(name, kind)
        self.is_trouble = self.is_trouble or answer.is_trouble
        return answer


def check_spf(facts: DomainFacts) -> Asking[list[Finding]]:
    """At most some 60 questions."""
    answer = yield Question(facts.name, RecordType.TXT)
    if answer.is_trouble:
        return [unchecked(facts, "SPF")]
    records = [text for text in answer.records if is_spf(text)]
    if not records:
        return [_missing(facts, answer)]
    if len(records) > 1:
        return [_several(facts, records)]
    try:
        record = read_record(records[0])
    except SpfSyntaxError as error:
        return [_unreadable(facts, records[0], str(error))]
    walk = _Walk()
    yield from _follow(facts.name, record, walk)
    findings = [*_of_walk(facts, records[0], walk), *_of_terms(facts, records[0], record)]
    findings += yield from _of_servers(facts, records[0], walk)
    return findings


def _missing(facts: DomainFacts, answer: Answer) -> Finding:
    wanted = wanted_record(facts)
    almost = [text for text in answer.records if _ALMOST.match(text)]
    if almost:
        return found(
            FindingCode.SPF_SYNTAX,
            facts.subject,
            evidence=almost,
            about=facts.about,
            publish=[wanted],
            facts={
                "domain": facts.name,
                "trouble": "an SPF record begins with v=spf1 and a blank",
                "record": wanted.value,
            },
        )
    evidence = [f"{facts.name} TXT {text}" for text in answer.records[:5]] or list(shown(facts.name, "TXT", answer))
    return found(
        FindingCode.SPF_MISSING,
        facts.subject,
        evidence=evidence,
        about=facts.about,
        publish=[wanted],
        facts={"domain": facts.name, "record": wanted.value},
    )


def _several(facts: DomainFacts, records: list[str]) -> Finding:
    terms: dict[str, None] = {}
    last = "-all" if all(text.lower().endswith(" -all") for text in records) else "~all"
    for text in sorted(records):
        for word in text.split()[1:]:
            if word.lower().lstrip("+-~?") != "all":
                terms[word] = None
    merged = _with_servers(" ".join(["v=spf1", *terms, last]), facts, _unnamed(facts, " ".join(terms)))
    return found(
        FindingCode.SPF_SEVERAL,
        facts.subject,
        evidence=[f"{facts.name} TXT {text}" for text in records],
        about=facts.about,
        publish=[merged],
        facts={"domain": facts.name, "count": len(records), "record": merged.value},
    )


def _unreadable(facts: DomainFacts, text: str, trouble: str) -> Finding:
    wanted = wanted_record(facts)
    return found(
        FindingCode.SPF_SYNTAX,
        facts.subject,
        evidence=[f"{facts.name} TXT {text}", trouble],
        about=facts.about,
        publish=[wanted],
        facts={"domain": facts.name, "trouble": trouble, "record": wanted.value},
    )


def _follow(domain: str, record: SpfRecord, walk: _Walk) -> Asking[None]:
    """All terms of a record, and of those it leads to."""
    for term in record.terms:
        if not term.mechanism.asks:
            continue
        before = walk.lookups
        walk.lookups += 1
        name = term.target or domain
        if "%" in name or walk.questions >= MOST_QUESTIONS:
            continue
        match term.mechanism:
            case Mechanism.INCLUDE:
                yield from _enter(term.text, name.lower(), walk)
            case Mechanism.A:
                yield from _count_void(name.lower(), (RecordType.A, RecordType.AAAA), walk)
            case Mechanism.MX:
                yield from _count_void(name.lower(), (RecordType.MX,), walk)
            case _:
                pass
        walk.costs.append(f"{term.text} of {domain}: {walk.lookups - before}")
    if record.redirect and not any(term.mechanism is Mechanism.ALL for term in record.terms):
        walk.lookups += 1
        if "%" not in record.redirect:
            yield from _enter(f"redirect={record.redirect}", record.redirect.lower(), walk)


def _enter(term: str, target: str, walk: _Walk) -> Asking[None]:
    if target in walk.targets:
        return  # counted where it was met first; a ring ends here
    walk.targets.add(target)
    answer = yield from walk.ask(target, RecordType.TXT)
    if answer.is_trouble:
        return
    records = [text for text in answer.records if is_spf(text)]
    if len(records) != 1:
        walk.broken.append((term, target, f"it has {len(records) or 'none'}"))
        return
    try:
        record = read_record(records[0])
    except SpfSyntaxError as error:
        walk.broken.append((term, target, str(error)))
        return
    yield from _follow(target, record, walk)


def _count_void(name: str, kinds: Iterable[RecordType], walk: _Walk) -> Asking[None]:
    for kind in kinds:
        answer = yield from walk.ask(name, kind)
        if not answer.is_void:
            return
    walk.voids.append(name)


def _of_walk(facts: DomainFacts, text: str, walk: _Walk) -> Iterable[Finding]:
    evidence = [f"{facts.name} TXT {text}"]
    if walk.lookups > MOST_LOOKUPS:
        wanted = wanted_record(facts)
        yield found(
            FindingCode.SPF_LOOKUPS,
            facts.subject,
            evidence=[*evidence, *walk.costs],
            about=facts.about,
            publish=[wanted],
            facts={"domain": facts.name, "count": walk.lookups, "record": wanted.value},
        )
    for term, target, trouble in walk.broken:
        without = PublishedRecord(
            type="TXT", name=facts.name, value=" ".join(word for word in text.split() if word != term)
        )
        yield found(
            FindingCode.SPF_INCLUDE,
            facts.subject,
            evidence=[*evidence, f"{target}: {trouble}"],
            about=facts.about,
            detail=target,
            publish=[without],
            facts={"domain": facts.name, "target": target, "trouble": trouble, "term": term, "record": without.value},
        )
    if len(walk.voids) > MOST_VOIDS:
        yield found(
            FindingCode.SPF_VOIDS,
            facts.subject,
            evidence=[*evidence, *(f"{name}: nothing there" for name in walk.voids)],
            about=facts.about,
            facts={"domain": facts.name, "count": len(walk.voids), "names": ", ".join(walk.voids)},
        )


def _of_terms(facts: DomainFacts, text: str, record: SpfRecord) -> Iterable[Finding]:
    evidence = [f"{facts.name} TXT {text}"]
    last = next((term for term in record.terms if term.mechanism is Mechanism.ALL), None)
    ended = PublishedRecord(type="TXT", name=facts.name, value=_ended(text))
    if last is not None and last.result is Result.PASS:
        yield found(
            FindingCode.SPF_ANYBODY,
            facts.subject,
            evidence=evidence,
            about=facts.about,
            publish=[ended],
            facts={"domain": facts.name, "term": last.text, "record": ended.value},
        )
    if any(term.mechanism is Mechanism.PTR for term in record.terms):
        yield found(
            FindingCode.SPF_PTR, facts.subject, evidence=evidence, about=facts.about, facts={"domain": facts.name}
        )
    if (last is None and not record.redirect) or (last is not None and last.result is Result.NEUTRAL):
        yield found(
            FindingCode.SPF_OPEN,
            facts.subject,
            evidence=evidence,
            about=facts.about,
            publish=[ended],
            facts={"domain": facts.name, "record": ended.value},
        )


def _ended(text: str) -> str:
    words = [word for word in text.split() if word.lower().lstrip("+-~?") != "all"]
    return " ".join([*words, "~all"])


def _of_servers(facts: DomainFacts, text: str, walk: _Walk) -> Asking[list[Finding]]:
    """Which servers in use it does not allow."""
    if walk.is_trouble or walk.broken or walk.lookups > MOST_LOOKUPS:
        return []  # what it allows is not known, and told already
    lacking: list[tuple[SendingServer, str]] = []
    for server in facts.servers:
        if server.return_path != facts.name:
            continue
        if server.include:
            if server.include not in walk.targets:
                lacking.append((server, f"include:{server.include} is not in it"))
        elif not server.is_api and (why := (yield from _refused(facts, server))):
            lacking.append((server, why))
    if not lacking:
        return []
    wanted = _with_servers(text, facts, [server for server, _ in lacking])
    return [
        found(
            FindingCode.SPF_SERVER,
            facts.subject,
            evidence=[f"{facts.name} TXT {text}", f"{server.name}: {why}"],
            about=[server.subject],
            detail=server.name,
            publish=[wanted],
            facts={"domain": facts.name, "server": server.name, "record": wanted.value},
        )
        for server, why in lacking
    ]


def _refused(facts: DomainFacts, server: SendingServer) -> Asking[str]:
    """What SPF says to mail from the server's own addresses, when it is not pass. One good address is enough."""
    addresses = yield from addresses_of(server.host)
    outside = [address for address in addresses or () if not is_internal(address)]
    said = []
    for address in outside[:4]:
        verdict = yield from check_sender(address, f"postmaster@{facts.name}", server.host)
        if verdict.result not in (Result.FAIL, Result.SOFTFAIL, Result.NEUTRAL):
            return ""
        said.append(f"{address} gets {verdict.result} ({verdict.detail})")
    return "; ".join(said)


def _needed(facts: DomainFacts) -> list[SendingServer]:
    return [server for server in facts.servers if server.return_path in (facts.name, "")]


def _unnamed(facts: DomainFacts, text: str) -> list[SendingServer]:
    words = text.lower().split()
    return [server for server in _needed(facts) if _term_of(server).lower() not in words]


def _term_of(server: SendingServer) -> str:
    if server.include:
        return f"include:{server.include}"
    host = server.host.strip("[]")
    if re.fullmatch(r"[0-9.]+", host):
        return f"ip4:{host}"
    return f"ip6:{host}" if ":" in host else f"a:{host}"


def _with_servers(text: str, facts: DomainFacts, servers: Iterable[SendingServer]) -> PublishedRecord:
    """The record with terms for these servers before its last word."""
    more = dict.fromkeys(
        _term_of(server) for server in servers if server.include or not (server.is_api or _is_at_home(server.host))
    )
    words = text.split()
    place = next((at for at, word in enumerate(words) if word.lower().lstrip("+-~?") == "all"), len(words))
    words[place:place] = [term for term in more if term not in words]
    if text == "v=spf1 ~all" and len(words) == 2:
        words.insert(1, "mx")  # nothing better is known
    return PublishedRecord(type="TXT", name=facts.name, value=" ".join(words))


def _is_at_home(host: str) -> bool:
    return is_internal(host) or not {".", ":"}.intersection(host.strip("."))
