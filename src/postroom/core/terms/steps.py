"""The steps of a conversation with an outgoing server, as Test Connection shows them.

Laws: in this order; the words are those of attempts (``delivery.wire.Phase``), with the TLS handshake apart, so that what is
known of a test explains an attempt, too. RFC 5321 3, RFC 3207, RFC 4954.
"""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """How far it came."""

    CONNECT = "connect"  # the name, and TCP
    TLS = "tls"  # the handshake, at once or after STARTTLS
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"  # the command
    LOGIN = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # as far as the 354: what follows it would be a mail
