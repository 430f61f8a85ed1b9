"""People, addresses and stored things for the tests of routing: a company at ``ours.example``, its aliases, one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from postroom.core.mime.parsed import ParsedMail
from postroom.core.routing.evidence import collect
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    AuthorFact,
    CreateRecord,
    Decision,
    DeliveryFact,
    Discard,
    DomainFact,
    Evidence,
    Facts,
    Hold,
    MessageFact,
    RecordReport,
    Refuse,
)
from postroom.core.terms.addresses import Address, parse_one
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import AliasPolicy, Door
from postroom.core.tokens.addresses import TokenPurpose, make_token

KEYS = (b"the key of the tests",)
MARK = "mark-0123456789"
CARLA = "Customer Carla <carla@customer.example>"
BOB = "Bob <bob@ours.example>"

OURS = DomainFact(name="ours.example", bounce="bounce", catchall="catchall", company_id=1)
SECOND = DomainFact(name="second.example", bounce="bounce", catchall="catchall", company_id=2)

SUPPORT = AliasFact(
    alias_id=1, name="support", domain="ours.example", kind="ticket", company_id=1, policy=AliasPolicy.EVERYONE
)
SALES = AliasFact(
    alias_id=2, name="sales", domain="ours.example", kind="lead", company_id=1, policy=AliasPolicy.EVERYONE
)
QUESTION = MessageFact(
    message_id=500,
    identifier="<question@ours.example>",
    record_id=70,
    kind="ticket",
    company_id=1,
    is_note=False,
    record_alias_id=1,
    record_address="carla@customer.example",
)
FACTS = Facts(domains=(OURS, SECOND), aliases=(SUPPORT, SALES), author=AuthorFact())


def addresses(*texts: str) -> tuple[Address, ...]:
    found = [parse_one(text) for text in texts]
    return tuple(one for one in found if one is not None)


def mail(
    *, author: str = CARLA, to: Sequence[str] = ("support@ours.example",), cc: Sequence[str] = (), **fields: Any
) -> ParsedMail:
    """A mail as the parser would give it. ``headers`` are added to the ones that follow from the rest."""
    given = {"message_id": "<mail-1@customer.example>", "subject": "The printer burns", "text": "Please come."} | fields
    return ParsedMail(header_from=addresses(author), to=addresses(*to), cc=addresses(*cc), **given)


def evidence(
    parsed: ParsedMail | None = None,
    *,
    rcpt: Sequence[str] | None = None,
    door: Door = Door.SMTP,
    mail_from: str = "carla@customer.example",
    **fields: Any,
) -> Evidence:
    """The evidence of a mail (made from ``fields`` when none is given); at SMTP for all that To and Cc name, unless said."""
    parsed = parsed if parsed is not None else mail(**fields)
    named = tuple(address.spec for address in (*parsed.to, *parsed.cc)) if rcpt is None else tuple(rcpt)
    envelope = Envelope(mail_from=mail_from, rcpt_to=named) if door.recipient_decides else None
    return collect(parsed, envelope, door, keys=KEYS, size=1_000, content_digest="c" * 64, our_mark=MARK)


def fetched(parsed: ParsedMail | None = None, **fields: Any) -> Evidence:
    """The same from a mailbox."""
    return evidence(parsed, door=Door.IMAP, **fields)


def facts(**changes: Any) -> Facts:
    return replace(FACTS, **changes)


def reply_address(message: int, base: str = "catchall@ours.example") -> str:
    local, _, domain = base.partition("@")
    return f"{local}+{make_token(KEYS, TokenPurpose.REPLY, message)}@{domain}"


def bounce_address(delivery: int, base: str = "bounce@ours.example") -> str:
    local, _, domain = base.partition("@")
    return f"{local}+{make_token(KEYS, TokenPurpose.BOUNCE, delivery)}@{domain}"


def delivery(number: int, address: str, **changes: Any) -> DeliveryFact:
    return replace(DeliveryFact(delivery_id=number, address=address, company_id=1, by_token=False), **changes)


def codes(decision: Decision | Sequence[Reason]) -> list[str]:
    reasons = (
        decision.reasons
        if isinstance(decision, AppendToRecord | CreateRecord | RecordReport | Refuse | Discard | Hold)
        else decision
    )
    return [reason.code for reason in reasons]
