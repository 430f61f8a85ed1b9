"""Reading a mailbox by IMAP.

Duty: `core.terms.mailboxes.MailboxSession` for IMAP servers, on IMAPClient; synchronous, for a thread of its
own. Laws: nothing is marked before `acknowledge` (BODY.PEEK); large mails come in pieces; deletions touch our
mails only; no password goes over a connection on which the server forbids the login.
Standards: RFC 9051 and RFC 3501, RFC 2177 (IDLE), RFC 4315 (UIDPLUS), RFC 6851 (MOVE), RFC 4616 (PLAIN).
"""

from __future__ import annotations

import imaplib
import ssl
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

from postroom.adapters.imap import acknowledging
from postroom.adapters.imap.connection import ImapConnection
from postroom.adapters.imap.fetching import fetch_group, in_groups, read_sizes
from postroom.adapters.imap.login import log_in, start_tls
from postroom.adapters.imap.progress import Progress
from postroom.adapters.mailbox.connecting import troubles
from postroom.adapters.mailbox.session import ServerSession, TokenGiver
from postroom.core.terms.encryption import Encryption
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxEndpoint,
    MailboxListing,
    MailboxStep,
    MailboxTrouble,
    TroubleKind,
)

WINDOW = 5000  # UIDs asked for at once: an answer is one line, and a mailbox may hold millions
IDLE_MAX = 9 * 60.0  # seconds; RFC 2177 allows 29 minutes, routers forget sooner
POLL_EVERY = 15.0  # seconds between two looks where the server knows no IDLE
MOST_IDLE_FAULTS = 2  # then it is asked from time to time, for as long as the session lives
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
GOODBYE = 3.0  # seconds that a LOGOUT may take


class ImapSession(ServerSession[ImapConnection]):
    """One folder of one mailbox. See `MailboxSession` for what each method promises."""

    def __init__(
        self, endpoint: MailboxEndpoint, *, poll_every: float = POLL_EVERY, tokens: TokenGiver | None = None
    ) -> None:
        super().__init__(endpoint, poll_every=poll_every, tokens=tokens)
        self._uidvalidity = 0
        self._uidnext = 0  # as of the opening; 0 when the server does not tell
        self._can_idle = False
        self._is_read_only = False
        self._idle_faults = 0  # connections lost or mail missed in IDLE, since it last worked
        self._progress = Progress(MailboxCursor(), 0)
        self._partial: set[int] = set()
        self._offered_up_to = 0

    @property
    def can_idle(self) -> bool:
        """Whether news is told by the server; else it is asked every ``poll_every`` seconds."""
        return self._can_idle and self._idle_faults < MOST_IDLE_FAULTS

    def fetch_new(self, cursor: MailboxCursor, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        self._ensure_open()
        self._progress, self._partial = Progress(cursor, self._uidvalidity, self._uidnext), set()
        self._offered_up_to = self._progress.highest
        return self._fetch(limit, max_bytes)

    def acknowledge(self, uids: Collection[int | str], how: Acknowledgement) -> None:
        ours = sorted(int(uid) for uid in uids)
        touched = [uid for uid in ours if how.after is not AfterFetch.DELETE or uid not in self._partial]
        if touched and how.after is not AfterFetch.NOTHING:
            self._ensure_open()
            self._check_same_folder()
            with self._speaking(f"acknowledging mail ({how})", TroubleKind.FOLDER) as client:
                for start in range(0, len(touched), 500):
                    acknowledging.apply(client, touched[start : start + 500], how)
        self._progress.take(ours)

    def cursor(self) -> MailboxCursor:
        return self._progress.cursor()

    def end(self) -> MailboxCursor:
        self._ensure_open()
        known = max(self._uidnext - 1, 0)
        with self._looking() as client:
            last = max(_search(client, known + 1), default=known)
        return MailboxCursor(uidvalidity=self._uidvalidity, last_uid=last)

    def wait_for_new(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        self._ensure_open()
        while not self._has_new():
            left = end - time.monotonic()
            if left <= 0 or self._waker.is_rung:
                break
            self._wait(left)
        else:
            return True
        self._waker.take()
        return False

    def list_uids(self) -> MailboxListing:
        self._ensure_open()
        uids: set[int] = set()
        with self._looking() as client:
            low, width = 1, WINDOW
            while low + width < self._uidnext:
                found = _search(client, low, low + width - 1)
                uids.update(found)
                low, width = low + width, WINDOW if found else width * 4
            uids.update(_search(client, low))
        return MailboxListing(uidvalidity=self._uidvalidity, uids=frozenset(map(str, uids)))

    def check(self, how: Acknowledgement) -> None:
        self._ensure_open()
        if how.after is AfterFetch.NOTHING:
            return
        if self._is_read_only:
            text = f"The folder {self._endpoint.folder} may only be read; mails in it cannot be changed ({how})."
            raise MailboxTrouble(TroubleKind.FOLDER, text)

    # Entering

    def _enter(self) -> None:
        with self._stepping(MailboxStep.CONNECT) as seen:
            with troubles(self._endpoint, "connecting"):
                self._client = ImapConnection(self._endpoint)
            seen += _tls_of(self._client)
        if self._endpoint.encryption is Encryption.STARTTLS:
            with self._stepping(MailboxStep.TLS) as seen, self._speaking("encrypting", TroubleKind.TLS) as client:
                start_tls(client.wire, self._endpoint)
                seen += _tls_of(client)
        with self._stepping(MailboxStep.LOGIN), self._speaking("logging in", TroubleKind.LOGIN) as client:
            log_in(client.wire, self._endpoint)
        doing = f"opening the folder {self._endpoint.folder}"
        with self._stepping(MailboxStep.FOLDER) as seen, self._speaking(doing, TroubleKind.FOLDER) as client:
            seen += self._select(client)
            self._can_idle = client.has_capability("IDLE")
            seen.append("IDLE" if self._can_idle else "no IDLE: asked from time to time")

    def _say_goodbye(self, client: ImapConnection) -> None:
        client.wire.say_goodbye(GOODBYE)

    def _shut(self, client: ImapConnection) -> None:
        client.wire.shutdown()

    # Fetching

    def _fetch(self, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        progress = self._progress
        with self._looking() as client:
            sizes, read = read_sizes(client, self._find(client, limit))
        for group in in_groups(sizes, max_bytes):
            with self._speaking("fetching mail") as client:
                mails = fetch_group(client, self._endpoint, group, max_bytes)
            for mail in mails:
                progress.offer(int(mail.uid))
                if mail.completeness is not Completeness.WHOLE:
                    self._partial.add(int(mail.uid))
                self._offered_up_to = progress.highest
                yield replace(mail, was_read=True) if mail.uid in read else mail

    def _find(self, client: ImapConnection, limit: int) -> list[int]:
        """The oldest ``limit`` wanted UIDs: what was left open, then what is new, looked for in windows that grow where there is
        nothing."""
        found = self._still_open(client, limit)
        low, width = self._progress.last_uid + 1, WINDOW
        while len(found) < limit:
            high = low + width - 1
            is_last = high >= self._uidnext - 1
            uids = self._search_new(client, low, None if is_last else high)
            found += filter(self._progress.wants, uids)
            if is_last:
                break
            low, width = high + 1, WINDOW if uids else width * 4
        return found[:limit]

    def _still_open(self, client: ImapConnection, limit: int) -> list[int]:
        found: list[int] = []
        missing = self._progress.missing
        for start in range(0, len(missing), 500):
            asked = missing[start : start + 500]
            there = set(client.search("UID " + ",".join(map(str, asked)))).intersection(asked)
            self._progress.is_gone(uid for uid in asked if uid not in there)
            found += sorted(there)
            if len(found) >= limit:
                break
        return found

    def _search_new(self, client: ImapConnection, low: int, high: int | None) -> list[int]:
        """Without the old mail of a folder that was made anew, where old mail was to be left."""
        uids = _search(client, low, high)
        progress = self._progress
        if progress.old_before is None or low > progress.old_up_to or not uids:
            return uids
        fresh = set(_search(client, low, high, since=progress.old_before))
        return [uid for uid in uids if uid > progress.old_up_to or uid in fresh]

    # Waiting

    def _has_new(self) -> bool:
        with self._looking() as client:
            return bool(_search(client, self._offered_up_to + 1))

    def _wait(self, seconds: float) -> None:
        """Returns when there may be mail, at the latest after ``seconds``."""
        if not self.can_idle:
            self._waker.wait(min(seconds, self._poll_every))
            return
        try:
            with self._speaking("waiting for mail") as client:
                self._idle(client, seconds)
        except MailboxTrouble:
            self._idle_faults += 1
            raise

    def _idle(self, client: ImapConnection, seconds: float) -> None:
        try:
            is_told = client.wire.idle_until_news(min(seconds, IDLE_MAX), self._waker)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            self._can_idle = False  # it says that it can, and cannot: look from time to time
            return
        if is_told:
            self._idle_faults = 0
        elif not self._waker.is_rung and self._is_mail_missed(client):
            self._idle_faults += 1

    def _is_mail_missed(self, client: ImapConnection) -> bool:
        """IDLE came to its end without a word: was there really nothing?"""
        client.wire.noop()
        return bool(_search(client, self._offered_up_to + 1))

    # The connection

    def _select(self, client: ImapConnection) -> list[str]:
        """What was seen."""
        try:
            answer = client.select_folder(self._endpoint.folder)
            self._is_read_only = False
        except imaplib.IMAP4.readonly:  # imaplib refuses to go on there, unless it was asked for
            answer = client.select_folder(self._endpoint.folder, readonly=True)
            self._is_read_only = True
        uidvalidity = answer.get(b"UIDVALIDITY", 0)
        if not uidvalidity:
            text = f"{self._endpoint.host} gives the mails of {self._endpoint.folder} no lasting numbers."
            raise MailboxTrouble(TroubleKind.FOLDER, text)
        self._uidnext = answer.get(b"UIDNEXT", 0)
        if uidvalidity != self._uidvalidity:
            # What lay there when we first came waits for a fetch and is no news; in a new folder all is news.
            self._offered_up_to = 0 if self._uidvalidity else max(self._uidnext - 1, 0)
        self._uidvalidity = uidvalidity
        count = answer.get(b"EXISTS")
        return [f"{count} mails in {self._endpoint.folder}"] if isinstance(count, int) else []

    def _check_same_folder(self) -> None:
        if self._progress.uidvalidity != self._uidvalidity:
            text = f"The folder {self._endpoint.folder} was made anew; its old mails are not there any more."
            raise MailboxTrouble(TroubleKind.FOLDER, text)

    @contextmanager
    def _looking(self) -> Iterator[ImapConnection]:
        """The connection, after a NOOP: without one SEARCH may not know yet what has arrived."""
        with self._speaking("looking for mail") as client:
            client.wire.noop()
            yield client


def _tls_of(client: ImapConnection) -> list[str]:
    version = client.wire.sock.version() if isinstance(client.wire.sock, ssl.SSLSocket) else None
    return [version] if version else []


def _search(client: ImapConnection, low: int, high: int | None = None, since: date | None = None) -> list[int]:
    """The UIDs from ``low`` to ``high`` or the end. (``n:*`` names the last mail, even one below n.)"""
    criteria = f"UID {low}:{'*' if high is None else high}"
    if since is not None:
        criteria += f" SINCE {since.day}-{MONTHS[since.month - 1]}-{since.year:04}"
    return sorted(uid for uid in set(client.search(criteria)) if uid >= low)
