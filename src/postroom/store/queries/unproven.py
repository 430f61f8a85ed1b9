"""What came in and whose sender was not looked at yet: taken to be checked, and noted when it is.

Laws: who takes a mail has it for as long as the lease; when he dies, another takes it. A lease that ends later than any lease may is of a
clock that was put back, and holds nobody up. What was noted is the router's. Few wait here at
any time: mail from home never does, and an index holds the rest alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from postroom.core.terms.states import Door
from postroom.store.statements import ask

LONGEST_LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """A mail whose sender is to be checked. ``servers``: the authserv-ids named with its mailbox, separated by commas."""

    id: int
    door: Door
    peer: str
    mail_from: str
    received_at: datetime
    due_at: datetime
    mailbox_id: int | None = None
    hook_id: int | None = None
    servers: str = ""
    raw: bytes | None = field(default=None, repr=False)
    sha256: str = ""


_ANY = """
SELECT 1 FROM postroom_inboundmessage
 WHERE state = 'received' AND authentication IS NULL
   AND (due_at <= %s::timestamptz OR due_at > %s::timestamptz AND attempt_count = 0) LIMIT 1
"""
_TAKE = """
SELECT mail.id, mail.door, mail.peer, mail.mail_from, mail.received_at, mail.due_at, mail.mailbox_id,
       mail.hook_id, coalesce(box.authserv_ids, ''), raw, sha256
  FROM postroom_inboundmessage mail JOIN postroom_rawmail ON inbound_id = mail.id
  LEFT JOIN postroom_mailbox box ON box.id = mail.mailbox_id
 WHERE mail.state = 'received' AND mail.authentication IS NULL
   AND (mail.due_at <= %s::timestamptz OR mail.due_at > %s::timestamptz AND mail.attempt_count = 0)
 ORDER BY mail.due_at, mail.id LIMIT %s::int FOR UPDATE OF mail SKIP LOCKED
"""
_LEASE = """
UPDATE postroom_inboundmessage SET due_at = %s::timestamptz WHERE id = ANY(%s::bigint[])
"""
_GIVE_BACK = """
UPDATE postroom_inboundmessage AS mail SET due_at = new.due_at
  FROM unnest(%s::bigint[], %s::timestamptz[]) AS new(id, due_at)
 WHERE mail.id = new.id AND mail.state = 'received' AND mail.authentication IS NULL
"""
_NOTE = """
UPDATE postroom_inboundmessage AS mail SET authentication = new.found::jsonb, due_at = new.due_at
  FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS new(id, found, due_at)
 WHERE mail.id = new.id AND mail.state = 'received' AND mail.authentication IS NULL
"""


def any_unproven(now: datetime) -> bool:
    """Whether there are any: what is asked before each batch costs one look at an index that is nearly always empty."""
    return bool(ask(_ANY, [now, now + LONGEST_LEASE]))


def take_unproven(now: datetime, until: datetime, limit: int) -> Sequence[Unproven]:
    """Up to ``limit`` mails, oldest first, the caller's ``until`` then."""
    with transaction.atomic():
        found = [
            Unproven(
                id=number,
                door=Door(door),
                peer=peer,
                mail_from=mail_from,
                received_at=received_at,
                due_at=due_at,
                mailbox_id=mailbox_id,
                hook_id=hook_id,
                servers=servers,
                raw=raw,
                sha256=sha256,
            )
            for number, door, peer, mail_from, received_at, due_at, mailbox_id, hook_id, servers, raw, sha256 in ask(
                _TAKE, [now, now + LONGEST_LEASE, limit]
            )
        ]
        if found:
            ask(_LEASE, [until, [one.id for one in found]])
    return found


def give_back(due: Mapping[int, datetime]) -> None:
    """What was taken and cannot be checked now is due again when it was."""
    numbers = sorted(due)
    ask(_GIVE_BACK, [numbers, [due[number] for number in numbers]])


def note_proofs(found: Mapping[int, str], due: Mapping[int, datetime]) -> None:
    """What was found, as JSON; each is due again when it was. One statement."""
    numbers = sorted(found)
    ask(_NOTE, [numbers, [found[number] for number in numbers], [due[number] for number in numbers]])
