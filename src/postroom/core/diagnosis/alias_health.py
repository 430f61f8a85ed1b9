"""Aliases and the addresses of a domain: do they arrive, and are given-up ones still written to?

Laws: pure. That plus-addresses were not tested is only said; a test by a real mail tells it for sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, domain_named, found
from postroom.core.terms.reasons import catalogue

catalogue(
    {
        "finding.alias_invalid": "A test mail to the alias {alias} did not arrive: what customers write there is lost on the way.",
        "heal.alias_invalid": "Let your mail server hand mail for {alias} over to us (or to the mailbox that is fetched), and test the alias again.",
        "finding.alias_retired_used": "{count} of the last mails went to {alias}, an address that was given up: it still works, and people still know it.",
        "heal.alias_retired_used": "Tell those who write there the new address; the old one stays until you delete it.",
        "finding.plus_lost": "Addresses with a plus sign do not arrive at {domain}: replies and bounces are told by other signs, which is less sure.",
        "heal.plus_lost": "Switch on sub-addresses (plus addressing) at the mail server of {domain}, and test again.",
        "finding.plus_untested": "Nobody has tested whether addresses with a plus sign arrive at {domain}: bounces and replies rest on it.",
        "heal.plus_untested": "Test it with a real mail: Settings, Domains, {domain}.",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasFacts:
    """``invalid``: aliases whose test mail did not arrive. ``retired``: given-up addresses by how many of the last mails went there.

    ``plus``: by alias domain whether plus-addresses arrive; None: not tested.
    """

    invalid: tuple[str, ...] = ()
    retired: Mapping[str, int] = field(default_factory=dict)
    plus: Mapping[str, bool | None] = field(default_factory=dict)
    is_capturing: bool = False


def check_aliases(facts: AliasFacts) -> list[Finding]:
    findings: list[Finding] = []
    for alias in facts.invalid:
        subject = domain_named(alias.rpartition("@")[2])
        findings.append(
            found(
                FindingCode.ALIAS_INVALID, subject, evidence=[f"{alias}: invalid"], detail=alias, facts={"alias": alias}
            )
        )
    for alias, count in facts.retired.items():
        subject = domain_named(alias.rpartition("@")[2])
        evidence = [f"{count} mails to {alias}"]
        findings.append(
            found(
                FindingCode.ALIAS_RETIRED_USED,
                subject,
                evidence=evidence,
                detail=alias,
                facts={"alias": alias, "count": count},
            )
        )
    for domain, arrives in facts.plus.items():
        if arrives is None and not facts.is_capturing:
            findings.append(
                found(
                    FindingCode.PLUS_UNTESTED, domain_named(domain), evidence=["not tested"], facts={"domain": domain}
                )
            )
        elif arrives is False:
            findings.append(
                found(FindingCode.PLUS_LOST, domain_named(domain), evidence=["tested: lost"], facts={"domain": domain})
            )
    return findings
