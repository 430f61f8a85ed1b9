"""From an address to the servers of its account: who says so, and whom to believe first.

Laws: pure. Asked in this order: a preset by the domain, what the provider publishes by HTTPS, service records of the domain, a preset by the
hosts that take its mail, guesses at which a mail server answered, and guesses alone. Nothing in clear. TLS from the first byte before
STARTTLS, IMAP before POP3.
Standards: RFC 6186 (service records), RFC 8314 3.3 and 5.1 (TLS first), RFC 2782 (priority and weight).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from postroom.core.delivery.presets import recognise
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailbox_presets import preset_of_mailbox
from postroom.core.terms.reasons import Reason, because, catalogue

MOST_RECORDS = 8  # of one name
_HOST = re.compile(r"(?=.{1,253}\Z)(?!\d+(\.\d+){3}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII)  # fmt: skip


def is_host(name: str) -> bool:
    """Whether that can be the name of a host (RFC 1123 2.1), in lower case; an address is none."""
    return _HOST.fullmatch(name) is not None


class Service(StrEnum):
    """What is spoken there."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"


class Source(StrEnum):
    """Who says so, the most believed first."""

    PRESET = "preset"  # the domain is that of a provider that we know
    PUBLISHED = "published"  # the provider publishes it, by HTTPS
    RECORDS = "records"  # the domain's service records (SRV) name it
    MAIL_HOSTS = "mail_hosts"  # a provider that we know takes the domain's mail (MX)
    ANSWERED = "answered"  # guessed; a mail server answered there, with a certificate for that name
    GUESSED = "guessed"  # guessed; nobody answered there in time


catalogue(
    {
        "found.preset": "{domain} belongs to {provider}.",
        "found.published": "Your provider publishes it.",
        "found.records": "The DNS of {domain} names it.",
        "found.mail_hosts": "{provider} takes the mail of {domain}.",
        "found.answered": "Guessed; a mail server answered there.",
        "found.guessed": "Guessed, not yet tried: nobody answered there in time.",
    }
)

_RANKS = {source: rank for rank, source in enumerate(Source)}
_SERVICES = {service: rank for rank, service in enumerate(Service)}

SERVICE_NAMES: Mapping[str, tuple[Service, Encryption]] = {
    "_submissions._tcp": (Service.SMTP, Encryption.TLS),
    "_submission._tcp": (Service.SMTP, Encryption.STARTTLS),
    "_imaps._tcp": (Service.IMAP, Encryption.TLS),
    "_imap._tcp": (Service.IMAP, Encryption.STARTTLS),
    "_pop3s._tcp": (Service.POP3, Encryption.TLS),
    "_pop3._tcp": (Service.POP3, Encryption.STARTTLS),
}

_PORTS = {
    Service.SMTP: ((465, Encryption.TLS), (587, Encryption.STARTTLS)),
    Service.IMAP: ((993, Encryption.TLS), (143, Encryption.STARTTLS)),
    Service.POP3: ((995, Encryption.TLS),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """``username`` empty: the address. ``preset``: key of what we know of the provider, ``""`` for nothing."""

    service: Service
    host: str
    port: int
    encryption: Encryption
    source: Source
    username: str = ""
    preset: str = ""

    def why(self, domain: str) -> Reason:
        """Where it comes from, in a sentence."""
        known = recognise(self.host) if self.service is Service.SMTP else preset_of_mailbox(self.host)
        provider = known.label if known.key not in ("custom", "postfix") else self.host
        return because(f"found.{self.source}", domain=domain, provider=provider)

    def is_vouched_for(self, domain: str) -> bool:
        """Whether a password may go there without a person who looked at the name: a provider that we know, what came by HTTPS, or a
        host within the domain, whose certificate proves it (RFC 6186 6)."""
        if self.source in (Source.PRESET, Source.PUBLISHED) or self.preset:
            return True
        return self.host == domain or self.host.endswith(f".{domain}")


def ranked(proposals: Iterable[Proposal]) -> tuple[Proposal, ...]:
    """The most believed first, no place twice, each with the preset that its host belongs to."""
    found: dict[tuple[Service, str, int], Proposal] = {}
    for one in sorted(proposals, key=_rank):
        found.setdefault((one.service, one.host, one.port), with_preset(one))
    return tuple(found.values())


def _rank(one: Proposal) -> tuple[int, int, bool]:
    return _RANKS[one.source], _SERVICES[one.service], one.encryption is not Encryption.TLS


def with_preset(one: Proposal) -> Proposal:
    """With the key of the provider to whom the host belongs."""
    known = recognise(one.host) if one.service is Service.SMTP else preset_of_mailbox(one.host)
    return one if one.preset or known.key in ("custom", "postfix") else replace(one, preset=known.key)


def best(proposals: Sequence[Proposal], *services: Service) -> Proposal | None:
    """The first for one of these services."""
    return next((one for one in proposals if one.service in services), None)


def read_service_records(answers: Mapping[str, Sequence[str]]) -> tuple[Proposal, ...]:
    """``answers``: service name -> records as ``priority weight port target``. A target of ``.`` says: not here (RFC 2782)."""
    found: list[Proposal] = []
    for name, (service, encryption) in SERVICE_NAMES.items():
        rows = sorted(filter(None, map(_record, answers.get(name, ())[:MOST_RECORDS])))
        for _, _, port, host in rows:
            found.append(Proposal(service=service, host=host, port=port, encryption=encryption, source=Source.RECORDS))
    return tuple(found)


def _record(text: str) -> tuple[int, int, int, str] | None:
    """Priority, weight (the heavier first), port, host. A name is shown to a person who decides by it, so it is one of a host."""
    words = text.split()
    if len(words) != 4 or not all(one.isascii() and one.isdigit() for one in words[:3]):
        return None
    port, host = int(words[2]), words[3].lower().rstrip(".")
    return (int(words[0]), -int(words[1]), port, host) if is_host(host) and 0 < port < 65_536 else None


def guesses(domain: str, mail_hosts: Sequence[str] = ()) -> tuple[Proposal, ...]:
    """Where many have their servers; to be tried, not believed. The likely ones first, for each service."""
    own = [host for host in mail_hosts[:1] if is_host(host)]
    found: list[Proposal] = []
    for service, first in ((Service.SMTP, "smtp"), (Service.IMAP, "imap"), (Service.POP3, "pop")):
        hosts = [f"{first}.{domain}", f"mail.{domain}", *own, *([] if service is Service.POP3 else [domain])]
        for host in dict.fromkeys(hosts):
            found += [
                Proposal(service=service, host=host, port=port, encryption=encryption, source=Source.GUESSED)
                for port, encryption in _PORTS[service]
            ]
    return tuple(found)
