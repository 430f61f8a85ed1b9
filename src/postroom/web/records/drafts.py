"""A draft while it is written: saved, its files uploaded and removed, discarded. For the composer's script; all but saving by plain forms, too."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import MessageKind
from postroom.flows.keep_draft import (
    DraftWords,
    KeptDraft,
    Overtaken,
    Saved,
    add_draft_file,
    becoming_links,
    discard_draft,
    draft_file,
    draft_of,
    remove_draft_file,
    save_draft,
)
from postroom.flows.new_files import NewFile
from postroom.flows.settings import parameters
from postroom.store.models import DraftFile, Member, Record
from postroom.store.queries.pages import read_id
from postroom.web.frames import SHOWN_INLINE, written_file
from postroom.web.members import MemberRequest, for_members, is_fragment, numbers_of, text_of
from postroom.web.records.uploads import files_of
from postroom.web.shell import fragment, go
from postroom.wiring import ports

_PLACE = re.compile(r'"/draft/file/(\d{1,18})/"')


def placed(draft: KeptDraft) -> str:
    """Its HTML, with pictures where the editor can show them."""
    html = draft.html
    for row in draft.files:
        if row.is_inline:
            html = html.replace(f'"cid:{row.content_id}"', f'"{reverse("web:draft_file", args=[row.id])}"')
    return html


def with_cids(html: str, record_id: int, member: Member) -> str:
    """The other way: the editor's pictures named as parts of a mail. A query where there are any."""
    numbers = {int(number) for number in _PLACE.findall(html)}
    if not numbers:
        return html
    rows = DraftFile.objects.filter(draft__record_id=record_id, draft__member=member, pk__in=numbers)
    known = dict(rows.values_list("pk", "content_id"))
    return _PLACE.sub(lambda match: f'"cid:{known.get(int(match[1]), "gone")}"', html)


def shown_files(draft: KeptDraft, values: Parameters) -> list[dict[str, object]]:
    """The files that are attached, each with whether it will go as a link."""
    rows = [row for row in draft.files if not row.is_inline]
    linked = becoming_links(values, [row.size for row in rows])
    return [
        {"id": row.id, "name": row.name, "size": row.size, "is_linked": place in linked}
        for place, row in enumerate(rows)
    ]


@for_members("POST")
def save(request: MemberRequest, record_id: int) -> JsonResponse:
    """The words as they stand; 409 where another window has saved, sent or discarded meanwhile."""
    words = DraftWords(
        html=with_cids(request.POST.get("html", "").replace("\0", "").strip(), record_id, request.member),
        kind=MessageKind.COMMENT if request.POST.get("kind") == MessageKind.COMMENT else MessageKind.NOTE,
        subject=text_of(request.POST, "subject", 1000),
        extra_contact_ids=numbers_of(request.POST, "extra"),
        template_id=read_id(request.POST.get("template", "")),
    )
    try:
        found = save_draft(
            ports(),
            record_id=record_id,
            member=request.member,
            words=words,
            version=read_id(request.POST.get("version", "")) or 0,
        )
    except Record.DoesNotExist:
        raise Http404 from None
    except ValidationError as error:
        return JsonResponse({"trouble": " ".join(error.messages)}, status=422)
    match found:
        case Saved():
            return JsonResponse({"version": found.version})
        case Overtaken():
            said = (
                _("You went on with this draft in another window.")
                if found.version
                else _("This draft was sent or discarded in another window.")
            )
            return JsonResponse({"version": found.version, "trouble": said}, status=409)


@for_members("POST")
def discard(request: MemberRequest, record_id: int) -> HttpResponse:
    """It is gone."""
    try:
        discard_draft(ports(), record_id=record_id, member=request.member)
    except Record.DoesNotExist:
        raise Http404 from None
    if is_fragment(request):
        return HttpResponse(status=200, headers={"HX-Trigger": "postroom:draft"})
    return go(request, reverse("web:record", args=[record_id]), said=_("Discarded."))


@for_members("POST")
def upload(request: MemberRequest, record_id: int) -> HttpResponse:
    """One file that was added: kept with the draft at once. A picture of the text answers where it is to be had."""
    uploads = request.FILES.getlist("file")[:1]
    if not uploads:
        return JsonResponse({"trouble": _("No file came.")}, status=422)
    [sent] = files_of(uploads)
    is_picture = request.POST.get("inline") == "1" and sent.content_type.lower() in SHOWN_INLINE
    new = NewFile(name=sent.name, content_type=sent.content_type, content=sent.content, is_inline=is_picture)
    try:
        row = add_draft_file(ports(), record_id=record_id, member=request.member, file=new)
    except Record.DoesNotExist:
        raise Http404 from None
    except ValidationError as error:
        return JsonResponse({"trouble": " ".join(error.messages)}, status=422)
    if is_picture:
        return JsonResponse({"place": reverse("web:draft_file", args=[row.pk]), "name": row.name})
    return _files(request, record_id)


@for_members("POST")
def remove(request: MemberRequest, record_id: int, file_id: int) -> HttpResponse:
    """Not to be attached after all."""
    try:
        remove_draft_file(ports(), record_id=record_id, file_id=file_id, member=request.member)
    except Record.DoesNotExist:
        raise Http404 from None
    if not is_fragment(request):
        return go(request, reverse("web:record", args=[record_id]))
    return _files(request, record_id)


def _files(request: MemberRequest, record_id: int) -> HttpResponse:
    row = draft_of(record_id, request.member)
    context = {"draft_files": shown_files(row, parameters(ports())) if row else (), "record_id": record_id}
    return fragment(request, "postroom/chatter/_draft_files.html", context)


@for_members("GET")
def file(request: MemberRequest, file_id: int) -> HttpResponse:
    """A file of an own draft."""
    found = draft_file(file_id, request.member)
    if found is None:
        raise Http404
    return written_file(found)
