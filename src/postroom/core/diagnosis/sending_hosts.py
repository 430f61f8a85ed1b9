"""The hosts that our mail leaves from: do their addresses have names that lead back (PTR), and does a blocklist name them?

Laws: pure; generators of questions. Providers' hosts are theirs to look after: only own relays and our own name are asked about. A
blocklist is asked only when it is named in the parameter ``doctor.blocklists``; an answer in 127.255.255.0/24 is a refusal to tell and
is told as unchecked. Standards: RFC 1912 2.1 (PTR), RFC 5782 (blocklists).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.core.diagnosis.domain_facts import addresses_of, is_internal
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import HOUSE, Finding, found
from postroom.core.senders.questions import Answer, Asking, Question, RecordType
from postroom.core.senders.spf_macros import reverse_name
from postroom.core.terms.reasons import catalogue

MOST_ADDRESSES = 6

catalogue(
    {
        "finding.ptr_missing": "The address {address} of {host} has no name (PTR record): many refuse mail from it.",
        "heal.ptr_missing": "Ask whoever gave you the address (the hosting provider) to set its PTR record to {host}.",
        "finding.ptr_mismatch": "The address {address} of {host} is called {names}, and that name does not lead back to it: many refuse mail from it.",
        "heal.ptr_mismatch": "Let the PTR record of {address} name {host}, and the address record of that name lead to {address}.",
        "finding.blocklisted": "The address {address} of {host} stands on the blocklist {blocklist}.",
        "heal.blocklisted": "Look up there why ({blocklist}), end the cause (a broken account, bought addresses, an open relay), then ask to be taken off.",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """A host of our own. ``subjects``: what stands and falls with it."""

    host: str
    subjects: tuple[str, ...] = ()
    blocklists: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return self.subjects[0] if self.subjects else HOUSE


def check_names(facts: HostFacts) -> Asking[list[Finding]]:
    """PTR, and back (RFC 8601 2.7.3: iprev)."""
    findings: list[Finding] = []
    for address in (yield from _outside(facts)):
        answer = yield Question(_reversed(address), RecordType.PTR)
        if answer.is_trouble:
            continue
        if not answer.records:
            evidence = [f"{_reversed(address)} PTR: no such record"]
            findings.append(_told(FindingCode.PTR_MISSING, facts, address, evidence))
            continue
        if not (yield from _leads_back(answer, address)):
            evidence = [f"{_reversed(address)} PTR {name}" for name in answer.records]
            findings.append(_told(FindingCode.PTR_MISMATCH, facts, address, evidence, names=", ".join(answer.records)))
    return findings


def check_blocklists(facts: HostFacts) -> Asking[list[Finding]]:
    """One question for each address and list."""
    findings: list[Finding] = []
    for address in (yield from _outside(facts)) if facts.blocklists else ():
        for blocklist in facts.blocklists:
            name = f"{_reversed(address).removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{blocklist}"
            answer = yield Question(name, RecordType.A)
            listed = [
                record
                for record in answer.records
                if record.startswith("127.") and not record.startswith("127.255.255.")
            ]
            if listed:
                evidence = [f"{name} A {record}" for record in listed]
                findings.append(_told(FindingCode.BLOCKLISTED, facts, address, evidence, blocklist=blocklist))
            elif any(record.startswith("127.255.255.") for record in answer.records):
                what = f"Whether {blocklist} lists {address} (it answers {answer.records[0]}: not to this name server)"
                findings.append(
                    found(
                        FindingCode.DNS_UNCHECKED,
                        facts.subject,
                        evidence=[f"{name} A {record}" for record in answer.records],
                        about=facts.subjects,
                        detail=f"{blocklist} {address}",
                        facts={"what": what, "domain": facts.host},
                    )
                )
    return findings


def _outside(facts: HostFacts) -> Asking[Sequence[str]]:
    addresses = yield from addresses_of(facts.host)
    return [address for address in addresses or () if not is_internal(address)][:MOST_ADDRESSES]


def _reversed(address: str) -> str:
    return reverse_name(ipaddress.ip_address(address))


def _leads_back(answer: Answer, address: str) -> Asking[bool]:
    for name in answer.records[:5]:
        back = yield from addresses_of(name)
        if back is None or address in back:
            return True
    return False


def _told(code: FindingCode, facts: HostFacts, address: str, evidence: Sequence[str], **more: object) -> Finding:
    return found(
        code,
        facts.subject,
        evidence=[f"{facts.host}: {address}", *evidence],
        about=facts.subjects,
        detail=address,
        facts={"host": facts.host, "address": address, **more},
    )
