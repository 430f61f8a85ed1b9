"""Mail templates: filled for a record and its recipient, and kept.

Laws: a template sees the values listed here and nothing else: of the record, its contact, the author, the company. The record is one that
the author may see. What it becomes is sanitised like everything that people write. The language is the recipient's where there is a text
in it. Only administrators change templates, of their own companies.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet

from postroom.core.terms.addresses import parse_one
from postroom.core.terms.templates import Plain, TemplateError, Values, best_language
from postroom.flows.access import company_ids, is_house_administrator, require, usable_templates, visible_records
from postroom.flows.new_files import NewFile, kept_file
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import base_url, travelling_html
from postroom.flows.settings import forget_row
from postroom.flows.settings import save_template as save_row
from postroom.store.models import MailTemplate, MailTemplateFile, MailTemplateVariant, Member, OutgoingServer, Record

MAX_FILES = 20
MAX_FILE_BYTES = 25_000_000  # of all files of a template together


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateText:
    """The words of a template in one language."""

    language: str
    subject: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledTemplate:
    """What a template says on a record. The HTML is sanitised; pictures stand in it as ``data:`` addresses still."""

    template_id: int
    language: str
    subject: str
    html: str


def fill_template(
    ports: Ports, *, template_id: int, record_id: int, member: Member, language: str = ""
) -> FilledTemplate:
    """In ``language``, else in that of the record's contact. Raises `TemplateError`, Record.DoesNotExist, MailTemplate.DoesNotExist."""
    record = _record(record_id, member)
    template = usable_templates(member, record).get(pk=template_id)
    return _fill(ports, template.pk, texts_of(template), record, member, language)


def fill_by_itself(ports: Ports, *, template: MailTemplate, record: Record) -> FilledTemplate:
    """For what no person writes: the company is the author. The record has its kind, company, contact and responsible loaded, the template is
    one that may be used on it. Raises `TemplateError`."""
    return _fill(ports, template.pk, texts_of(template), record, None, "")


def preview_template(
    ports: Ports,
    *,
    template: MailTemplate,
    texts: Sequence[TemplateText],
    record_id: int,
    member: Member,
    language: str = "",
) -> FilledTemplate:
    """As `fill_template`, of texts that may not be stored yet. For those who may change the template."""
    require(member, "settings", template)
    return _fill(ports, template.pk or 0, texts, _record(record_id, member), member, language)


def files_of_template(ports: Ports, *, template_id: int, record_id: int, member: Member) -> list[NewFile]:
    """Copies of its files, to go with a message. Raises as `fill_template`, and `FileLost`."""
    return copies_of_files(
        ports, usable_templates(member, visible_records(member).get(pk=record_id)).get(pk=template_id)
    )


def copies_of_files(ports: Ports, template: MailTemplate) -> list[NewFile]:
    """Raises `FileLost`."""
    return [kept_file(ports, file) for file in template.files.all()]


def texts_of(template: MailTemplate) -> list[TemplateText]:
    """Its own text first."""
    own = TemplateText(language=template.language, subject=template.subject, html=template.html)
    return [own, *(TemplateText(language=v.language, subject=v.subject, html=v.html) for v in template.variants.all())]


def _record(record_id: int, member: Member) -> Record:
    rows = visible_records(member).select_related("kind", "company", "contact", "responsible__contact")
    return rows.get(pk=record_id)


def _fill(
    ports: Ports, template_id: int, texts: Sequence[TemplateText], record: Record, member: Member | None, language: str
) -> FilledTemplate:
    wanted = language or (record.contact.language if record.contact else "")
    chosen = best_language(wanted, [text.language for text in texts]) if wanted else None
    text = next((one for one in texts if one.language == chosen), texts[0])
    values = _values(ports, record, member)
    return FilledTemplate(
        template_id=template_id,
        language=text.language,
        subject=" ".join(_render(ports, "subject", text, values).split())[:1000],
        html=_sanitized(ports, _render(ports, "html", text, values)),
    )


def _render(ports: Ports, field: str, text: TemplateText, values: Values) -> str:
    is_html = field == "html"
    source = text.html if is_html else text.subject
    try:
        return ports.templates.render(source, values, language=text.language, is_html=is_html)
    except TemplateError as error:
        error.field = field
        raise


def _sanitized(ports: Ports, html: str) -> str:
    """Harmless, with its pictures back in place: they become parts when it is posted."""
    ready = travelling_html(ports, html)
    clean = ports.html.sanitize(ready.html)
    for picture in ready.pictures:
        data = f"data:{picture.content_type};base64,{b64encode(picture.content).decode('ascii')}"
        clean = clean.replace(f"cid:{picture.content_id}", data)
    return clean


def _values(ports: Ports, record: Record, member: Member | None) -> Values:
    """Everything that a template can name. Without a member the company writes, by the clock of who is responsible."""
    reader = member or record.responsible
    zone = zone_of(reader) if reader is not None else UTC
    now = ports.clock.now().astimezone(zone)
    contact, responsible = record.contact, record.responsible
    name = contact.name if contact else record.contact_name
    return {
        "record": {
            "id": record.pk,
            "title": record.title,
            "kind": record.kind.label,
            "stage": record.stage,
            "responsible": responsible.contact.name if responsible else "",
            "url": f"{base_url(ports)}/records/{record.pk}/",
            "created_at": record.created_at.astimezone(zone),
            "updated_at": record.updated_at.astimezone(zone),
            "values": _plain_values(record),
        },
        "values": tuple({"name": key, "value": value} for key, value in _plain_values(record).items()),
        "contact": {
            "name": name,
            "first_name": next(iter(name.split()), ""),
            "address": (contact.address if contact else "") or record.contact_address,
            "language": contact.language if contact else "",
        },
        "author": {
            "name": member.contact.name if member else record.company.name,
            "address": member.contact.address if member else "",
        },
        "company": {"name": record.company.name},
        "today": now.date(),
        "now": now,
    }


def _plain_values(record: Record) -> dict[str, Plain]:
    """The record's own values; those that its kind has and nobody filled are empty."""
    empty: dict[str, Plain] = {str(name): "" for name in record.kind.value_names}
    given = record.values if isinstance(record.values, dict) else {}
    return empty | {
        str(key): value if isinstance(value, str | int | float) else str(value or "") for key, value in given.items()
    }


def zone_of(member: Member) -> tzinfo:
    """The member's time zone; UTC when what is stored is none."""
    try:
        return ZoneInfo(member.time_zone)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


# ---- keeping them


def manageable_templates(member: Member) -> QuerySet[MailTemplate]:
    """Those that the member may change: of the own companies, and what all share for house administrators."""
    require(member, "settings")
    mine = Q(company_id__in=company_ids(member))
    return MailTemplate.objects.filter(mine | Q(company=None) if is_house_administrator(member) else mine)


@transaction.atomic
def save_template(
    ports: Ports, values: Mapping[str, Any], variants: Sequence[TemplateText], *, member: Member
) -> MailTemplate:
    """``values``: columns, ``id`` to change one; ``variants`` replace those it has. Raises ValidationError and `NotAllowed`.

    Nothing is stored that is no template.
    """
    _check(ports, values, variants)
    _check_server(values, member)
    template = save_row(ports, values, member=member)
    if template.language in {one.language for one in variants}:
        raise ValidationError({"language": "There is a text in this language already."})
    template.variants.all().delete()
    MailTemplateVariant.objects.bulk_create(
        MailTemplateVariant(template=template, language=one.language, subject=one.subject, html=one.html)
        for one in variants
    )
    return template


def _check(ports: Ports, values: Mapping[str, Any], variants: Sequence[TemplateText]) -> None:
    for field in ("subject", "html"):
        _check_source(ports, field, str(values.get(field, "")))
        for one in variants:
            _check_source(ports, f"{field}_{one.language}", getattr(one, field))
    for field in ("reply_to", "from_address"):
        if values.get(field) and parse_one(str(values[field])) is None:
            raise ValidationError({field: "This is no mail address."})
    languages = [one.language for one in variants]
    if len(set(languages)) < len(languages):
        raise ValidationError("There are two texts in one language.")


def _check_source(ports: Ports, field: str, source: str) -> None:
    try:
        ports.templates.check(source)
    except TemplateError as error:
        raise ValidationError({field: str(error)}) from None


def _check_server(values: Mapping[str, Any], member: Member) -> None:
    """A template sends through servers of its own company, or of all."""
    server_id = values.get("server_id")
    if server_id is None:
        return
    mine = OutgoingServer.objects.filter(Q(company=None) | Q(company_id__in=company_ids(member)), pk=server_id)
    if not mine.filter(is_active=True).exists():
        raise ValidationError({"server": "There is no such server, or it is archived."})


@transaction.atomic
def add_files(ports: Ports, template_id: int, files: Sequence[NewFile], *, member: Member) -> None:
    """Raises ValidationError when they become too many or too large, `NotAllowed`, MailTemplate.DoesNotExist."""
    template = manageable_templates(member).select_for_update().get(pk=template_id)
    kept = list(template.files.values_list("size", flat=True))
    if len(kept) + len(files) > MAX_FILES or sum(kept) + sum(len(file.content) for file in files) > MAX_FILE_BYTES:
        raise ValidationError("A template has at most 20 files, of 25 MB together.")
    MailTemplateFile.objects.bulk_create(
        MailTemplateFile(
            template=template,
            name=file.name[:255],
            content_type=file.content_type[:255],
            size=len(file.content),
            sha256=ports.blobs.put(file.content),
        )
        for file in files
    )


def remove_file(_ports: Ports, template_id: int, file_id: int, *, member: Member) -> None:
    """Messages that were made with it keep theirs."""
    MailTemplateFile.objects.filter(
        template__in=manageable_templates(member), template_id=template_id, pk=file_id
    ).delete()


@transaction.atomic
def remove_template(ports: Ports, template_id: int, *, member: Member) -> None:
    """Scheduled messages made with it keep their words. Raises MailTemplate.DoesNotExist."""
    forget_row(ports, manageable_templates(member).get(pk=template_id), "mail template", member=member)
