"""Messages that are posted later: on their record, on the page of all of mine, and one by one for changing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.mime.markup import text_to_html
from postroom.core.terms.states import MessageKind
from postroom.flows import access
from postroom.flows.mail_templates import zone_of
from postroom.flows.post_message import NewFile
from postroom.flows.scheduled_messages import (
    ScheduleError,
    Words,
    cancel_scheduled,
    change_scheduled,
    schedule_message,
    send_scheduled_now,
    visible_scheduled,
)
from postroom.store.models import Member, ScheduledMessage
from postroom.store.queries.pages_scheduled import ScheduledFact, scheduled_file, scheduled_rows
from postroom.web.frames import written_file
from postroom.web.members import MemberRequest, for_members, numbers_of, text_of
from postroom.web.records.uploads import files_of, trouble_with
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports


@for_members("GET")
def of_record(request: MemberRequest, record_id: int) -> HttpResponse:
    """What waits for its date on this record."""
    if not access.visible_records(request.member).filter(pk=record_id).exists():
        raise Http404
    return fragment(request, "postroom/scheduled/_of_record.html", scheduled_context(request.member, record_id))


def scheduled_context(member: Member, record_id: int) -> dict[str, object]:
    """What the part of the record's page needs."""
    rows = scheduled_rows(ScheduledMessage.objects.filter(record_id=record_id))
    return {"scheduled": rows, "record_id": record_id, **_rights(member)}


@for_members("GET")
def mine(request: MemberRequest) -> HttpResponse:
    """What I wrote for later, wherever it stands; what could not be posted first."""
    rows = scheduled_rows(ScheduledMessage.objects.filter(author=request.member))
    context = {
        "scheduled": sorted(rows, key=lambda row: not row.trouble),
        "seen": set(
            access.visible_records(request.member)
            .filter(pk__in=[row.record_id for row in rows])
            .values_list("pk", flat=True)
        ),
        **_rights(request.member),
    }
    return page(request, "postroom/scheduled/mine.html", _("Scheduled messages"), context)


def _rights(member: Member) -> dict[str, object]:
    return {
        "zone": zone_of(member),
        "may_post": access.may(member, "post"),
        "is_administrator": access.may(member, "settings"),
    }


@for_members("GET", "POST")
def one(request: MemberRequest, scheduled_id: int) -> HttpResponse:
    """The form of one: its words, files and date."""
    fact = _fact(request, scheduled_id)
    pictures = _pictures(scheduled_id)
    trouble = ""
    if request.method == "POST":
        try:
            _change(request, fact, pictures)
        except ScheduleError as error:
            trouble = str(error)
        else:
            return go(request, reverse("web:record", args=[fact.record_id]), said=_("Saved."))
    zone = zone_of(request.member)
    context = {
        "one": fact,
        "html": _shown(text_of(request.POST, "html", 2_000_000) if trouble else fact.html, pictures),
        "zone": zone,
        "at": f"{fact.scheduled_at.astimezone(zone):%Y-%m-%dT%H:%M}",
        "trouble": trouble,
        "is_mine": fact.author_id == request.member.pk,
        "may_post": access.may(request.member, "post"),
    }
    return page(request, "postroom/scheduled/one.html", _("Scheduled message"), context, status=422 if trouble else 200)


def _change(request: MemberRequest, fact: ScheduledFact, pictures: dict[str, str]) -> None:
    """Raises `ScheduleError`."""
    uploads = request.FILES.getlist("files")
    if trouble := trouble_with(uploads):
        raise ScheduleError(trouble)
    html = html_of(request)
    for cid, place in pictures.items():
        html = html.replace(f'"{place}"', f'"cid:{cid}"')
    change_scheduled(
        ports(),
        fact.id,
        member=request.member,
        html=html,
        subject=text_of(request.POST, "subject", 1000),
        at=moment_of(request),
        files=files_of(uploads),
        removed_file_ids=numbers_of(request.POST, "removed"),
    )


def _pictures(scheduled_id: int) -> dict[str, str]:
    """Where the inline pictures are to be had for its form, by Content-ID."""
    rows = ScheduledMessage.objects.get(pk=scheduled_id).files.filter(is_inline=True)
    return {file.content_id: reverse("web:scheduled_file", args=[file.pk]) for file in rows}


def _shown(html: str, pictures: dict[str, str]) -> str:
    """Sanitised once more: what a form that was refused brings back is anything."""
    clean = ports().html.sanitize(html)
    for cid, place in pictures.items():
        clean = clean.replace(f'"cid:{cid}"', f'"{place}"')
    return clean


@for_members("POST")
def cancel(request: MemberRequest, scheduled_id: int) -> HttpResponse:
    """It is never posted."""
    fact = _fact(request, scheduled_id)
    cancel_scheduled(ports(), scheduled_id, member=request.member)
    return go(request, _back(request, fact), said=_("Cancelled. It is not sent."))


@for_members("POST")
def send_now(request: MemberRequest, scheduled_id: int) -> HttpResponse:
    """Now instead of later."""
    fact = _fact(request, scheduled_id)
    try:
        send_scheduled_now(ports(), scheduled_id, member=request.member)
    except ScheduleError as error:
        return go(request, _back(request, fact), trouble=str(error))
    return go(request, _back(request, fact), said=_("Sent."))


@for_members("GET")
def file(request: MemberRequest, file_id: int) -> HttpResponse:
    """A file of a scheduled message."""
    found = scheduled_file(visible_scheduled(request.member), file_id)
    if found is None:
        raise Http404
    return written_file(found)


def _fact(request: MemberRequest, scheduled_id: int) -> ScheduledFact:
    rows = scheduled_rows(visible_scheduled(request.member).filter(pk=scheduled_id))
    if not rows:
        raise Http404
    return rows[0]


def _back(request: MemberRequest, fact: ScheduledFact) -> str:
    """To the record, unless it is out of sight."""
    if access.visible_records(request.member).filter(pk=fact.record_id).exists():
        return reverse("web:record", args=[fact.record_id])
    return reverse("web:scheduled")


# ---- from the composer


def schedule(
    request: MemberRequest,
    record_id: int,
    *,
    html: str,
    kind: MessageKind,
    extra_contact_ids: Sequence[int],
    mentioned_contact_ids: Sequence[int],
    addresses: Sequence[str],
    to_customer: bool,
    template_id: int | None,
    files: Sequence[NewFile],
) -> None:
    """What the composer holds, for later. Raises `ScheduleError`."""
    schedule_message(
        ports(),
        record_id=record_id,
        author=request.member,
        words=Words(
            html=html,
            kind=kind,
            subject=text_of(request.POST, "subject", 1000),
            extra_contact_ids=extra_contact_ids,
            mentioned_contact_ids=mentioned_contact_ids,
            addresses=addresses,
            to_customer=to_customer,
            template_id=template_id,
        ),
        at=moment_of(request),
        files=files,
        ends_draft=True,
    )


def html_of(request: MemberRequest) -> str:
    """The editor's HTML, else the plain field's text as HTML."""
    html = request.POST.get("html", "").replace("\0", "").strip()
    text = request.POST.get("text", "").replace("\0", "").strip()
    return html or (text_to_html(text) if text else "")


def is_for_later(request: MemberRequest) -> bool:
    """Whether a button was pressed that schedules: the one with the date, or one that names a date itself."""
    return bool(request.POST.get("later"))


def moment_of(request: MemberRequest) -> datetime:
    """The date of the form (or of the button), in the form's time zone, as UTC. Raises `ScheduleError`."""
    named = text_of(request.POST, "later", 40)
    typed = text_of(request.POST, "scheduled_at", 40) if named in ("", "1") else named
    try:
        local = datetime.fromisoformat(typed)
    except ValueError:
        raise ScheduleError(_("Choose a date and a time.")) from None
    try:
        return (local if local.tzinfo else local.replace(tzinfo=_zone(request))).astimezone(UTC)
    except (OverflowError, ValueError):
        raise ScheduleError(_("Choose a date and a time.")) from None


def _zone(request: MemberRequest) -> tzinfo:
    """The one that the form named to the person who filled it in."""
    named = text_of(request.POST, "zone", 64)
    try:
        return ZoneInfo(named) if named else zone_of(request.member)
    except (KeyError, ValueError, OSError):
        return zone_of(request.member)
