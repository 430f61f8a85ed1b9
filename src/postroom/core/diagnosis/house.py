"""The settings of the house: domains, default From, servers side by side, the administrator's address, the staging lock.

Laws: pure; only what is set is looked at, nobody is asked. What is set on purpose (a second server of another priority takes over when
the first cannot) is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, domain_named, found, server_named
from postroom.core.terms.reasons import catalogue

catalogue(
    {
        "finding.staging_lock": "This database was copied here and not confirmed: nothing leaves, and nothing is fetched, so that a copy writes to nobody.",
        "heal.staging_lock": "When this is the real one now: postroom confirm-home. When it is a copy: leave it so.",
        "finding.capture_mode": "All outgoing mail is captured in the Letterbox, nothing leaves.",
        "heal.capture_mode": "That is meant for trying out. When mail shall leave: postroom capture off",
        "finding.catchall_missing": "There is no alias domain (catchall domain): replies do not come back to their records, and bounces do not find their mail.",
        "heal.catchall_missing": "Set mail.catchall.domain to the domain whose mail comes to you: postroom parameter set mail.catchall.domain YOUR.DOMAIN",
        "finding.catchall_domain_unknown": "mail.catchall.domain is {domain}, and there is no such alias domain: replies go where nobody looks.",
        "heal.catchall_domain_unknown": "Set it to one of the alias domains ({known}), or make {domain} one: postroom parameter set mail.catchall.domain {domain}",
        "finding.bounce_alias_taken": "{address} is an alias that makes records, and the {what} address of {domain}, too: reports would become records, or mail would count as a report.",
        "heal.bounce_alias_taken": "Rename the alias, or change the {what} address ({parameter}).",
        "finding.server_missing": "There is no outgoing server: no mail can leave.",
        "heal.server_missing": "Set one up: postroom server add, or the page Settings, Outgoing servers.",
        "finding.from_filter_invalid": "The FROM filter of {server} holds what is neither an address nor a domain: {mistakes}",
        "heal.from_filter_invalid": "Correct the filter: addresses and domains, separated by commas, without wildcards.",
        "finding.default_from_missing": "There is no default From: mail whose author no server may send as leaves as written, and is refused or put into spam.",
        "heal.default_from_missing": "Set mail.default.from to an address of your own domain that your provider knows: postroom parameter set mail.default.from notifications",
        "finding.default_from_foreign": "The default From {address} fits no outgoing server: their FROM filters name {filters}. Providers refuse such mail (553 5.7.1, not owned by user).",
        "heal.default_from_foreign": "Set mail.default.from to an address that a server may send as, or add {domain} to the FROM filter of the server that may.",
        "finding.same_filter": "{servers} are active with the same FROM filter ({filter}) and the same priority: which of them sends is left to chance, and mail seems to come from everywhere.",
        "heal.same_filter": "Keep one of them active and archive the others, or give each its own filter or priority (the second then takes over when the first cannot send).",
        "finding.admin_placeholder": "The address of {login} is {address}, a placeholder: what is sent to or as this person fails.",
        "heal.admin_placeholder": "Replace it by the person's real address: the page Preferences, or People among the settings.",
        "finding.gmail_volume": "{server} is a Gmail account and sends {count} mails a day: Google stops it at {limit}, and it is not meant for production.",
        "heal.gmail_volume": "Use a provider made for it (Amazon SES, Mailgun, SendGrid, Postmark, an own relay) and keep Gmail for few mails.",
    }
)  # fmt: skip

GMAIL_IS_MUCH = 300  # mails a day


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDomain:
    """An alias domain that is in use. ``default_from`` normalised, ``""``: none."""

    name: str
    bounce: str
    catchall: str
    default_from: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """An outgoing server as the house sees it. ``filter``: its entries in order; ``mistakes``: sentences. ``sent_today``: mails."""

    name: str
    filter: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    priority: int = 10
    company_id: int | None = None
    purpose: str = "both"
    is_letterbox: bool = False
    is_gmail: bool = False
    sent_today: int = 0
    daily_limit: int = 0

    def admits(self, address: str) -> bool:
        return not self.filter or address in self.filter or address.rpartition("@")[2] in self.filter


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseFacts:
    """``servers``: active ones. ``aliases``: addresses that make records. ``administrators``: login and address. ``waiting``: mails."""

    domains: tuple[OwnDomain, ...] = ()
    catchall_domain: str = ""
    aliases: frozenset[str] = frozenset()
    servers: tuple[OwnServer, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    waiting: int = 0
    sent_today: int = 0
    is_capturing: bool = False
    is_locked: bool = False
    confirmed: str = ""
    elsewhere: str = ""
    has_work: bool = True


def check_house(facts: HouseFacts) -> list[Finding]:
    return [*_home(facts), *_domains(facts), *_servers(facts), *_default_from(facts), *_people(facts)]


def _home(facts: HouseFacts) -> Iterator[Finding]:
    if facts.is_locked:
        yield found(
            FindingCode.STAGING_LOCK,
            evidence=[f"confirmed at: {facts.confirmed}", f"found at: {facts.elsewhere}"],
        )
    elif facts.is_capturing:
        yield found(FindingCode.CAPTURE_MODE, evidence=["capture mode is on"])


def _domains(facts: HouseFacts) -> Iterator[Finding]:
    names = [domain.name for domain in facts.domains]
    if not names:
        yield found(
            FindingCode.CATCHALL_MISSING,
            evidence=[f"mail.catchall.domain = {facts.catchall_domain or '(empty)'}", "0 alias domains"],
        )
    elif facts.catchall_domain and facts.catchall_domain not in names:
        yield found(
            FindingCode.CATCHALL_DOMAIN_UNKNOWN,
            evidence=[f"mail.catchall.domain = {facts.catchall_domain}", f"alias domains: {', '.join(names)}"],
            about=[domain_named(facts.catchall_domain)],
            facts={"domain": facts.catchall_domain, "known": ", ".join(names)},
        )
    for domain in facts.domains:
        for what, local, parameter in (
            ("bounce", domain.bounce, "mail.bounce.alias"),
            ("catchall", domain.catchall, "mail.catchall.alias"),
        ):
            address = f"{local}@{domain.name}"
            if address in facts.aliases or (what == "bounce" and domain.bounce == domain.catchall):
                yield found(
                    FindingCode.BOUNCE_ALIAS_TAKEN,
                    domain_named(domain.name),
                    evidence=[f"{parameter} = {local}", f"alias {address}"],
                    detail=what,
                    facts={"address": address, "what": what, "domain": domain.name, "parameter": parameter},
                )


def _servers(facts: HouseFacts) -> Iterator[Finding]:
    real = [server for server in facts.servers if not server.is_letterbox]
    if not facts.servers and not facts.is_capturing:
        severity = Severity.ERROR if facts.waiting or facts.has_work else Severity.WARNING
        yield found(
            FindingCode.SERVER_MISSING,
            evidence=["0 active outgoing servers", f"{facts.waiting} mails wait"],
            severity=severity,
        )
    for server in real:
        if server.mistakes:
            yield found(
                FindingCode.FROM_FILTER_INVALID,
                server_named(server.name),
                evidence=server.mistakes,
                facts={"server": server.name, "mistakes": " ".join(server.mistakes)},
            )
    yield from _same(real)
    yield from _gmail(facts, real)


def _same(servers: list[OwnServer]) -> Iterator[Finding]:
    groups: dict[tuple[object, ...], list[OwnServer]] = {}
    for server in servers:
        key = (frozenset(server.filter), server.priority, server.company_id, server.purpose)
        groups.setdefault(key, []).append(server)
    for group in groups.values():
        if len(group) > 1:
            said = ", ".join(group[0].filter) or "none"
            yield found(
                FindingCode.SAME_FILTER,
                evidence=[f"{server.name}: filter {said}, priority {server.priority}" for server in group],
                about=[server_named(server.name) for server in group],
                detail=said,
                facts={"servers": " and ".join(server.name for server in group), "filter": said},
            )


def _gmail(facts: HouseFacts, servers: list[OwnServer]) -> Iterator[Finding]:
    for server in servers:
        is_alone = len(servers) == 1
        count = max(server.sent_today, facts.sent_today if is_alone else 0)
        if server.is_gmail and count >= GMAIL_IS_MUCH:
            yield found(
                FindingCode.GMAIL_VOLUME,
                server_named(server.name),
                evidence=[f"{count} mails within a day through {server.name}"],
                facts={"server": server.name, "count": count, "limit": server.daily_limit or 500},
            )


def _default_from(facts: HouseFacts) -> Iterator[Finding]:
    real = [server for server in facts.servers if not server.is_letterbox]
    if not real or facts.is_capturing:
        return
    if facts.domains and not any(domain.default_from for domain in facts.domains):
        yield found(FindingCode.DEFAULT_FROM_MISSING, evidence=["mail.default.from = (empty)"])
        return
    for domain in facts.domains:
        address = domain.default_from
        if not address or any(server.admits(address) for server in real):
            continue
        yield found(
            FindingCode.DEFAULT_FROM_FOREIGN,
            domain_named(domain.name),
            evidence=[
                f"default From: {address}",
                *(f"{server.name}: filter {', '.join(server.filter)}" for server in real),
            ],
            about=[server_named(server.name) for server in real],
            facts={
                "address": address,
                "domain": address.rpartition("@")[2],
                "filters": "; ".join(", ".join(server.filter) for server in real),
            },
        )


def _people(facts: HouseFacts) -> Iterator[Finding]:
    for login, address in facts.placeholders.items():
        yield found(
            FindingCode.ADMIN_PLACEHOLDER,
            evidence=[f"{login}: {address or '(no address)'}"],
            detail=login,
            facts={"login": login, "address": address or "empty"},
        )
