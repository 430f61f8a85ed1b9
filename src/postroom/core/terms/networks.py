"""Networks as people write them: ``192.0.2.1``, ``10.0.0.0/8``, ``fd00::/8``."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_network(word: str) -> Network:
    """An address is a network of one. Raises ValueError for what is neither."""
    return ipaddress.ip_network(word, strict=False)


def read_networks(words: Iterable[str]) -> tuple[Network, ...]:
    """What is none is left out: it lets nobody in."""
    found = []
    for word in words:
        try:
            found.append(read_network(word))
        except ValueError:
            continue
    return tuple(found)
