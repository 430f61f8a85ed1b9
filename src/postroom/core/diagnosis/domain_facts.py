"""What the doctor knows of a mail domain of ours before it asks the DNS.

Laws: pure values; the flow gathers them from settings. Names in A-labels, lower case, without the last dot.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from postroom.core.diagnosis.finding_codes import FindingCode
from postroom.core.diagnosis.findings import Finding, domain_named, found, server_named
from postroom.core.senders.questions import Answer, AnswerStatus, Asking, Question, RecordType
from postroom.core.terms.reasons import catalogue

catalogue(
    {
        "finding.dns_unreachable": "The domain name system cannot be reached from here: nothing about domains could be checked.",
        "heal.dns_unreachable": "Check this machine's network and name servers (dns_servers in postroom.toml, resolv.conf), and that UDP and TCP port 53 are open.",
        "finding.dns_unchecked": "{what} of {domain} could not be checked: the domain name system gave no answer.",
        "heal.dns_unchecked": "Ask again later; when it stays so, the name servers of the domain are in trouble: ask whoever runs them.",
        "finding.domain_private": "{domain} is a private name: no public record can be asked about.",
        "heal.domain_private": "Nothing is to be done. Real mail needs a domain that others can look up.",
        "finding.domain_captured": "All mail is captured, nothing leaves: the public records of {domain} do not matter now.",
        "heal.domain_captured": "Nothing is to be done. Name the domain to have it checked all the same: postroom doctor {domain}",
        "finding.domain_unknown": "The domain {domain} does not exist: nobody can write to it, and many refuse mail from it (553 5.1.8).",
        "heal.domain_unknown": "Correct the spelling of the domain in the settings, or register it, or renew it where it has expired.",
    }
)  # fmt: skip

_INTERNAL = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "::1/128", "fc00::/7", "fe80::/10"),
    )
)  # fmt: skip
EXISTENCE = "the existence"  # what was not checked, when not even that is known
# RFC 6761, RFC 6762, RFC 9476, and what is used in houses
_PRIVATE = frozenset(
    "test example invalid localhost local internal home corp lan intranet private alt onion arpa".split()
)
_RESERVED = frozenset({"example.com", "example.net", "example.org"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingServer:
    """A server that sends for the domain. ``include``: what its provider wants in SPF; ``selectors``: where its provider's keys usually are.

    ``signs``: we sign what leaves through it. ``return_path``: the domain of its envelope sender, ``""``: the provider's own.
    """

    name: str
    host: str
    include: str = ""
    selectors: tuple[str, ...] = ()
    signs: bool = False
    is_api: bool = False
    return_path: str = ""

    @property
    def subject(self) -> str:
        return server_named(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class OurKey:
    """A DKIM key of ours. ``is_active``: it signs; else it is prepared. ``is_readable``: its private half can be opened."""

    domain: str
    selector: str
    algorithm: str
    public_key: str
    is_active: bool = True
    is_readable: bool = True

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def value(self) -> str:
        return f"v=DKIM1; k={self.algorithm}; p={self.public_key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """``ways_in``: host names at which mail for us is taken, or fetched; ``is_alias_domain``: mail to it shall come to us.

    ``keys``: those that sign for it. ``is_proven``: mail to it has arrived here. ``reports_address``: where receivers shall report to
    (``mail.dmarc.address``).
    """

    name: str
    servers: tuple[SendingServer, ...] = ()
    keys: tuple[OurKey, ...] = ()
    is_alias_domain: bool = False
    sends: bool = True
    hostname: str = ""
    door_is_public: bool = False
    ways_in: tuple[str, ...] = ()
    is_proven: bool = False
    reports_address: str = "dmarc"

    @property
    def subject(self) -> str:
        return domain_named(self.name)

    @property
    def about(self) -> tuple[str, ...]:
        return tuple(server.subject for server in self.servers)


def is_private(domain: str) -> bool:
    """Whether no public record can be expected of it."""
    labels = domain.lower().rstrip(".").split(".")
    return len(labels) == 1 or labels[-1] in _PRIVATE or ".".join(labels[-2:]) in _RESERVED


def is_internal(address: str) -> bool:
    """An address that nobody outside sees: of this machine, or of a private network. What is no address is none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip.version == network.version and ip in network for network in _INTERNAL)


def addresses_of(host: str) -> Asking[tuple[str, ...] | None]:
    """All addresses of a host, or of an address itself; None when nobody could tell."""
    try:
        return (str(ipaddress.ip_address(host.strip("[]"))),)
    except ValueError:
        pass
    records: list[str] = []
    for kind in (RecordType.A, RecordType.AAAA):
        answer = yield Question(host.lower().rstrip("."), kind)
        if answer.is_trouble and kind is RecordType.A:
            return None
        records += answer.records
    return tuple(records)


def check_existence(facts: DomainFacts) -> Asking[list[Finding]]:
    """Whether there is such a domain (RFC 8020: NXDOMAIN of a name is that of all below it)."""
    answer = yield Question(facts.name, RecordType.MX)
    if answer.is_trouble:
        return [unchecked(facts, EXISTENCE)]
    if answer.status is AnswerStatus.NO_NAME:
        return [
            found(
                FindingCode.DOMAIN_UNKNOWN,
                facts.subject,
                evidence=[f"{facts.name} MX: NXDOMAIN"],
                about=facts.about,
                facts={"domain": facts.name},
            )
        ]
    return []


def unchecked(facts: DomainFacts, what: str) -> Finding:
    """Nobody could tell."""
    return found(FindingCode.DNS_UNCHECKED, facts.subject, detail=what, facts={"what": what, "domain": facts.name})


def shown(name: str, kind: str, answer: Answer) -> Iterator[str]:
    """An answer as evidence: each record, or that there is none."""
    if not answer.records:
        yield f"{name} {kind}: {'NXDOMAIN' if answer.status is AnswerStatus.NO_NAME else 'no such record'}"
    for record in answer.records:
        yield f"{name} {kind} {record}"
