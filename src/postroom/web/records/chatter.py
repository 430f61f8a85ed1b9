"""A record's conversation: writing, reading on, envelopes."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.mime.markup import text_to_html
from postroom.core.terms.states import MessageKind
from postroom.flows import access
from postroom.flows.post_message import NewFile, post_message, preview_audience
from postroom.flows.settle_failures import ignore_failed, resend_failed
from postroom.store.models import Message
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_chatter import (
    MessageFact,
    envelope,
    envelopes,
    message,
    newer,
    still_there,
    thread,
)
from postroom.store.queries.pages_records import followers
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.records.places import head_of
from postroom.web.shell import fragment, go
from postroom.wiring import ports

MAX_FILES = 20
MAX_UPLOAD = 25 * 1000 * 1000  # bytes of all files of one message
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
    html = request.POST.get("html", "").replace("\0", "").strip()
    files = request.FILES.getlist("files")
    trouble = _trouble(files)
    if not html and (text := request.POST.get("text", "").replace("\0", "").strip()):
        html = text_to_html(text)
    if not trouble and (html or files):
        post_message(
            ports(),
            record_id=record_id,
            author=request.member,
            html=html,
            kind=_kind(request.POST.get("kind", "")),
            attachments=[_file(file) for file in files],
            extra_contact_ids=_contacts(request.POST.getlist("extra")),
            to_customer=request.POST.get("to_customer") == "1",
            may_be_undone=True,
        )
    if request.headers.get("HX-Request") != "true":
        return go(request, reverse("web:record", args=[record_id]), trouble=trouble)
    answer = fragment(request, "postroom/chatter/_trouble.html", {"trouble": trouble}, status=422 if trouble else 200)
    if trouble:
        answer["X-Postroom-Piece"] = "1"
    else:
        answer["HX-Trigger"] = "postroom:changed"
    return answer


def _trouble(files: Sequence[UploadedFile[bytes]]) -> str:
    if len(files) > MAX_FILES:
        return _("At most {number} files at once.").format(number=MAX_FILES)
    if sum(file.size or 0 for file in files) > MAX_UPLOAD:
        return _("The files are larger than 25 MB together. Send a link instead.")
    return ""


def _file(file: UploadedFile[bytes]) -> NewFile:
    return NewFile(
        name=(file.name or "file").replace("\0", "")[:255],
        content_type=(file.content_type or "application/octet-stream")[:255],
        content=file.read(),
    )


def _kind(text: str) -> MessageKind:
    """A note unless it clearly is a comment: what is in doubt stays in the house."""
    return MessageKind.COMMENT if text == MessageKind.COMMENT else MessageKind.NOTE


def _contacts(texts: Sequence[str]) -> list[int]:
    return [number for text in texts[:100] if (number := read_id(text)) is not None]


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
    return fragment(request, "postroom/chatter/_audience.html", {"people": people, "kind": kind, "record": head})


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


@for_members("GET")
def recipients(request: MemberRequest, message_id: int) -> HttpResponse:
    """What hangs on the envelope: everybody who hears of the message, failures first."""
    return _panel(request, _message(request, message_id))


@for_members("POST")
def resend(request: MemberRequest, message_id: int) -> HttpResponse:
    """Send & close: those toggled on are tried again (at another address, if one is given), the others are ignored."""
    found = _message(request, message_id)
    retry = {
        number: text_of(request.POST, f"address-{number}", 320)
        for text in request.POST.getlist("retry")[:200]
        if (number := read_id(text)) is not None
    }
    try:
        resend_failed(ports(), message_id=message_id, author=request.member, retry=retry)
    except ValueError:
        return _panel(request, found, trouble=_("One of the addresses is none. Nothing was sent."))
    return _panel(request, found)


@for_members("POST")
def ignore(request: MemberRequest, message_id: int) -> HttpResponse:
    """Ignore all: the envelope is no longer red."""
    found = _message(request, message_id)
    ignore_failed(ports(), message_id=message_id, author=request.member)
    return _panel(request, found)


def _message(request: MemberRequest, message_id: int) -> MessageFact:
    found = message(access.visible_records(request.member), message_id)
    if found is None:
        raise Http404
    return found


def _panel(request: MemberRequest, found: MessageFact, trouble: str = "") -> HttpResponse:
    if request.method == "POST" and request.headers.get("HX-Request") != "true":
        record_id = Message.objects.values_list("record_id", flat=True).get(pk=found.id)
        return go(request, reverse("web:record", args=[record_id]), trouble=trouble)
    people = envelope(access.visible_records(request.member), found.id)
    context = {
        "message": found,
        "people": people,
        "has_failed": any(one.is_failed for one in people),
        "may_post": access.may(request.member, "post"),
        "may_queue": access.may(request.member, "queue"),
        "trouble": trouble,
    }
    answer = fragment(request, "postroom/chatter/_recipients.html", context)
    if request.method == "POST":
        answer["HX-Trigger"] = "postroom:changed"
    return answer
