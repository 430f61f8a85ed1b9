"""A record's conversation: writing, reading on, envelopes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.states import MessageKind
from postroom.core.terms.templates import TemplateError
from postroom.flows import access
from postroom.flows.mail_templates import files_of_template, fill_template
from postroom.flows.post_message import post_message, preview_audience
from postroom.flows.scheduled_messages import ScheduleError
from postroom.flows.warn_about import warnings_about
from postroom.store.models import MailTemplate, MailTemplateFile, Record
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_chatter import (
    envelopes,
    newer,
    still_there,
    thread,
)
from postroom.store.queries.pages_records import followers
from postroom.store.queries.pages_scheduled import template_choices
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.records.places import head_of
from postroom.web.records.scheduled import html_of, moment_of, schedule
from postroom.web.records.uploads import files_of, trouble_with
from postroom.web.shell import fragment, go
from postroom.wiring import ports

LIVE_ENVELOPES = 100  # envelopes that a page keeps up to date


@for_members("GET", "POST")
def messages(request: MemberRequest, record_id: int) -> HttpResponse:
    """GET: the next, older page of the thread. POST: a new message or note."""
    head_of(request, record_id)
    if request.method == "POST":
        return _post(request, record_id)
    rows = thread(record_id, before=text_of(request.GET, "before", 20))
    context = {"messages_page": rows, "record_id": record_id, "may_post": access.may(request.member, "post")}
    return fragment(request, "postroom/chatter/_thread.html", context)


def _post(request: MemberRequest, record_id: int) -> HttpResponse:
    uploads = request.FILES.getlist("files")
    html = html_of(request)
    trouble, about_date = trouble_with(uploads) or _nothing_written(request, html, uploads), _no_date(request)
    if not trouble and not about_date:
        trouble = _write(request, record_id, html, uploads)
    if request.headers.get("HX-Request") != "true":
        said = " ".join(filter(None, (trouble, about_date)))
        return go(request, reverse("web:record", args=[record_id]), trouble=said)
    context = {"trouble": trouble, "about_date": about_date, "has_panel": True}
    status = 422 if trouble or about_date else 200
    answer = fragment(request, "postroom/chatter/_trouble.html", context, status=status)
    if status != 200:
        answer["X-Postroom-Piece"] = "1"
    else:
        answer["HX-Trigger"] = "postroom:changed"
    return answer


def _nothing_written(request: MemberRequest, html: str, uploads: Sequence[UploadedFile[bytes]]) -> str:
    if html or uploads or read_id(request.POST.get("template", "")) is not None:
        return ""
    return _("Nothing is written yet: write something, or attach a file.")


def _no_date(request: MemberRequest) -> str:
    """What is missing at the date, when it is to be sent later."""
    if request.POST.get("later") != "1":
        return ""
    try:
        moment_of(request)
    except ScheduleError as error:
        return str(error)
    return ""


def _write(request: MemberRequest, record_id: int, html: str, uploads: Sequence[UploadedFile[bytes]]) -> str:
    """Now, or later when the form says so. The trouble with it; ``""`` when there is none."""
    kind, extra = _kind(request.POST.get("kind", "")), _contacts(request.POST.getlist("extra"))
    template_id = read_id(request.POST.get("template", ""))
    files = files_of(uploads)
    try:
        if template_id is not None:
            files += files_of_template(ports(), template_id=template_id, record_id=record_id, member=request.member)
        if request.POST.get("later") == "1":
            schedule(request, record_id, html=html, kind=kind, extra=extra, template_id=template_id, files=files)
            return ""
        post_message(
            ports(),
            record_id=record_id,
            author=request.member,
            html=html,
            kind=kind,
            subject=text_of(request.POST, "subject", 1000),
            attachments=files,
            extra_contact_ids=extra,
            to_customer=request.POST.get("to_customer") == "1",
            template_id=template_id,
            may_be_undone=True,
        )
    except ScheduleError as error:
        return str(error)
    except MailTemplate.DoesNotExist:
        return _("This template is not in use any more. Take it out and send again.")
    return ""


def _kind(text: str) -> MessageKind:
    """A note unless it clearly is a comment: what is in doubt stays in the house."""
    return MessageKind.COMMENT if text == MessageKind.COMMENT else MessageKind.NOTE


def _contacts(texts: Sequence[str]) -> list[int]:
    return [number for text in texts[:100] if (number := read_id(text)) is not None]


@for_members("GET")
def templates(request: MemberRequest, record_id: int) -> HttpResponse:
    """The templates that fit this record, to choose from."""
    head_of(request, record_id)
    record = access.visible_records(request.member).get(pk=record_id)
    choices = template_choices(access.usable_templates(request.member, record))
    return fragment(request, "postroom/chatter/_templates.html", {"templates": choices, "record_id": record_id})


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


@for_members("GET")
def audience(request: MemberRequest, record_id: int) -> HttpResponse:
    """Who would receive it, and how: asked from the same flow that will decide it."""
    head = head_of(request, record_id)
    kind = _kind(request.GET.get("kind", ""))
    people = preview_audience(
        ports(),
        record_id=record_id,
        author=request.member,
        kind=kind,
        extra_contact_ids=_contacts(request.GET.getlist("extra")),
        to_customer=request.GET.get("to_customer") == "1",
    )
    troubles = warnings_about(ports(), head.company_id, [one.address for one in people if one.needs_mail])
    context = {"people": people, "kind": kind, "record": head, "troubles": troubles}
    return fragment(request, "postroom/chatter/_audience.html", context)


@for_members("GET")
def live(request: MemberRequest, record_id: int) -> HttpResponse:
    """What has changed since the page was drawn: messages newer than ``after``, envelopes down to ``from``, followers."""
    head_of(request, record_id)
    after, start = read_id(request.GET.get("after", "")) or 0, read_id(request.GET.get("from", "")) or 0
    arrived = newer(record_id, after=after)
    context = {
        "record_id": record_id,
        "after": after,
        "arrived": arrived,
        "newest": arrived[0].id if arrived else after,
        "oldest": start or (arrived[-1].id if arrived else 0),
        "envelopes": envelopes(record_id, start=start, end=after, most=LIVE_ENVELOPES),
        "there": still_there(record_id, start=start, end=after, most=LIVE_ENVELOPES),
        "followers": followers(record_id),
        "may_write": access.may(request.member, "write"),
        "may_post": access.may(request.member, "post"),
    }
    return fragment(request, "postroom/chatter/_live.html", context)
