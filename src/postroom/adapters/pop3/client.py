"""Reading a mailbox by POP3.

Duty: `core.terms.mailboxes.MailboxSession` for POP3 servers, on poplib; synchronous, for a thread of its own.
Laws: mails are told apart by UIDL, or where the server knows none by a digest of their headers; DELE is said in `acknowledge` only, and takes
effect when the session ends with QUIT: if that fails, the mail comes again and is recognised. What was
deleted is therefore not remembered in the cursor, what stays on the server is.
Standards: RFC 1939, RFC 2449 (CAPA, response codes), RFC 2595 (STLS).
"""

from __future__ import annotations

import contextlib
import hashlib
import poplib
import time
from collections import Counter
from collections.abc import Collection, Iterator

from postroom.adapters.mailbox.connecting import refusal, said, troubles
from postroom.adapters.mailbox.session import ServerSession, TokenGiver
from postroom.adapters.pop3.connection import GuardedPop3
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

HEADER_MAX = 64 * 1024
POLL_EVERY = 300.0  # seconds between two looks: each is a login
GOODBYE = 10.0  # seconds that QUIT may take: the server deletes in them


class Pop3Session(ServerSession[GuardedPop3]):
    """One mailbox. See `MailboxSession` for what each method promises.

    A connection shows the mails of its beginning: `wait_for_new` leaves, and comes again every ``poll_every``
    seconds to look.
    """

    def __init__(
        self, endpoint: MailboxEndpoint, *, poll_every: float = POLL_EVERY, tokens: TokenGiver | None = None
    ) -> None:
        super().__init__(endpoint, poll_every=poll_every, tokens=tokens)
        self._numbers: dict[str, int] = {}  # of the mails that lie there, by UIDL; good for this connection
        self._offered: set[str] = set()
        self._partial: set[str] = set()
        self._taken: set[str] = set()

    def fetch_new(self, cursor: MailboxCursor, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        self._ensure_open()
        self._taken = set(cursor.seen_uidls) & self._numbers.keys()
        self._offered, self._partial = set(self._taken), set()
        return self._fetch(limit, max_bytes)

    def acknowledge(self, uids: Collection[int | str], how: Acknowledgement) -> None:
        ours = {str(uid) for uid in uids}
        self.check(how)
        doomed = ours - self._partial if how.after is AfterFetch.DELETE else set()
        if doomed:
            self._ensure_open()
            with self._speaking("deleting mail") as client:
                for number, uid in sorted((self._numbers[uid], uid) for uid in doomed & self._numbers.keys()):
                    client.dele(number)
                    del self._numbers[uid]
        self._taken |= ours - doomed

    def cursor(self) -> MailboxCursor:
        return MailboxCursor(seen_uidls=frozenset(self._taken))

    def end(self) -> MailboxCursor:
        self._ensure_open()
        return MailboxCursor(seen_uidls=frozenset(self._numbers))

    def wait_for_new(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        self._ensure_open()
        while not self._numbers.keys() - self._offered:
            left = end - time.monotonic()
            if left <= 0 or self._waker.is_rung:
                break
            self.close()
            if not self._waker.wait(min(left, self._poll_every)):
                self.open()
        else:
            return True
        self._waker.take()
        return False

    def list_uids(self) -> MailboxListing:
        self._ensure_open()
        return MailboxListing(uidvalidity=0, uids=frozenset(self._numbers))

    def check(self, how: Acknowledgement) -> None:
        if how.after is AfterFetch.MOVE:
            text = f"{self._endpoint.host} speaks POP3, which knows no folders to move mail to."
            raise MailboxTrouble(TroubleKind.FOLDER, text)

    def _enter(self) -> None:
        with self._stepping(MailboxStep.CONNECT), troubles(self._endpoint, "connecting"):
            self._client = GuardedPop3(self._endpoint)
        if self._endpoint.encryption is Encryption.STARTTLS:
            with self._stepping(MailboxStep.TLS), self._speaking("encrypting", TroubleKind.TLS) as client:
                client.start_tls()
        with self._stepping(MailboxStep.LOGIN), self._speaking("logging in", TroubleKind.LOGIN) as client:
            self._log_in(client)
        with self._stepping(MailboxStep.FOLDER) as seen, self._speaking("listing mail (UIDL)") as client:
            try:
                self._numbers = _read_uidls(client.uidl()[1])
            except poplib.error_proto as error:
                self._numbers = self._own_names(client, error)
                seen.append("no UIDL: mails are told apart by their headers")
            seen.insert(0, f"{len(self._numbers)} mails")

    def _own_names(self, client: GuardedPop3, error: poplib.error_proto) -> dict[str, int]:
        """Where the server knows no UIDL (it is optional): a digest of each header, which costs a TOP for each mail each time."""
        if (
            not said(error)
            or refusal(said(error), self._endpoint, "", TroubleKind.PROTOCOL).kind is not TroubleKind.PROTOCOL
        ):
            raise error
        names: list[bytes] = []
        for number in sorted(_read_sizes(client.list()[1])):
            head = client.retrieve(f"TOP {number} 0", HEADER_MAX)
            digest = hashlib.sha256(head if head is not None else b"").hexdigest()
            names.append(b"%d own-%b" % (number, digest[:40].encode()))
        return _read_uidls(names)

    def _say_goodbye(self, client: GuardedPop3) -> None:
        client.say_goodbye(GOODBYE)

    def _shut(self, client: GuardedPop3) -> None:
        client.close()

    def _fetch(self, limit: int, max_bytes: int) -> Iterator[FetchedMail]:
        wanted = [(number, uid) for uid, number in self._numbers.items() if uid not in self._taken]
        if not wanted:
            return
        with self._speaking("listing mail") as client:
            sizes = _read_sizes(client.list()[1])
        for number, uid in sorted(wanted)[:limit]:
            with self._speaking("fetching mail") as client:
                mail = self._fetch_one(client, uid=uid, number=number, size=sizes.get(number, 0), max_bytes=max_bytes)
            self._offered.add(uid)
            if mail.completeness is not Completeness.WHOLE:
                self._partial.add(uid)
            yield mail

    def _fetch_one(self, client: GuardedPop3, *, uid: str, number: int, size: int, max_bytes: int) -> FetchedMail:
        raw = None
        if size <= max_bytes:
            try:
                raw = client.retrieve(f"RETR {number}", max_bytes)
            except poplib.error_proto as error:
                return FetchedMail(
                    uid=uid,
                    raw=b"",
                    size=size,
                    completeness=Completeness.REFUSED,
                    defect=self._refusal(error),
                )
        if raw is not None:
            return FetchedMail(uid=uid, raw=raw, size=size)
        with contextlib.suppress(poplib.error_proto):  # TOP is optional
            raw = client.retrieve(f"TOP {number} 0", HEADER_MAX)
        defect = f"The mail is larger than {max_bytes} bytes; only its header was fetched."
        return FetchedMail(uid=uid, raw=raw or b"", size=size, completeness=Completeness.HEADER_ONLY, defect=defect)

    def _refusal(self, error: poplib.error_proto) -> str:
        """The server's words when it refused this one mail; raises when nothing can be had from it now."""
        trouble = refusal(said(error), self._endpoint, "fetching mail", TroubleKind.PROTOCOL)
        if trouble.kind is TroubleKind.UNAVAILABLE:
            raise trouble from error
        return trouble.text

    def _log_in(self, client: GuardedPop3) -> None:
        username, password = self._endpoint.username, self._endpoint.password.reveal()
        if self._endpoint.access_token:
            client.log_in_with_token()
        elif any(char in "\r\n\0" for char in username + password):
            raise MailboxTrouble(TroubleKind.LOGIN, "The user name or the password contains a line break.")
        else:
            client.user(username)
            client.pass_(password)


def _read_uidls(lines: list[bytes]) -> dict[str, int]:
    """Message numbers by UIDL. Where a server gives one UIDL to several mails, the later ones get a mark."""
    numbers: dict[str, int] = {}
    copies: Counter[str] = Counter()  # counted on, for a server may give one to all
    for line in lines:
        number, uidl = line.split(maxsplit=1)
        name = unique = uidl.strip().decode("ascii", "backslashreplace")
        while unique in numbers:
            copies[name] += 1
            unique = f"{name}#{copies[name] + 1}"
        numbers[unique] = int(number)
    return numbers


def _read_sizes(lines: list[bytes]) -> dict[int, int]:
    """Claimed sizes by message number."""
    return {int(number): int(size) for number, size, *_ in map(bytes.split, lines)}
