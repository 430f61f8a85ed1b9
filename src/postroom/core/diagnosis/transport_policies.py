"""MTA-STS and TLS-RPT of an alias domain: where there is a record, is it a good one?

Laws: pure; generators of questions. Who has none needs none: nothing is said then. The policy file itself is `mta_sts_policy`'s. Standards:
RFC 8461 3.1, RFC 8460 3.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from postroom.core.diagnosis.domain_facts import DomainFacts, addresses_of
from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, found
from postroom.core.diagnosis.report_records import tls_record
from postroom.core.senders.questions import Asking, Question, RecordType
from postroom.core.senders.tag_lists import TagListError, read_tags
from postroom.core.terms.reasons import catalogue

_POLICY_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")

catalogue(
    {
        "finding.mta_sts_broken": "MTA-STS of {domain} does not work: {trouble}. Those who heed it cannot tell whether to trust our TLS.",
        "heal.mta_sts_broken": 'Publish one TXT record "v=STSv1; id=1" at _mta-sts.{domain} and the policy at https://mta-sts.{domain}/.well-known/mta-sts.txt, or take the record out.',
        "finding.tls_rpt_broken": "The record for TLS reports of {domain} cannot be used: {trouble}.",
        "heal.tls_rpt_broken": 'Publish one TXT record at _smtp._tls.{domain}: "{record}", or take it out.',
    }
)  # fmt: skip


def check_transport(facts: DomainFacts) -> Asking[list[Finding]]:
    """Both; two or three questions."""
    if not facts.is_alias_domain:
        return []
    return [*(yield from _mta_sts(facts)), *(yield from _tls_rpt(facts))]


def _mta_sts(facts: DomainFacts) -> Asking[list[Finding]]:
    answer = yield Question(f"_mta-sts.{facts.name}", RecordType.TXT)
    records = [text for text in answer.records if text.lower().startswith("v=sts")]
    if not records:
        return []
    trouble = _trouble(records, "STSv1")
    if not trouble and not _POLICY_ID.match(read_tags(records[0]).get("id", "")):
        trouble = "id= is missing or is no plain word"
    if not trouble:
        places = yield from addresses_of(f"mta-sts.{facts.name}")
        trouble = f"mta-sts.{facts.name}, where the policy should be, has no address" if places == () else ""
    if not trouble:
        return []
    told = {"domain": facts.name, "trouble": trouble}
    return [found(FindingCode.MTA_STS_BROKEN, facts.subject, evidence=records, facts=told)]


def _tls_rpt(facts: DomainFacts) -> Asking[list[Finding]]:
    answer = yield Question(f"_smtp._tls.{facts.name}", RecordType.TXT)
    records = [text for text in answer.records if text.lower().startswith("v=tlsrpt")]
    if not records:
        return []
    trouble = _trouble(records, "TLSRPTv1")
    if not trouble and not read_tags(records[0]).get("rua", "").startswith(("mailto:", "https:")):
        trouble = "rua= names neither mailto: nor https:"
    if not trouble:
        return []
    wanted = tls_record(facts.name, facts.reports_address)
    return [
        found(
            FindingCode.TLS_RPT_BROKEN,
            facts.subject,
            evidence=records,
            publish=[wanted],
            facts={"domain": facts.name, "trouble": trouble, "record": wanted.value},
        )
    ]


def _trouble(records: Sequence[str], version: str) -> str:
    if len(records) > 1:
        return f"there are {len(records)} records"
    try:
        tags = read_tags(records[0])
    except TagListError as error:
        return str(error)
    return "" if tags.get("v") == version else f"v= is not {version}"
