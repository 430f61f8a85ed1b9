"""What a member has begun to write on a record: kept on the server, so that a reload, another browser or a crash loses nothing.

    saved while one writes -> sent, scheduled or discarded: gone -> taken back: a draft again

Laws: one draft per member and record, seen by nobody else. Words are saved against the version that they were made from: who would
overwrite words that he never saw is told so, and decides. Files are rows of their own, there before the message is sent, so that
many windows add to one draft. Its HTML is sanitised; pictures in it are files, named by ``cid:``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.postgres.aggregates import JSONBAgg
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import JSONField, Q, Value
from django.db.models.functions import JSONObject

from postroom.core.mime.attachments import clean_name
from postroom.core.mime.thinning import wire_size
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import MessageKind
from postroom.flows.access import require, usable_templates, visible_records
from postroom.flows.link_attachments import HEADERS, limit_of
from postroom.flows.new_files import NewFile, inline_file, kept_file
from postroom.flows.ports import Ports
from postroom.flows.prepare_html import prepare_html
from postroom.flows.settings import parameters
from postroom.store.models import Draft, DraftFile, Member, Message, Record

MEGABYTE = 1_000_000
_TRIES = 3
LONGEST = 1_000_000  # characters of a draft's HTML


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftWords:
    """What is saved. ``html`` may be anything: it is sanitised."""

    html: str
    kind: MessageKind = MessageKind.COMMENT
    subject: str = ""
    extra_contact_ids: Sequence[int] = ()
    template_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """``version`` 0: there is nothing left to keep."""

    version: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """Another window saved (or sent, or discarded: ``version`` 0) since; nothing was changed."""

    version: int


def save_draft(ports: Ports, *, record_id: int, member: Member, words: DraftWords, version: int) -> Saved | Overtaken:
    """Keep the words made from ``version`` (0: from nothing). Raises `NotAllowed`, Record.DoesNotExist, ValidationError when too long."""
    if len(words.html) > LONGEST:
        raise ValidationError("This text is too long to be kept as a draft.")
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return _save(ports, _record(record_id, member), member, words, version)
        except (
            IntegrityError
        ):  # another window, or an upload, began the draft at this moment: now there is one to look at
            continue
    return Overtaken(version=0)


def _save(ports: Ports, record: Record, member: Member, words: DraftWords, version: int) -> Saved | Overtaken:
    row = Draft.objects.select_for_update().filter(member=member, record=record).first()
    if version != (row.version if row else 0):
        return Overtaken(version=row.version if row else 0)
    now = ports.clock.now()
    if row is None:
        if not _says_something(words):
            return Saved(version=0, at=now)
        row = Draft(company_id=record.company_id, member=member, record=record, version=0)
    elif not _says_something(words) and not row.files.filter(is_inline=False).exists():
        row.delete()
        return Saved(version=0, at=now)
    ready = prepare_html(ports, words.html)
    row.html, row.kind, row.subject = ready.html, MessageKind(words.kind), words.subject[:1000]
    row.extra_contact_ids = list(words.extra_contact_ids)[:100]
    row.template = usable_templates(member, record).filter(pk=words.template_id).first() if words.template_id else None
    row.version, row.updated_at = row.version + 1, now
    row.save()
    for picture in ready.pictures:
        _file_row(ports, row, inline_file(picture))
    return Saved(version=row.version, at=now)


def _says_something(words: DraftWords) -> bool:
    return bool(words.html.strip() or words.subject.strip() or words.extra_contact_ids)


def _record(record_id: int, member: Member) -> Record:
    record = visible_records(member).get(pk=record_id)
    require(member, "post", record)
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file of a draft; ``size`` in bytes."""

    id: int
    name: str
    size: int
    content_id: str
    is_inline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDraft:
    """A draft as the page shows it."""

    version: int
    kind: str
    subject: str
    html: str
    extra_contact_ids: tuple[int, ...]
    template_id: int | None
    template_name: str
    files: tuple[KeptFile, ...]


def draft_of(record_id: int, member: Member) -> KeptDraft | None:
    """The member's own, with its files. One query."""
    files = JSONBAgg(
        JSONObject(
            id="files__id",
            name="files__name",
            size="files__size",
            content_id="files__content_id",
            is_inline="files__is_inline",
        ),
        filter=Q(files__isnull=False),
        order_by="files__id",
        default=Value([], JSONField()),
    )
    rows = Draft.objects.filter(record_id=record_id, member=member).select_related("template").annotate(listed=files)
    row = rows.first()
    if row is None:
        return None
    return KeptDraft(
        version=row.version,
        kind=row.kind,
        subject=row.subject,
        html=row.html,
        extra_contact_ids=tuple(int(one) for one in row.extra_contact_ids),
        template_id=row.template_id,
        template_name=row.template.name if row.template else "",
        files=tuple(KeptFile(**one) for one in row.listed),
    )


def discard_draft(_ports: Ports, *, record_id: int, member: Member) -> None:
    """It is gone, with its files. Raises as `save_draft`."""
    Draft.objects.filter(record=_record(record_id, member), member=member).delete()


# ---- files


def add_draft_file(ports: Ports, *, record_id: int, member: Member, file: NewFile) -> DraftFile:
    """Kept with the draft, which begins with it where there is none. Raises ValidationError where it is too much, `NotAllowed`,
    Record.DoesNotExist."""
    with transaction.atomic():
        record = _record(record_id, member)
        row, _ = Draft.objects.get_or_create(
            member=member,
            record=record,
            defaults={"company_id": record.company_id, "version": 0, "updated_at": ports.clock.now()},
        )
        row = Draft.objects.select_for_update().get(pk=row.pk)
        if trouble := too_much(ports, [*row.files.values_list("size", flat=True), len(file.content)]):
            raise ValidationError(trouble)
        return _file_row(ports, row, file)


def too_much(ports: Ports, sizes: Sequence[int]) -> str:
    """Why files of these sizes (bytes) are too much for one message; ``""`` when they are not."""
    values = parameters(ports)
    most, together = values.number("mail.upload.files"), values.number("mail.upload.size")
    if len(sizes) > most:
        return f"A message has at most {most} files."
    if sum(sizes) > together * MEGABYTE:
        return f"The files of a message have at most {together} MB together."
    return ""


def _file_row(ports: Ports, draft: Draft, file: NewFile) -> DraftFile:
    return DraftFile.objects.create(
        draft=draft,
        name=(clean_name(file.name) or "file")[:255],
        content_type=file.content_type[:255],
        size=len(file.content),
        sha256=ports.blobs.put(file.content),
        content_id=file.content_id[:255] or (f"{ports.ids.hex(12)}@draft" if file.is_inline else ""),
        is_inline=file.is_inline,
    )


def remove_draft_file(_ports: Ports, *, record_id: int, file_id: int, member: Member) -> None:
    """Raises as `save_draft`."""
    DraftFile.objects.filter(draft__record=_record(record_id, member), draft__member=member, pk=file_id).delete()


def draft_file(file_id: int, member: Member) -> DraftFile | None:
    """Of the member's own drafts, on records that he still sees."""
    rows = DraftFile.objects.filter(draft__member=member, draft__record__in=visible_records(member))
    return rows.filter(pk=file_id).first()


def files_to_send(ports: Ports, *, record_id: int, member: Member, file_ids: Sequence[int], html: str) -> list[NewFile]:
    """Those of the draft that the page named, and the pictures that ``html`` shows. A query. Raises `FileLost`."""
    rows = DraftFile.objects.filter(draft__record_id=record_id, draft__member=member)
    wanted = set(file_ids)
    return [
        kept_file(ports, row)
        for row in rows
        if (f"cid:{row.content_id}" in html if row.is_inline else row.pk in wanted)
    ]


def becoming_links(values: Parameters, sizes: Sequence[int]) -> frozenset[int]:
    """Which of these files (places in ``sizes``, bytes) are too large for a mail of the house's size and go as links: the largest first."""
    limit = limit_of(values, "", 0)
    if limit is None or not values.number("mail.attachment.link.days"):
        return frozenset()
    total, linked = sum(map(wire_size, sizes)), set()
    for place in sorted(range(len(sizes)), key=lambda place: -sizes[place]):
        if total <= limit.size - HEADERS:
            break
        total -= wire_size(sizes[place])
        linked.add(place)
    return frozenset(linked)


# ---- taken back


def draft_again(ports: Ports, message: Message, record_id: int, member: Member) -> None:
    """What was posted is a draft again, before what was begun since. Inside the transaction that removes the message."""
    row = Draft.objects.select_for_update().filter(member=member, record_id=record_id).first()
    if row is None:
        row = Draft(company_id=message.company_id, member=member, record_id=record_id, version=0)
    row.html = message.body.html + row.html
    row.kind, row.subject = message.kind, message.subject or row.subject
    row.extra_contact_ids = list(dict.fromkeys([*_added_to(message), *row.extra_contact_ids]))
    row.version, row.updated_at = row.version + 1, ports.clock.now()
    row.save()
    DraftFile.objects.bulk_create(
        DraftFile(
            draft=row,
            name=file.name,
            content_type=file.content_type,
            size=file.size,
            sha256=file.sha256,
            content_id=file.content_id,
            is_inline=file.is_inline,
        )
        for file in message.attachments.order_by("id")
    )


def _added_to(message: Message) -> list[int]:
    """Whom its author had added."""
    told = message.notifications.order_by("id").values_list("contact_id", "reasons")
    return [number for number, reasons in told if any(one.get("code") == "audience.explicit" for one in reasons)]
