"""Askers of the DNS that take dnspython along with the first question, since most processes ask none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from postroom.adapters.dns.mail_hosts import DnsMailHosts


class MailHosts:
    """As `mail_hosts.DnsMailHosts`, which remembers what it was told. ``servers``: addresses and ports; none: as the machine is set up."""

    def __init__(self, servers: Sequence[tuple[str, int]]) -> None:
        self._servers = servers
        self._asker: DnsMailHosts | None = None

    def __call__(self, domain: str) -> tuple[str, ...] | None:
        if self._asker is None:
            from postroom.adapters.dns.mail_hosts import DnsMailHosts  # noqa: PLC0415 - see above

            self._asker = DnsMailHosts(self._servers)
        return self._asker(domain)


class TextRecords:
    """As `text_records.DnsTextRecords`."""

    def __init__(self, servers: Sequence[tuple[str, int]]) -> None:
        self._servers = servers

    def __call__(self, name: str) -> tuple[str, ...] | None:
        from postroom.adapters.dns.text_records import DnsTextRecords  # noqa: PLC0415 - see above

        return DnsTextRecords(self._servers)(name)
