"""The desk: lists of records, what is found in their messages, and what comes in while one looks.

A list is asked for by its address alone (``q``, ``who``, ``stage``, ``state``, ``contact``), so that it can be kept, shared and
gone back to. Htmx gets pieces: all that was found, the next page of it, or what was written since a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flows import access
from postroom.flows.saved_views import ASKED, may_change, visible_views
from postroom.store.models import SavedView
from postroom.store.queries.pages import Page, read_id
from postroom.store.queries.pages_records import (
    KindFact,
    RecordRow,
    RecordWish,
    aliases_of,
    colleagues,
    how_many,
    people,
    record_list,
    record_rows,
    written_since,
)
from postroom.store.queries.pages_search import HitPage, exactly, search_messages
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.navigation import around
from postroom.web.shell import SeeOther, fragment, page
from postroom.wiring import ports

MANY = 99
USUAL = {"state": "open"}  # a bare address means one's own default view
OVERLAP = timedelta(seconds=5)  # a transaction may end a little after the time that it wrote
WHOSE = (
    ("", gettext_lazy("All")),
    ("waiting", gettext_lazy("Unanswered")),
    ("mine", gettext_lazy("Mine")),
    ("unassigned", gettext_lazy("Unassigned")),
    ("followed", gettext_lazy("I follow")),
    ("failed", gettext_lazy("My failed messages")),
)
STATES = (
    ("", gettext_lazy("Still open")),
    ("done", gettext_lazy("Done")),
    ("all", gettext_lazy("Open and done")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for."""

    kind: KindFact | None
    kinds: Sequence[KindFact]
    wish: RecordWish
    typed: str  # as it was typed: a blank at the end ends the last word
    who: str
    state: str


@for_members("GET")
def records(request: MemberRequest, kind: str = "") -> HttpResponse:
    """All records, or those of one kind; htmx gets pieces."""
    asked = asked_of(request, kind)
    if is_fragment(request):
        return _piece(request, asked)
    if not request.GET and (usual := _usual(request, kind)) is not None:
        return SeeOther(usual)
    context = _found(request, asked) | _around(request, asked)
    title = asked.kind.label_plural if asked.kind else _("All records")
    return page(request, "postroom/records/list.html", title, context)


def asked_of(request: MemberRequest, kind: str, query: QueryDict | None = None) -> Asked:
    """What the address, or this ``query`` of one, asks for. 404 for a kind that there is not. Who searches, searches everywhere, unless open or done ones are named."""
    query = request.GET if query is None else query
    facts = around(request, request.member)
    known = facts.kinds
    chosen = next((one for one in known if one.key == kind), None)
    if kind and chosen is None:
        raise Http404
    who = query.get("who", "")
    who = who if who in dict(WHOSE) else ""
    search = text_of(query, "q", 200)
    state = query.get("state", "")
    if state not in ("open", "done", "all"):
        state = "all" if search or who == "failed" else "open"
    wish = RecordWish(
        kind=kind,
        kinds=facts.kind_keys,
        search=search,
        stage=text_of(query, "stage", 80),
        responsible={"mine": request.member.pk, "unassigned": 0}.get(who),
        contact=read_id(query.get("contact", "")),
        is_done={"open": False, "done": True}.get(state),
        is_unanswered=who == "waiting",
        follower=request.member.contact_id if who == "followed" else None,
        failed_author=request.member.contact_id if who == "failed" else None,
        cursor=text_of(query, "after", 100),
    )
    return Asked(
        kind=chosen,
        kinds=known,
        wish=wish,
        typed=query.get("q", "").replace("\0", "")[:200],
        who=who,
        state=state,
    )


def _piece(request: MemberRequest, asked: Asked) -> HttpResponse:
    if (since := request.GET.get("since")) is not None:
        return _fresh(request, asked, since)
    if request.GET.get("below"):
        context = {"hits": _hits(request, asked, request.GET["below"]), **_words(request, asked)}
        return fragment(request, "postroom/records/_hits.html", context)
    if asked.wish.cursor:
        context = {"rows": _rows(request, asked), **_words(request, asked)}
        return fragment(request, "postroom/records/_rows.html", context)
    return fragment(request, "postroom/records/_found_all.html", _found(request, asked) | {"is_piece": True})


def _fresh(request: MemberRequest, asked: Asked, since: str) -> HttpResponse:
    """The rows on which something was written since; from when on to ask the next time."""
    now = ports().clock.now()
    at = _moment(since)
    rows: Sequence[RecordRow] = ()
    if at is not None:
        visible, companies = access.visible_records(request.member), access.company_ids(request.member)
        rows = written_since(visible, asked.wish, companies, at - OVERLAP)
    context = {"rows": Page(rows=tuple(rows)), "is_fresh": True, **_words(request, asked)}
    answer = fragment(request, "postroom/records/_rows.html", context)
    answer["X-Postroom-Now"] = now.isoformat()
    return answer


def _moment(text: str) -> datetime | None:
    try:
        at = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def _rows(request: MemberRequest, asked: Asked) -> Page[RecordRow]:
    visible, companies = access.visible_records(request.member), access.company_ids(request.member)
    return record_list(visible, asked.wish, companies)


def _hits(request: MemberRequest, asked: Asked, below: str = "") -> HitPage:
    return search_messages(asked.wish, asked.typed, access.company_ids(request.member), below)


def _words(request: MemberRequest, asked: Asked) -> dict[str, Any]:
    """What rows are drawn with."""
    return {
        "place": place_of(asked.wish.kind),
        "kind": asked.kind,
        "kind_labels": {one.key: one.label for one in asked.kinds},
        "wish": asked.wish,
        "may_act": True,
        "may_write": access.may(request.member, "write"),
    }


def _found(request: MemberRequest, asked: Asked) -> dict[str, Any]:
    """What the list shows: rows, and while somebody searches what a number names and what messages say."""
    wish = asked.wish
    rows = _rows(request, asked)
    visible = access.visible_records(request.member)
    named = record_rows(visible, ids) if wish.search and (ids := exactly(visible, wish.search)) else ()
    hits = _hits(request, asked, request.GET.get("below", "")) if wish.search else HitPage(rows=())
    is_filtered = bool(wish.search or wish.stage or asked.who or wish.contact is not None or asked.state == "done")
    is_empty = not (rows.rows or hits.rows or hits.next or named)
    return {
        **_words(request, asked),
        "rows": rows,
        "named": named,
        "hits": hits,
        "is_searching": bool(wish.search),
        "is_complete": hits.is_complete,
        "is_filtered": is_filtered,
        "is_empty": is_empty,
        "aliases": aliases_of(wish.kind, access.company_ids(request.member)) if is_empty and not is_filtered else (),
        "whose": [(key, word, place_of(wish.kind) + _link(request, who=key)) for key, word in WHOSE],
        "waiting_count": 0 if wish.search else _waiting(request, wish.kind),
        "who": asked.who,
        "state": asked.state,
        "now": ports().clock.now().isoformat(),
    }


def _waiting(request: MemberRequest, kind: str) -> int:
    """How many records wait for an answer; who searches is not told, it would be of what he does not look at."""
    visible, companies = access.visible_records(request.member), access.company_ids(request.member)
    return how_many(visible, RecordWish(kind=kind, is_done=False, is_unanswered=True), companies, MANY)


def _around(request: MemberRequest, asked: Asked) -> dict[str, Any]:
    """The bar above the list and the one below it."""
    companies = access.company_ids(request.member)
    contact = people([asked.wish.contact], companies) if asked.wish.contact is not None else ()
    views = [
        (view, may_change(request.member, view), _address(view))
        for view in visible_views(request.member).filter(kind=asked.wish.kind or None)
    ]
    return {
        "states": STATES,
        "contact": contact[0] if contact else None,
        "views": views,
        "here": request.GET.urlencode(),
        "asked_now": {key: request.GET[key] for key in ASKED if request.GET.get(key)},
        "may_share": access.may(request.member, "queue"),
        "colleagues": colleagues(companies) if access.may(request.member, "write") else (),
    }


def _link(request: MemberRequest, **changes: str) -> str:
    """This list, with some of what is asked changed."""
    query = {key: request.GET[key] for key in ASKED if request.GET.get(key)} | changes
    named = {key: value for key, value in query.items() if value}
    return f"?{urlencode(named or USUAL)}"


def _address(view: SavedView) -> str:
    return f"{place_of(view.kind_id or '')}?{urlencode(view.asked or USUAL)}"


def place_of(kind: str) -> str:
    """The list of this kind, or of all."""
    return reverse("web:kind", args=[kind]) if kind else reverse("web:records")


def _usual(request: MemberRequest, kind: str) -> str | None:
    """Where the member's own default view of this list is."""
    view = SavedView.objects.filter(member=request.member, kind=kind or None, is_default=True).first()
    return _address(view) if view is not None else None
