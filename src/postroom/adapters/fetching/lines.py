"""One question to an address that was aimed at (`targets.aim`), over a line that a watchman cuts.

Laws: within the seconds given, whatever the other side does; TLS is verified; no cookies, no referrer, no word of who asks.
Standards: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import dns.exception
import dns.nameserver
import dns.resolver

from postroom.adapters.fetching.targets import Target

T = TypeVar("T")
REDIRECTS = frozenset({301, 302, 303, 307, 308})


def ask(
    target: Target,
    seconds: float,
    headers: Mapping[str, str],
    context: ssl.SSLContext | None,
    read: Callable[[http.client.HTTPResponse], T],
) -> T:
    """What ``read`` makes of the answer to a GET. ``context`` is needed for TLS. Raises OSError, HTTPException, ValueError."""
    line = _Line(socket.create_connection((target.address, target.port), timeout=seconds))
    watchman = threading.Timer(seconds, line.cut)
    watchman.daemon = True
    watchman.start()
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        if target.is_tls:
            line.secure(context or ssl.create_default_context(), target.host)
        connection.sock = line.socket
        connection.request("GET", target.path, headers={"Host": target.authority, **headers})
        return read(connection.getresponse())
    finally:
        watchman.cancel()
        connection.close()
        line.socket.close()


@dataclass(slots=True)
class _Line:
    """A connection that a watchman may cut, before and after it was secured (which makes another socket of it)."""

    socket: socket.socket

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        secured = context.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False)
        self.socket = secured
        secured.do_handshake()

    def cut(self) -> None:
        """Whoever waits on it is told that it ended."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


def look_up(host: str, *, seconds: float = 3.0, servers: Sequence[tuple[str, int]] = ()) -> list[str]:
    """A and AAAA records, IPv4 first; ``seconds`` for each. Raises OSError when nobody could tell."""
    found: list[str] = []
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(name, port) for name, port in servers]
    for kind in ("A", "AAAA"):
        try:
            answer = resolver.resolve(host, kind, search=False, lifetime=seconds)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        except (dns.exception.DNSException, ValueError) as error:
            if not found:
                raise OSError(f"{host} could not be looked up") from error
            continue
        found += [str(one) for one in answer]
    return found
