"""What people say about themselves, and the language in which somebody outside is written to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.core.terms.languages import read_language
from postroom.core.terms.states import Channel
from postroom.flows.access import is_house_administrator, require, visible_records
from postroom.flows.ports import Ports
from postroom.store.models import Contact, Member, Record, SettingChange

MOST_SIGNATURE = 10_000
MOST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSettings:
    """``signature`` may be anything: it is sanitised before it is stored, and once more before it travels."""

    time_zone: str
    language: str
    channel: str
    signature: str
    uses_keys: bool = True
    name: str = ""  # empty: as it is


@cache
def time_zones() -> tuple[str, ...]:
    """In order. Six hundred files of the machine are looked at for them."""
    return tuple(sorted(available_timezones()))


@transaction.atomic
def change_own_settings(ports: Ports, wanted: OwnSettings, *, member: Member) -> Member:
    """Everybody may, for himself. Raises `ValidationError` by field."""
    language = read_language(wanted.language)
    wrong = {}
    if wanted.time_zone not in time_zones():
        wrong["time_zone"] = "There is no such time zone: choose one such as Europe/Berlin."
    if not language:
        wrong["language"] = "A language such as en, de or pt-br."
    if wanted.channel not in set(Channel):
        wrong["channel"] = "By mail, or in the app."
    if len(wanted.name) > MOST_NAME:
        wrong["name"] = f"At most {MOST_NAME} characters."
    if len(wanted.signature) > MOST_SIGNATURE:
        wrong["signature"] = f"At most {MOST_SIGNATURE} characters."
    if wrong:
        raise ValidationError(wrong)
    signature = ports.html.sanitize(wanted.signature) if wanted.signature.strip() else ""
    row = Member.objects.select_for_update(of=("self",)).select_related("contact").get(pk=member.pk)
    row.time_zone, row.channel, row.signature = wanted.time_zone, wanted.channel, signature
    row.uses_keys = wanted.uses_keys
    row.save(update_fields=["time_zone", "channel", "signature", "uses_keys"])
    Contact.objects.filter(pk=row.contact_id).update(language=language)
    row.contact.language = language
    name = wanted.name.strip()
    if name and name != row.contact.name:
        Contact.objects.filter(pk=row.contact_id).update(name=name)
        row.contact.name = name
    return row


@transaction.atomic
def change_contact_language(ports: Ports, *, record_id: int, language: str, by: Member) -> None:
    """Of the record's contact. A colleague's is his own matter. Raises `NotAllowed`, `ValidationError`, Record or Contact.DoesNotExist."""
    record: Record = visible_records(by).get(pk=record_id)
    require(by, "write", record)
    tag = read_language(language)
    if not tag:
        raise ValidationError({"language": "A language such as en, de or pt-br."})
    if record.contact_id is None:
        raise Contact.DoesNotExist
    contact = Contact.objects.select_for_update(of=("self",)).get(pk=record.contact_id)
    is_own = contact.pk == by.contact_id
    if contact.company_id not in (None, record.company_id):
        raise Contact.DoesNotExist
    if not is_own and Member.objects.filter(contact=contact).exists() and not is_house_administrator(by):
        raise ValidationError({"language": "This is a colleague: people choose their own language."})
    before = contact.language
    if before == tag:
        return
    Contact.objects.filter(pk=contact.pk).update(language=tag)
    SettingChange.objects.create(
        changed_at=ports.clock.now(),
        user=by.user,
        company=by.company,
        subject=f"contact {contact}"[:200],
        before={"language": before},
        after={"language": tag},
    )
