"""How far a folder has been read, mail by mail.

Law: the cursor passes a mail only when it was taken or is gone; what was taken beyond a gap is kept by UID.
"""

from __future__ import annotations

from collections.abc import Iterable

from postroom.core.terms.mailboxes import MailboxCursor


class Progress:
    """Starts from a cursor; where UIDVALIDITY is not the cursor's, it starts over (RFC 9051 2.3.1.1)."""

    def __init__(self, cursor: MailboxCursor, uidvalidity: int) -> None:
        holds = cursor.uidvalidity == uidvalidity
        self.uidvalidity = uidvalidity
        self.last_uid = cursor.last_uid if holds else 0
        self._taken = {int(uid) for uid in cursor.seen_uidls if uid.isdecimal()} if holds else set()
        self._open: set[int] = set()
        self.highest = max((self.last_uid, *self._taken))  # the highest UID that is known to the caller

    def wants(self, uid: int) -> bool:
        return uid > self.last_uid and uid not in self._taken

    def offer(self, uid: int) -> None:
        """It is handed out now and not taken yet."""
        self._open.add(uid)
        self.highest = max(self.highest, uid)

    def take(self, uids: Iterable[int]) -> None:
        for uid in uids:
            self._open.discard(uid)
            if uid > self.last_uid:
                self._taken.add(uid)

    def cursor(self) -> MailboxCursor:
        gap = min(self._open, default=None)
        before = {uid for uid in self._taken if gap is None or uid < gap}
        return MailboxCursor(
            uidvalidity=self.uidvalidity,
            last_uid=max(before, default=self.last_uid),
            seen_uidls=frozenset(str(uid) for uid in self._taken - before),
        )
