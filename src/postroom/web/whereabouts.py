"""From where a request comes: the address of the peer, or what a reverse proxy that we trust says of it.

Laws: headers of proxies are believed from the addresses in ``trusted_proxies`` alone, and taken off a request that comes from anywhere
else, before anybody can look at them. In a chain of proxies the last one that is not trusted counts.
Standards: RFC 7239 5.2 (as X-Forwarded-For, from right to left). IPv6: people have a /64, so tries are counted by it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

from postroom.core.terms.networks import Address, Network, read_networks

FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_FORWARDED",
)


def settle(request: HttpRequest) -> str:
    """The address, noted on the request; what a stranger says of proxies is forgotten. ``""`` where there is none (a local socket)."""
    trusted = _trusted(tuple(settings.POSTROOM.trusted_proxies))
    peer = _address(request.META.get("REMOTE_ADDR", ""))
    found = peer
    if peer is not None and not _is_in(peer, trusted):
        for name in FORWARDED:
            request.META.pop(name, None)
    elif peer is not None:
        found = _behind(request.META.get("HTTP_X_FORWARDED_FOR", ""), trusted) or peer
    address = str(found) if found is not None else ""
    request.postroom_address = address  # type: ignore[attr-defined]
    return address


def address_of(request: HttpRequest) -> str:
    """The address that `settle` found."""
    found = getattr(request, "postroom_address", None)
    return str(found) if found is not None else settle(request)


def network_of(request: HttpRequest) -> str | None:
    """By what tries are counted: an IPv4 address, or the /64 of an IPv6 address (its first address)."""
    found = _address(address_of(request))
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)).network_address)
    return str(found) if found is not None else None


def _behind(chain: str, trusted: Sequence[Network]) -> Address | None:
    """The last one that is no proxy of ours; None when the chain says nothing that can be used."""
    found = None
    for word in reversed(chain[-2000:].split(",")):
        one = _address(word)
        if one is None:
            return found
        found = one
        if not _is_in(one, trusted):
            return one
    return found


def _address(word: str) -> Address | None:
    """``192.0.2.1``, ``192.0.2.1:443``, ``[2001:db8::1]:443``; IPv4 within IPv6 is IPv4."""
    text = word.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == one.version and address in one for one in networks)


@lru_cache(maxsize=8)
def _trusted(words: tuple[str, ...]) -> tuple[Network, ...]:
    """Addresses, or networks such as 10.0.0.0/8; what is neither is trusted by nobody."""
    return read_networks(words)
