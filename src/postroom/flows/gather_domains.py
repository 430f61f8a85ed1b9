"""The facts of our mail domains for the doctor: which there are, who sends for them, as whom, with which keys, and where mail comes in.

Laws: reads what `gather_house` has read, and asks nobody. A provider that sends with a return path of its own answers for SPF itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from postroom.core.delivery.dkim import with_parents
from postroom.core.delivery.filters import read_written
from postroom.core.delivery.identity import default_from
from postroom.core.delivery.presets import Preset, preset_named, recognise
from postroom.core.diagnosis.domain_facts import DomainFacts, OurKey, SendingServer, is_internal
from postroom.core.diagnosis.findings import domain_named
from postroom.core.diagnosis.sending_hosts import HostFacts
from postroom.core.terms.addresses import is_mail_domain, normalize, normalize_domain
from postroom.flows.gather_house import HouseRows, door_is_public
from postroom.flows.ports import Ports
from postroom.store.models import DkimKey, OutgoingServer

_OWN_RETURN_PATH = frozenset({"ses", "sendgrid", "mailgun", "postmark", "brevo", "mailjet"})
_HOOK_HOSTS = {
    "mailgun": "mxa.mailgun.org",
    "sendgrid": "mx.sendgrid.net",
    "amazon_ses": "inbound-smtp.amazonaws.com",
    "postmark": "inbound.postmarkapp.com",
    "mailjet": "parse.mailjet.com",
    "brevo": "inbound1.sendinblue.com",
}


def domain_facts(ports: Ports, rows: HouseRows, wanted: Sequence[str] = ()) -> list[DomainFacts]:
    """Of all our domains, or of those ``wanted``; of a stranger's domain the public records alone are looked at."""
    own = [name for row in rows.domains if (name := normalize_domain(row.name))]
    ours = list(dict.fromkeys([*own, *_sending_domains(ports, rows)]))
    ways_in = _ways_in(rows)
    arrived = {address.rpartition("@")[2] for address in rows.written_to}
    tested = {row.name for row in rows.domains if row.plus_addresses_arrive is not None}
    tested |= {alias.domain.name for alias in rows.aliases if alias.status == "valid"}
    return [
        DomainFacts(
            name=name,
            servers=tuple(_servers(ports, rows, name)) if name in ours else (),
            keys=_keys(rows, name),
            is_alias_domain=name in own,
            sends=name in ours and bool(rows.servers or rows.ways.configured),
            hostname=ports.configuration.hostname.lower(),
            door_is_public=door_is_public(ports),
            ways_in=ways_in,
            is_proven=name in tested or name in arrived,
            reports_address=rows.ways.parameters.text("mail.dmarc.address"),
        )
        for name in dict.fromkeys(wanted or ours)
    ]


def _sending_domains(ports: Ports, rows: HouseRows) -> Iterable[str]:
    """Of default From addresses and FROM filters."""
    for domain in rows.ways.domains.values():
        yield from _domain_of(default_from(domain))
    for row in rows.servers:
        if row.transport != "letterbox":
            written = read_written(row.from_filter)
            yield from written.domains
            for address in written.addresses:
                yield from _domain_of(address)
    yield from _domain_of(normalize(ports.configuration.email_from))


def _domain_of(address: str) -> Iterable[str]:
    domain = address.rpartition("@")[2]
    if domain and is_mail_domain(domain) and not recognise(f"smtp.{domain}").spf_include:
        yield domain  # gmail.com and its like are not ours to mend


def _ways_in(rows: HouseRows) -> tuple[str, ...]:
    mailboxes = [row.host.lower() for row in rows.mailboxes if row.is_active]
    hooks = [host for row in rows.hooks if (host := _HOOK_HOSTS.get(row.provider))]
    return tuple(dict.fromkeys([*mailboxes, *hooks]))


def _servers(ports: Ports, rows: HouseRows, domain: str) -> Iterable[SendingServer]:
    """Those that may send as this domain."""
    for row in rows.servers:
        written = read_written(row.from_filter)
        names = {*written.domains, *(address.rpartition("@")[2] for address in written.addresses)}
        if row.transport != "letterbox" and (not names or domain in names):
            preset = recognise(row.host) if row.preset == "custom" else preset_named(row.preset)
            yield _server(rows, row, preset, domain)
    configured = rows.ways.configured
    if configured is not None and not any(row.transport != "letterbox" for row in rows.servers):
        preset = recognise(ports.configuration.server_host)
        yield SendingServer(
            name=configured.name,
            host=ports.configuration.server_host,
            include=preset.spf_include,
            selectors=preset.dkim_selectors if preset.spf_include else (),
            signs=configured.signs_dkim and not preset.spf_include,
            return_path=_bounce_domain(rows, domain),
        )


def _server(rows: HouseRows, row: OutgoingServer, preset: Preset, domain: str) -> SendingServer:
    is_api = row.transport == "api"
    provider = preset.key != "custom"
    return SendingServer(
        name=row.name,
        host=row.host,
        include=preset.spf_include,
        selectors=preset.dkim_selectors if provider and preset.spf_include else (),
        signs=row.signs_dkim and not is_api,
        is_api=is_api,
        return_path="" if is_api or preset.key in _OWN_RETURN_PATH else _return_path(rows, row, domain),
    )


def _return_path(rows: HouseRows, row: OutgoingServer, domain: str) -> str:
    """The domain of the envelope sender when this server sends as the domain (`core.delivery.identity`)."""
    login = normalize(row.username)
    if row.envelope_sender == "login" and login:
        return login.rpartition("@")[2]
    bounces = _bounce_domain(rows, domain)
    written = read_written(row.from_filter)
    if written.entries and bounces not in written.domains:
        return domain  # its filter forbids the bounce address
    return bounces


def _bounce_domain(rows: HouseRows, domain: str) -> str:
    """A domain of ours takes its own bounces; those of others go to the first of ours."""
    own = [row.name for row in rows.domains]
    return domain if domain in own or not own else own[0]


def _keys(rows: HouseRows, domain: str) -> tuple[OurKey, ...]:
    """Of the nearest domain that has any."""
    for name in with_parents(domain):
        found = [row for row in rows.keys if row.domain == name]
        if found:
            return tuple(_key(row) for row in found)
    return ()


def key_facts(ports: Ports, rows: HouseRows) -> list[OurKey]:
    """All that are not retired, and whether their private halves can be opened."""
    return [replace(_key(row), is_readable=ports.vault.key_of(bytes(row.private_key)) is not None) for row in rows.keys]


def _key(row: DkimKey) -> OurKey:
    return OurKey(
        domain=row.domain,
        selector=row.selector,
        algorithm=row.algorithm,
        public_key=row.public_key,
        is_active=row.state == "active",
    )


def host_facts(ports: Ports, rows: HouseRows, domains: Sequence[DomainFacts]) -> list[HostFacts]:
    """Own relays, and our own name where our door is public."""
    blocklists = rows.ways.parameters.words("doctor.blocklists")
    hosts: dict[str, dict[str, None]] = {}
    for facts in domains:
        for server in facts.servers:
            is_own = not (server.include or server.is_api or is_internal(server.host)) and "." in server.host
            if is_own and not recognise(server.host).spf_include:
                hosts.setdefault(server.host, {})[server.subject] = None
                hosts[server.host][facts.subject] = None
    name = ports.configuration.hostname
    if door_is_public(ports) and "." in name:
        hosts.setdefault(name, {}).update(
            {domain_named(facts.name): None for facts in domains if facts.is_alias_domain}
        )
    return [HostFacts(host=host, subjects=tuple(subjects), blocklists=blocklists) for host, subjects in hosts.items()]
