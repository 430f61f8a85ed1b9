"""Approvals: what agents propose, decided by a person. What is approved is done at once, once, and exactly as it is shown."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.states import ProposalState
from postroom.flows import agent_proposals as flow
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import go, page
from postroom.wiring import ports

WORDS = {
    ProposalState.WAITING: (gettext_lazy("waits"), "warn"),
    ProposalState.DONE: (gettext_lazy("done"), "ok"),
    ProposalState.FAILED: (gettext_lazy("could not be done"), "bad"),
    ProposalState.REFUSED: (gettext_lazy("refused"), "quiet"),
    ProposalState.EXPIRED: (gettext_lazy("expired"), "quiet"),
}


@for_members("GET")
def approvals(request: MemberRequest) -> HttpResponse:
    """What waits first, then what was decided."""
    found = flow.list_proposals(ports(), member=request.member)
    rows = [{"one": one, "word": WORDS[one.state]} for one in found]
    context = {
        "waiting": [row for row, one in zip(rows, found, strict=True) if one.is_waiting],
        "decided": [row for row, one in zip(rows, found, strict=True) if not one.is_waiting][:50],
    }
    return page(request, "postroom/settings/approvals.html", _("Approvals"), context)


@for_members("POST")
def decide(request: MemberRequest, proposal_id: int) -> HttpResponse:
    """``decision``: approve, with the fingerprint of what was shown, or refuse."""
    try:
        if request.POST.get("decision") == "approve":
            shown = text_of(request.POST, "fingerprint", 64)
            done = flow.approve(ports(), proposal_id, fingerprint=shown, member=request.member)
        else:
            done = flow.refuse(ports(), proposal_id, member=request.member)
    except flow.NoProposal as trouble:
        raise Http404 from trouble
    except flow.ProposalTrouble as trouble:
        return go(request, reverse("web:approvals"), trouble=str(trouble))
    if done.state is ProposalState.FAILED:
        return go(request, reverse("web:approvals"), trouble=done.outcome)
    return go(request, reverse("web:approvals"), said=done.outcome or _("It is refused."))
