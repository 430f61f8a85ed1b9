"""Limits as they stand: servers' days and minutes, destinations that get fewer, who uses them up; set and lifted here."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows.list_limits import list_limits
from postroom.flows.settings import limit_destination, release_destination
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import go, page
from postroom.wiring import ports


@for_members("GET")
def limits(request: MemberRequest) -> HttpResponse:
    """All of them; destinations by a part of their name."""
    return _page(request, text_of(request.GET, "q", 253))


@for_members("POST")
def change(request: MemberRequest) -> HttpResponse:
    """A destination's limit is set or lifted, or what it asked for is forgotten."""
    name, typed = text_of(request.POST, "name", 253), text_of(request.POST, "per_minute", 12)
    try:
        if request.POST.get("step") == "release":
            provider = release_destination(ports(), name, member=request.member)
            said = _("{name} is not slowed down any more.").format(name=provider)
        else:
            per_minute = _number(typed)
            provider = limit_destination(ports(), name, per_minute, member=request.member)
            said = _("{name} gets {n} mails a minute from each server.").format(name=provider, n=per_minute)
            said = said if per_minute else _("{name} has no limit.").format(name=provider)
    except ValidationError as error:
        wrong = {"name": name, "per_minute": typed, "errors": error.messages}
        return _page(request, "", wrong=wrong, status=422)
    return go(request, reverse("web:limits"), said=said)


def _number(typed: str) -> int:
    if not typed.isascii() or not typed.isdigit():
        raise ValidationError(_("Mails a minute: a number; 0 lifts the limit."))
    return int(typed)


def _page(
    request: MemberRequest, search: str, *, wrong: Mapping[str, object] | None = None, status: int = 200
) -> HttpResponse:
    found = list_limits(ports(), member=request.member, search=search)
    context = {"limits": found, "search": search, "wrong": wrong}
    return page(request, "postroom/settings/limits.html", _("Limits"), context, status=status)
