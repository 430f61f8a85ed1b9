"""DKIM of a domain of ours: does the DNS show the keys that we sign with, and are they good?

Laws: pure; a generator of questions. A key in several strings of one record is one key (RFC 6376 3.6.2.2); several records are an
error. Of providers who sign for us, the usual selectors are asked: one that is there is enough. Standards: RFC 6376 3.6, RFC 8301 3.2
(1024 bits at least, 2048 recommended), RFC 8463.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping

from postroom.core.diagnosis.domain_facts import DomainFacts, OurKey, shown, unchecked
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, PublishedRecord, domain_named, found
from postroom.core.senders.questions import Answer, Asking, Question, RecordType
from postroom.core.senders.tag_lists import TagListError, read_tags, without_blanks
from postroom.core.terms.der import BIT_STRING, INTEGER, SEQUENCE, read_value
from postroom.core.terms.reasons import catalogue

LEAST_BITS, GOOD_BITS = 1024, 2048

catalogue(
    {
        "finding.dkim_no_key": "Mail of {domain} leaves without a DKIM signature: {server} leaves signing to us, and there is no key.",
        "heal.dkim_no_key": "Make a key (postroom dkim create {domain}), publish the record that it prints, and switch it on.",
        "finding.dkim_missing": "The DKIM key {selector} of {domain} is not in the DNS: nobody can check our signatures.",
        "heal.dkim_missing": "Publish this TXT record at {name}: {record}",
        "finding.dkim_several": "There are {count} TXT records at {name}; which of them counts is not defined (RFC 6376 3.6.2.2).",
        "heal.dkim_several": "Delete all but this one: {record}",
        "finding.dkim_revoked": "The DKIM key {selector} of {domain} is withdrawn in the DNS (p= is empty): our signatures fail.",
        "heal.dkim_revoked": "Publish the key again ({record}), or make a new one: postroom dkim create {domain}",
        "finding.dkim_mismatch": "The DNS shows another DKIM key at {name} than the one that we sign with: our signatures fail.",
        "heal.dkim_mismatch": "Replace the record at {name} by: {record}",
        "finding.dkim_syntax": "The DKIM record at {name} cannot be used: {trouble}.",
        "heal.dkim_syntax": "Replace it by: {record}",
        "finding.dkim_short": "The DKIM key at {name} has {bits} bits: {what}.",
        "heal.dkim_short": "Make a new key with 2048 bits, publish it under a new selector, and let the old one go.",
        "finding.dkim_testing": "The DKIM record at {name} says that signing is only tried out (t=y): receivers may ignore it.",
        "heal.dkim_testing": "Take t=y out of the record when mail arrives signed.",
        "finding.dkim_provider": "No DKIM key of {provider} was found for {domain}: what it signs is not signed as {domain}.",
        "heal.dkim_provider": "Switch on DKIM for {domain} in the account of {provider}, and publish the records that it shows there.",
        "finding.dkim_key_secret": "The private DKIM key {selector} of {domain} cannot be opened: mail of this domain waits.",
        "heal.dkim_key_secret": "Restore the secret key of this installation (see: postroom secrets), or retire this DKIM key and make a new one.",
    }
)  # fmt: skip


def check_key_secrets(keys: Iterable[OurKey]) -> list[Finding]:
    """Keys that sign, and whose private half cannot be opened any more."""
    return [
        found(
            FindingCode.DKIM_KEY_SECRET,
            domain_named(key.domain),
            evidence=[f"{key.name}: its private half cannot be opened"],
            detail=key.selector,
            facts={"domain": key.domain, "selector": key.selector},
        )
        for key in keys
        if key.is_active and not key.is_readable
    ]


def check_dkim(facts: DomainFacts) -> Asking[list[Finding]]:
    """Two or three questions for each key."""
    findings: list[Finding] = []
    for key in facts.keys:
        findings += yield from _check_key(facts, key)
    if not facts.sends:
        return findings
    unsigned = [server for server in facts.servers if server.signs]
    if unsigned and not any(key.is_active for key in facts.keys):
        names = ", ".join(server.name for server in unsigned)
        subjects = [server.subject for server in unsigned]
        findings.append(
            found(
                FindingCode.DKIM_NO_KEY,
                facts.subject,
                about=subjects,
                evidence=[f"{server.name}: signing is on, no key of {facts.name}" for server in unsigned],
                facts={"domain": facts.name, "server": names},
            )
        )
    for server in facts.servers:
        if server.selectors and not server.signs and server.return_path == facts.name:
            findings += yield from _check_provider(facts, server.name, server.selectors, server.subject)
    return findings


def _check_key(facts: DomainFacts, key: OurKey) -> Asking[list[Finding]]:
    answer = yield Question(key.name.lower(), RecordType.TXT)
    if answer.is_trouble:
        return [unchecked(facts, f"the DKIM key {key.selector}")]
    return list(_judge(facts, key, answer))


def _judge(facts: DomainFacts, key: OurKey, answer: Answer) -> Iterator[Finding]:
    wanted = PublishedRecord(type="TXT", name=key.name, value=key.value)
    severity = None if key.is_active else Severity.INFO
    evidence = list(shown(key.name, "TXT", answer))

    def told(code: FindingCode, **facts_of_it: object) -> Finding:
        return found(
            code,
            facts.subject,
            evidence=evidence,
            about=facts.about,
            detail=key.selector,
            publish=[wanted],
            severity=severity,
            facts={
                "domain": facts.name,
                "selector": key.selector,
                "name": key.name,
                "record": wanted.value,
                **facts_of_it,
            },
        )

    if not answer.records:
        yield told(FindingCode.DKIM_MISSING)
        return
    if len(answer.records) > 1:
        yield told(FindingCode.DKIM_SEVERAL, count=len(answer.records))
        return
    try:
        tags = read_tags(answer.records[0])
    except TagListError as error:
        yield told(FindingCode.DKIM_SYNTAX, trouble=error)
        return
    if trouble := _unusable(tags):
        yield told(FindingCode.DKIM_SYNTAX, trouble=trouble)
    elif not without_blanks(tags["p"]):
        yield told(FindingCode.DKIM_REVOKED)
    elif (tags.get("k", "rsa").lower(), without_blanks(tags["p"])) != (key.algorithm, key.public_key):
        yield told(FindingCode.DKIM_MISMATCH)
    elif "y" in tags.get("t", "").split(":"):
        yield told(FindingCode.DKIM_TESTING)


def _unusable(tags: Mapping[str, str]) -> str:
    if tags.get("v", "DKIM1") != "DKIM1":
        return "v= is not DKIM1"
    if "p" not in tags:
        return "there is no p= in it"
    if "sha256" not in tags.get("h", "sha256").split(":"):
        return "h= does not allow sha256"
    if not {"*", "email"}.intersection(tags.get("s", "*").split(":")):
        return "s= is not for mail"
    return ""


def _check_provider(
    facts: DomainFacts, provider: str, selectors: tuple[str, ...], server: str
) -> Asking[list[Finding]]:
    """One usable key at a usual selector is enough."""
    asked: list[str] = []
    findings: list[Finding] = []
    is_trouble = False
    for selector in selectors:
        name = f"{selector}._domainkey.{facts.name}"
        answer = yield Question(name, RecordType.TXT)
        is_trouble = is_trouble or answer.is_trouble
        asked += shown(name, "TXT", answer)
        keys = [key for text in answer.records if (key := _key_in(text))]
        if keys:
            return [one for one in (_short(facts, name, keys[0], server),) if one is not None]
    if is_trouble:
        return [unchecked(facts, "DKIM")]
    findings.append(
        found(
            FindingCode.DKIM_PROVIDER,
            facts.subject,
            evidence=asked,
            about=[server],
            detail=provider,
            facts={"provider": provider, "domain": facts.name},
        )
    )
    return findings


def _key_in(text: str) -> str:
    try:
        return without_blanks(read_tags(text).get("p", ""))
    except TagListError:
        return ""


def _short(facts: DomainFacts, name: str, key: str, server: str) -> Finding | None:
    bits = rsa_bits(key)
    if not bits or bits >= GOOD_BITS:
        return None
    what = "receivers do not count it (RFC 8301)" if bits < LEAST_BITS else "2048 are recommended"
    return found(
        FindingCode.DKIM_SHORT,
        facts.subject,
        evidence=[f"{name}: RSA, {bits} bits"],
        about=[server],
        severity=Severity.WARNING if bits < LEAST_BITS else Severity.INFO,
        facts={"name": name, "bits": bits, "what": what},
    )


def rsa_bits(key: str) -> int:
    """The size of an RSA key as it stands in p= (SubjectPublicKeyInfo, or the bare key); 0 for what is none."""
    try:
        inner = read_value(b64decode(key, validate=True), SEQUENCE)[0]
        if inner[:1] == b"\x30":
            inner = read_value(read_value(read_value(inner, SEQUENCE)[1], BIT_STRING)[0][1:], SEQUENCE)[0]
        modulus = read_value(inner, INTEGER)[0]
    except (binascii.Error, ValueError, IndexError):
        return 0
    return int.from_bytes(modulus, "big").bit_length()
