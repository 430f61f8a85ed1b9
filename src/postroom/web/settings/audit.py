"""The audit log: who signed in, failed to, made keys, read sources, and from where. For administrators, of their own companies."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from postroom.flows import audit
from postroom.store.queries.pages import read_id
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import fragment, page
from postroom.wiring import ports

SIZE = 50


@for_members("GET")
def log(request: MemberRequest) -> HttpResponse:
    """Newest first, narrowed by what and who."""
    what, login = text_of(request.GET, "what", 40), text_of(request.GET, "login", 150)
    found = audit.list_events(
        ports(),
        member=request.member,
        what=what,
        login=login,
        before=read_id(text_of(request.GET, "after", 20)),
        most=SIZE + 1,
    )
    context = {
        "lines": found[:SIZE],
        "next": found[SIZE - 1].id if len(found) > SIZE else "",
        "what": what,
        "login": login,
        "events": sorted(audit.EVENTS.items(), key=lambda one: one[1]),
        "cursor": request.GET.get("after", ""),
    }
    if is_fragment(request):
        return fragment(request, "postroom/settings/_audit.html", context)
    return page(request, "postroom/settings/audit.html", _("Audit log"), context)
