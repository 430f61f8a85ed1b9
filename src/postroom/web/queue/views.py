"""The queue: what waits and which gate holds it, what left, what failed and how, finding a delivery, paused servers."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.list_queue import read_filter
from postroom.flows.settings import save_server
from postroom.store.models import OutgoingServer
from postroom.store.queries.pages import Page
from postroom.store.queries.pages_failed import grouped_failures
from postroom.store.queries.pages_find import LEAST_ID, RECENT, find_deliveries
from postroom.store.queries.pages_pulse import day_of
from postroom.store.queries.pages_queue import deliveries, rows_of, server_states
from postroom.store.queries.queue_lists import QueueView
from postroom.web.home.charts import chart
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.queue.changing import change_shown
from postroom.web.queue.filters import (
    AGES,
    FAILED_VIEWS,
    FAULTS,
    GATES,
    LANES,
    VIEWS,
    asked_of,
    need_queue,
    wanted_of,
)
from postroom.web.queue.story import known_of
from postroom.web.shell import SeeOther, back, fragment, go, page
from postroom.wiring import ports


@for_members("GET")
def queue(request: MemberRequest) -> HttpResponse:
    """A list of the queue by state; narrowed by recipient, server, lane, gate, age and fault."""
    need_queue(request)
    try:
        view = QueueView(request.GET.get("state", QueueView.OUTGOING))
        wish = read_filter(
            wanted_of(request.GET, view), member=request.member, cursor=text_of(request.GET, "after", 100)
        )
    except ValueError:
        raise Http404 from None
    rows = deliveries(wish, now=timezone.now())
    asked = asked_of(request.GET)
    context: dict[str, Any] = {
        "rows": rows,
        "view": view.value,
        "views": [(one.value, word) for one, word in VIEWS],
        "cursor": request.GET.get("after", ""),
        "may_act": access.may(request.member, "queue"),
        "asked": asked,
        "is_narrowed": any(asked.values()),
    }
    if view is QueueView.UNKNOWN:
        context["known"] = known_of([row.id for row in rows.rows])
    if is_fragment(request) and request.headers.get("HX-Target") != "pr-queue":  # that is the list with its buttons
        return fragment(request, "postroom/queue/_rows.html", context)
    context |= _choices(request, view) | change_shown(request, request.GET)
    if view is QueueView.OUTGOING:
        context["servers"] = server_states(_servers(request))
        context["may_pause"] = access.may(request.member, "settings")
        context["age_chart"] = chart(day_of(access.company_cut(request.member), timezone.now())[-1])
    return page(request, "postroom/queue/queue.html", _("Queue"), context)


def _choices(request: MemberRequest, view: QueueView) -> dict[str, Any]:
    is_outgoing = view is QueueView.OUTGOING
    return {
        "lanes": [(one.value, word) for one, word in LANES],
        "gates": [(one.value, word) for one, word in GATES] if is_outgoing else [],
        "ages": [(one.value, word) for one, word in AGES] if is_outgoing else [],
        "faults": [(one.value, word) for one, word in FAULTS] if view in FAILED_VIEWS else [],
        "server_names": list(_servers(request).values_list("name", flat=True).distinct()[:100]),
    }


def _servers(request: MemberRequest) -> QuerySet[OutgoingServer]:
    """Those of the own companies, and those of all."""
    rows = OutgoingServer.objects.filter(is_active=True).order_by("name", "id")
    cut = access.company_cut(request.member)
    return rows if cut is None else rows.filter(Q(company_id__in=cut) | Q(company=None))


@for_members("GET")
def failures(request: MemberRequest) -> HttpResponse:
    """What failed lately, by reason, by domain and by server."""
    need_queue(request)
    shows_house = access.is_house_administrator(request.member)
    found = grouped_failures(access.company_cut(request.member), shows_house=shows_house)
    return page(request, "postroom/queue/failures.html", _("Failures in groups"), {"found": found})


@for_members("GET")
def find(request: MemberRequest) -> HttpResponse:
    """By address, Message-ID, number, or the id that a relay or provider gave it. The only one found is shown at once."""
    need_queue(request)
    asked = text_of(request.GET, "q", 1000)
    shows_house = access.is_house_administrator(request.member)
    found = find_deliveries(asked, access.company_cut(request.member), shows_house=shows_house)
    if len(found.ids) == 1:
        return SeeOther(reverse("web:delivery", args=[found.ids[0]]))
    if not found.ids and found.is_address:
        return SeeOther(reverse("web:queue", query={"state": "all", "to": asked}))
    context = {
        "query": asked,
        "found": found,
        "rows": Page(rows=rows_of(found.ids, now=timezone.now()), next=""),
        "recent": RECENT,
        "too_short": 0 < len(asked) < LEAST_ID,
    }
    return page(request, "postroom/queue/find.html", _("Find a delivery"), context)


@for_members("POST")
def pause(request: MemberRequest, server_id: int) -> HttpResponse:
    """Nothing leaves through this server until it is resumed; what waits for it says so."""
    need_queue(request)
    server = _servers(request).filter(pk=server_id).first()
    if server is None:
        raise Http404
    is_pause = request.POST.get("pause") == "1"
    save_server(ports(), {"id": server.pk, "paused_at": timezone.now() if is_pause else None}, member=request.member)
    said = _("{server} is paused.") if is_pause else _("{server} sends again.")
    return go(request, back(request, reverse("web:queue")), said=said.format(server=server.name))
