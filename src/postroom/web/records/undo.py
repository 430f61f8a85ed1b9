"""Taking back what was just written: its words and files go back into the composer."""

from __future__ import annotations

from django.db import models
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows.undo_message import TakenBack, TooLate, undo_message
from postroom.store.models import Message
from postroom.web.members import MemberRequest, for_members, is_fragment
from postroom.web.shell import fragment, go
from postroom.web.templatetags.postroom import because
from postroom.wiring import ports


@for_members("POST")
def undo(request: MemberRequest, message_id: int) -> HttpResponse:
    """Its author, in time, and before any of it left; else it stays, with the reason."""
    try:
        found = undo_message(ports(), message_id=message_id, author=request.member)
    except models.ObjectDoesNotExist:
        raise Http404 from None
    match found:
        case TooLate():
            return _too_late(request, message_id, because(found.reason))
        case TakenBack():
            return _taken_back(request, found)


def _too_late(request: MemberRequest, message_id: int, why: str) -> HttpResponse:
    if not is_fragment(request):
        record_id = Message.objects.values_list("record_id", flat=True).get(pk=message_id)
        return go(request, reverse("web:record", args=[record_id]), trouble=why)
    return fragment(request, "postroom/chatter/_trouble.html", {"trouble": why}, status=409)


def _taken_back(request: MemberRequest, found: TakenBack) -> HttpResponse:
    """Its words and files are a draft again, which the composer shows."""
    said = _("Taken back: nobody got it by mail. It is a draft again.")
    if not is_fragment(request):
        return go(request, reverse("web:record", args=[found.record_id]), said=said)
    answer = fragment(request, "postroom/chatter/_taken_back.html", {"said": said})
    answer["HX-Trigger"] = "postroom:changed"
    answer["HX-Trigger-After-Swap"] = "postroom:draft"
    return answer
