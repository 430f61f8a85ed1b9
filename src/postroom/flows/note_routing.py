"""What routing knew when it decided: noted for a support bundle, so that the decision can be made again elsewhere.

Laws: reads only; rows keep their numbers, for decisions name them; no secret: a signed address that was genuine is noted as such (whose it is,
for what), so that the other side can sign one with a key of its own. Bounded: what the mail refers to, no more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from postroom.core.diagnosis.masking import Masker
from postroom.core.routing.verdicts import Evidence
from postroom.core.terms.parameters import PARAMETERS
from postroom.flows.ports import Ports
from postroom.flows.route_message import read_mail, waiting_of
from postroom.flows.settings import parameters
from postroom.store.models import (
    Alias,
    AliasDomain,
    Company,
    Contact,
    Delivery,
    Follower,
    InboundMessage,
    Mailbox,
    Message,
    MessageIdentifier,
    Record,
    RecordKind,
)

MOST = 200
MOST_IDENTIFIERS = 20 * MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A mail and what it shows."""

    row: InboundMessage
    evidence: Evidence


def read_evidence(ports: Ports, mails: Mapping[int, tuple[InboundMessage, bytes]]) -> list[Noted]:
    """What each mail shows: tokens verified with our keys."""
    return [
        Noted(row=row, evidence=read_mail(ports, waiting_of(row), raw).case.evidence) for row, raw in mails.values()
    ]


def mail_as_json(noted: Noted, name: str, masker: Masker) -> dict[str, Any]:
    """One mail to replay: how it was handed in, what was known of its author, and what was decided."""
    row = noted.row
    return {
        "file": name,
        "inbound": row.pk,
        "door": row.door,
        "mailbox": row.mailbox_id,
        "received_at": row.received_at.isoformat(),
        "mail_from": masker.address(row.mail_from),
        "rcpt_to": [masker.address(one) for one in row.rcpt_to],
        "signed": [_signed(one.normal, noted.evidence, masker) for one in noted.evidence.recipients if one.token],
        "authentication": masker.value(row.authentication),
        "state": row.state,
        "verdict": masker.told_value(row.verdict),
    }


def _signed(address: str, evidence: Evidence, masker: Masker) -> dict[str, Any]:
    token = next(one.token for one in evidence.recipients if one.normal == address)
    assert token is not None  # noqa: S101 (chosen for it)
    return {
        "address": masker.address(address),
        "purpose": token.purpose.value,
        "number": token.number,
        "is_sealed": bool(token.seal),
        "is_for_author": evidence.is_personal,
    }


def house_as_json(ports: Ports, noted: Iterable[Noted], masker: Masker) -> dict[str, Any]:
    """Domains, aliases, parameters, and the rows that these mails refer to. A dozen queries."""
    seen = [one.evidence for one in noted]
    messages = _messages(seen)
    deliveries = _deliveries(seen)
    messages |= {one.mail.message_id: one.mail.message for one in deliveries if one.mail.message is not None}
    aliases = list(Alias.objects.order_by("id")[:1000])
    records = _records(messages.values(), aliases)
    contacts = list(
        Contact.objects.filter(normal__in=[one.author_normal for one in seen if one.author_normal], is_active=True)
        .select_related("member", "member__user")
        .order_by("id")[:MOST]
    )
    followers = Follower.objects.filter(record__in=records, contact__in=contacts)
    known: dict[int, list[str]] = {}
    identifiers = MessageIdentifier.objects.filter(message__in=messages.values()).order_by("id")
    for number, identifier in identifiers.values_list("message_id", "identifier")[:MOST_IDENTIFIERS]:
        known.setdefault(number, []).append(identifier)
    domain_of = dict(AliasDomain.objects.values_list("id", "name"))
    return {
        "companies": [{"id": one.pk, "domain": one.alias_domain_id} for one in Company.objects.order_by("id")[:MOST]],
        "kinds": [{"key": one.key, "is_active": one.is_active, "stages": one.stages} for one in RecordKind.objects.all()[:MOST]],
        "domains": [_domain(one, masker) for one in AliasDomain.objects.order_by("id")[:MOST]],
        "aliases": [_alias(one, domain_of, masker) for one in aliases],
        "mailboxes": [{"id": one.pk, "company": one.company_id, "fallback": one.fallback_kind_id} for one in Mailbox.objects.order_by("id")[:MOST]],
        "parameters": {key: masker.text(value) for key, value in parameters(ports).stored.items() if key in PARAMETERS},
        "records": [_record(one, masker) for one in records],
        "messages": [_message(one, known.get(one.pk, []), masker) for one in messages.values()],
        "contacts": [_contact(one, masker) for one in contacts],
        "followers": [[one.record_id, one.contact_id] for one in followers[:MOST]],
        "deliveries": [_delivery(one, masker) for one in deliveries],
    }  # fmt: skip


def _messages(seen: Iterable[Evidence]) -> dict[int | None, Message]:
    wanted = {one for evidence in seen for one in evidence.thread_ids}
    numbers = {one for evidence in seen for one in evidence.reply_numbers}
    known = MessageIdentifier.objects.filter(identifier__in=wanted).values("message")
    rows = Message.objects.filter(Q(pk__in=known) | Q(pk__in=numbers)).order_by("-id")[:MOST]
    return {one.pk: one for one in rows}


def _deliveries(seen: list[Evidence]) -> list[Delivery]:
    numbers = {number for evidence in seen for number in evidence.bounce_numbers}
    quoted = {one.report.original_message_id for one in seen if one.report and one.report.original_message_id}
    rows = Delivery.objects.filter(Q(pk__in=numbers) | Q(mail__header_message_id__in=quoted))
    return list(rows.select_related("mail", "mail__message").order_by("id")[:MOST])


def _records(messages: Iterable[Message], aliases: Iterable[Alias]) -> list[Record]:
    numbers = {one.record_id for one in messages} | {one.forced_record_id for one in aliases}
    numbers |= {one.owner_record_id for one in aliases}
    wanted = [one for one in numbers if one is not None]
    first = list(Record.objects.filter(pk__in=wanted).order_by("id")[:MOST])
    merged = {one.merged_into_id for one in first} - {one.pk for one in first}
    return first + list(Record.objects.filter(pk__in=[one for one in merged if one is not None]))


def _domain(row: AliasDomain, masker: Masker) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": masker.domain(row.name),
        "bounce": masker.local(row.bounce_alias),
        "catchall": masker.local(row.catchall_alias),
        "is_retired": row.retired_at is not None,
    }


def _alias(row: Alias, domain_of: Mapping[int, str], masker: Masker) -> dict[str, Any]:
    return {
        "id": row.pk,
        "address": masker.address(f"{row.name}@{domain_of[row.domain_id]}"),
        "domain": row.domain_id,
        "company": row.company_id,
        "kind": row.kind_id,
        "policy": row.policy,
        "forced_record": row.forced_record_id,
        "owner_record": row.owner_record_id,
        "matches_local_part": row.matches_local_part,
        "is_retired": row.retired_at is not None,
    }


def _record(row: Record, masker: Masker) -> dict[str, Any]:
    return {
        "id": row.pk,
        "company": row.company_id,
        "kind": row.kind_id,
        "alias": row.alias_id,
        "address": masker.address(row.contact_address),
        "merged_into": row.merged_into_id,
    }


def _message(row: Message, identifiers: Sequence[str], masker: Masker) -> dict[str, Any]:
    return {
        "id": row.pk,
        "record": row.record_id,
        "company": row.company_id,
        "kind": row.kind,
        "came_in": row.inbound_id is not None,
        "author": masker.address(row.author_address),
        "message_id": masker.text(row.message_id),
        "identifiers": [masker.text(one) for one in identifiers[:20]],
    }


def _contact(row: Contact, masker: Masker) -> dict[str, Any]:
    member = getattr(row, "member", None)
    return {
        "id": row.pk,
        "company": row.company_id,
        "address": masker.address(row.normal),
        "member_of": member.company_id if member is not None and member.user.is_active else None,
    }


def _delivery(row: Delivery, masker: Masker) -> dict[str, Any]:
    return {
        "id": row.pk,
        "company": row.company_id,
        "to": masker.address(row.to_address),
        "mail": row.mail_id,
        "message": row.mail.message_id,
        "message_id": masker.text(row.mail.header_message_id),
        "state": row.state,
    }


def stored_authentication(noted: Mapping[str, Any]) -> str | None:
    """As `Waiting` holds it."""
    found = noted.get("authentication")
    return json.dumps(found) if isinstance(found, dict) else None
