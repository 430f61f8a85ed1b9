"""A record's conversation: writing, reading on, envelopes."""

from __future__ import annotations

from django.http import HttpResponse

from postroom.flows import access
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_chatter import (
    envelopes,
    newer,
    still_there,
    thread,
)
from postroom.store.queries.pages_records import followers
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.records import composer
from postroom.web.records.places import head_of, shown_of
from postroom.web.shell import fragment

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
