"""Reading a mailbox by IMAP.

Duty: `core.terms.mailboxes.MailboxSession` for IMAP servers, on IMAPClient; synchronous, for a thread of its
own. Laws: nothing is marked before `acknowledge` (BODY.PEEK); large mails come in pieces; deletions touch our
mails only; no password goes over a connection on which the server forbids the login.
Standards: RFC 9051 and RFC 3501, RFC 2177 (IDLE), RFC 4315 (UIDPLUS), RFC 6851 (MOVE), RFC 4616 (PLAIN).
"""

from __future__ import annotations

import contextlib
import imaplib
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from postroom.adapters.imap import acknowledging
from postroom.adapters.imap.connection import ImapConnection
from postroom.adapters.imap.fetching import fetch_group, in_groups, read_sizes
from postroom.adapters.imap.login import log_in, start_tls
from postroom.adapters.imap.progress import Progress
from postroom.adapters.mailbox.connecting import troubles
from postroom.adapters.mailbox.waking import Waker
from postroom.core.terms.mailboxes import (
    Acknowledgement,
    AfterFetch,
    Completeness,
    FetchedMail,
    MailboxCursor,
    MailboxEndpoint,
    MailboxTrouble,
    TroubleKind,
)

WINDOW = 5000  # UIDs asked for at once: an answer is one line, and a mailbox may hold millions
IDLE_MAX = 9 * 60.0  # seconds; RFC 2177 allows 29 minutes, routers forget sooner
POLL_EVERY = 15.0  # seconds between two looks where the server knows no IDLE
GOODBYE = 3.0  # seconds that a LOGOUT may take


class ImapSession:
    """One folder of one mailbox. See `MailboxSession` for what each method promises."""

    def __init__(self, endpoint: MailboxEndpoint, *, poll_every: float = POLL_EVERY) -> None:
        self._endpoint = endpoint
        self._poll_every = poll_every
        self._waker = Waker()
        self._client: ImapConnection | None = None
        self._uidvalidity = 0
        self._uidnext = 0  # as of the opening; 0 when the server does not tell
        self._can_idle = False
        self._progress = Progress(MailboxCursor(), 0)
        self._partial: set[int] = set()
        self._offered_up_to = 0

    def open(self) -> None:
        self.close()
        with troubles(self._endpoint, "connecting"):
            self._client = ImapConnection(self._endpoint)
        with self._speaking("encrypting", TroubleKind.TLS) as client:
            start_tls(client.wire, self._endpoint)
        with self._speaking("logging in", TroubleKind.LOGIN) as client:
            log_in(client.wire, self._endpoint)
        with self._speaking(f"opening the folder {self._endpoint.folder}", TroubleKind.FOLDER) as client:
            self._select(client)
            self._can_idle = client.has_capability("IDLE")

    def fetch_new(self, cursor: MailboxCursor, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        self._ensure_open()
        self._progress, self._partial = Progress(cursor, self._uidvalidity), set()
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

    def interrupt(self) -> None:
        self._waker.ring()

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # whatever happens now, we have left
                self._client.wire.say_goodbye(GOODBYE)
        self._drop()

    # Fetching

    def _fetch(self, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        progress = self._progress
        with self._looking() as client:
            sizes = read_sizes(client, self._find(client, limit))
        for group in in_groups(sizes, max_bytes):
            with self._speaking("fetching mail") as client:
                mails = fetch_group(client, self._endpoint, group, max_bytes)
            for mail in mails:
                progress.offer(int(mail.uid))
                if mail.completeness is not Completeness.WHOLE:
                    self._partial.add(int(mail.uid))
                self._offered_up_to = progress.highest
                yield mail

    def _find(self, client: ImapConnection, limit: int) -> list[int]:
        """The oldest ``limit`` wanted UIDs, looked for in windows that grow where there is nothing."""
        found: list[int] = []
        low, width = self._progress.last_uid + 1, WINDOW
        while len(found) < limit:
            high = low + width - 1
            is_last = high >= self._uidnext - 1
            uids = _search(client, low, None if is_last else high)
            found += filter(self._progress.wants, uids)
            if is_last:
                break
            low, width = high + 1, WINDOW if uids else width * 4
        return found[:limit]

    # Waiting

    def _has_new(self) -> bool:
        with self._looking() as client:
            return bool(_search(client, self._offered_up_to + 1))

    def _wait(self, seconds: float) -> None:
        """Returns when there may be mail, at the latest after ``seconds``."""
        if self._can_idle:
            with self._speaking("waiting for mail") as client:
                try:
                    client.wire.idle_until_news(min(seconds, IDLE_MAX), self._waker)
                except imaplib.IMAP4.abort:
                    raise
                except imaplib.IMAP4.error:
                    self._can_idle = False  # it says that it can, and cannot: look from time to time
        else:
            self._waker.wait(min(seconds, self._poll_every))

    # The connection

    def _ensure_open(self) -> None:
        if self._client is None:
            self.open()

    def _select(self, client: ImapConnection) -> None:
        answer = client.select_folder(self._endpoint.folder)
        uidvalidity = answer.get(b"UIDVALIDITY", 0)
        if not uidvalidity:
            text = f"{self._endpoint.host} gives the mails of {self._endpoint.folder} no lasting numbers."
            raise MailboxTrouble(TroubleKind.FOLDER, text)
        self._uidnext = answer.get(b"UIDNEXT", 0)
        if uidvalidity != self._uidvalidity:
            # What lay there when we first came waits for a fetch and is no news; in a new folder all is news.
            self._offered_up_to = 0 if self._uidvalidity else max(self._uidnext - 1, 0)
        self._uidvalidity = uidvalidity

    def _check_same_folder(self) -> None:
        if self._progress.uidvalidity != self._uidvalidity:
            text = f"The folder {self._endpoint.folder} was made anew; its old mails are not there any more."
            raise MailboxTrouble(TroubleKind.FOLDER, text)

    @contextmanager
    def _speaking(self, doing: str, refused: TroubleKind = TroubleKind.PROTOCOL) -> Iterator[ImapConnection]:
        """The connection, to speak on; after trouble it is gone."""
        try:
            with troubles(self._endpoint, doing, refused):
                if self._client is None:
                    raise ConnectionError("it was closed")
                yield self._client
        except MailboxTrouble:
            self._drop()
            raise

    @contextmanager
    def _looking(self) -> Iterator[ImapConnection]:
        """The connection, after a NOOP: without one SEARCH may not know yet what has arrived."""
        with self._speaking("looking for mail") as client:
            client.wire.noop()
            yield client

    def _drop(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.wire.shutdown()
            self._client = None


def _search(client: ImapConnection, low: int, high: int | None = None) -> list[int]:
    """The UIDs from ``low`` to ``high`` or the end. (``n:*`` names the last mail, even one below n.)"""
    found = client.search(f"UID {low}:{'*' if high is None else high}")
    return sorted(uid for uid in set(found) if uid >= low)
