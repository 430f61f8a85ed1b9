"""What reaches me in the app: not read yet, or starred (U-15)."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.read_inbox import mark_read
from postroom.store.queries.pages_reading import starred, unread
from postroom.web.members import MemberRequest, for_members, is_fragment, numbers_of, text_of
from postroom.web.shell import back, fragment, go, page
from postroom.wiring import ports


@for_members("GET")
def for_me(request: MemberRequest) -> HttpResponse:
    """A page of what I have not read, or of my stars."""
    member, visible = request.member, access.visible_records(request.member)
    after = text_of(request.GET, "after", 20)
    is_starred = request.GET.get("view") == "starred"
    if is_starred:
        rows = starred(member.pk, visible, before=after)
    else:
        rows = unread(member.contact_id, member.pk, visible, before=after, size=30)
    context = {"rows": rows, "view": "starred" if is_starred else "unread", "cursor": after}
    if is_fragment(request):
        return fragment(request, "postroom/home/_reading.html", context)
    return page(request, "postroom/home/for_me.html", _("New for me"), context)


@for_members("POST")
def read(request: MemberRequest) -> HttpResponse:
    """Marks what reached me in the app as read: one, or all that the page showed."""
    mark_read(ports(), numbers_of(request.POST, "id", 200), member=request.member)
    if is_fragment(request):
        answer = HttpResponse(status=204)
        answer["HX-Trigger"] = "postroom:changed"
        return answer
    return go(request, back(request, reverse("admin:index")))
