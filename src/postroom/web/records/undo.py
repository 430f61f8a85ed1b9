"""Taking back what was just written: its words go back into the composer."""

from __future__ import annotations

from django.db import models
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flows.undo_message import TakenBack, TooLate, undo_message
from postroom.store.models import Message
from postroom.web.members import MemberRequest, for_members
from postroom.web.shell import fragment, go
from postroom.web.templatetags.postroom import because
from postroom.wiring import ports

DRAFT = "postroom-draft"  # of the session: what a browser without scripts gets back


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
    if request.headers.get("HX-Request") != "true":
        record_id = Message.objects.values_list("record_id", flat=True).get(pk=message_id)
        return go(request, reverse("web:record", args=[record_id]), trouble=why)
    answer = fragment(request, "postroom/chatter/_trouble.html", {"trouble": why}, status=409)
    answer["X-Postroom-Piece"] = "1"
    return answer


def _taken_back(request: MemberRequest, found: TakenBack) -> HttpResponse:
    files = len(found.file_names)
    about_files = ngettext("Its file has to be attached again.", "Its files have to be attached again.", files)
    if request.headers.get("HX-Request") != "true":
        request.session[DRAFT] = {"record": found.record_id, "text": found.text, "kind": found.kind}
        said = _("Taken back. Nobody got it by mail.") + (f" {about_files}" if files else "")
        return go(request, reverse("web:record", args=[found.record_id]), said=said)
    context = {"taken": found, "about_files": about_files if files else ""}
    answer = fragment(request, "postroom/chatter/_taken_back.html", context)
    answer["HX-Trigger"] = "postroom:changed"
    return answer


def given_back(request: MemberRequest, record_id: int) -> dict[str, str]:
    """The words of a message that was just taken back without scripts; once."""
    draft = request.session.get(DRAFT)
    if not isinstance(draft, dict) or draft.get("record") != record_id:
        return {}
    del request.session[DRAFT]
    return {"text": str(draft.get("text", "")), "kind": str(draft.get("kind", ""))}
