"""Which hosts take a domain's mail (RFC 5321 5.1, RFC 7505), asked of the machine's own resolver.

Laws: an answer, an empty answer, or None when nobody could tell; never an exception. A question has a time-out, whatever the
number of name servers. Not for hot paths: it waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

TIMEOUT = 3.0  # seconds for one question, all tries together
MOST_HOSTS = 10


class DnsMailHosts:
    """``nameservers`` with ``port``; none: as the machine is set up, read at the first question."""

    def __init__(self, nameservers: Sequence[str] = (), *, port: int = 53, timeout: float = TIMEOUT) -> None:
        self._nameservers = tuple(nameservers)
        self._port = port
        self._timeout = timeout
        self._resolver: dns.resolver.Resolver | None = None

    def __call__(self, domain: str) -> tuple[str, ...] | None:
        """Names in lower case without the last dot, the preferred first. Empty: the domain has no mail hosts, or is not there."""
        try:
            answer = self._made().resolve(dns.name.from_text(domain), dns.rdatatype.MX, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, dns.name.LabelTooLong):
            return ()
        except (dns.exception.DNSException, OSError, ValueError):
            return None
        found = sorted((each.preference, _plain(each.exchange)) for each in answer if isinstance(each, MX))
        return tuple(host for _, host in found if host)[:MOST_HOSTS]

    def _made(self) -> dns.resolver.Resolver:
        if self._resolver is None:
            resolver = dns.resolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = list(self._nameservers)
                resolver.port = self._port
            resolver.lifetime = self._timeout
            resolver.timeout = self._timeout / 2
            self._resolver = resolver
        return self._resolver


def _plain(name: dns.name.Name) -> str:
    """``""`` for the root: a null MX (RFC 7505) names no host."""
    return name.to_text(omit_final_dot=True).lower().strip(".")
