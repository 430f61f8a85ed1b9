"""How a connection to a server is protected; the same three words for SMTP, IMAP and POP3 (D-8)."""

from __future__ import annotations

from enum import StrEnum


class Encryption(StrEnum):
    """Certificates are verified unless an endpoint says otherwise."""

    NONE = "none"
    STARTTLS = "starttls"  # RFC 3207, RFC 9051 6.2.1, RFC 2595 (STLS)
    TLS = "tls"  # from the first byte (RFC 8314)
