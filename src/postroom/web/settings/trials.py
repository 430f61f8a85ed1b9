"""Test Connection and Test & Confirm while one watches: begun, looked at again and again, called off. Pieces of a page, for htmx."""

from __future__ import annotations

from django.http import Http404, HttpResponse

from postroom.core.terms.addresses import normalize
from postroom.flows import access
from postroom.flows import trials as flow
from postroom.flows.leave_capture import waiting_mails
from postroom.flows.test_mailbox import read_mailbox_test
from postroom.flows.test_server import read_test
from postroom.store.models import Mailbox, OutgoingServer
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import fragment
from postroom.wiring import ports
from postroom.workers.trials import start_on_commit

_RESULTS = {"server": "postroom/settings/_server_test.html", "mailbox": "postroom/settings/_mailbox_test.html"}


@for_members("POST")
def begin(request: MemberRequest, row_id: int, kind: str) -> HttpResponse:
    """The piece that goes on asking."""
    to = text_of(request.POST, "to", 254)
    options: dict[str, str | bool] = {"to": to, "leave": request.POST.get("leave") == "1"}
    options["place"] = "welcome" if request.POST.get("place") == "welcome" else ""
    try:
        if to and not normalize(to):
            flow.require_triable(kind, row_id, member=request.member)
            return fragment(request, "postroom/settings/_trial.html", {"wrong_recipient": to})
        trial = flow.begin_trial(ports(), kind, row_id, member=request.member, options=options)
    except (OutgoingServer.DoesNotExist, Mailbox.DoesNotExist):
        raise Http404 from None
    start_on_commit(trial.id)
    return fragment(request, "postroom/settings/_trial.html", {"trial": trial})


@for_members("GET")
def piece(request: MemberRequest, trial_id: int) -> HttpResponse:
    """How far it has come; its outcome once it is over."""
    trial = flow.trial_of(ports(), trial_id, member=request.member)
    if trial is None:
        raise Http404
    return _shown(request, trial)


@for_members("POST")
def cancel(request: MemberRequest, trial_id: int) -> HttpResponse:
    """What it would still find is not wanted."""
    trial = flow.cancel_trial(ports(), trial_id, member=request.member)
    if trial is None:
        raise Http404
    return _shown(request, trial)


def _shown(request: MemberRequest, trial: flow.TrialFact) -> HttpResponse:
    if not trial.is_over or trial.is_cancelled or trial.trouble:
        return fragment(request, "postroom/settings/_trial.html", {"trial": trial})
    context: dict[str, object] = {"tested": _outcome(trial), "place": trial.place, "target_id": trial.target_id}
    if trial.kind == "server" and trial.place and access.is_house_administrator(request.member):
        context["waiting"] = waiting_mails()  # whoever uses it ends capture mode
    answer = fragment(request, _RESULTS[trial.kind], context)
    if trial.kind == "mailbox" and not trial.place and trial.steps and all(one.is_ok for one in trial.steps):
        answer["HX-Refresh"] = "true"  # it is confirmed now: what may be done, and what is locked, changed with it
    return answer


def _outcome(trial: flow.TrialFact) -> object:
    if trial.kind == "server":
        server = OutgoingServer.objects.filter(pk=trial.target_id).values_list("test_result", flat=True).first()
        return read_test(server)
    return read_mailbox_test(Mailbox.objects.filter(pk=trial.target_id).values_list("test_result", flat=True).first())
