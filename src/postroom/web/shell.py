"""Draws pages in unfold's shell, and pieces of them without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme

from postroom.flows import access
from postroom.web.members import MemberRequest, is_fragment
from postroom.web.navigation import around, crumbs
from postroom.web.site import site


class SeeOther(HttpResponseRedirect):
    """RFC 9110 15.4.4: the answer to a POST is to be had there, by GET."""

    status_code = 303


def page(
    request: MemberRequest, template: str, title: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A whole page. ``title`` stands in the header and in the window."""
    return render(request, template, around_page(request, title) | dict(context or {}), status=status)


def around_page(request: MemberRequest, title: str | Promise) -> dict[str, Any]:
    """What the shell of a page shows."""
    facts = around(request, request.member)
    return {
        **site.each_context(request),
        "title": title,
        "is_fullwidth": "1",
        "member": request.member,
        "installation": facts.installation,
        "my_failed": facts.my_failed,
        "crumbs": crumbs(request),
        "may_settle": access.is_house_administrator(request.member),
    }


def fragment(request: MemberRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """A piece of a page, for htmx; also one that says why something was refused, which the page's script shows by its header."""
    answer = render(request, template, {"member": request.member, **context}, status=status)
    if status >= 400:
        answer["X-Postroom-Piece"] = "1"
    return answer


def go(request: MemberRequest, url: str, *, said: str = "", trouble: str = "") -> HttpResponse:
    """After a change: to a page, with a word about what was done. Htmx and plain forms alike."""
    if said:
        messages.success(request, said)
    if trouble:
        messages.error(request, trouble)
    if is_fragment(request):
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return SeeOther(url)


def back(request: MemberRequest, otherwise: str) -> str:
    """The page that the form stood on, when it is one of ours."""
    came_from = request.POST.get("back", "")
    fits = url_has_allowed_host_and_scheme(
        came_from, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return came_from if fits and came_from.startswith("/") else otherwise
