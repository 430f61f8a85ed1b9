"""One contact, and every conversation with it that the reader may see."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _

from postroom.flows import access
from postroom.flows.warn_about import warnings_about
from postroom.store.queries.pages_people import contact_fact, conversations_with
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import fragment, page
from postroom.wiring import ports


@for_members("GET")
def contact(request: MemberRequest, contact_id: int) -> HttpResponse:
    """Across all kinds of records, last written on first."""
    ids = access.company_ids(request.member)
    found = contact_fact(contact_id, ids)
    if found is None:
        raise Http404
    rows = conversations_with(
        access.visible_records(request.member), contact_id, cursor=text_of(request.GET, "after", 100)
    )
    context = {"contact": found, "rows": rows}
    if is_fragment(request):
        return fragment(request, "postroom/people/_conversations.html", context)
    company_id = found.company_id or request.member.company_id
    troubles = warnings_about(ports(), company_id, [found.address]) if found.address else ()
    return page(request, "postroom/people/contact.html", _("Contact"), {**context, "troubles": troubles})
