"""The TXT records of a name (RFC 1035 3.3.14).

Laws: those of `asking`; the strings of a record are joined without blanks (RFC 6376 3.6.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from postroom.adapters.dns.asking import ask, make_resolver

TIMEOUT = 5.0  # seconds for one question, all tries together
MOST_RECORDS = 20


class DnsTextRecords:
    """``servers``: name servers with their ports; none: as the machine is set up, read at the first question."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, timeout: float = TIMEOUT) -> None:
        self._servers = tuple(servers)
        self._timeout = timeout

    def __call__(self, name: str) -> tuple[str, ...] | None:
        """The records as texts. Empty: there are none, or there is no such name."""
        answer = ask(name, dns.rdatatype.TXT, self._resolver)
        if answer is None:
            return None
        texts = [b"".join(each.strings).decode("utf-8", "replace") for each in answer if isinstance(each, TXT)]
        return tuple(texts[:MOST_RECORDS])

    def _resolver(self) -> dns.resolver.Resolver:
        """A new one each time: whoever waits for a record must not be told of yesterday's answer, or of another resolver."""
        return make_resolver(self._servers, timeout=self._timeout)
