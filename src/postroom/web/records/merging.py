"""Merging a record into another: found, looked at side by side, and done once it was confirmed."""

from __future__ import annotations

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.merge_records import CannotMerge, merge_records
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_records import RecordWish, record_list
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.records.places import head_of
from postroom.web.shell import fragment, go, page
from postroom.wiring import ports

MOST_FOUND = 9


@for_members("GET", "POST")
def merge(request: MemberRequest, record_id: int) -> HttpResponse:
    """GET: the search, or with ``into`` the question whether this is meant. POST: it is done."""
    head = head_of(request, record_id)
    access.require(request.member, "write")
    into_id = read_id(request.POST.get("into", "") or request.GET.get("into", ""))
    if request.method == "POST":
        return _merge(request, record_id, into_id)
    if is_fragment(request):
        return fragment(request, "postroom/records/_merge_found.html", _found(request, record_id, head.kind.key))
    into = head_of(request, into_id) if into_id is not None and into_id != record_id else None
    context = {"record": head, "into": into, **_found(request, record_id, head.kind.key)}
    return page(request, "postroom/records/merge.html", head.kind.label_plural, context)


def _found(request: MemberRequest, record_id: int, kind: str) -> dict[str, object]:
    """Records of the same kind, newest first; those that the words fit when some are typed."""
    wish = RecordWish(kind=kind, search=text_of(request.GET, "q", 200), size=MOST_FOUND)
    rows = record_list(access.visible_records(request.member), wish, access.company_ids(request.member)).rows
    return {"rows": [row for row in rows if row.id != record_id], "from_id": record_id, "asked": wish.search}


def _merge(request: MemberRequest, record_id: int, into_id: int | None) -> HttpResponse:
    if into_id is None:
        raise Http404
    try:
        kept = merge_records(ports(), record_id=record_id, into_id=into_id, by=request.member)
    except CannotMerge as words:
        return go(request, reverse("web:merge", args=[record_id]), trouble=str(words))
    except ObjectDoesNotExist:
        raise Http404 from None
    return go(request, reverse("web:record", args=[kept.pk]), said=_("Merged. Its conversation is here now."))
