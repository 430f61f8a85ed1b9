"""Capture mode on and off. Whoever lets mail leave says what becomes of the mails that wait: they are cancelled, or leave, too."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flows.guard_installation import set_capturing
from postroom.flows.leave_capture import NotChosen, leave_capture
from postroom.web.members import MemberRequest, for_members
from postroom.web.shell import go
from postroom.web.templatetags.postroom import because
from postroom.wiring import ports


@for_members("POST")
def capture(request: MemberRequest) -> HttpResponse:
    """``on``: 1 or 0; with 0 and mails that wait ``waiting``, as `cancels_waiting`."""
    servers = reverse("web:servers")
    if request.POST.get("on") == "1":
        set_capturing(ports(), True, member=request.member)
        return go(request, servers, said=_("Outgoing mail goes to the Letterbox now."))
    try:
        cancelled = leave_capture(ports(), cancels=cancels_waiting(request), member=request.member)
    except NotChosen as why:
        return go(request, servers, trouble=because(why.reason))
    return go(request, servers, said=said_of_leaving(_("Outgoing mail leaves now."), cancelled))


def cancels_waiting(request: MemberRequest) -> bool | None:
    """What a person chose for the mails that wait; None where nothing was chosen."""
    return {"cancel": True, "send": False}.get(request.POST.get("waiting", ""))


def said_of_leaving(said: str, cancelled: int) -> str:
    """With how many mails were cancelled before."""
    if not cancelled:
        return said
    count = ngettext("%d waiting mail was cancelled.", "%d waiting mails were cancelled.", cancelled) % cancelled
    return f"{said} {count}"
