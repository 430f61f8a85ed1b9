"""The queue: what waits and which gate holds it, what left, what failed, whose outcome nobody knows; one delivery's whole story."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.core.terms.gates import Gate
from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import Lane
from postroom.flows import access
from postroom.flows.access import NotAllowed
from postroom.flows.change_queue import ACTIONS, change_matching
from postroom.flows.list_queue import QueueFilter, read_filter
from postroom.flows.settings import save_server
from postroom.flows.settle_unknown import Decision, resolve_unknown
from postroom.store.models import OutgoingServer
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_queue import deliveries, delivery, server_states
from postroom.store.queries.pages_unknown import unknown_facts
from postroom.store.queries.queue_lists import QueueView
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.queue.hints import where_to_look
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
LANES = (
    (Lane.URGENT, gettext_lazy("Urgent")),
    (Lane.NORMAL, gettext_lazy("Normal")),
    (Lane.CAMPAIGN, gettext_lazy("Campaigns")),
)
GATES = (
    (Gate.TURN, gettext_lazy("Its turn")),
    (Gate.NOT_DUE, gettext_lazy("Its time")),
    (Gate.PAUSED, gettext_lazy("A paused server")),
    (Gate.LIMIT, gettext_lazy("A limit")),
    (Gate.SLOWED, gettext_lazy("A slow destination")),
    (Gate.TROUBLE, gettext_lazy("A server in trouble")),
    (Gate.SERVER, gettext_lazy("A usable server")),
    (Gate.RETRY, gettext_lazy("A new attempt")),
    (Gate.OTHER, gettext_lazy("Something else")),
)
FILTERS = ("to", "server", "lane", "gate")


def _need(request: MemberRequest) -> None:
    if not access.may(request.member, "queue"):
        raise NotAllowed(_("The queue is shown to managers and administrators."))


@for_members("GET")
def queue(request: MemberRequest) -> HttpResponse:
    """A list of the queue by state; narrowed by recipient, server, lane and gate."""
    _need(request)
    try:
        view = QueueView(request.GET.get("state", QueueView.OUTGOING))
        rows = _rows(request, view)
    except ValueError:
        raise Http404 from None
    servers = list(_servers(request).values_list("name", flat=True).distinct()[:100])
    context = {
        "rows": rows,
        "view": view.value,
        "views": [(one.value, word) for one, word in VIEWS],
        "cursor": request.GET.get("after", ""),
        "may_act": access.may(request.member, "queue"),
        "asked": {name: text_of(request.GET, name, 320) for name in FILTERS},
        "is_narrowed": any(text_of(request.GET, name, 320) for name in FILTERS),
        "lanes": [(one.value, word) for one, word in LANES],
        "gates": [(one.value, word) for one, word in GATES] if view is QueueView.OUTGOING else [],
        "server_names": servers,
    }
    if view is QueueView.UNKNOWN:
        context["known"] = _known([row.id for row in rows.rows])
    if is_fragment(request) and request.headers.get("HX-Target") != "pr-queue":  # that is the list with its buttons
        return fragment(request, "postroom/queue/_rows.html", context)
    if view is QueueView.OUTGOING:
        context["servers"] = server_states(_servers(request))
        context["may_pause"] = access.may(request.member, "settings")
    return page(request, "postroom/queue/queue.html", _("Queue"), context)


def _rows(request: MemberRequest, view: QueueView) -> Any:
    wanted = _filter(request.GET, view)
    wish = read_filter(wanted, member=request.member, cursor=text_of(request.GET, "after", 100))
    return deliveries(wish, now=timezone.now())


def _filter(data: Mapping[str, Any], view: QueueView) -> QueueFilter:
    return QueueFilter(
        state=view.value,
        recipient=text_of(data, "to", 320),
        server=text_of(data, "server", 100),
        lane=text_of(data, "lane", 20),
        gate=text_of(data, "gate", 20) if view is QueueView.OUTGOING else "",
    )


def _servers(request: MemberRequest) -> QuerySet[OutgoingServer]:
    """Those of the own companies, and those of all."""
    rows = OutgoingServer.objects.filter(is_active=True).order_by("name", "id")
    cut = access.company_cut(request.member)
    return rows if cut is None else rows.filter(Q(company_id__in=cut) | Q(company=None))


def _known(delivery_ids: list[int]) -> dict[int, dict[str, object]]:
    """What is known of unknown outcomes, and where more could be found."""
    return {
        number: {"fact": fact, "hint": where_to_look(fact.preset, fact.host)}
        for number, fact in unknown_facts(delivery_ids).items()
    }


@for_members("GET")
def one(request: MemberRequest, delivery_id: int) -> HttpResponse:
    """One delivery: what it waits for, why this server, every attempt with the reply verbatim, every report and decision."""
    _need(request)
    found = delivery(access.visible_deliveries(request.member), delivery_id, now=timezone.now())
    if found is None:
        raise Http404
    context = {"delivery": found, "row": found.row, "may_act": access.may(request.member, "queue")}
    if found.row.state == "unknown":
        context["known"] = _known([delivery_id]).get(delivery_id)
    if is_fragment(request):
        return fragment(request, "postroom/queue/_delivery.html", context)
    return page(request, "postroom/queue/delivery.html", _("Delivery"), context)


@for_members("POST")
def act(request: MemberRequest) -> HttpResponse:
    """Retry, Send Now, Cancel; for what is unknown: it arrived, send again, give up. One, many, or all that match the filter."""
    _need(request)
    action = request.POST.get("action", "")
    if action not in ACTIONS and action not in set(Decision):
        raise Http404
    if request.POST.get("every") == "1" and action in ACTIONS:
        return _act_on_all(request, action)
    chosen = [number for text in request.POST.getlist("id")[:1000] if (number := read_id(text)) is not None]
    visible = access.visible_deliveries(request.member).filter(pk__in=chosen).values_list("pk", flat=True)
    if action in ACTIONS:
        changed = ACTIONS[action](ports(), sorted(visible), member=request.member)
    else:
        changed = resolve_unknown(ports(), sorted(visible), Decision(action), member=request.member)
    return _told(request, len(changed.done), changed.refused)


def _act_on_all(request: MemberRequest, action: str) -> HttpResponse:
    try:
        wanted = _filter(request.POST, QueueView(request.POST.get("state", "")))
        changed = change_matching(ports(), action, wanted, member=request.member)
    except ValueError:
        raise Http404 from None
    if changed is None:
        said = _("These are very many: they are changed in the background, and the list follows.")
        return go(request, back(request, reverse("web:queue")), said=said)
    return _told(request, len(changed.done), changed.refused or {})


def _told(request: MemberRequest, done: int, refused: Mapping[int, Reason]) -> HttpResponse:
    said = ngettext("{n} delivery changed.", "{n} deliveries changed.", done).format(n=done) if done else ""
    trouble = ""
    if refused:
        left = len(refused)
        why = sorted({because(reason) for reason in refused.values()})
        trouble = ngettext("{n} was left as it is: {why}", "{n} were left as they are: {why}", left)
        trouble = trouble.format(n=left, why=" ".join(why[:3]))
    return go(request, back(request, reverse("web:queue")), said=said, trouble=trouble)


@for_members("POST")
def pause(request: MemberRequest, server_id: int) -> HttpResponse:
    """Nothing leaves through this server until it is resumed; what waits for it says so."""
    _need(request)
    server = _servers(request).filter(pk=server_id).first()
    if server is None:
        raise Http404
    is_pause = request.POST.get("pause") == "1"
    save_server(ports(), {"id": server.pk, "paused_at": timezone.now() if is_pause else None}, member=request.member)
    said = _("{server} is paused.") if is_pause else _("{server} sends again.")
    return go(request, back(request, reverse("web:queue")), said=said.format(server=server.name))
