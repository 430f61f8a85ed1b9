"""The Received line that a door puts on top of every mail (RFC 5321 4.4, RFC 3848, RFC 6531 3.7.3), and hop counting.

Laws: pure. Nothing that a peer said gets into the line unwashed; the ``for`` clause stands only where there is one
recipient, so that nobody learns of blind copies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

MAX_HOPS = 100  # RFC 5321 6.3: "at least 100"
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


def received_line(
    *,
    helo: str,
    address: str,
    hostname: str,
    protocol: str,
    unique: str,
    recipients: Sequence[str],
    now: datetime,
) -> bytes:
    """One folded header field with its line end. ``address`` is the peer's IP address or ``""``."""
    literal = f" ([{'IPv6:' if ':' in address else ''}{address}])" if address else ""
    for_clause = f"\r\n\tfor <{recipients[0]}>" if len(recipients) == 1 and _is_plain(recipients[0]) else ""
    return (
        f"Received: from {_washed(helo)}{literal}\r\n"
        f"\tby {hostname} (Postroom) with {protocol} id {unique}{for_clause};\r\n"
        f"\t{format_datetime(now)}\r\n"
    ).encode("ascii", "replace")


def protocol_name(*, lmtp: bool, extended: bool, tls: bool, utf8: bool) -> str:
    """The registered name: SMTP, ESMTP, ESMTPS, LMTP, LMTPS, UTF8SMTP, UTF8SMTPS, UTF8LMTP, UTF8LMTPS."""
    if utf8:
        name = "UTF8LMTP" if lmtp else "UTF8SMTP"
    elif lmtp:
        name = "LMTP"
    else:
        name = "ESMTP" if extended or tls else "SMTP"
    return name + ("S" if tls else "")


def count_hops(raw: bytes) -> int:
    """How many Received fields the header has."""
    end = raw.find(b"\r\n\r\n")
    return len(_RECEIVED.findall(raw, 0, len(raw) if end < 0 else end))


def _washed(helo: str) -> str:
    return re.sub(r"[^A-Za-z0-9.:_\[\]-]", "?", helo[:255]) or "?"


def _is_plain(address: str) -> bool:
    return address.isascii() and address.isprintable() and not set(address) & set('<>()" \\')
