"""The router's queue: what came in and is not routed yet, oldest first. Whose sender is being looked at waits (`unproven`).

Laws: nobody's mail holds up everybody's. A mail costs about as much time as it has bytes, and all of a batch are locked until the last of
them is done. So a heavy one is routed alone, and of all routers only one at a time has such a one; a sender has a share of a batch, and
what is beyond it goes to the end of the queue, behind the mails of others that were there before. A clock that is put back delays no mail
that was not tried yet. What is claimed and not taken is free
for other routers at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from postroom.core.terms.states import Door
from postroom.store.statements import ask

HEAVY = 1024 * 1024  # bytes of a mail that is routed alone
SHARE = 2 * 1024 * 1024  # bytes of one sender in a batch; his first mail is always in it
MOST_BYTES = 8 * 1024 * 1024  # of a batch
_ONE_HEAVY = 0x68656176  # "heav": the lock of who routes a heavy mail; it ends with his transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A mail to be routed. Its bytes are ``raw``, or, where that is None, the blob ``sha256``."""

    id: int
    door: Door
    mailbox_id: int | None = None
    mail_from: str = ""
    rcpt_to: tuple[str, ...] = ()
    attempt_count: int = 0
    authentication: str | None = None  # JSON
    hook_id: int | None = None
    raw: bytes | None = field(default=None, repr=False)
    sha256: str = ""


_COLUMNS = """
SELECT mail.id, door, mailbox_id, mail_from, rcpt_to, attempt_count, raw, sha256, authentication, hook_id, size,
       coalesce(nullif(mail_from, ''), header_from)
  FROM postroom_inboundmessage mail JOIN postroom_rawmail ON inbound_id = mail.id
 WHERE state = 'received' AND authentication IS NOT NULL AND (due_at <= %s::timestamptz OR attempt_count = 0)
"""  # a mail that was never tried is due, whatever the clock says: it was put back
_CLAIM = f"{_COLUMNS} ORDER BY due_at, mail.id LIMIT %s::int FOR UPDATE OF mail SKIP LOCKED"
_CLAIM_THESE = f"{_COLUMNS} AND mail.id = ANY(%s::bigint[]) ORDER BY due_at, mail.id FOR UPDATE OF mail SKIP LOCKED"
_TO_THE_END = """
UPDATE postroom_inboundmessage SET due_at = %s::timestamptz
 WHERE id IN (SELECT id FROM postroom_inboundmessage WHERE id = ANY(%s::bigint[]) AND state = 'received'
               ORDER BY id FOR UPDATE SKIP LOCKED)
"""


def claim_waiting(now: datetime, limit: int) -> Sequence[Waiting]:
    """Up to ``limit`` mails that are due, locked until the transaction ends; what others have locked is passed over. Inside a
    transaction."""
    before = transaction.savepoint()
    rows = ask(_CLAIM, [now, limit])
    taken, put_off = _shares([(row[0], row[10], row[11]) for row in rows])
    if len(taken) == len(rows):
        transaction.savepoint_commit(before)
        return [_waiting(row) for row in rows]
    transaction.savepoint_rollback(before)  # gives their locks back
    if put_off:
        ask(_TO_THE_END, [now, put_off])
    return [_waiting(row) for row in ask(_CLAIM_THESE, [now, taken])] if taken else []


def _shares(mails: Sequence[tuple[int, int, str]]) -> tuple[list[int], list[int]]:
    """Of (number, bytes, sender), the oldest first: which are routed now, and which go to the end of the queue."""
    heavy = [number for number, size, _ in mails if size > HEAVY]
    if heavy and mails[0][0] == heavy[0] and _may_route_a_heavy_one():
        return heavy[:1], heavy[1:]
    taken: list[int] = []
    put_off: list[int] = []
    of_sender: Counter[str] = Counter()
    for number, size, sender in mails:
        if size > HEAVY:
            continue
        if sum(of_sender.values()) + size > MOST_BYTES and taken:
            break
        if of_sender[sender] and of_sender[sender] + size > SHARE:
            put_off.append(number)
            continue
        of_sender[sender] += size
        taken.append(number)
    if not taken and heavy and _may_route_a_heavy_one():
        return heavy[:1], heavy[1:]
    return taken, put_off


def _may_route_a_heavy_one() -> bool:
    ((is_free,),) = ask("SELECT pg_try_advisory_xact_lock(%s::bigint)", [_ONE_HEAVY])
    return bool(is_free)


def _waiting(row: tuple[Any, ...]) -> Waiting:
    number, door, mailbox_id, mail_from, rcpt_to, attempts, raw, sha256, authentication, hook_id, *_ = row
    return Waiting(
        id=number,
        door=Door(door),
        mailbox_id=mailbox_id,
        mail_from=mail_from,
        rcpt_to=tuple(rcpt_to),
        attempt_count=attempts,
        raw=raw,
        sha256=sha256,
        authentication=authentication,
        hook_id=hook_id,
    )
