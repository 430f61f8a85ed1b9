"""A support bundle to download: what it is about, what is masked in it, and the file.

Law: for who may see the whole house (the flow asks again), by POST alone, and noted in the audit log.
"""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from postroom.flows.access import require_house
from postroom.flows.build_support_bundle import MASKS, build_support_bundle
from postroom.flows.gather_case import CaseWish, NoSuchCase, find_case
from postroom.store.queries.pages import read_id
from postroom.web.frames import download
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import page
from postroom.wiring import ports


@for_members("GET", "POST")
def bundle(request: MemberRequest) -> HttpResponse:
    """The form, and by POST the file."""
    require_house(request.member)
    given = request.POST if request.method == "POST" else request.GET
    named = {name: text_of(given, name, 20) for name in ("inbound", "message", "record")}
    numbers = {name: read_id(text) for name, text in named.items()}
    if any(text and numbers[name] is None for name, text in named.items()):
        raise Http404
    message = numbers["message"]
    wish = CaseWish(
        inbound=numbers["inbound"], record=numbers["record"], message=str(message) if message is not None else ""
    )
    try:
        if request.method == "POST":
            masks = [name for name in MASKS if request.POST.get(name)]
            made = build_support_bundle(ports(), wish, masks=masks, member=request.member)
            answer = download(made.content, made.name, "application/zip")
            answer["Cache-Control"] = "private, no-store"
            return answer
        case = find_case(wish, member=request.member)
    except NoSuchCase as error:
        raise Http404 from error
    context = {
        "case": case,
        "subject": case.record.title if case.record is not None else "",
        "named": [(name, number) for name, number in numbers.items() if number is not None],
    }
    return page(request, "postroom/settings/bundle.html", _("Support bundle"), context)
