"""Which hosts take a domain's mail (RFC 5321 5.1, RFC 7505). Laws: those of `asking`."""

from __future__ import annotations

from collections.abc import Sequence

import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

from postroom.adapters.dns.asking import ask, make_resolver

TIMEOUT = 3.0  # seconds for one question, all tries together
MOST_HOSTS = 10


class DnsMailHosts:
    """``servers``: name servers with their ports; none: as the machine is set up, read at the first question."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, timeout: float = TIMEOUT) -> None:
        self._servers = tuple(servers)
        self._timeout = timeout
        self._resolver: dns.resolver.Resolver | None = None

    def __call__(self, domain: str) -> tuple[str, ...] | None:
        """Names in lower case without the last dot, the preferred first. Empty: the domain has no mail hosts, or is not there."""
        answer = ask(domain, dns.rdatatype.MX, self._made)
        if answer is None:
            return None
        found = sorted((each.preference, _plain(each.exchange)) for each in answer if isinstance(each, MX))
        return tuple(host for _, host in found if host)[:MOST_HOSTS]

    def _made(self) -> dns.resolver.Resolver:
        if self._resolver is None:
            self._resolver = make_resolver(self._servers, timeout=self._timeout)
        return self._resolver


def _plain(name: dns.name.Name) -> str:
    """``""`` for the root: a null MX (RFC 7505) names no host."""
    return name.to_text(omit_final_dot=True).lower().strip(".")
