"""What a door lets one peer, and all peers together, take from us (RFC 5321 4.5.3.1, 4.5.3.2; RFC 4987 in spirit).

Laws: every limit has a reply that names it, and the reply is temporary where the peer may come again (4yz) and permanent
only where the same mail would be refused again (too big). Times in seconds, sizes in bytes.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass

from postroom.core.terms.configuration import Configuration

MAX_ADDRESS_TEXT = 320  # RFC 5321 allows 256 in a path; VERP senders write more, the columns hold this much


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """All limits of a door process."""

    message_size: int = 50 * 1024 * 1024
    recipients: int = 100
    connections: int = 200
    connections_per_peer: int = 50
    bytes_in_flight: int = 512 * 1024 * 1024  # of all mails that are being read or stored
    command_line: int = 4096  # RFC 5321 asks for 512 and more with extensions
    bad_commands: int = 20
    turned_away: int = 10_000  # recipients beyond the limit, of one transaction: a list sent at once ends before
    unknown_recipients: int = 100  # in one connection: who asks for more is harvesting
    idle_commands: int = 100  # NOOP, RSET, VRFY, EHLO, what is too large ... between two mails
    command_timeout: float = 300.0  # RFC 5321 4.5.3.2.7
    data_block_timeout: float = 180.0  # 4.5.3.2.5; a block is `BLOCK` bytes, or the rest
    data_timeout: float = 3600.0
    tls_timeout: float = 60.0
    stop_patience: float = 20.0  # how long a stop waits for mails that are under way

    @property
    def drained(self) -> int:
        """How much of a mail that is too big is read for the sake of a clean reply."""
        return 2 * self.message_size + 1024 * 1024


def limits_from(configuration: Configuration) -> DoorLimits:
    """The limits that an operator may change, the others as they are."""
    return DoorLimits(
        message_size=configuration.max_message_size,
        recipients=configuration.max_recipients,
        connections=configuration.max_connections,
        connections_per_peer=configuration.max_connections_per_peer,
        bytes_in_flight=max(512 * 1024 * 1024, 2 * configuration.max_message_size),
    )


class ConnectionCount:
    """Who is connected how often. An IPv6 peer is its /64: whoever has one address has them all."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._by_peer: Counter[str] = Counter()
        self.total = 0

    def admit(self, address: str) -> str:
        """Count a new connection and return ``""``, or the reply that refuses it. `leave` must follow an admission."""
        peer = _peer_key(address)
        if self.total >= self._limits.connections:
            return "421 4.7.0 Too many connections, please try again later"
        if self._by_peer[peer] >= self._limits.connections_per_peer:
            return "421 4.7.0 Too many connections from your address, please try again later"
        self.total += 1
        self._by_peer[peer] += 1
        return ""

    def leave(self, address: str) -> None:
        peer = _peer_key(address)
        self.total -= 1
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]


class ByteBudget:
    """Bounds the memory of all mails under way; whoever gets nothing is told to come again (452)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def take(self, size: int) -> bool:
        if self.taken + size > self._limit:
            return False
        self.taken += size
        return True

    def give_back(self, size: int) -> None:
        self.taken -= size


def _peer_key(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
