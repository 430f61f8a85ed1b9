"""One question to name servers, by the machine's own resolver or by one that asks those that are named.

Laws: an answer, an empty answer, or None when nobody could tell; never an exception. A question has a time-out, whatever the
number of name servers. Not for hot paths: it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dns.exception
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver


def make_resolver(servers: Sequence[tuple[str, int]], *, timeout: float) -> dns.resolver.Resolver:
    """``servers``: addresses and ports; none: as the machine is set up, which may not be readable (a DNSException or OSError).

    ``timeout``: seconds for one question, all tries together.
    """
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in servers]
    resolver.lifetime = timeout
    resolver.timeout = timeout / 2
    return resolver


def ask(
    name: str, kind: dns.rdatatype.RdataType, resolver: Callable[[], dns.resolver.Resolver]
) -> list[dns.rdata.Rdata] | None:
    """The records. Empty: there are none, or there is no such name, nor could be. That ``resolver`` can be had is not taken for granted."""
    try:
        return list(resolver().resolve(dns.name.from_text(name), kind, search=False))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, dns.name.LabelTooLong):
        return []
    except (dns.exception.DNSException, OSError, ValueError):
        return None
