"""How far a folder has been read, mail by mail.

Law: the cursor passes a mail only when it was taken, is gone, or is remembered as open: that one is wanted again each time, and what
comes after it is not remembered one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from postroom.core.terms.mailboxes import MailboxCursor


class Progress:
    """Starts from a cursor; where UIDVALIDITY is not the cursor's, it starts over (RFC 9051 2.3.1.1).

    ``uidnext``: as of the opening, 0 when the server does not tell; it bounds what can be old mail in a new folder.
    """

    def __init__(self, cursor: MailboxCursor, uidvalidity: int, uidnext: int = 0) -> None:
        holds = cursor.uidvalidity == uidvalidity
        self.uidvalidity = uidvalidity
        self.last_uid = cursor.last_uid if holds else 0
        self.old_before: date | None = cursor.old_before
        self.old_up_to = cursor.old_up_to if holds or not cursor.old_before else max(uidnext - 1, 0)
        self._taken = {int(uid) for uid in cursor.seen_uidls if uid.isdecimal()} if holds else set()
        self._missing = set(cursor.open_uids) if holds else set()
        self._open: set[int] = set()
        self._offered_up_to = self.last_uid
        self.highest = max((self.last_uid, *self._taken))  # the highest UID that is known to the caller

    def wants(self, uid: int) -> bool:
        return uid in self._missing or (uid > self.last_uid and uid not in self._taken)

    @property
    def missing(self) -> list[int]:
        """What was left open before, oldest first."""
        return sorted(self._missing)

    def is_gone(self, uids: Iterable[int]) -> None:
        """These do not lie there any more."""
        self._missing.difference_update(uids)

    def offer(self, uid: int) -> None:
        """It is handed out now and not taken yet."""
        self._open.add(uid)
        self._offered_up_to = max(self._offered_up_to, uid)
        self.highest = max(self.highest, uid)

    def take(self, uids: Iterable[int]) -> None:
        for uid in uids:
            self._open.discard(uid)
            self._missing.discard(uid)
            if uid > self.last_uid:
                self._taken.add(uid)

    def cursor(self) -> MailboxCursor:
        passed = {uid for uid in self._taken if uid <= self._offered_up_to}
        last = max(passed, default=self.last_uid)
        return MailboxCursor(
            uidvalidity=self.uidvalidity,
            last_uid=last,
            seen_uidls=frozenset(str(uid) for uid in self._taken - passed),  # a gap of former days, not looked into yet
            open_uids=frozenset(uid for uid in self._open | self._missing if uid <= last),
            old_before=self.old_before,
            old_up_to=self.old_up_to,
        )
