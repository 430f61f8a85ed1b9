"""Who asks: every page of ours is for members, and says so when it is not for this one.

Duty: one decorator that lets members in, refuses methods that a page does not have, hands strangers to the sign-in, and tells times
in the member's own zone.
Law: a page only hides; whether something may be done is asked again, and decided, by the flow that does it (`flows.access`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import get_language, get_supported_language_variant

from postroom.flows.mail_templates import zone_of
from postroom.store.models import Member
from postroom.store.queries.pages import read_id
from postroom.web.site import member_of

P = ParamSpec("P")


class MemberRequest(HttpRequest):
    """A request whose member is known."""

    member: Member


View = Callable[Concatenate[MemberRequest, P], HttpResponseBase]
AnyView = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def for_members(*methods: str) -> Callable[[View[P]], AnyView[P]]:
    """Members alone, and these methods alone (GET when none is named; HEAD goes with GET)."""
    allowed = methods or ("GET",)
    if "GET" in allowed:
        allowed = (*allowed, "HEAD")

    def decorate(view: View[P]) -> AnyView[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method not in allowed:
                return HttpResponseNotAllowed(allowed)
            if member_of(request) is None:
                return _turn_away(request)
            member: Member = request.member  # type: ignore[attr-defined]  # it has one now
            with timezone.override(zone_of(member)), translation.override(language_of(member)):
                return view(request, *args, **kwargs)  # type: ignore[arg-type]

        return guarded

    return decorate


def language_of(member: Member) -> str:
    """The one of the member's settings if the pages speak it, else what the browser asked for. Everybody's is English until it is chosen,
    so English leaves the choice to the browser."""
    asked = get_language() or "en"
    chosen = member.contact.language
    if chosen in ("", "en"):
        return asked
    try:
        return get_supported_language_variant(chosen)
    except LookupError:
        return asked


def _turn_away(request: HttpRequest) -> HttpResponse:
    """Strangers sign in; a fragment asks its page to do so; a user who is no member is told."""
    if request.user.is_authenticated:
        return render(request, "postroom/no_member.html", {"title": "Postroom"}, status=403)
    if is_fragment(request):
        answer = HttpResponse(status=401)
        answer["HX-Refresh"] = "true"
        return answer
    return redirect_to_login(request.get_full_path(), reverse("admin:login"))


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a piece of a page (not for a whole page by history)."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def numbers_of(data: QueryDict, name: str, most: int = 100) -> list[int]:
    """The row numbers of a form that names several; what is none is left out."""
    return [number for text in data.getlist(name)[:most] if (number := read_id(text)) is not None]


def text_of(data: Any, name: str, most: int = 500) -> str:
    """One short text of a form or an address bar: stripped, bounded, without NUL (PostgreSQL refuses it)."""
    return str(data.get(name, "")).replace("\0", "")[:most].strip()
