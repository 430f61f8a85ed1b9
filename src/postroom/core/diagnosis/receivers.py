"""What proven reports of receivers show of mail in our name: own mail that fails or is stopped, strangers that use it, encryption that fails.

Laws: pure. It speaks of what was looked up: a source counts as somebody else's only where the DNS was asked whose it is. A handful of failing
mails from strangers is life on the internet, and nothing is said. Standards: RFC 9989, RFC 9990, RFC 8460 4.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, domain_named, found, server_named
from postroom.core.terms.reasons import catalogue

MANY_STRANGE = 20  # failing mails of one stranger within days
FEW_OWN = 5  # failing mails of an own server
FEW_SESSIONS, SHARE = 3, 0.02
MOST_EVIDENCE = 5

catalogue(
    {
        "finding.receivers_stop": "Receivers refused or put aside {count} mails of {domain} that your own servers sent: they prove neither by SPF nor by DKIM to be yours.",
        "heal.receivers_stop": "Sign with a DKIM key of {domain} (postroom dkim create {domain}), or name the servers in SPF and let the return path be of {domain}. "
        "Each source with what to do: Settings, Receivers' reports.",
        "finding.receivers_fail": "{count} mails of {domain} that your own servers sent failed DMARC at receivers: they prove neither by SPF nor by DKIM to be yours.",
        "heal.receivers_fail": "Sign with a DKIM key of {domain} (postroom dkim create {domain}) before you ask for a stricter policy. "
        "Each source with what to do: Settings, Receivers' reports.",
        "finding.receivers_source": "{count} mails in the name of {domain} came from {source}, which neither SPF nor DKIM of {domain} knows.",
        "heal.receivers_source": "Is it a service of yours? Then set up DKIM for {domain} there and name it in SPF. If not, somebody uses your name: let receivers "
        "stop it by p=quarantine, then p=reject, in the DMARC record.",
        "finding.receivers_tls": "{failed} of {total} connections to {domain} could not be encrypted as they should be: {results}.",
        "heal.receivers_tls": "Look at the certificate of the server that takes mail for {domain} (its name must be that of the MX record, and it must not have "
        "ended) and, where there is one, at the MTA-STS policy.",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """An address that sent as the domain, within the last days. ``is_known``: somebody asked whose it is."""

    domain: str
    ip: str
    failed: int
    stopped: int
    server: str = ""
    name: str = ""
    in_spf: bool | None = None
    is_known: bool = False
    reporters: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        return bool(self.server) or self.in_spf is True

    @property
    def told(self) -> str:
        who = self.server or self.name
        whose = f" ({who})" if who else ""
        return f"{self.ip}{whose}: {self.failed} failed, {self.stopped} stopped, told by {', '.join(self.reporters)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """Connections to the domain; ``result`` ``""``: well."""

    domain: str
    result: str
    count: int
    reporters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiversFacts:
    """Of proven reports alone."""

    sources: tuple[SourceFacts, ...] = ()
    tls: tuple[TlsFacts, ...] = ()


def check_receivers(facts: ReceiversFacts) -> list[Finding]:
    return [*_own(facts.sources), *_strange(facts.sources), *_tls(facts.tls)]


def _own(sources: Iterable[SourceFacts]) -> Iterator[Finding]:
    by_domain: dict[str, list[SourceFacts]] = {}
    for one in sources:
        if one.is_own and one.failed:
            by_domain.setdefault(one.domain, []).append(one)
    for domain, some in sorted(by_domain.items()):
        failed, stopped = sum(one.failed for one in some), sum(one.stopped for one in some)
        if stopped or failed >= FEW_OWN:
            yield found(
                FindingCode.RECEIVERS_STOP if stopped else FindingCode.RECEIVERS_FAIL,
                domain_named(domain),
                evidence=[one.told for one in some[:MOST_EVIDENCE]],
                about=[server_named(one.server) for one in some if one.server],
                facts={"domain": domain, "count": stopped or failed},
            )


def _strange(sources: Iterable[SourceFacts]) -> Iterator[Finding]:
    for one in sources:
        if one.is_known and one.in_spf is False and not one.is_own and one.failed >= MANY_STRANGE:
            source = f"{one.ip} ({one.name})" if one.name else one.ip
            yield found(
                FindingCode.RECEIVERS_SOURCE,
                domain_named(one.domain),
                evidence=[one.told],
                detail=one.ip,
                facts={"domain": one.domain, "count": one.failed, "source": source},
            )


def _tls(counts: Sequence[TlsFacts]) -> Iterator[Finding]:
    for domain in sorted({one.domain for one in counts}):
        mine = [one for one in counts if one.domain == domain]
        bad = [one for one in mine if one.result]
        failed, total = sum(one.count for one in bad), sum(one.count for one in mine)
        if failed >= FEW_SESSIONS and failed >= SHARE * total:
            yield found(
                FindingCode.RECEIVERS_TLS,
                domain_named(domain),
                evidence=[
                    f"{one.result}: {one.count}, told by {', '.join(one.reporters)}" for one in bad[:MOST_EVIDENCE]
                ],
                facts={
                    "domain": domain, "failed": failed, "total": total, "results": ", ".join(one.result for one in bad[:MOST_EVIDENCE]),
                },
            )  # fmt: skip
