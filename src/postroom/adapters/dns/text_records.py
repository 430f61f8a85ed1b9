"""The TXT records of a name (RFC 1035 3.3.14), asked of the machine's own resolver.

Laws: an answer, an empty answer, or None when nobody could tell; never an exception. The strings of a record are joined without
blanks (RFC 6376 3.6.2.2). Not for hot paths: it waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

TIMEOUT = 5.0  # seconds for one question, all tries together
MOST_RECORDS = 20


class DnsTextRecords:
    """``nameservers`` with ``port``; none: as the machine is set up, read at the first question."""

    def __init__(self, nameservers: Sequence[str] = (), *, port: int = 53, timeout: float = TIMEOUT) -> None:
        self._nameservers = tuple(nameservers)
        self._port = port
        self._timeout = timeout

    def __call__(self, name: str) -> tuple[str, ...] | None:
        """The records as texts. Empty: there are none, or there is no such name."""
        try:
            answer = self._resolver().resolve(dns.name.from_text(name), dns.rdatatype.TXT, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.exception.SyntaxError, dns.name.LabelTooLong):
            return ()
        except (dns.exception.DNSException, OSError, ValueError):
            return None
        texts = [b"".join(each.strings).decode("utf-8", "replace") for each in answer if isinstance(each, TXT)]
        return tuple(texts[:MOST_RECORDS])

    def _resolver(self) -> dns.resolver.Resolver:
        """A new one each time: whoever waits for a record must not be told of yesterday's answer, or of another resolver."""
        resolver = dns.resolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = list(self._nameservers)
            resolver.port = self._port
        resolver.lifetime = self._timeout
        resolver.timeout = self._timeout / 2
        return resolver
