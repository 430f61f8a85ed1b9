"""Incoming mailboxes: how to reach one, what comes out of it, and how far we have read.

Laws: reading marks nothing, and what was not read whole is never deleted. A mail counts as taken only once it
was acknowledged, and it is acknowledged only after it is durable with us: the cursor never passes a mail that
was not. Whatever a server does, a session goes on or raises `MailboxTrouble`; a mail that the server does not
hand out blocks no other.
Standards: RFC 9051 and RFC 3501 (IMAP), RFC 1939 and RFC 2449 (POP3), RFC 4549 (disconnected use), RFC 5530.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from postroom.core.terms.encryption import Encryption
from postroom.core.terms.secret import Secret

_NONE = Secret("")


class MailboxProtocol(StrEnum):
    """The language that the mailbox server speaks."""

    IMAP = "imap"
    POP3 = "pop3"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxEndpoint:
    """A mailbox to read. ``timeout``: how many seconds the server may be silent.

    With an ``access_token`` (OAuth2) the login is XOAUTH2, without the password. With a ``token_source`` the password is a grant,
    for which that source gives access tokens. ``folder`` is for IMAP.
    """

    protocol: MailboxProtocol
    host: str
    port: int
    encryption: Encryption = Encryption.TLS
    verify_certificate: bool = True
    username: str
    password: Secret = _NONE
    access_token: Secret = _NONE
    token_source: str = ""
    folder: str = "INBOX"
    timeout: float = 30.0


class Completeness(StrEnum):
    """How much of a mail a server handed out."""

    WHOLE = "whole"
    HEADER_ONLY = "header_only"  # the mail is larger than the limit; its header (or nothing) was read
    REFUSED = "refused"  # the server did not hand it out this time: not to be acknowledged, it comes again


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedMail:
    """A mail in a mailbox. ``uid`` is a number in IMAP and a text (UIDL) in POP3.

    ``size`` in bytes, as the server says (servers err); ``raw`` is what counts. ``defect`` says why a mail is
    not whole, ``""`` when it is. ``was_read``: somebody had marked it as read before us (IMAP).
    """

    uid: int | str
    raw: bytes
    size: int
    completeness: Completeness = Completeness.WHOLE
    defect: str = ""
    was_read: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxCursor:
    """How far a mailbox has been read; the one that knows nothing reads from the beginning.

    IMAP: all mails up to ``last_uid`` are taken but for ``open_uids``, which are still wanted. It holds for one ``uidvalidity``
    only: with another the folder is a new one, and reading starts over. Old mail that a person wanted to be left (what arrived
    before ``old_before``) is left in the new folder too; ``old_up_to`` is the last UID of what lay there when it was found.
    POP3: ``seen_uidls`` are the taken mails that still lie on the server. (An IMAP cursor of former days has there what was taken
    beyond a gap after ``last_uid``.)
    """

    uidvalidity: int = 0
    last_uid: int = 0
    seen_uidls: frozenset[str] = frozenset()
    open_uids: frozenset[int] = frozenset()
    old_before: date | None = None
    old_up_to: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxListing:
    """All that lies in a mailbox. ``uids`` as texts; ``uidvalidity`` is 0 with POP3."""

    uidvalidity: int
    uids: frozenset[str]


class AfterFetch(StrEnum):
    """What happens in the mailbox to a mail that we have taken."""

    NOTHING = "nothing"
    MARK_SEEN = "mark_seen"  # POP3 has no marks: nothing
    MOVE = "move"  # into a folder, which is made when missing; not with POP3
    DELETE = "delete"  # never a mail that was not read whole: that one stays


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An `AfterFetch`, with the folder to move to."""

    after: AfterFetch
    folder: str = ""

    @classmethod
    def read(cls, text: str) -> Acknowledgement:
        """From a setting: ``mark_seen``, ``delete``, ``nothing`` or ``move:FOLDER``; else ValueError."""
        word, _, folder = text.partition(":")
        after = AfterFetch(word.strip())
        if (after is AfterFetch.MOVE) != bool(folder.strip()):
            raise ValueError(f"a folder belongs to move, and to move alone: {text}")
        return cls(after, folder.strip())

    def __str__(self) -> str:
        return f"{self.after}:{self.folder}" if self.folder else str(self.after)


class TroubleKind(StrEnum):
    """What is wrong with a mailbox; each has one cure of its own."""

    CONNECT = "connect"  # name, port, firewall, or the connection was lost
    TLS = "tls"  # the certificate is not trusted, or encryption is not to be had
    LOGIN = "login"  # user name or password, or IMAP is switched off for the account
    # no access token is to be had, or none is accepted: the consent has to be given again
    TOKEN = "token"  # noqa: S105 - a name
    UNAVAILABLE = "unavailable"  # the server says: not now (in use, limits, maintenance)
    PROTOCOL = "protocol"  # it says what no such server should
    TIMEOUT = "timeout"  # it says nothing, or drips
    FOLDER = "folder"  # the folder is missing or may not be written
    STORAGE = "storage"  # ours: this machine cannot store mail now


class MailboxStep(StrEnum):
    """How a mailbox is entered, step by step, as Test & Confirm shows it."""

    TOKEN = "token"  # noqa: S105 - a name
    CONNECT = "connect"
    TLS = "tls"
    LOGIN = "login"
    FOLDER = "folder"
    AFTERWARDS = "afterwards"  # what is to happen to mails after fetching


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredStep:
    """A step that was tried. ``about``: what was seen; ``seconds`` it took."""

    step: MailboxStep
    is_ok: bool
    seconds: float
    about: str = ""


class MailboxTrouble(Exception):  # noqa: N818 - it is no error of ours
    """A mailbox cannot be read now. ``text`` is a plain sentence for people, free of secrets.

    ``response_code`` is the server's own (RFC 5530, RFC 2449 8), such as ``AUTHENTICATIONFAILED``, or ``""``.
    """

    def __init__(self, kind: TroubleKind, text: str, response_code: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.response_code = response_code


class MailboxSession(Protocol):
    """One mailbox, read by one thread. Every method but `interrupt` and `close` may raise `MailboxTrouble`.

    After trouble the session is closed; the next call opens it anew.
    """

    def open(self) -> None:
        """Connect, encrypt, log in, select the folder: what "Test & Confirm" does."""

    def steps(self) -> Sequence[EnteredStep]:
        """What the last `open` did, in order; where it raised, the last step is the one that failed."""

    def fetch_new(self, cursor: MailboxCursor, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        """At most ``limit`` mails that the cursor has not taken, oldest first, without marking anything.

        A mail of more than ``max_bytes`` comes as its header only.
        """

    def acknowledge(self, uids: Collection[int | str], how: Acknowledgement) -> None:
        """These mails, of the last `fetch_new`, are durable with us: do with them what was agreed."""

    def cursor(self) -> MailboxCursor:
        """The cursor of the last `fetch_new`, moved on over what was acknowledged since. To be stored."""

    def end(self) -> MailboxCursor:
        """The cursor that has taken all that lies there now: so that old mail stays untouched."""

    def list_uids(self) -> MailboxListing:
        """All that lies there now, for the daily reconciliation."""

    def check(self, how: Acknowledgement) -> None:
        """Whether that could be done with mails after fetching, as far as can be told without doing it."""

    def wait_for_new(self, seconds: float) -> bool:
        """True as soon as there is mail that was not offered yet; False after ``seconds`` or `interrupt`."""

    def interrupt(self) -> None:
        """From another thread: end the wait that is going on, or else the next one. Never blocks."""

    def close(self) -> None:
        """Leave, politely if possible. Deletions by POP3 happen now. Never raises; harmless when repeated."""
