"""Something done to chosen records: done or open, stage, responsible, followed; and taken back again.

Htmx gets a word about it with the way back, and the rows as they are now; a plain form goes back to its page.
What undo needs travels with the page, signed for the member: nothing is kept on the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core import signing
from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flows import access
from postroom.flows.change_records import Changed, Value, What, change_records, undo_change
from postroom.store.models import Member
from postroom.store.queries.pages import Page, read_id
from postroom.store.queries.pages_records import record_ids_of, record_rows
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.records.lists import Asked, asked_of, place_of
from postroom.web.shell import back, fragment, go
from postroom.wiring import ports

SALT = "postroom.records.undo"
UNDO_SECONDS = 3600


@for_members("POST")
def act(request: MemberRequest) -> HttpResponse:
    """``act`` is ``done:1``, ``stage:Solved``, ``responsible:12``, ``follow:0`` …; each ``id`` a record, with the moment that was seen."""
    what, value = _wanted(text_of(request.POST, "act", 120))
    chosen = [_chosen(text) for text in request.POST.getlist("id")]
    seen = {pk: at for pk, at in chosen if pk is not None and at is not None}
    ids = [pk for pk, _at in chosen if pk is not None]
    changed = change_records(ports(), record_ids=ids, what=what, value=value, by=request.member, seen=seen)
    said, trouble = _said(changed), _trouble(changed)
    if not is_fragment(request):
        return go(request, back(request, reverse("web:records")), said=said, trouble=trouble)
    return _answer(request, ids, said=said, trouble=trouble, token=_token(changed, request.member))


@for_members("POST")
def undo(request: MemberRequest) -> HttpResponse:
    """What ``act`` did is taken back, where nobody changed it since."""
    try:
        kept = signing.loads(request.POST.get("undo", ""), salt=SALT, max_age=UNDO_SECONDS)
    except signing.BadSignature:
        return _answer(request, [], trouble=_("It is too late to undo this."))
    if kept["member"] != request.member.pk:
        raise Http404
    before = {int(pk): value for pk, value in kept["before"]}
    count = undo_change(ports(), what=kept["what"], after=kept["after"], before=before, by=request.member)
    said = ngettext("{n} record is as it was before.", "{n} records are as they were before.", count).format(n=count)
    if not is_fragment(request):
        return go(request, back(request, reverse("web:records")), said=said)
    return _answer(request, list(before), said=said)


def _wanted(text: str) -> tuple[What, Value]:
    name, _colon, value = text.partition(":")
    if name not in set(What):
        raise Http404
    what = What(name)
    if what in (What.DONE, What.FOLLOW):
        return what, value == "1"
    return what, read_id(value) if what is What.RESPONSIBLE else value


def _chosen(text: str) -> tuple[int | None, datetime | None]:
    """``12@2026-03-02T15:04:05+00:00``: the record, and when it was last written on as far as the page knew."""
    number, _at, moment = text.partition("@")
    try:
        seen = parse_datetime(moment)
    except ValueError:
        seen = None
    return read_id(number), seen if seen is not None and seen.tzinfo is not None else None


def _token(changed: Changed, member: Member) -> str:
    if not changed.before:
        return ""
    kept = {
        "member": member.pk,
        "what": changed.what.value,
        "after": changed.after,
        "before": list(changed.before.items()),
    }
    return signing.dumps(kept, salt=SALT, compress=True)


def _said(changed: Changed) -> str:
    n = len(changed.before)
    if not n:
        return "" if changed.fresh else _("Nothing had to be changed.")
    match changed.what:
        case What.DONE if changed.after:
            words = ngettext("{n} record is done.", "{n} records are done.", n)
        case What.DONE:
            words = ngettext("{n} record is open again.", "{n} records are open again.", n)
        case What.FOLLOW if changed.after:
            words = ngettext("You follow {n} record.", "You follow {n} records.", n)
        case What.FOLLOW:
            words = ngettext("You follow {n} record no more.", "You follow {n} records no more.", n)
        case What.STAGE:
            words = ngettext("{n} record has the new stage.", "{n} records have the new stage.", n)
        case What.RESPONSIBLE:
            words = ngettext("{n} record was handed over.", "{n} records were handed over.", n)
    return words.format(n=n)


def _trouble(changed: Changed) -> str:
    if not changed.fresh:
        return ""
    return ngettext(
        "{n} record stays open: something was written on it that you have not seen.",
        "{n} records stay open: something was written on them that you have not seen.",
        changed.fresh,
    ).format(n=changed.fresh)


def _answer(
    request: MemberRequest, ids: Sequence[int], *, said: str = "", trouble: str = "", token: str = ""
) -> HttpResponse:
    """The word, and the rows as they are: those that the list still shows, and the numbers of those that left it."""
    visible = access.visible_records(request.member)
    asked = _list_of(request)
    stay = record_ids_of(visible, asked.wish, ids) if asked is not None else frozenset()
    rows = record_rows(visible, list(stay)) if stay else ()
    context: dict[str, Any] = {
        "said": said,
        "trouble": trouble,
        "token": token,
        "rows": Page(rows=rows),
        "gone": [pk for pk in ids if pk not in stay],
        "is_fresh": True,
        "may_act": True,
        "may_write": access.may(request.member, "write"),
        "place": place_of(asked.wish.kind) if asked is not None else "",
        "kind": asked.kind if asked is not None else None,
        "kind_labels": {one.key: one.label for one in asked.kinds} if asked is not None else {},
    }
    return fragment(request, "postroom/records/_acted.html", context)


def _list_of(request: MemberRequest) -> Asked | None:
    """The list that the page shows: ``kind`` and ``list`` (its query)."""
    if "list" not in request.POST:
        return None
    query = QueryDict(request.POST["list"].lstrip("?")[:2000])
    return asked_of(request, text_of(request.POST, "kind", 40), query)
