"""The sockets of the flows: what they need of the world, as protocols. `wiring` plugs the real pipes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from postroom.core.delivery.tracking import HookPost, HookReading, HookRefusal
from postroom.core.delivery.wire import ApiCheck, ApiEndpoint
from postroom.core.terms.configuration import Configuration
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.mailboxes import MailboxEndpoint, MailboxSession
from postroom.core.terms.secret import Secret


class Clock(Protocol):
    """Tells the time: aware, UTC."""

    def now(self) -> datetime: ...


class Ids(Protocol):
    """Throws the dice."""

    def hex(self, size: int) -> str:
        """``size`` random bytes in hex."""

    def fraction(self) -> float:
        """At least 0, less than 1."""


class Blobs(Protocol):
    """Bytes under their own SHA-256 (hex). ``put`` returns when they are durable; ``get`` raises KeyError."""

    def put(self, content: bytes) -> str: ...
    def get(self, sha256: str) -> bytes: ...


class Html(Protocol):
    """Makes HTML of strangers harmless."""

    def sanitize(self, html: str) -> str: ...


class Vault(Protocol):
    """Encrypts secrets at rest, with a key outside the database. ``open`` raises ValueError for what it did not seal."""

    def seal(self, value: str) -> bytes: ...
    def open(self, sealed: bytes) -> Secret: ...


class Submit(Protocol):
    """Hands a mail in at our own SMTP door, as a stranger would. Raises OSError, or ValueError with the refusal."""

    def __call__(self, envelope: Envelope, raw: bytes) -> None: ...


class Providers(Protocol):
    """Providers with HTTP APIs: what they ask of us, and what we ask of them beside sending."""

    def read_post(self, provider: str, post: HookPost, signing: Secret) -> HookReading | HookRefusal:
        """A request of a provider's, proven and read. Raises OSError or ValueError when a certificate cannot be had."""

    def confirm(self, address: str) -> None:
        """Ask an address that a proven request named. Raises OSError, ValueError."""

    def check(self, endpoint: ApiEndpoint) -> ApiCheck:
        """Whether the key opens the door, without sending anything. Never raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the flows may touch."""

    configuration: Configuration
    clock: Clock
    ids: Ids
    blobs: Blobs
    html: Html
    vault: Vault
    submit: Submit
    providers: Providers
    mailbox_session: Callable[[MailboxEndpoint], MailboxSession]
    address_keys: tuple[bytes, ...] = field(repr=False)  # the first signs, all verify
    our_mark: str  # names this installation in X-Postroom-Objects
