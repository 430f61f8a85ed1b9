"""Mail that a program hands in over HTTP: durable first, then a yes; told twice under one key, it is stored once.

Laws: who hands in needs the right to act on incoming mail; what his mail says about its own sender is believed only of who sees the
whole house. Raw bytes are kept as they came. With an Idempotency-Key the receipt is
written in the transaction that stores the mail: the same key and mail again gets the same answer, another mail under it is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.db import connection, transaction

from postroom.core.routing.arrival import handed_in_by
from postroom.core.terms.addresses import normalize
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows.accept_message import Arrival, accept_message
from postroom.flows.access import require, sees_whole_house
from postroom.flows.ports import Ports
from postroom.store.models import IngressReceipt, Member

LONGEST_KEY = 200
MOST_RECIPIENTS = 1000


class HandInRefused(ValueError):  # noqa: N818 - an answer
    """What was handed in cannot be taken; the text says why. ``status`` as HTTP has it."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedInMail:
    """``is_new``: False when it was here under this key already."""

    inbound_id: int
    is_new: bool


def hand_in_mail(
    ports: Ports, raw: bytes, *, member: Member, mail_from: str = "", rcpt_to: tuple[str, ...] = (), key: str = ""
) -> HandedInMail:
    """Returns when it is durable. Without recipients its header decides, as with fetched mail.

    Raises `HandInRefused`, `NotAllowed`, and what disk and database raise: then nothing was stored, and it may be handed in again.
    """
    require(member, "inbound")
    _check(ports, raw, mail_from, rcpt_to, key)
    envelope = Envelope(mail_from=mail_from, rcpt_to=rcpt_to) if rcpt_to else None
    peer = handed_in_by(str(member), sees_house=sees_whole_house(member))
    arrival = Arrival(door=Door.HTTP, raw=raw, envelope=envelope, peer=peer)
    if not key:
        return HandedInMail(inbound_id=accept_message(ports, arrival), is_new=True)
    digest = hashlib.sha256("\0".join((mail_from, *rcpt_to)).encode("utf-8", "replace") + b"\0\0" + raw).hexdigest()
    with transaction.atomic():
        _stand_in_line(member, key)
        if (known := IngressReceipt.objects.filter(member=member, key=key).first()) is not None:
            if known.digest != digest:
                raise HandInRefused("This Idempotency-Key was used for another mail.", 422)
            return HandedInMail(inbound_id=known.inbound_id, is_new=False)
        inbound_id = accept_message(ports, arrival)
        now = ports.clock.now()
        IngressReceipt.objects.create(member=member, key=key, digest=digest, inbound_id=inbound_id, created_at=now)
    return HandedInMail(inbound_id=inbound_id, is_new=True)


def _check(ports: Ports, raw: bytes, mail_from: str, rcpt_to: tuple[str, ...], key: str) -> None:
    largest = ports.configuration.max_message_size
    if len(raw) > largest:
        raise HandInRefused(f"The mail has {len(raw)} bytes; {largest} are accepted.", 413)
    if not raw.strip():
        raise HandInRefused("There is no mail in the request.", 400)
    if b":" not in raw[:65_536].partition(b"\r\n\r\n")[0].partition(b"\n\n")[0]:
        raise HandInRefused("This is no mail: it has no header (RFC 5322).", 400)
    if len(rcpt_to) > MOST_RECIPIENTS:
        raise HandInRefused(f"At most {MOST_RECIPIENTS} recipients.", 400)
    for address in (*rcpt_to, *((mail_from,) if mail_from else ())):
        if not normalize(address):
            raise HandInRefused(f"{address[:320]!r} is no mail address.", 400)
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise HandInRefused(f"An Idempotency-Key has up to {LONGEST_KEY} printable characters.", 400)


def _stand_in_line(member: Member, key: str) -> None:
    """Two requests with one key wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"ingress {member.pk} {key}"])
