"""Questions to a place that was aimed at (`targets.aim`), over a line that a watchman cuts when its time is over.

Laws: what was checked is what is connected to; TLS is verified for the name that was asked for; the time is for everything together,
whatever the other side does, drop by drop; no cookies, no referrer, no word of who asks. Standards: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
    *,
    body: bytes | None = None,
) -> T:
    """What ``read`` makes of the answer to a GET, or to a POST with a ``body``. ``context``: what verifies, by default the machine's
    authorities. Raises OSError, HTTPException, ValueError."""
    tls = (context or ssl.create_default_context()) if target.is_tls else None
    with _open_line(target, seconds, tls) as connection:
        method = "GET" if body is None else "POST"
        connection.request(method, target.path, body, {"Host": target.authority, **headers})
        return read(connection.getresponse())


@dataclass(slots=True)
class _Line:
    """A connection that a watchman may cut, before and after it was secured (which makes another socket of it)."""

    socket: socket.socket

    def cut(self) -> None:
        """Whoever waits on it is told that it ended."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


@contextmanager
def _open_line(target: Target, seconds: float, context: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
    """Ready to be asked. ``context`` None: no TLS."""
    line = _Line(socket.create_connection((target.address, target.port), timeout=seconds))
    watchman = threading.Timer(seconds, line.cut)
    watchman.daemon = True
    watchman.start()
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        if context is not None:
            secured = context.wrap_socket(line.socket, server_hostname=target.host, do_handshake_on_connect=False)
            line.socket = secured
            secured.do_handshake()
        connection.sock = line.socket
        yield connection
    finally:
        watchman.cancel()
        connection.close()
        line.socket.close()


def look_up(host: str, *, seconds: float = 3.0, servers: Sequence[tuple[str, int]] = ()) -> list[str]:
    """A and AAAA records, IPv4 first; ``seconds`` for each; ``servers``: instead of the machine's. Raises OSError when nobody could tell."""
    found: list[str] = []
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
    except dns.exception.DNSException as error:
        raise OSError("this machine knows no name server") from error
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
