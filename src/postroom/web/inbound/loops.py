"""What loop breakers hold, by target and author, and what a person may do about it: release, allow, let be."""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flows import access
from postroom.flows.settle_loops import allow_sender, let_be, release_held, visible_holds
from postroom.store.models import Member
from postroom.store.queries.pages_loops import held_groups
from postroom.web.inbound.views import need_inbound
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import go, page
from postroom.wiring import ports


@for_members("GET")
def loops(request: MemberRequest) -> HttpResponse:
    """All that is held, or what is held for one target."""
    need_inbound(request)
    target = text_of(request.GET, "target", 80)
    context = {
        "groups": held_groups(visible_holds(request.member), target),
        "target": target,
        "may_allow": access.is_house_administrator(request.member),
    }
    return page(request, "postroom/inbound/loops.html", _("Stopped loops"), context)


@for_members("POST")
def act(request: MemberRequest) -> HttpResponse:
    """One decision about one group."""
    need_inbound(request)
    target, author = text_of(request.POST, "target", 80), text_of(request.POST, "author", 320)
    deed = _DEEDS.get(text_of(request.POST, "act", 10))
    if deed is None:
        raise Http404
    return go(request, reverse("web:loops"), said=deed(target, author, request.member))


def _release(target: str, author: str, member: Member) -> str:
    count = release_held(ports(), target, author=author, member=member)
    return ngettext("{count} mail is routed again.", "{count} mails are routed again.", count).format(count=count)


def _allow(target: str, author: str, member: Member) -> str:  # noqa: ARG001 (as its sisters)
    try:
        count = allow_sender(ports(), author, member=member)
    except ValueError:
        raise Http404 from None
    done = ngettext("{count} mail is routed again.", "{count} mails are routed again.", count).format(count=count)
    return _("{author} is on the allow-list now.").format(author=author) + " " + done


def _let_be(target: str, author: str, member: Member) -> str:
    count = let_be(ports(), target, author=author, member=member)
    return ngettext("{count} mail stays held.", "{count} mails stay held.", count).format(count=count)


_DEEDS: dict[str, Callable[[str, str, Member], str]] = {"release": _release, "allow": _allow, "leave": _let_be}
