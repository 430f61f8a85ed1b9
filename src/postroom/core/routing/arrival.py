"""How a mail came: from a stranger's server, through a server of ours, or from home; and who the peer said it was.

Laws: pure; never raises. An address of the machine's own or of a private network is home: SPF can say nothing of it. A server
that hands over other people's mail (``relays``) is no stranger: what it saw is in its Authentication-Results.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from postroom.core.routing.authenticity import Path
from postroom.core.terms.networks import Network
from postroom.core.terms.states import Door

SIGNS = frozenset(("dkim-signature", "authentication-results", "arc-seal"))  # fields that say something about a sender


_FETCHED = (Door.IMAP, Door.POP3)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who handed a mail in at the SMTP door. ``ip`` is ``""`` where the mail came otherwise. ``is_of_house``: by the API, with
    the key of somebody who sees the whole house."""

    ip: str
    helo: str
    is_of_house: bool = False


_OF_HOUSE = "an API key of the house: "  # stands first, where no name can


def handed_in_by(name: str, *, sees_house: bool) -> str:
    """The HTTP door's own words for who handed a mail in, with a key of his."""
    return (f"{_OF_HOUSE}{name}" if sees_house else f"an API key of a company: {name}")[:300]


def read_peer(text: str) -> Peer:
    """From the door's own words, ``192.0.2.1 (mail.example)``, or those of `handed_in_by`."""
    if text.startswith(_OF_HOUSE):
        return Peer("", "", is_of_house=True)
    ip, _, helo = text.partition(" ")
    return Peer(ip, helo[1:-1]) if helo.startswith("(") and helo.endswith(")") else Peer("", "")


def path_of(door: Door, peer: Peer, relays: Iterable[Network] = (), *, by_provider: bool = False) -> Path:
    """LMTP and the pipe are behind a mail server of the house; mailboxes and providers' addresses (``by_provider``) are a company's.
    What else is handed in over HTTP is behind nothing that is known, unless it is the house that hands it in."""
    if door in _FETCHED or (door is Door.HTTP and by_provider):
        return Path.COMPANYS
    if door is Door.HTTP and not peer.is_of_house:
        return Path.HANDED_IN
    if door is not Door.SMTP:
        return Path.RELAYED
    try:
        address = ipaddress.ip_address(peer.ip)
    except ValueError:
        return Path.HERE  # not from the network at all
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    if any(address in network for network in relays):
        return Path.RELAYED
    is_home = address.is_loopback or address.is_private or address.is_link_local
    return Path.HERE if is_home and not _is_example(address) else Path.DIRECT


_EXAMPLES = tuple(
    ipaddress.ip_network(one) for one in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


def _is_example(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Addresses of documentation (RFC 5737, RFC 3849) are nobody's home."""
    return any(address in network for network in _EXAMPLES)


@lru_cache(maxsize=1024)
def _is_home(door: Door, peer: str) -> bool:
    return path_of(door, read_peer(peer)) is Path.HERE


def comes_from_home(door: Door, peer: str, field_names: Iterable[str]) -> bool:
    """Whether nothing need be asked: handed over at home, and nothing in it speaks of a sender, or of a way before our door's own
    Received. For the doors, which have no time."""
    if not _is_home(door, peer):
        return False
    names = [name.lower() for name in field_names]
    return names.count("received") <= 1 and SIGNS.isdisjoint(names)


AT_HOME: tuple[Network, ...] = tuple(
    ipaddress.ip_network(one)
    for one in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10")
)  # fmt: skip
