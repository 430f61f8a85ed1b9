"""From an address to the servers of its account: known, published, in the DNS, or guessed and tried, all at the same time.

    preset by the domain --> at once
    autoconfig (HTTPS) ----+
    SRV, MX (DNS) ---------+--> proposals, the most believed first, each with who says so
    guesses: a knock each -+

Laws: within one deadline; never raises for what the world does. No password leaves, and nobody but the domain's own servers is asked, unless
the parameter `mail.setup.directory` names a directory. What is in clear is never proposed.
Standards: Mozilla's autoconfig 1.1, RFC 6186, RFC 8314; see `core.delivery.discovery`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote

from postroom.core.delivery.autoconfig import MOST_BYTES, read_autoconfig
from postroom.core.delivery.discovery import (
    SERVICE_NAMES,
    Proposal,
    Service,
    Source,
    best,
    guesses,
    ranked,
    read_service_records,
)
from postroom.core.delivery.presets import preset_named
from postroom.core.senders.questions import Answer, AnswerStatus, Question, RecordType
from postroom.core.terms.addresses import is_mail_domain, normalize
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailbox_presets import mailbox_preset
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters
from postroom.flows.side_by_side import side_by_side

PATIENCE = 6.0  # seconds for all together: a person waits
_GRACE = 0.5  # what is answered by then is still heard
MOST_HOSTS = 10
DIRECTORY = "mail.setup.directory"

FREE = {  # domains whose addresses everybody can have
    "gmail.com": "gmail", "googlemail.com": "gmail", "outlook.com": "microsoft365", "hotmail.com": "microsoft365",
    "live.com": "microsoft365", "yahoo.com": "yahoo", "icloud.com": "icloud", "me.com": "icloud", "gmx.de": "gmx",
    "gmx.net": "gmx", "gmx.com": "gmx",
}  # fmt: skip
_HOSTS = {  # how the names of the hosts end that take the mail
    "google.com": "gmail", "googlemail.com": "gmail", "outlook.com": "microsoft365", "yahoodns.net": "yahoo",
    "icloud.com": "icloud", "gmx.net": "gmx", "ionos.com": "ionos", "kundenserver.de": "ionos",
}  # fmt: skip
_PUBLISHED = (  # the provider's own, in the order in which they are believed
    "https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={address}",
    "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServers:
    """``proposals``: the most believed first. ``key`` of the presets, ``""`` when nobody knows. ``is_asked``: the DNS answered."""

    domain: str
    key: str = ""
    mail_hosts: tuple[str, ...] = ()
    is_asked: bool = True
    proposals: tuple[Proposal, ...] = ()

    def best(self, way: str) -> Proposal | None:
        """For ``out`` or ``in``: where to try first."""
        return best(self.proposals, *((Service.SMTP,) if way == "out" else (Service.IMAP, Service.POP3)))


def own_domain(address: str) -> str:
    """The domain of the address, where it can be the house's own; ``""`` at a provider whose domain everybody has."""
    domain = address.rpartition("@")[2]
    return domain if is_mail_domain(domain) and domain not in FREE else ""


def find_servers(ports: Ports, address: str, *, seconds: float = PATIENCE, asks_tables: bool = True) -> FoundServers:
    """Where the account of this address probably is. Waits for the network, for ``seconds`` at most. ``asks_tables`` False: there are none,
    and so no directory was named."""
    address = normalize(address)
    domain = address.rpartition("@")[2]
    if not domain:
        return FoundServers(domain="", is_asked=False)
    if domain in FREE:
        key = FREE[domain]
        return FoundServers(domain=domain, key=key, proposals=ranked(_of_preset(key, Source.PRESET)))
    if not is_mail_domain(domain):
        return FoundServers(domain=domain, is_asked=False)
    tasks = _tasks(ports, address, domain, seconds, asks_tables=asks_tables)
    is_enough = partial(_is_enough, [key for key in tasks if not key.startswith("knock")])
    done = side_by_side(tasks, seconds + _GRACE, is_enough=is_enough, name="discovery")
    return _told(domain, done)


def _tasks(
    ports: Ports, address: str, domain: str, seconds: float, *, asks_tables: bool
) -> dict[str, Callable[[], object]]:
    """``published 0``, ``records``, ``knock 0``, …"""
    places = [one.format(domain=domain, address=quote(address, safe="")) for one in _PUBLISHED]
    if asks_tables and (directory := parameters(ports).text(DIRECTORY)):
        places.append(f"{directory.rstrip('/')}/{domain}")
    tasks: dict[str, Callable[[], object]] = {
        f"published {number}": partial(_published, ports, url, address, seconds) for number, url in enumerate(places)
    }
    tasks["records"] = partial(_records, ports, domain, seconds)
    for one in guesses(domain):
        tasks[f"knock {one.service} {one.host} {one.port}"] = partial(_knocked, ports, one, seconds)
    return tasks


def _published(ports: Ports, url: str, address: str, seconds: float) -> tuple[Proposal, ...]:
    content = ports.fetch_published(url, most_bytes=MOST_BYTES, seconds=seconds)
    return read_autoconfig(content, address) if content is not None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Records:
    """What the DNS said. ``heard``: guesses by the hosts that take the mail, at which a server answered."""

    services: tuple[Proposal, ...]
    mail_hosts: tuple[str, ...]
    is_asked: bool
    heard: tuple[Proposal, ...] = ()


def _records(ports: Ports, domain: str, seconds: float) -> _Records:
    names = list(SERVICE_NAMES)
    questions = [Question(f"{name}.{domain}", RecordType.SRV) for name in names]
    answers = ports.ask_dns([_asked(one) for one in (*questions, Question(domain, RecordType.MX))], seconds=seconds / 2)
    hosts = tuple(host for host in answers[-1].records if host.strip("."))[:MOST_HOSTS]
    found = _Records(
        services=read_service_records({name: answer.records for name, answer in zip(names, answers, strict=False)}),
        mail_hosts=hosts,
        is_asked=any(answer.status is not AnswerStatus.TROUBLE for answer in answers),
    )
    known = {(one.host, one.port) for one in guesses(domain)}
    if found.services or not hosts or _provider_of(hosts):
        return found
    more = [one for one in guesses(domain, hosts) if (one.host, one.port) not in known]
    knocks = {str(at): partial(_knocked, ports, one, seconds / 3) for at, one in enumerate(more)}
    heard = side_by_side(knocks, seconds / 3, name="discovery")
    return replace(found, heard=tuple(one for one in heard.values() if isinstance(one, Proposal)))


def _asked(question: Question) -> Generator[Question, Answer, Answer]:
    return (yield question)


def _knocked(ports: Ports, guess: Proposal, seconds: float) -> Proposal | None:
    return replace(guess, source=Source.ANSWERED) if ports.knock(guess, seconds=seconds) else None


def _is_enough(wanted: Sequence[str], done: Mapping[str, object]) -> bool:
    """Whether what is still missing could change nothing: both ways are told by a source that is believed more than those that are missing.
    ``wanted``: the keys of those who are believed more than guesses, the most believed first."""
    told: list[Proposal] = []
    for key in wanted:
        if key not in done:
            return False
        result = done[key]
        told += result.services if isinstance(result, _Records) else _proposals(result)
        if best(told, Service.SMTP) and best(told, Service.IMAP, Service.POP3):
            return True
    records = done["records"]
    return isinstance(records, _Records) and bool(_provider_of(records.mail_hosts))


def _proposals(result: object) -> list[Proposal]:
    return [one for one in result if isinstance(one, Proposal)] if isinstance(result, tuple) else []


def _told(domain: str, done: Mapping[str, object]) -> FoundServers:
    records = done.get("records")
    if not isinstance(records, _Records):
        records = _Records(services=(), mail_hosts=(), is_asked=False)
    key = _provider_of(records.mail_hosts)
    published = [one for at in sorted(done) if at.startswith("published") for one in _proposals(done[at])]
    found = [*published, *records.services, *(_of_preset(key, Source.MAIL_HOSTS) if key else ())]
    plain = guesses(domain, records.mail_hosts)
    heard = [one for one in (*done.values(), *records.heard) if isinstance(one, Proposal)]
    places = [(one.service, one.host, one.port) for one in plain]
    found += sorted(heard, key=lambda one: places.index((one.service, one.host, one.port)))
    told = ranked([*found, *plain])
    first = best(told, Service.SMTP) or best(told, Service.IMAP, Service.POP3)
    is_guess = first is None or first.source is Source.GUESSED
    return FoundServers(
        domain=domain,
        key="" if is_guess or first is None else first.preset,
        mail_hosts=records.mail_hosts,
        is_asked=records.is_asked,
        proposals=told,
    )


def _provider_of(hosts: Sequence[str]) -> str:
    """Key of the provider to whom one of the hosts belongs that take the mail."""
    for host in hosts:
        for end, key in _HOSTS.items():
            if host == end or host.endswith(f".{end}"):
                return key
    return ""


# Providers of mailboxes that are no preset of outgoing servers.
_WAYS_OUT = {
    "yahoo": ("smtp.mail.yahoo.com", 465, Encryption.TLS),
    "icloud": ("smtp.mail.me.com", 587, Encryption.STARTTLS),
    "gmx": ("mail.gmx.net", 587, Encryption.STARTTLS),
    "ionos": ("smtp.ionos.com", 465, Encryption.TLS),
}


def _of_preset(key: str, source: Source) -> list[Proposal]:
    """The ways out and in that a preset knows."""
    out, way_in = preset_named(key), mailbox_preset(key)
    found: list[Proposal] = []
    if out.key == key and out.host:
        found.append(
            Proposal(
                service=Service.SMTP,
                host=out.host,
                port=out.port,
                encryption=out.encryption,
                username=out.username,
                source=source,
                preset=key,
            )
        )
    elif key in _WAYS_OUT:
        host, port, encryption = _WAYS_OUT[key]
        found.append(
            Proposal(service=Service.SMTP, host=host, port=port, encryption=encryption, source=source, preset=key)
        )
    if way_in.key == key and way_in.host:
        found.append(
            Proposal(
                service=Service.IMAP,
                host=way_in.host,
                port=way_in.port,
                encryption=way_in.encryption,
                source=source,
                preset=key,
            )
        )
    return found
