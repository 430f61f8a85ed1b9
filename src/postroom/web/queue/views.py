"""The queue: what waits and for what, what left, what failed; and one delivery's whole story."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.flows import access
from postroom.flows import queue as flow
from postroom.flows.access import NotAllowed
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_queue import QueueView, deliveries, delivery
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import back, fragment, go, page
from postroom.web.templatetags.postroom import because
from postroom.wiring import ports

VIEWS = (
    (QueueView.OUTGOING, gettext_lazy("Outgoing")),
    (QueueView.FAILED, gettext_lazy("Delivery Failed")),
    (QueueView.BOUNCED, gettext_lazy("Bounced")),
    (QueueView.UNKNOWN, gettext_lazy("Outcome unknown")),
    (QueueView.SENT, gettext_lazy("Sent")),
    (QueueView.CANCELLED, gettext_lazy("Cancelled")),
    (QueueView.COMPLAINED, gettext_lazy("Complained")),
    (QueueView.ALL, gettext_lazy("All")),
)
ACTIONS = {"retry": flow.retry, "send_now": flow.send_now, "cancel": flow.cancel}


def _need(request: MemberRequest) -> None:
    if not access.may(request.member, "queue"):
        raise NotAllowed(_("The queue is shown to managers and administrators."))


@for_members("GET")
def queue(request: MemberRequest) -> HttpResponse:
    """A list of the queue by state."""
    _need(request)
    try:
        view = QueueView(request.GET.get("state", QueueView.OUTGOING))
    except ValueError:
        raise Http404 from None
    rows = deliveries(access.visible_deliveries(request.member), view, cursor=text_of(request.GET, "after", 100))
    context = {
        "rows": rows,
        "view": view.value,
        "views": [(one.value, word) for one, word in VIEWS],
        "cursor": request.GET.get("after", ""),
        "may_act": access.may(request.member, "queue"),
    }
    if is_fragment(request):
        return fragment(request, "postroom/queue/_rows.html", context)
    return page(request, "postroom/queue/queue.html", _("Queue"), context)


@for_members("GET")
def one(request: MemberRequest, delivery_id: int) -> HttpResponse:
    """One delivery: why this server, every attempt with the reply verbatim, every report."""
    _need(request)
    found = delivery(access.visible_deliveries(request.member), delivery_id)
    if found is None:
        raise Http404
    context = {"delivery": found, "row": found.row, "may_act": access.may(request.member, "queue")}
    if is_fragment(request):
        return fragment(request, "postroom/queue/_delivery.html", context)
    return page(request, "postroom/queue/delivery.html", _("Delivery"), context)


@for_members("POST")
def act(request: MemberRequest) -> HttpResponse:
    """Retry, Send Now or Cancel, for one delivery or many."""
    _need(request)
    chosen = [number for text in request.POST.getlist("id")[:1000] if (number := read_id(text)) is not None]
    visible = access.visible_deliveries(request.member).filter(pk__in=chosen).values_list("pk", flat=True)
    act_on = ACTIONS.get(request.POST.get("action", ""))
    if act_on is None:
        raise Http404
    changed = act_on(ports(), sorted(visible), member=request.member)
    done, refused = len(changed.done), sorted({because(reason) for reason in changed.refused.values()})
    said = ngettext("{n} delivery changed.", "{n} deliveries changed.", done).format(n=done) if done else ""
    trouble = ""
    if refused:
        left = len(changed.refused)
        trouble = ngettext("{n} was left as it is: {why}", "{n} were left as they are: {why}", left)
        trouble = trouble.format(n=left, why=" ".join(refused[:3]))
    return go(request, back(request, reverse("web:queue")), said=said, trouble=trouble)
