"""Where a stranger's address may lead us: to the public internet, and nowhere else.

Duty: an address of a picture becomes a `Target` (host, port, and one network address to connect to), or `NotThere` with a reason.
Laws: http and https on their own ports alone, no user in it; every network address that the name has must be public, and what was
checked is what is connected to, so a name that changes its mind between the two gains nothing. Networks that an operator names are
let in, on any port.
Standards: RFC 3986, RFC 6890 (special addresses), RFC 4291 2.5.5 and RFC 6052 (IPv4 within IPv6).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from postroom.core.terms.networks import Address, Network, read_network
from postroom.core.terms.reasons import because

LONGEST = 2000
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What this Python's ipaddress says of these depends on its version. The registries of RFC 6890, as they stand, and what clouds answer at.
_SPECIAL_4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
)  # fmt: skip
_SPECIAL_6 = (
    "::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20",
    "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
_SPECIAL = tuple(read_network(one) for one in (*_SPECIAL_4, *_SPECIAL_6))

Resolve = Callable[[str], Sequence[str]]


class NotThere(Exception):  # noqa: N818 (an answer, not a fault)
    """Nothing is fetched from there. ``code``: why (``visit.*``); the text says it in English."""

    def __init__(self, code: str) -> None:
        self.reason = because(code)
        super().__init__(str(self.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect, and what to ask for. ``path`` is in ASCII, with its query."""

    is_tls: bool
    host: str
    port: int
    address: str
    path: str

    @property
    def authority(self) -> str:
        """For the Host field: the port where it is not the usual one."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS["https" if self.is_tls else "http"] else f"{name}:{self.port}"


def aim(url: str, resolve: Resolve, allowed: Sequence[Network]) -> Target:
    """Where ``url`` leads. ``resolve`` gives all network addresses of a name, and raises OSError. Raises `NotThere`."""
    scheme, host, port, path = _parts(url)
    addresses = [_address(text) for text in _looked_up(host, resolve)]
    if not addresses:
        raise NotThere("visit.no_address")
    if not all(is_public(one) or _is_allowed(one, allowed) for one in addresses):
        raise NotThere("visit.not_public")
    chosen = addresses[0]
    if port != _PORTS[scheme] and not _is_allowed(chosen, allowed):
        raise NotThere("visit.port")
    return Target(is_tls=scheme == "https", host=host, port=port, address=str(chosen), path=path)


def _parts(url: str) -> tuple[str, str, int, str]:
    if len(url) > LONGEST or any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise NotThere("visit.not_askable")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise NotThere("visit.not_askable") from None
    if parts.scheme not in _PORTS or parts.username is not None or parts.password is not None:
        raise NotThere("visit.not_askable")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/?%:@!$&()*+,;=~-._')}" if parts.query else ""
    return parts.scheme, _ascii(host), _PORTS[parts.scheme] if port is None else port, path + query


def _ascii(host: str) -> str:
    if ":" in host:
        return host.lower()
    try:
        plain = host.lower() if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise NotThere("visit.not_askable") from None
    plain = plain.rstrip(".")
    if not _HOST.fullmatch(plain):
        raise NotThere("visit.not_askable")
    return plain


def _looked_up(host: str, resolve: Resolve) -> Sequence[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    if host.rpartition(".")[2].isdigit() or host.startswith("0x"):
        raise NotThere("visit.not_askable")  # 127.1, 0x7f000001: some resolvers read them as numbers
    try:
        return resolve(host)
    except OSError as error:
        raise NotThere("visit.not_looked_up") from error


def _address(text: str) -> Address:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise NotThere("visit.no_address") from None


def is_public(address: Address) -> bool:
    """Whether it is on the public internet, the IPv4 address within an IPv6 one too."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in allowed)
