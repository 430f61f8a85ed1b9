"""What goes over the wire and what comes back: the vocabulary between `flows.deliver_mail` and an SMTP transport.

Laws: a refusal is a reply, never an exception. Trouble before the transaction is trouble with the *server*
(`WireOutcome.phase` up to AUTH): no recipient was tried. A connection that dies after the end of DATA and before
its reply leaves the mail `unknown` (`phase` BODY, `reply` None).
Standards: RFC 5321, RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from postroom.core.terms.encryption import Encryption as Encryption  # noqa: PLC0414 - exported from here, too
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.secret import Secret
from postroom.core.terms.smtp_replies import SmtpReply


class Phase(StrEnum):
    """How far a transaction came; in this order."""

    CONNECT = "connect"  # TCP and, for TLS, the handshake
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # the end of DATA was written

    @property
    def is_before_mail(self) -> bool:
        """Trouble here is the server's, not the mail's."""
        return self in (Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)


class Authentication(StrEnum):
    """How we say who we are (D-8)."""

    PASSWORD = "password"  # noqa: S105 - the word, not one
    CERTIFICATE = "certificate"  # in the TLS handshake, and by AUTH EXTERNAL where that is offered (RFC 4422 A)
    TOKEN = "token"  # noqa: S105 - OAuth2: OAUTHBEARER (RFC 7628) or XOAUTH2


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An SMTP server to speak to. Times in seconds. With `Authentication.TOKEN` ``password`` is the grant that ``token_source``
    turns into access tokens; ``client_certificate`` is PEM, its chain behind it."""

    host: str
    port: int
    encryption: Encryption = Encryption.STARTTLS
    verify_certificate: bool = True
    username: str = ""
    password: Secret = Secret("")
    authentication: Authentication = Authentication.PASSWORD
    client_certificate: str = ""
    client_key: Secret = Secret("")
    token_source: str = ""
    ehlo_name: str = "localhost"
    connect_timeout: float = 15.0
    reply_timeout: float = 60.0
    body_timeout: float = 300.0  # RFC 5321 4.5.3.2.6 asks for ten minutes; five is what peers really need
    max_connections: int = 10
    mails_per_connection: int = 100
    idle_timeout: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiEndpoint:
    """A provider's HTTP API to speak to. ``provider`` and ``options`` as in `core.delivery.providers`. Times in seconds."""

    provider: str
    secret: Secret = Secret("")
    options: tuple[tuple[str, str], ...] = ()
    connect_timeout: float = 15.0
    reply_timeout: float = 60.0  # of the whole answer, however slowly it drips
    max_connections: int = 10

    def option(self, name: str) -> str:
        """``""`` when it is not set."""
        return dict(self.options).get(name, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMail:
    """One mail to one recipient. ``chunks`` joined are the mail with CRLF line ends, not dot-stuffed.

    Chunks after the first are shared between recipients: a transport may remember what it derived from them (dot-stuffing).
    """

    key: int  # the delivery
    envelope: Envelope
    chunks: tuple[bytes, ...]
    token: str = ""  # signed; a provider's API keeps it and its events bring it back

    @property
    def size(self) -> int:
        return sum(map(len, self.chunks))


@dataclass(frozen=True, slots=True, kw_only=True)
class WireOutcome:
    """What became of one `WireMail`.

    ``reply`` is the one that decided (the reply to the end of DATA, or the refusal), None when the connection failed.
    ``trouble`` is the plain text of a connection failure, ``""`` otherwise. ``duration`` in seconds, from first write to last read.
    """

    key: int
    phase: Phase
    reply: SmtpReply | None
    trouble: str = ""
    connection: str = ""  # "host:port#7", for the attempt row
    tls: str = ""  # "TLSv1.3" or ""
    duration: float = 0.0
    refusals: tuple[tuple[str, SmtpReply], ...] = ()  # of an envelope with several recipients: those refused at RCPT
    provider_message_id: str = ""  # under which a provider's API knows the mail
    retry_after: float = 0.0  # seconds that the server asked us to wait; 0: it did not

    @property
    def is_accepted(self) -> bool:
        return self.phase is Phase.BODY and self.reply is not None and self.reply.is_positive

    @property
    def is_unknown(self) -> bool:
        return self.phase is Phase.BODY and self.reply is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCheck:
    """What a question to an API showed, without sending. ``is_told`` False: the provider answers no such question, only a real mail
    would tell. ``text`` is what it said."""

    is_good: bool
    phase: Phase = Phase.AUTH
    text: str = ""
    is_told: bool = True
    duration: float = 0.0


class WireJournal(Protocol):
    """Notes that survive the death of the process (law 8): plain appends, before the wire and after it."""

    def started(self, key: int) -> None:
        """Called right before the first byte of the mail's content is written."""

    def finished(self, outcome: WireOutcome) -> None:
        """Called as soon as the outcome is known, before anybody else hears of it."""
