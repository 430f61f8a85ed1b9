"""Changing deliveries: one, many, or all that match the filter; how far a change is, and undoing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.core.terms.reasons import Reason
from postroom.flows import access
from postroom.flows.change_queue import (
    ACTIONS,
    can_be_undone,
    change_chosen,
    change_matching,
    refusals_of,
    undo_change,
)
from postroom.flows.settle_unknown import Decision, resolve_unknown
from postroom.store.models import QueueChange
from postroom.store.queries.pages import read_id
from postroom.store.queries.queue_lists import QueueView
from postroom.web.members import MemberRequest, for_members, is_fragment, numbers_of
from postroom.web.queue.filters import need_queue, wanted_of
from postroom.web.shell import back, fragment, go, page
from postroom.web.templatetags.postroom import because
from postroom.wiring import ports

MOST_CHOSEN = 1000
WORDS = {
    "retry": gettext_lazy("Retry"),
    "send_now": gettext_lazy("Send Now"),
    "cancel": gettext_lazy("Cancel"),
}


@for_members("POST")
def act(request: MemberRequest) -> HttpResponse:
    """Retry, Send Now, Cancel; for what is unknown: it arrived, send again, give up. One, many, or all that match the filter."""
    need_queue(request)
    action = request.POST.get("action", "")
    chosen = numbers_of(request.POST, "id", MOST_CHOSEN)
    if action in set(Decision):
        visible = access.visible_deliveries(request.member).filter(pk__in=chosen).values_list("pk", flat=True)
        changed = resolve_unknown(ports(), sorted(visible), Decision(action), member=request.member)
        return _told(request, len(changed.done), [(reason, 1) for reason in changed.refused.values()])
    if action not in ACTIONS:
        raise Http404
    try:
        if request.POST.get("every") == "1":
            wanted = wanted_of(request.POST, QueueView(request.POST.get("state", "")))
            asked = change_matching(ports(), action, wanted, member=request.member)
        else:
            asked = change_chosen(ports(), action, chosen, member=request.member)
    except ValueError:
        raise Http404 from None
    return _begun(request, asked)


@for_members("GET")
def progress(request: MemberRequest, change_id: int) -> HttpResponse:
    """How far it is: a strip on the queue's page that looks again until it is over, or a page of its own."""
    need_queue(request)
    asked = QueueChange.objects.defer("ids").filter(pk=change_id, member=request.member).first()
    if asked is None:
        raise Http404
    context = progress_of(asked)
    if is_fragment(request):
        answer = fragment(request, "postroom/queue/_change.html", context)
        if asked.finished_at is not None:
            answer["HX-Trigger"] = "postroom:changed"
        return answer
    return page(request, "postroom/queue/change.html", _("Changing deliveries"), context)


@for_members("POST")
def undo(request: MemberRequest, change_id: int) -> HttpResponse:
    """What was cancelled goes back into the queue."""
    need_queue(request)
    try:
        asked = undo_change(ports(), change_id, member=request.member)
    except QueueChange.DoesNotExist as error:
        raise Http404 from error
    except ValueError:
        return go(request, reverse("web:queue"), trouble=_("This cannot be undone any more."))
    return _begun(request, asked)


def progress_of(asked: QueueChange) -> dict[str, Any]:
    """What the strip shows."""
    return {
        "change": asked,
        "change_word": _("Undo") if asked.undoes_id else str(WORDS[asked.action]),
        "refusals": [(because(reason), count) for reason, count in refusals_of(asked)],
        "may_undo": can_be_undone(ports(), asked),
    }


def _begun(request: MemberRequest, asked: QueueChange) -> HttpResponse:
    """A few are done already; what takes longer is watched, and so is what can be undone."""
    place = back(request, reverse("web:queue"))
    is_shown = asked.finished_at is None or (asked.done and asked.action == "cancel")
    if not (is_shown and place.partition("?")[0] == reverse("web:queue")):
        return _told(request, asked.done, refusals_of(asked)) if asked.finished_at else _watched(request, asked)
    sign = "&" if "?" in place else "?"
    return go(request, f"{place}{sign}change={asked.pk}")


def _watched(request: MemberRequest, asked: QueueChange) -> HttpResponse:
    return go(request, reverse("web:queue_change", args=[asked.pk]))


def _told(request: MemberRequest, done: int, refused: list[tuple[Reason, int]]) -> HttpResponse:
    said = ngettext("{n} delivery changed.", "{n} deliveries changed.", done).format(n=done) if done else ""
    trouble = ""
    if refused:
        left = sum(count for _reason, count in refused)
        why = sorted({because(reason) for reason, _count in refused})
        trouble = ngettext("{n} was left as it is: {why}", "{n} were left as they are: {why}", left)
        trouble = trouble.format(n=left, why=" ".join(why[:3]))
    return go(request, back(request, reverse("web:queue")), said=said, trouble=trouble)


def change_shown(request: MemberRequest, data: Mapping[str, Any]) -> dict[str, Any]:
    """The change that the page's address names, when it is the member's own."""
    number = read_id(str(data.get("change", "")))
    asked = None
    if number is not None:
        asked = QueueChange.objects.defer("ids").filter(pk=number, member=request.member).first()
    return progress_of(asked) if asked is not None else {}
