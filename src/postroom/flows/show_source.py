"""The mail behind a message, as it travelled: what came in byte for byte, what left composed again.

Laws: whoever may read the message may see its source. What left is composed from what is kept for sending, without what differs from one
recipient to the next (return path, signature of the domain); what was cleaned up is gone, and said to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom.core.mime.composing import MailHeaders, render_headers, splice
from postroom.core.terms.addresses import Address
from postroom.flows import audit
from postroom.flows.access import visible_messages
from postroom.flows.ports import Ports
from postroom.store.models import Delivery, Member, Message, OutgoingMail, RawMail
from postroom.store.queries.outgoing import MailFacts, load_mails

MOST = 20  # variants of one message: readers in several languages get different words


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """``content`` None: it was a mail, and its bytes were cleaned up. ``recipients``: who got this one of a message that left."""

    is_inbound: bool
    content: bytes | None = field(repr=False)
    recipients: tuple[str, ...] = ()


def sources_of(ports: Ports, *, message_id: int, member: Member) -> tuple[Source, ...]:
    """None for what never was a mail. That they were had is noted. Raises Message.DoesNotExist. Five queries."""
    message = visible_messages(member).get(pk=message_id)
    came = (_came_in(ports, message.inbound_id),) if message.inbound_id is not None else ()
    found = (*came, *left_as(message))
    if any(one.content is not None for one in found):
        audit.note(ports, "source_read", member=member, subject=f"message {message_id}")
    return found


def _came_in(ports: Ports, inbound_id: int) -> Source:
    row = RawMail.objects.filter(inbound_id=inbound_id).first()
    content: bytes | None = None
    if row is not None:
        try:
            content = bytes(row.raw) if row.raw is not None else ports.blobs.get(row.sha256)
        except KeyError:
            content = None  # the disk has lost it
    return Source(is_inbound=True, content=content)


def left_as(message: Message) -> list[Source]:
    """The mails that a message became, composed again. Who may see them is the caller's to ask. Three queries."""
    mails = list(OutgoingMail.objects.filter(message=message).order_by("id").values_list("id", flat=True)[:MOST])
    kept = {mail.id: mail for mail in load_mails(mails)}
    people: dict[int, list[str]] = {}
    for mail, address in (
        Delivery.objects.filter(mail_id__in=mails).order_by("id").values_list("mail_id", "to_address")[:1000]
    ):
        people.setdefault(mail, []).append(address)
    return [
        Source(
            is_inbound=False,
            content=_composed(kept[mail], people.get(mail, [])) if mail in kept else None,
            recipients=tuple(dict.fromkeys(people.get(mail, ()))),
        )
        for mail in mails
    ]


def _composed(mail: MailFacts, recipients: list[str]) -> bytes:
    headers = MailHeaders(
        header_from=_address(mail.from_name, mail.from_address),
        to=tuple(_address("", one) for one in recipients[:1]),
        reply_to=mail.reply_to,
        subject=mail.subject,
        message_id=mail.message_id,
        date=mail.created_at,
        in_reply_to=mail.in_reply_to,
        references=mail.references,
        extra=mail.extra,
    )
    return b"".join(splice(render_headers(headers), mail.body))


def _address(name: str, spec: str) -> Address:
    local, _, domain = spec.rpartition("@")
    return Address(name, local, domain)
