"""The composer: what it shows at first, who will receive what is written, sending it, templates, people to mention, quoting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import TypedDict

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, JsonResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.mime.markup import html_to_text
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import MessageKind
from postroom.core.terms.templates import TemplateError
from postroom.flows import access
from postroom.flows.foresee_message import foresee_message
from postroom.flows.keep_draft import MEGABYTE, draft_of, files_to_send
from postroom.flows.mail_templates import files_of_template, fill_template, save_template, zone_of
from postroom.flows.new_files import FileLost, NewFile
from postroom.flows.post_message import post_message
from postroom.flows.quote_message import quote_message
from postroom.flows.scheduled_messages import ScheduleError
from postroom.flows.settings import parameters
from postroom.store.models import MailTemplate, MailTemplateFile, Member, Message, Record
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_records import RecordFact, find_people, people
from postroom.store.queries.pages_scheduled import template_choices
from postroom.web.members import MemberRequest, for_members, is_fragment, numbers_of, text_of
from postroom.web.records.drafts import placed, shown_files, with_cids
from postroom.web.records.scheduled import html_of, is_for_later, moment_of, schedule
from postroom.web.records.uploads import files_of, trouble_with
from postroom.web.shell import fragment, go
from postroom.wiring import ports

MORNING = time(8)


# ---- what it shows


@for_members("GET")
def composer(request: MemberRequest, record_id: int) -> HttpResponse:
    """The composer as it stands on the server: after sending, discarding or taking back."""
    record = _visible(request, record_id)
    access.require(request.member, "post", record)
    return fragment(request, "postroom/chatter/_composer.html", {"record": record, **composer_context(request, record)})


def composer_context(request: MemberRequest, record: Record | RecordFact) -> dict[str, object]:
    """What it needs beside the record: the member's draft, dates to choose, what may be attached. Three queries at most."""
    member, values = request.member, parameters(ports())
    row = draft_of(record.id, member)
    zone = zone_of(member)
    extra = list(row.extra_contact_ids) if row else []
    html = placed(row) if row else ""
    return {
        "zone": zone,
        "writes_to": _addressee(record),
        "draft": row,
        "draft_html": html,
        "draft_text": html_to_text(html),
        "draft_files": shown_files(row, values) if row else (),
        "draft_people": people(extra, access.company_ids(member)) if extra else (),
        "presets": presets(ports().clock.now().astimezone(zone)),
        "limits": limits(values),
        "signature": ports().html.sanitize(member.signature) if member.signature else "",
        "may_save_template": access.may(member, "settings"),
    }


def _addressee(record: Record | RecordFact) -> str:
    """Whom a message on it is for, as the closed composer says."""
    if isinstance(record, Record):
        return str(record.contact or "")
    return record.contact_name or record.contact_address


def presets(now: datetime) -> list[tuple[str, str]]:
    """Dates that people choose: what they are called, and local dates for the form."""
    tomorrow = now.date() + timedelta(days=1)
    monday = now.date() + timedelta(days=7 - now.weekday())
    found = [(_("Tomorrow, 8:00"), tomorrow)]
    if monday != tomorrow:
        found.append((_("Monday, 8:00"), monday))
    return [(name, f"{datetime.combine(day, MORNING):%Y-%m-%dT%H:%M}") for name, day in found]


def limits(values: Parameters) -> dict[str, int]:
    """What may be attached: how many files, how many bytes together, and above how many MB a mail becomes links (0: never)."""
    linked = values.number("base.default_max_email_size") if values.number("mail.attachment.link.days") else 0
    size = values.number("mail.upload.size")
    return {
        "files": values.number("mail.upload.files"),
        "size": size,
        "bytes": size * MEGABYTE,
        "linked": linked,
    }


def _visible(request: MemberRequest, record_id: int) -> Record:
    rows = access.visible_records(request.member).select_related("kind", "company", "contact", "responsible__contact")
    found = rows.filter(pk=record_id).first()
    if found is None:
        raise Http404
    return found


# ---- sending


class Readers(TypedDict):
    """Whom the form names: arguments of `post_message`, `schedule` and `foresee_message`, read in one way for all three."""

    kind: MessageKind
    extra_contact_ids: list[int]
    mentioned_contact_ids: list[int]
    addresses: list[str]
    to_customer: bool


def post(request: MemberRequest, record_id: int) -> HttpResponse:
    """A new message or note, now or later."""
    uploads = request.FILES.getlist("files")
    html, kept = with_cids(html_of(request), record_id, request.member), numbers_of(request.POST, "file")
    trouble = trouble_with(uploads) or _nothing_written(request, html, [*uploads, *kept])
    about_date = _no_date(request)
    message = None
    if not trouble and not about_date:
        trouble, message = _write(request, record_id, html, uploads, kept)
    if not is_fragment(request):
        said = " ".join(filter(None, (trouble, about_date)))
        return go(request, reverse("web:record", args=[record_id]), trouble=said)
    if trouble or about_date:
        context = {"trouble": trouble, "about_date": about_date, "has_panel": True}
        return fragment(request, "postroom/chatter/_trouble.html", context, status=422)
    answer = fragment(request, "postroom/chatter/_sent.html", {"sent": message})
    answer["HX-Trigger"] = "postroom:changed"
    return answer


def _nothing_written(request: MemberRequest, html: str, files: Sequence[object]) -> str:
    if html or files or read_id(request.POST.get("template", "")) is not None:
        return ""
    return _("Nothing is written yet: write something, or attach a file.")


def _no_date(request: MemberRequest) -> str:
    """What is missing at the date, when it is to be sent later."""
    if not is_for_later(request):
        return ""
    try:
        moment_of(request)
    except ScheduleError as error:
        return str(error)
    return ""


def _write(
    request: MemberRequest, record_id: int, html: str, uploads: Sequence[UploadedFile[bytes]], kept: Sequence[int]
) -> tuple[str, Message | None]:
    """Now, or later when the form says so. The trouble with it, ``""`` when there is none; and the message, if it is one already."""
    template_id = read_id(request.POST.get("template", ""))
    try:
        files = _files(request, record_id, html, uploads, kept, template_id)
        if is_for_later(request):
            schedule(request, record_id, html=html, files=files, **_readers(request.POST), template_id=template_id)
            return "", None
        message = post_message(
            ports(),
            record_id=record_id,
            author=request.member,
            html=html,
            subject=text_of(request.POST, "subject", 1000),
            attachments=files,
            template_id=template_id,
            may_be_undone=True,
            ends_draft=True,
            **_readers(request.POST),
        )
    except (FileLost, ScheduleError) as error:
        return str(error), None
    except MailTemplate.DoesNotExist:
        return _("This template is not in use any more. Take it out and send again."), None
    return "", message


def _files(
    request: MemberRequest,
    record_id: int,
    html: str,
    uploads: Sequence[UploadedFile[bytes]],
    kept: Sequence[int],
    template_id: int | None,
) -> list[NewFile]:
    """What was uploaded while writing, what comes with the form itself, and the template's."""
    files = files_to_send(ports(), record_id=record_id, member=request.member, file_ids=kept, html=html)
    files += files_of(uploads)
    if template_id is not None:
        files += files_of_template(ports(), template_id=template_id, record_id=record_id, member=request.member)
    return files


def _readers(data: QueryDict) -> Readers:
    """Whom the form names. A note unless it clearly is a comment: what is in doubt stays in the house."""
    return {
        "kind": MessageKind.COMMENT if data.get("kind") == MessageKind.COMMENT else MessageKind.NOTE,
        "extra_contact_ids": [*numbers_of(data, "extra"), *numbers_of(data, "extra_tick")],
        "mentioned_contact_ids": numbers_of(data, "mention"),
        "addresses": [text.replace("\0", "")[:400] for text in data.getlist("address")[:100]],
        "to_customer": data.get("to_customer") == "1",
    }


@for_members("GET")
def audience(request: MemberRequest, record_id: int) -> HttpResponse:
    """Who would receive it, and how: asked from the same flow that will decide it."""
    access.require(request.member, "post")
    chosen = _readers(request.GET)
    is_first = request.GET.get("asked") != "1"
    try:
        found = foresee_message(
            ports(),
            record_id=record_id,
            author=request.member,
            template_id=read_id(request.GET.get("template", "")),
            with_suggested=is_first,
            **chosen,
        )
    except Record.DoesNotExist:
        raise Http404 from None
    chips = numbers_of(request.GET, "extra")
    offered = [one for one in found.offered if one.one.contact_id not in chips]
    context = {"found": found, "offered": offered, "kind": chosen["kind"], "record_id": record_id}
    return fragment(request, "postroom/chatter/_audience.html", context)


# ---- people to mention


@for_members("GET")
def mentionable(request: MemberRequest, record_id: int) -> JsonResponse:
    """People whose name or address begins like this: colleagues; for messages other contacts, too. For those who may write."""
    record = _visible(request, record_id)
    access.require(request.member, "post", record)
    found = find_people([record.company_id], text_of(request.GET, "q", 80), 20)
    if request.GET.get("kind") != MessageKind.COMMENT:
        found = tuple(one for one in found if one.is_colleague)
    rows = [
        {"id": one.id, "name": one.name, "address": one.address, "colleague": one.is_colleague} for one in found[:8]
    ]
    answer = JsonResponse({"people": rows})
    answer["Cache-Control"] = "no-store"
    return answer


# ---- templates


@for_members("GET")
def templates(request: MemberRequest, record_id: int) -> HttpResponse:
    """The templates that fit this record, to choose from."""
    record = _visible(request, record_id)
    choices = template_choices(access.usable_templates(request.member, record))
    context = {
        "templates": choices,
        "record_id": record_id,
        "may_save_template": access.may(request.member, "settings"),
    }
    return fragment(request, "postroom/chatter/_templates.html", context)


@for_members("GET")
def filled(request: MemberRequest, record_id: int, template_id: int) -> HttpResponse:
    """What a template says on this record, for the editor: JSON."""
    access.require(request.member, "post")
    try:
        found = fill_template(ports(), template_id=template_id, record_id=record_id, member=request.member)
    except (MailTemplate.DoesNotExist, Record.DoesNotExist):
        raise Http404 from None
    except TemplateError as error:
        said = _("This template cannot be used here. {why}").format(why=error)
        return JsonResponse({"trouble": said}, status=422)
    files = list(MailTemplateFile.objects.filter(template_id=template_id).values_list("name", flat=True))
    answer = JsonResponse({"id": template_id, "subject": found.subject, "html": found.html, "files": files})
    answer["Cache-Control"] = "no-store"
    return answer


@for_members("POST")
def save_as_template(request: MemberRequest, record_id: int) -> HttpResponse:
    """What stands in the editor becomes a template for records of this kind (U-9), by those who may change templates."""
    record = _visible(request, record_id)
    access.require(request.member, "settings", record)
    name = text_of(request.POST, "template_name", 100)
    if not name:
        return _template_said(request, _("Give the template a name."), is_trouble=True)
    values = {
        "name": name,
        "company_id": record.company_id,
        "kind_id": record.kind_id,
        "language": record.contact.language if record.contact else "en",
        "subject": text_of(request.POST, "subject", 1000),
        "html": ports().html.sanitize(text_of(request.POST, "html", 500_000)),
    }
    try:
        save_template(ports(), values, [], member=request.member)
    except ValidationError as error:
        return _template_said(request, " ".join(error.messages), is_trouble=True)
    return _template_said(request, _("Saved as the template “{name}”.").format(name=name))


def _template_said(request: MemberRequest, words: str, *, is_trouble: bool = False) -> HttpResponse:
    context = {"words": words, "is_trouble": is_trouble}
    return fragment(request, "postroom/chatter/_template_saved.html", context, status=422 if is_trouble else 200)


# ---- quoting


@for_members("GET")
def quote(request: MemberRequest, message_id: int) -> JsonResponse:
    """A message as a quotation for the editor."""
    access.require(request.member, "post")
    try:
        found = quote_message(ports(), message_id=message_id, member=request.member)
    except Message.DoesNotExist:
        raise Http404 from None
    words = _("On {date}, {author} wrote:").format(date=_said_at(found.at, request.member), author=found.author)
    answer = JsonResponse({"intro": words, "html": found.html, "is_note": found.is_note})
    answer["Cache-Control"] = "no-store"
    return answer


def _said_at(at: datetime, member: Member) -> str:
    return f"{at.astimezone(zone_of(member)):%Y-%m-%d %H:%M}"
