"""Questions to a place that was aimed at (`targets.aim`), over a line that a watchman cuts when its time is over.

Laws: what was checked is what is connected to; TLS is verified for the name that was asked for; the time is for everything together,
whatever the other side does, drop by drop; no cookies, no referrer, no word of who asks. Standards: RFC 9110, RFC 9112.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import dns.exception
import dns.resolver

from postroom.adapters.dns.asking import make_resolver
from postroom.adapters.fetching.targets import Target
from postroom.adapters.watched_lines import watched_line

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


@contextmanager
def _open_line(target: Target, seconds: float, context: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
    """Ready to be asked. ``context`` None: no TLS."""
    with watched_line(target.address, target.port, seconds) as line:
        if context is not None:
            line.secure(context, target.host)
        connection = http.client.HTTPConnection(target.host, target.port)
        connection.sock = line.socket
        try:
            yield connection
        finally:
            connection.close()


def look_up(host: str, *, seconds: float = 3.0, servers: Sequence[tuple[str, int]] = ()) -> list[str]:
    """A and AAAA records, IPv4 first; ``seconds`` for each; ``servers``: instead of the machine's. Raises OSError when nobody could tell."""
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            answer = make_resolver(servers, timeout=seconds).resolve(host, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        except (dns.exception.DNSException, ValueError) as error:
            if not found:
                raise OSError(f"{host} could not be looked up") from error
            continue
        found += [str(one) for one in answer]
    return found
