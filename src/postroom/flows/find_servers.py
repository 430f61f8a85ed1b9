"""From an address to the servers of its provider: by its domain, by the hosts that take its mail, else nobody knows.

Laws: asks the DNS once, for some seconds at most, and nobody else: no password leaves before a person pressed a button.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.terms.addresses import normalize
from postroom.flows.ports import Ports

_DOMAINS = {
    "gmail.com": "gmail", "googlemail.com": "gmail", "outlook.com": "microsoft365", "hotmail.com": "microsoft365",
    "live.com": "microsoft365", "yahoo.com": "yahoo", "icloud.com": "icloud", "me.com": "icloud", "gmx.de": "gmx",
    "gmx.net": "gmx", "gmx.com": "gmx",
}  # fmt: skip
_HOSTS = {  # how the names of the hosts end that take the mail
    "google.com": "gmail", "googlemail.com": "gmail", "outlook.com": "microsoft365", "yahoodns.net": "yahoo",
    "icloud.com": "icloud", "gmx.net": "gmx", "ionos.com": "ionos", "kundenserver.de": "ionos",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProvider:
    """``key`` of the presets, ``""`` when nobody knows. ``is_asked``: the DNS answered."""

    key: str
    domain: str
    mail_hosts: tuple[str, ...] = ()
    is_asked: bool = True


def find_provider(ports: Ports, address: str) -> FoundProvider:
    """Whose mailbox that probably is. Waits for the network, for seconds."""
    domain = normalize(address).rpartition("@")[2]
    if not domain:
        return FoundProvider(key="", domain="", is_asked=False)
    if domain in _DOMAINS:
        return FoundProvider(key=_DOMAINS[domain], domain=domain)
    hosts = ports.mail_hosts(domain)
    for host in hosts or ():
        for end, key in _HOSTS.items():
            if host == end or host.endswith(f".{end}"):
                return FoundProvider(key=key, domain=domain, mail_hosts=hosts or ())
    return FoundProvider(key="", domain=domain, mail_hosts=hosts or (), is_asked=hosts is not None)
