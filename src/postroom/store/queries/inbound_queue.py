"""The router's queue: what came in and is not routed yet, oldest first. Whose sender is being looked at waits (`unproven`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from postroom.core.terms.states import Door
from postroom.store.statements import ask


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


_CLAIM = """
SELECT mail.id, door, mailbox_id, mail_from, rcpt_to, attempt_count, raw, sha256, authentication, hook_id
  FROM postroom_inboundmessage mail JOIN postroom_rawmail ON inbound_id = mail.id
 WHERE state = 'received' AND authentication IS NOT NULL AND due_at <= %s::timestamptz
 ORDER BY due_at, mail.id LIMIT %s::int FOR UPDATE OF mail SKIP LOCKED
"""


def claim_waiting(now: datetime, limit: int) -> Sequence[Waiting]:
    """Up to ``limit`` mails that are due, locked until the transaction ends; what others have locked is passed over."""
    return [
        Waiting(
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
        for number, door, mailbox_id, mail_from, rcpt_to, attempts, raw, sha256, authentication, hook_id in ask(
            _CLAIM, [now, limit]
        )
    ]
