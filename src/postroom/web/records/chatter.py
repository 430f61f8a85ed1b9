"""A record's conversation: writing, reading on, envelopes."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows import access
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
from postroom.web.records import composer
from postroom.web.records.places import head_of, shown_of
from postroom.web.shell import fragment, go
from postroom.wiring import ports

LIVE_ENVELOPES = 100  # envelopes that a page keeps up to date


@for_members("GET", "POST")
def messages(request: MemberRequest, record_id: int) -> HttpResponse:
    """GET: the next, older page of the thread. POST: a new message or note."""
    head_of(request, record_id)
    if request.method == "POST":
        return composer.post(request, record_id)
    show = shown_of(request)
    rows = thread(record_id, before=text_of(request.GET, "before", 20), show=show, reader=request.member.pk)
    context = {
        "messages_page": rows,
        "record_id": record_id,
        "show": show,
        "may_post": access.may(request.member, "post"),
    }
    return fragment(request, "postroom/chatter/_thread.html", context)


@for_members("GET")
def live(request: MemberRequest, record_id: int) -> HttpResponse:
    """What has changed since the page was drawn: messages newer than ``after``, envelopes down to ``from``, followers."""
    head_of(request, record_id)
    after, start = read_id(request.GET.get("after", "")) or 0, read_id(request.GET.get("from", "")) or 0
    show = shown_of(request)
    is_past = request.GET.get("past") == "1"
    arrived = () if is_past else newer(record_id, after=after, show=show, reader=request.member.pk)
    context = {
        "record_id": record_id,
        "show": show,
        "is_past": is_past,
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
