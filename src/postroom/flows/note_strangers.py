"""Signs of a second reader of a mailbox: mails that were gone before we came, or had been read, counted by the day.

Laws: counted where a round stores its cursor, one small column of the mailbox; a week is kept. Numbers (UID) in IMAP only grow, so a gap
between those that we took was somebody else's. The first round of a folder and great leaps prove nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.terms.mailboxes import MailboxCursor, MailboxProtocol
from postroom.store.models import Mailbox

KEPT = timedelta(days=7)
GREATEST_GAP = 200  # in one round: more is a folder that was sorted or restored


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange:
    """``vanished``: numbers that were given away and gone. ``read_before``: of the ``taken`` ones."""

    vanished: int = 0
    read_before: int = 0
    taken: int = 0


def with_batch(
    mailbox: Mailbox, cursor: MailboxCursor, uids: Collection[int | str], read: Collection[int | str], now: datetime
) -> dict[str, list[int]] | None:
    """The column ``strangers`` after a batch that took ``uids``; None where it tells nothing. ``mailbox`` as it was before the batch."""
    if mailbox.protocol != MailboxProtocol.IMAP or cursor.uidvalidity != mailbox.uid_validity or not mailbox.last_uid:
        return None
    fresh = [uid for uid in uids if int(uid) > mailbox.last_uid]
    wanted = [uid for uid in cursor.open_uids if uid > mailbox.last_uid]
    strange = Strange(
        vanished=gap(mailbox.last_uid, cursor.last_uid, len(fresh) + len(wanted)),
        read_before=sum(uid in read for uid in fresh),
        taken=len(fresh),
    )
    return with_strange(mailbox.strangers, strange, now)


def gap(before: int, after: int, taken: int) -> int:
    """How many mails came and went between two last numbers (UID) of a folder, ``taken`` of which are here or still wanted."""
    missed = after - before - taken
    return missed if before and 0 < missed <= GREATEST_GAP else 0


def with_strange(stored: object, fresh: Strange, now: datetime) -> dict[str, list[int]]:
    """The column with this round added, and without what is older than a week."""
    days = {day: list(counts) for day, counts in _days(stored).items() if day >= f"{now - KEPT:%Y-%m-%d}"}
    today = days.get(f"{now:%Y-%m-%d}", [0, 0, 0])
    days[f"{now:%Y-%m-%d}"] = [today[0] + fresh.vanished, today[1] + fresh.read_before, today[2] + fresh.taken]
    return days


def lately_strange(stored: object, now: datetime) -> Strange:
    """Of the days that are kept."""
    counts = [one for day, one in _days(stored).items() if day >= f"{now - KEPT:%Y-%m-%d}"]
    vanished, read_before, taken = (sum(one[place] for one in counts) for place in range(3))
    return Strange(vanished=vanished, read_before=read_before, taken=taken)


def _days(stored: object) -> Mapping[str, list[int]]:
    if not isinstance(stored, dict):
        return {}
    return {str(day): counts for day, counts in stored.items() if isinstance(counts, list) and len(counts) == 3}
