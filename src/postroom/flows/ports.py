"""The sockets of the flows: what they need of the world, as protocols. `wiring` plugs the real pipes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

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
    """Bytes under their own SHA-256 (hex). ``put`` returns when they are durable; ``get`` raises KeyError.

    Who names a blob in a row has put it shortly before: a blob that nobody names and nobody has put since ``unused_since`` may be
    deleted, safely against a ``put`` in the same moment. ``prefix``: two hex digits.
    """

    def put(self, content: bytes) -> str: ...
    def get(self, sha256: str) -> bytes: ...

    def delete(self, sha256: str, *, unused_since: datetime) -> bool:
        """Whether it was there and is gone."""

    def names(self, prefix: str) -> Sequence[str]:
        """Those that begin so."""

    def forget_drafts(self, prefix: str, *, unused_since: datetime) -> int:
        """What was half written when its process died; how many."""


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
    mailbox_session: Callable[[MailboxEndpoint], MailboxSession]
    address_keys: tuple[bytes, ...] = field(repr=False)  # the first signs, all verify
    our_mark: str  # names this installation in X-Postroom-Objects
