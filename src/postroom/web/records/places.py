"""The page of one record: its head, its people, and what is changed about it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.languages import offered_with
from postroom.core.terms.record_values import ValueTrouble
from postroom.flows import access
from postroom.flows.change_people import change_contact_language
from postroom.flows.mail_templates import zone_of
from postroom.flows.records import change_record, choose_subtypes, follow, unfollow
from postroom.flows.warn_about import warnings_about
from postroom.store.models import Contact, ScheduledMessage
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_chatter import SHOWS, place_of, thread
from postroom.store.queries.pages_records import RecordFact, colleagues, followers
from postroom.store.queries.pages_scheduled import scheduled_rows
from postroom.store.queries.record_heads import record_head
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.records.activities import activities_context
from postroom.web.records.composer import composer_context
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports


@for_members("GET")
def record(request: MemberRequest, record_id: int) -> HttpResponse:
    """A record with its conversation: from its newest message on, or from the one that ``at`` names."""
    head = head_of(request, record_id)
    show, reader = shown_of(request), request.member.pk
    at = read_id(request.GET.get("at", ""))
    before, newest = place_of(record_id, at, show=show, reader=reader) if at is not None or show else ("", 0)
    messages = thread(record_id, before=before, show=show, reader=reader)
    first = messages.rows[0].id if messages.rows else 0
    context = {
        "record": head,
        "messages_page": messages,
        "show": show,
        "at": at,
        "is_past": bool(before),
        "newest": newest if before or show else first,
        "oldest": messages.rows[-1].id if messages.rows else 0,
        "may_write": access.may(request.member, "write"),
        "may_post": access.may(request.member, "post"),
        "scheduled": scheduled_rows(ScheduledMessage.objects.filter(record_id=record_id)),
        "is_administrator": access.may(request.member, "settings"),
        "zone": zone_of(request.member),
        **(composer_context(request, head) if access.may(request.member, "post") else {}),
        "troubles": warnings_about(ports(), head.company_id, [head.contact_address]),
        "languages": offered_with(head.contact_language) if head.contact_id else (),
        "follows": any(one.contact_id == request.member.contact_id for one in head.followers),
        **activities_context(request, record_id, colleagues([head.company_id])),
    }
    if is_fragment(request):  # into the pane beside the list
        return fragment(request, "postroom/records/record.html", {**context, "shell": "postroom/records/_pane.html"})
    return page(request, "postroom/records/record.html", head.kind.label_plural, context)


def shown_of(request: MemberRequest) -> str:
    """Which part of the conversation is wanted; ``""``: all of it."""
    asked = request.GET.get("show", "")
    return asked if asked in SHOWS else ""


def head_of(request: MemberRequest, record_id: int) -> RecordFact:
    """The record's head; 404 when it is not there or not visible."""
    head = record_head(access.visible_records(request.member), record_id)
    if head is None:
        raise Http404
    return head


@for_members("POST")
def change(request: MemberRequest, record_id: int) -> HttpResponse:
    """Title, stage, responsible person, contact or values: whatever the form names."""
    head = head_of(request, record_id)
    wanted: dict[str, Any] = {"title": text_of(request.POST, "title") or None}
    if "stage" in request.POST:
        wanted["stage"] = text_of(request.POST, "stage", 80)
    for name in ("responsible", "contact"):
        if name in request.POST:
            wanted[f"{name}_id"] = read_id(request.POST[name])
    if "values" in request.POST:  # the form of the values: their names may be anything, so they are counted
        wanted["values"] = {
            one.name: text_of(request.POST, f"value-{number}", 3000)
            for number, one in enumerate(head.fields)
            if f"value-{number}" in request.POST
        }
    here = reverse("web:record", args=[record_id])
    try:
        change_record(ports(), record_id=record_id, by=request.member, **wanted)
    except ValueTrouble as trouble:
        return go(request, here, trouble=str(trouble))
    except ObjectDoesNotExist:
        raise Http404 from None
    return go(request, here)


@for_members("POST")
def language(request: MemberRequest, record_id: int) -> HttpResponse:
    """In which language the record's contact is written to."""
    head_of(request, record_id)
    here = reverse("web:record", args=[record_id])
    try:
        change_contact_language(
            ports(), record_id=record_id, language=text_of(request.POST, "language", 12), by=request.member
        )
    except ValidationError as error:
        return go(request, here, trouble=" ".join(error.messages))
    except Contact.DoesNotExist:
        raise Http404 from None
    return go(request, here)


@for_members("POST")
def add_follower(request: MemberRequest, record_id: int) -> HttpResponse:
    """Somebody follows from now on."""
    head_of(request, record_id)
    contact_id = read_id(request.POST.get("contact", ""))
    if contact_id is not None:
        try:
            follow(ports(), record_id=record_id, contact_id=contact_id, by=request.member)
        except ObjectDoesNotExist:
            raise Http404 from None
    return _followers(request, record_id)


@for_members("POST")
def remove_follower(request: MemberRequest, record_id: int) -> HttpResponse:
    """Somebody follows no more."""
    head_of(request, record_id)
    contact_id = read_id(request.POST.get("contact", ""))
    if contact_id is not None:
        unfollow(ports(), record_id=record_id, contact_id=contact_id, by=request.member)
    return _followers(request, record_id)


@for_members("POST")
def subtypes(request: MemberRequest, record_id: int) -> HttpResponse:
    """Of what a follower hears."""
    head_of(request, record_id)
    contact_id = read_id(request.POST.get("contact", ""))
    if contact_id is None:
        raise Http404
    chosen = {name: request.POST.get(name) == "1" for name in ("comments", "notes", "changes", "activities")}
    try:
        choose_subtypes(ports(), record_id=record_id, contact_id=contact_id, by=request.member, **chosen)
    except ObjectDoesNotExist:
        raise Http404 from None
    return _followers(request, record_id)


def _followers(request: MemberRequest, record_id: int) -> HttpResponse:
    if not is_fragment(request):
        return go(request, reverse("web:record", args=[record_id]), said=_("Followers changed."))
    context = {
        "record_id": record_id,
        "followers": followers(record_id),
        "may_write": access.may(request.member, "write"),
    }
    answer = fragment(request, "postroom/records/_followers.html", context)
    answer["HX-Trigger"] = "postroom:people"
    return answer
