"""The MTA-STS policy of an alias domain, as it was fetched: can it be read, and does it name the hosts that the MX records name?

Laws: pure. What could not be fetched for reasons that may be ours is unchecked. Standards: RFC 8461 3.2 (the file), 3.3 (fetching), 4.1 (hosts).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postroom.core.diagnosis.domain_facts import DomainFacts, unchecked
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, found
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.visits import NoVisit, Visit

catalogue(
    {
        "policy.not_fetched": "the policy cannot be fetched: {why}",
        "policy.status": "the policy's address answers {status}",
        "policy.version": "the policy is not right: its version is not STSv1",
        "policy.mode": "the policy is not right: its mode is none of {modes}",
        "policy.max_age": "the policy is not right: its max_age is no number of seconds up to a year",
        "policy.no_mx": "the policy is not right: it names no mx",
        "policy.strange": "the policy does not name {hosts}, which the MX records name (mode {mode})",
    }
)
MOST_LINES = 200
_MODES = ("enforce", "testing", "none")


def policy_address(host: str) -> str:
    """Where the policy of ``mta-sts.example.com`` lies (3.3)."""
    return f"https://{host}/.well-known/mta-sts.txt"


def check_policy(facts: DomainFacts, mail_hosts: Sequence[str], answer: Visit | NoVisit) -> list[Finding]:
    """``mail_hosts``: those of the MX records."""
    if isinstance(answer, NoVisit):
        return [_told(facts, because("policy.not_fetched", why=answer.reason))] if answer.is_theirs else [unchecked(facts, "MTA-STS policy")]  # fmt: skip
    if answer.status != 200:
        return [_told(facts, because("policy.status", status=answer.status))]
    lines = [line.strip() for line in answer.body.decode("utf-8", "replace").splitlines()[:MOST_LINES] if line.strip()]
    pairs = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    values = dict(reversed(pairs))
    trouble = next(_faults(values, pairs), None)
    if trouble is not None:
        return [_told(facts, trouble, lines)]
    patterns = [value.lower().rstrip(".") for name, value in pairs if name == "mx"]
    strange = [host for host in mail_hosts if host and not any(_matches(host, one) for one in patterns)]
    if not strange or values["mode"] == "none":
        return []
    severity = Severity.ERROR if values["mode"] == "enforce" else None
    what = because("policy.strange", hosts=", ".join(strange), mode=values["mode"])
    return [_told(facts, what, lines, severity)]


def _faults(values: dict[str, str], pairs: Sequence[tuple[str, str]]) -> Iterator[Reason]:
    if values.get("version") != "STSv1":
        yield because("policy.version")
    if values.get("mode") not in _MODES:
        yield because("policy.mode", modes=", ".join(_MODES))
    age = values.get("max_age", "")
    if not (age.isascii() and age.isdigit() and int(age[:12]) <= 31_557_600):
        yield because("policy.max_age")
    if values.get("mode") != "none" and not any(name == "mx" for name, _ in pairs):
        yield because("policy.no_mx")


def _matches(host: str, pattern: str) -> bool:
    """4.1: a star stands for one label."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return host == pattern


def _told(
    facts: DomainFacts, trouble: Reason, evidence: Sequence[str] = (), severity: Severity | None = None
) -> Finding:
    return found(
        FindingCode.MTA_STS_BROKEN,
        facts.subject,
        evidence=[f"{policy_address(f'mta-sts.{facts.name}')}: {trouble}", *evidence[:10]],
        severity=severity,
        detail="policy",
        facts={"domain": facts.name, "trouble": trouble},
    )
