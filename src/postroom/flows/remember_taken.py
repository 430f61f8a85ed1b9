"""Which mails of a mailbox are here: by their numbers there, and by a digest of their content.

Duty: recognise what comes again (after a crash before the acknowledgement, a reset, a folder that was made anew), remember what was
taken, note what was settled on the server. Laws: a number alone proves nothing (servers use numbers again): it is the same mail only
where the content is, too. Rows go when the mail has left the server, and not by age: see `reconcile_mailbox`. A constant number of
statements for a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Q

from postroom.flows.ports import Ports
from postroom.store.models import TakenMail

_LONGEST_UID = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenNow:
    """A mail that was just stored as ``inbound_id``."""

    uid: int | str
    raw: bytes
    inbound_id: int
    is_settled: bool


def name_of(uid: int | str) -> str:
    """A number as it is kept. (RFC 1939 allows 70 characters; not all servers have read it.)"""
    text = str(uid).replace("\0", "?")
    return text if len(text) <= _LONGEST_UID else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def recognise(mailbox_id: int, validity: int, mails: Sequence[tuple[int | str, bytes]]) -> set[str]:
    """The UIDs (as texts) of those that are here already. One that comes under a new UIDVALIDITY gets its new number; so does one by POP3
    (it has no such thing: 0) that comes under a new UIDL, for servers name all their mails anew when they were moved or mended."""
    digests = {str(uid): _digest(raw) for uid, raw in mails}
    if not digests:
        return set()
    is_same_number = Q(uid_validity=validity, uid__in=[name_of(uid) for uid in digests])
    is_elsewhere = Q(digest__in=set(digests.values()))
    if validity:
        is_elsewhere &= ~Q(uid_validity=validity)
    rows = list(TakenMail.objects.filter(is_same_number | is_elsewhere, mailbox_id=mailbox_id))
    here = {row.uid: row.digest for row in rows if row.uid_validity == validity}
    before = {row.digest: row for row in rows if row.uid_validity != validity or not validity}
    known = {uid for uid, digest in digests.items() if here.get(name_of(uid)) == digest}
    moved = [(uid, before[digest]) for uid, digest in digests.items() if uid not in known and digest in before]
    again = [_renumbered(row, validity, uid) for uid, row in moved]
    _write(again)
    return known | {uid for uid, _ in moved}


def remember(ports: Ports, mailbox_id: int, validity: int, taken: Sequence[TakenNow]) -> None:
    """They are stored; in the same transaction."""
    now = ports.clock.now()
    _write(
        [
            TakenMail(
                mailbox_id=mailbox_id,
                uid_validity=validity,
                uid=name_of(one.uid),
                digest=_digest(one.raw),
                inbound_id=one.inbound_id,
                taken_at=now,
                is_settled=one.is_settled,
            )
            for one in taken
        ]
    )


def settle(mailbox_id: int, validity: int, uids: Collection[int | str]) -> None:
    """What was to happen to them on the server has happened."""
    names = [name_of(uid) for uid in uids]
    rows = TakenMail.objects.filter(mailbox_id=mailbox_id, uid_validity=validity, uid__in=names, is_settled=False)
    rows.update(is_settled=True)


def _renumbered(row: TakenMail, validity: int, uid: str) -> TakenMail:
    return TakenMail(
        mailbox_id=row.mailbox_id,
        uid_validity=validity,
        uid=name_of(uid),
        digest=row.digest,
        inbound_id=row.inbound_id,
        taken_at=row.taken_at,
        is_settled=False,
    )


def _write(rows: list[TakenMail]) -> None:
    TakenMail.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["mailbox", "uid_validity", "uid"],
        update_fields=["digest", "inbound_id", "taken_at", "is_settled"],
    )


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]
