"""Saved views: kept, put in order, made the usual one, removed."""

from __future__ import annotations

from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows.saved_views import ASKED, TooMany, make_default, move_view, remove_view, save_view
from postroom.store.models import RecordKind, SavedView
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import back, go
from postroom.wiring import ports


@for_members("POST")
def save(request: MemberRequest) -> HttpResponse:
    """The filter that the page shows, under a name."""
    kind = text_of(request.POST, "kind", 40)
    here = back(request, reverse("web:records"))
    name = text_of(request.POST, "name", 60)
    if not name:
        return go(request, here, trouble=_("A view needs a name."))
    query = QueryDict(request.POST.get("asked", "")[:2000])
    try:
        save_view(
            ports(),
            name=name,
            kind=kind,
            asked={key: text_of(query, key, 200) for key in ASKED},
            by=request.member,
            is_shared="shared" in request.POST,
            is_default="usual" in request.POST,
        )
    except RecordKind.DoesNotExist:
        raise Http404 from None
    except TooMany as error:
        return go(request, here, trouble=str(error))
    return go(request, here, said=_("Saved."))


@for_members("POST")
def change(request: MemberRequest, view_id: int) -> HttpResponse:
    """``act``: up, usual, remove."""
    here = back(request, reverse("web:records"))
    act = request.POST.get("act", "")
    flows = {"up": move_view, "usual": make_default, "remove": remove_view}
    if act not in flows:
        raise Http404
    try:
        flows[act](ports(), view_id=view_id, by=request.member)
    except SavedView.DoesNotExist:
        raise Http404 from None
    return go(request, here)
