"""A bundle's mails, decided again: in a house that is there for nothing else, with the domains, aliases and parameters of the bundle.

Laws: for an empty house alone (`NotEmpty`): rows get the numbers that they had, because decisions name them. Nothing is sent, fetched or asked:
what was known of the authors comes from the bundle. Values come from strangers: each is read as what it should be, or the replay ends (`BundleError`).
The decision itself is made by the same rules as ever (`explain_routing.explain_noted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, transaction

from postroom.core.diagnosis.bundle import BundleError, read_json
from postroom.core.mime.parsing import parse_headers
from postroom.core.terms.addresses import normalize
from postroom.core.terms.parameters import PARAMETERS, ParameterError
from postroom.core.terms.states import AliasPolicy, DeliveryState, Door, MessageKind, Role
from postroom.core.tokens.addresses import TokenPurpose, make_personal_token, make_token
from postroom.flows.explain_routing import Explanation, explain_noted
from postroom.flows.note_routing import stored_authentication
from postroom.flows.ports import Ports
from postroom.store.models import (
    Alias,
    AliasDomain,
    Company,
    Contact,
    Delivery,
    Follower,
    InboundMessage,
    Mailbox,
    Member,
    Message,
    MessageIdentifier,
    OutgoingMail,
    Parameter,
    Record,
    RecordKind,
)
from postroom.store.queries.inbound_queue import Waiting

MOST_ROWS = 2000  # of each table
MOST_MAILS = 50
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # of rows whose time decides nothing
_TOLD = ("decision", "record_id", "alias_id", "kind", "answer", "recipient", "as_note", "unverified", "delivery_ids")


class NotEmpty(Exception):  # noqa: N818 (an answer to a person, not a fault)
    """This house has mail or aliases of its own: nothing is replayed in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One mail: what was recorded, what is decided now, and whether that is the same."""

    file: str
    inbound: int
    state_before: str
    state_now: str
    before: Sequence[Mapping[str, Any]]
    now: Sequence[Mapping[str, Any]]
    sentences: Sequence[str]
    is_same: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "inbound": self.inbound,
            "same": self.is_same,
            "recorded": {"state": self.state_before, "decisions": list(self.before)},
            "now": {"state": self.state_now, "decisions": list(self.now), "sentences": list(self.sentences)},
        }


def replay_bundle(ports: Ports, members: Mapping[str, bytes]) -> list[Replayed]:
    """``members``: of a bundle that was verified. Raises `NotEmpty`, `BundleError`."""
    if InboundMessage.objects.exists() or Alias.objects.exists() or Record.objects.exists():
        raise NotEmpty("Bundles are replayed in an empty house alone, which `postroom bundle read` makes for itself.")
    told = read_json(members, "replay.json")
    if not isinstance(told, dict) or not isinstance(told.get("house"), dict):
        raise BundleError("The bundle has no replay.json, or none that can be read.")
    try:
        with transaction.atomic():
            _build(told["house"])
    except (KeyError, TypeError, ValueError, IntegrityError, DataError, ValidationError, ParameterError) as error:
        raise BundleError(f"replay.json does not describe a house: {type(error).__name__}.") from error
    return [_replay(ports, one, members) for one in _rows(told, "mails")[:MOST_MAILS]]


# ---- the house


def _build(house: Mapping[str, Any]) -> None:
    """Foreign keys that point at what is not in the bundle stay empty."""
    domains = [_domain(one) for one in _rows(house, "domains")]
    AliasDomain.objects.bulk_create(domains)
    kinds = set(RecordKind.objects.values_list("key", flat=True))
    for one in _rows(house, "kinds"):
        key = str(one["key"])[:40]
        RecordKind.objects.update_or_create(
            key=key, defaults={"label": key, "label_plural": key, "is_active": bool(one.get("is_active", True))}
        )
        kinds.add(key)
    companies = {int(one["id"]): one for one in _rows(house, "companies")}
    Company.objects.all().delete()
    known = {one.pk for one in domains}
    Company.objects.bulk_create(
        Company(pk=number, name=f"Company {number}", alias_domain_id=_known(one.get("domain"), known))
        for number, one in companies.items()
    )
    _write_records(house)
    _write_aliases(house, kinds)
    _write_people(house)
    _write_mail(house)
    for key, value in _mapping(house, "parameters").items():
        if key in PARAMETERS:
            Parameter.objects.update_or_create(key=key, defaults={"value": str(value)[:10_000]})


def _domain(one: Mapping[str, Any]) -> AliasDomain:
    return AliasDomain(
        pk=int(one["id"]),
        name=str(one["name"])[:253],
        bounce_alias=str(one["bounce"])[:64],
        catchall_alias=str(one["catchall"])[:64],
        retired_at=_EPOCH if one.get("is_retired") else None,
    )


def _write_records(house: Mapping[str, Any]) -> None:
    rows = _rows(house, "records")
    known = {int(one["id"]) for one in rows}
    Record.objects.bulk_create(
        Record(
            pk=int(one["id"]),
            company_id=int(one["company"]),
            kind_id=str(one["kind"]),
            title=f"Record {int(one['id'])}",
            contact_address=str(one.get("address") or "")[:320],
            alias_id=_number(one.get("alias")),
            merged_into_id=_known(one.get("merged_into"), known),
            created_at=_EPOCH,
            updated_at=_EPOCH,
        )
        for one in sorted(rows, key=lambda row: row.get("merged_into") is not None)
    )


def _write_aliases(house: Mapping[str, Any], kinds: set[str]) -> None:
    records = set(Record.objects.values_list("id", flat=True))
    Alias.objects.bulk_create(
        Alias(
            pk=int(one["id"]),
            company_id=int(one["company"]),
            name=str(one["address"]).rpartition("@")[0][:64],
            domain_id=int(one["domain"]),
            kind_id=str(one["kind"]),
            policy=AliasPolicy(one["policy"]),
            forced_record_id=_known(one.get("forced_record"), records),
            owner_record_id=_known(one.get("owner_record"), records),
            matches_local_part=bool(one.get("matches_local_part")),
            retired_at=_EPOCH if one.get("is_retired") else None,
        )
        for one in _rows(house, "aliases")
        if one["kind"] in kinds
    )
    Mailbox.objects.bulk_create(
        Mailbox(
            pk=int(one["id"]),
            company_id=int(one["company"]),
            name=f"mailbox {int(one['id'])}",
            host="mailbox.invalid",
            username="nobody",
            fallback_kind_id=one["fallback"] if one.get("fallback") in kinds else None,
            is_active=False,
        )
        for one in _rows(house, "mailboxes")
    )


def _write_people(house: Mapping[str, Any]) -> None:
    users = get_user_model()
    for one in _rows(house, "contacts"):
        number, address = int(one["id"]), str(one["address"])[:320]
        contact = Contact.objects.create(
            pk=number, company_id=_number(one.get("company")), name=f"Contact {number}", address=address, normal=normalize(address)
        )  # fmt: skip
        if _number(one.get("member_of")) is not None:
            user = users.objects.create(username=f"member-{number}")
            user.set_unusable_password()
            Member.objects.create(user=user, contact=contact, company_id=int(one["member_of"]), role=Role.AGENT)
    Follower.objects.bulk_create(
        (Follower(record_id=int(record), contact_id=int(contact)) for record, contact in _pairs(house, "followers")),
        ignore_conflicts=True,
    )


def _write_mail(house: Mapping[str, Any]) -> None:
    for one in _rows(house, "messages"):
        message = Message.objects.create(
            pk=int(one["id"]),
            company_id=int(one["company"]),
            record_id=_number(one.get("record")),
            kind=MessageKind(one["kind"]),
            author_address=str(one.get("author") or "")[:320],
            message_id=str(one.get("message_id") or "")[:1000],
            posted_at=_EPOCH,
        )
        MessageIdentifier.objects.bulk_create(
            (MessageIdentifier(message=message, identifier=str(name)[:1000]) for name in one.get("identifiers", ())[:20]),
            ignore_conflicts=True,
        )  # fmt: skip
    there = set(Message.objects.values_list("id", flat=True))
    for one in _rows(house, "deliveries"):
        mail, _ = OutgoingMail.objects.get_or_create(
            pk=int(one["mail"]),
            defaults={
                "company_id": int(one["company"]),
                "message_id": _known(one.get("message"), there),
                "header_message_id": str(one["message_id"])[:1000],
                "created_at": _EPOCH,
            },
        )
        Delivery.objects.create(
            pk=int(one["id"]),
            mail=mail,
            company_id=int(one["company"]),
            to_address=str(one["to"])[:320],
            state=DeliveryState.SENT,
            due_at=_EPOCH,
            deadline_at=_EPOCH,
            created_at=_EPOCH,
        )


# ---- its mails


def _replay(ports: Ports, noted: Mapping[str, Any], members: Mapping[str, bytes]) -> Replayed:
    name = str(noted.get("file", ""))
    raw = members.get(name)
    if raw is None:
        raise BundleError(f"replay.json names a mail that is not in the bundle: {ascii(name)[:100]}.")
    try:
        row, raw = _waiting(ports, noted, raw)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"replay.json does not say how {ascii(name)[:100]} came in.") from error
    found = explain_noted(ports, row, raw)
    before = [one for one in noted.get("verdict") or () if isinstance(one, Mapping)]
    now = _decisions(found)
    state = str(noted.get("state", ""))[:10]
    return Replayed(
        file=name,
        inbound=_number(noted.get("inbound")) or 0,
        state_before=state,
        state_now=found.state.value,
        before=before,
        now=now,
        sentences=found.sentences,
        is_same=state == found.state.value and _essence(before) == _essence(now),
    )


def _waiting(ports: Ports, noted: Mapping[str, Any], raw: bytes) -> tuple[Waiting, bytes]:
    """As the router would have claimed it; addresses that we had signed are signed anew with the keys of this house."""
    author = parse_headers(raw).author
    rcpt_to = [str(one)[:320] for one in noted.get("rcpt_to") or ()][:200]
    for one in _rows(noted, "signed")[:50]:
        address = str(one["address"])
        token = _token(ports, one, author.normal if author is not None else "")
        signed = f"{address.rpartition('@')[0].partition('+')[0]}+{token}@{address.rpartition('@')[2]}"
        rcpt_to = [signed if normalize(to) == normalize(address) else to for to in rcpt_to]
        raw = raw.replace(address.encode("utf-8", "replace"), signed.encode("utf-8", "replace"))
    row = Waiting(
        id=0,
        door=Door(noted["door"]),
        mailbox_id=_number(noted.get("mailbox")),
        mail_from=str(noted.get("mail_from") or "")[:320],
        rcpt_to=tuple(rcpt_to),
        authentication=stored_authentication(noted),
    )
    return row, raw


def _token(ports: Ports, signed: Mapping[str, Any], author: str) -> str:
    purpose, number = TokenPurpose(signed["purpose"]), int(signed["number"])
    if purpose is TokenPurpose.REPLY and signed.get("is_sealed"):
        return make_personal_token(ports.address_keys, number, author if signed.get("is_for_author") else "")
    return make_token(ports.address_keys, purpose, number)


def _decisions(found: Explanation) -> list[Mapping[str, Any]]:
    told = found.as_json()["decisions"]
    return list(told) if isinstance(told, list) else []


def _essence(decisions: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a decision comes to. A new record has no number yet; the signed part of a recipient is another one here."""
    essence = []
    for one in decisions:
        told = {name: one[name] for name in _TOLD if name in one}
        if isinstance(told.get("recipient"), str):
            local, at, domain = told["recipient"].rpartition("@")
            told["recipient"] = f"{local.partition('+')[0]}{at}{domain}"
        if told.get("decision") == "CreateRecord":
            told.pop("record_id", None)
        essence.append(told)
    return sorted(essence, key=str)


# ---- reading values of strangers


def _rows(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = value.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise BundleError(f"replay.json: {name} is no list of objects.")
    if len(rows) > MOST_ROWS:
        raise BundleError(f"replay.json: {name} has more than {MOST_ROWS} rows.")
    return rows


def _pairs(value: Mapping[str, Any], name: str) -> list[list[Any]]:
    rows = value.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(one, list) and len(one) == 2 for one in rows):
        raise BundleError(f"replay.json: {name} is no list of pairs.")
    return rows[:MOST_ROWS]


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _known(value: object, known: set[int]) -> int | None:
    number = _number(value)
    return number if number in known else None
