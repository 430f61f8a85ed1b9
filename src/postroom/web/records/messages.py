"""One message of a conversation: its own address, its source, its star; and notes that their author changes or takes away."""

from __future__ import annotations

from urllib.parse import urlencode

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.own_notes import change_note, remove_note
from postroom.flows.show_source import Source, sources_of
from postroom.flows.star_message import star_message
from postroom.store.models import Message
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_chatter import MessageFact, body, message
from postroom.web.frames import download
from postroom.web.members import MemberRequest, for_members, is_fragment
from postroom.web.records.scheduled import html_of
from postroom.web.shell import SeeOther, back, fragment, go, page
from postroom.wiring import ports

MOST_SHOWN = 200_000  # characters of a source on the page; all of it is in the download


@for_members("GET")
def permalink(request: MemberRequest, message_id: int) -> HttpResponse:
    """Where it stands: the record, at this message."""
    return SeeOther(_place(_record_of(request, message_id), message_id))


@for_members("GET")
def source(request: MemberRequest, message_id: int) -> HttpResponse:
    """The mail behind it as text; with ``part`` the bytes of one of them."""
    found = _sources(request, message_id)
    part = read_id(request.GET.get("part", ""))
    if part is not None:
        content = found[part].content if part < len(found) else None
        if content is None:
            raise Http404
        return download(content, f"message-{message_id}.eml", "message/rfc822")
    context = {
        "message": _message(request, message_id),
        "record_id": _record_of(request, message_id),
        "parts": [(number, one, *_as_text(one)) for number, one in enumerate(found)],
    }
    return page(request, "postroom/chatter/source.html", _("Source"), context)


def _sources(request: MemberRequest, message_id: int) -> tuple[Source, ...]:
    try:
        return sources_of(ports(), message_id=message_id, member=request.member)
    except ObjectDoesNotExist:
        raise Http404 from None


def _as_text(one: Source) -> tuple[str, bool]:
    """What is shown of it, and whether that is less than all."""
    content = one.content or b""
    cut = content[:MOST_SHOWN]
    try:
        text = cut.decode("utf-8")
    except UnicodeDecodeError:
        text = cut.decode("latin-1")
    return text.replace("\0", "\ufffd"), len(content) > MOST_SHOWN


@for_members("POST")
def keep(request: MemberRequest, message_id: int) -> HttpResponse:
    """The star: on, or off."""
    is_on = request.POST.get("on") == "1"
    try:
        star_message(ports(), message_id, member=request.member, is_on=is_on)
    except ObjectDoesNotExist:
        raise Http404 from None
    if not is_fragment(request):
        return go(request, back(request, _place(_record_of(request, message_id), message_id)))
    context = {"message_id": message_id, "is_on": is_on, "back_to": back(request, "")}
    return fragment(request, "postroom/chatter/_star.html", context)


@for_members("GET", "POST")
def edit(request: MemberRequest, message_id: int) -> HttpResponse:
    """GET: the form with the note's words. POST: the new ones."""
    found, trouble = _own_note(request, message_id), ""
    if request.method == "POST":
        try:
            change_note(ports(), message_id=message_id, html=html_of(request), by=request.member)
        except ValidationError as error:
            trouble = " ".join(error.messages)
        else:
            return _whole(request, message_id)
    said = body(access.visible_records(request.member), message_id)
    context = {"message": found, "said": said, "trouble": trouble}
    if not is_fragment(request):
        return page(request, "postroom/chatter/edit_note.html", _("Edit note"), context, status=422 if trouble else 200)
    return fragment(request, "postroom/chatter/_edit_note.html", context, status=422 if trouble else 200)


@for_members("POST")
def remove(request: MemberRequest, message_id: int) -> HttpResponse:
    """The note's words go; that there was one stays."""
    _own_note(request, message_id)
    remove_note(ports(), message_id=message_id, by=request.member)
    return _whole(request, message_id)


@for_members("GET")
def one(request: MemberRequest, message_id: int) -> HttpResponse:
    """The message as the conversation shows it, once more."""
    return _drawn(request, message_id)


def _drawn(request: MemberRequest, message_id: int) -> HttpResponse:
    found = _message(request, message_id)
    context = {"message": found, "may_post": access.may(request.member, "post")}
    return fragment(request, "postroom/chatter/_message.html", context)


def _whole(request: MemberRequest, message_id: int) -> HttpResponse:
    if not is_fragment(request):
        return go(request, _place(_record_of(request, message_id), message_id))
    return _drawn(request, message_id)


def _own_note(request: MemberRequest, message_id: int) -> MessageFact:
    found = _message(request, message_id)
    access.require(request.member, "post")
    if not found.can_be_edited or found.author_id != request.member.contact_id:
        raise access.NotAllowed(_("Only who wrote a note can change it, and only notes: messages have left."))
    return found


def _message(request: MemberRequest, message_id: int) -> MessageFact:
    found = message(access.visible_records(request.member), message_id, reader=request.member.pk)
    if found is None:
        raise Http404
    return found


def _record_of(request: MemberRequest, message_id: int) -> int:
    rows = Message.objects.filter(pk=message_id, record__in=access.visible_records(request.member))
    found = rows.values_list("record_id", flat=True).first()
    if found is None:
        raise Http404
    return found


def _place(record_id: int, message_id: int) -> str:
    asked = urlencode({"at": message_id})
    return f"{reverse('web:record', args=[record_id])}?{asked}#message-{message_id}"
