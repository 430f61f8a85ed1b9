"""What is to be done on a record: planned, changed, done or cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.states import ActivityKind
from postroom.flows import access
from postroom.flows.activities import Plan, cancel_activity, change_activity, finish_activity, plan_activity
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_activities import activities_on, one_activity
from postroom.store.queries.pages_records import PersonFact, colleagues
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import fragment, go
from postroom.wiring import ports

KINDS = (
    (ActivityKind.TO_DO.value, gettext_lazy("To do")),
    (ActivityKind.CALL.value, gettext_lazy("Call")),
    (ActivityKind.MEETING.value, gettext_lazy("Meeting")),
    (ActivityKind.EMAIL.value, gettext_lazy("Email")),
    (ActivityKind.DOCUMENT.value, gettext_lazy("Document")),
)


def activities_context(request: MemberRequest, record_id: int, people: Sequence[PersonFact]) -> dict[str, object]:
    """What the list of a record shows. One query."""
    today = timezone.localdate()
    return {
        "record_id": record_id,
        "activities": activities_on(record_id, today),
        "activity_kinds": KINDS,
        "colleagues": people,
        "tomorrow": today + timedelta(days=1),
        "may_write": access.may(request.member, "write"),
    }


@for_members("GET", "POST")
def activities(request: MemberRequest, record_id: int) -> HttpResponse:
    """GET: the list. POST: one more is planned."""
    company_id = _company(request, record_id)
    if request.method == "POST":
        trouble = ""
        try:
            plan_activity(ports(), record_id=record_id, plan=_plan(request), by=request.member)
        except ValidationError as error:
            trouble = " ".join(error.messages)
        except ObjectDoesNotExist:
            raise Http404 from None
        return _list(request, record_id, company_id, trouble)
    return _list(request, record_id, company_id)


@for_members("POST")
def act(request: MemberRequest, activity_id: int) -> HttpResponse:
    """Done, changed or cancelled: as the button says."""
    found = one_activity(access.visible_records(request.member), activity_id, timezone.localdate())
    if found is None:
        raise Http404  # or somebody else was quicker
    company_id, trouble = _company(request, found.record_id), ""
    try:
        match request.POST.get("act"):
            case "done":
                feedback = text_of(request.POST, "feedback", 10_000)
                finish_activity(ports(), activity_id=activity_id, by=request.member, feedback=feedback)
            case "cancel":
                cancel_activity(ports(), activity_id=activity_id, by=request.member)
            case _:
                change_activity(ports(), activity_id=activity_id, plan=_plan(request), by=request.member)
    except ValidationError as error:
        trouble = " ".join(error.messages)
    except ObjectDoesNotExist:
        raise Http404 from None
    return _list(request, found.record_id, company_id, trouble)


def _company(request: MemberRequest, record_id: int) -> int:
    found = access.visible_records(request.member).filter(pk=record_id).values_list("company_id", flat=True).first()
    if found is None:
        raise Http404
    return found


def _plan(request: MemberRequest) -> Plan:
    """What the form says. Raises `ValidationError`, Record.DoesNotExist for a colleague who is none."""
    try:
        due_on = date.fromisoformat(text_of(request.POST, "due_on", 10))
    except ValueError:
        raise ValidationError(_("Choose a day.")) from None
    assignee = read_id(request.POST.get("assignee", "")) or request.member.pk
    return Plan(
        kind=text_of(request.POST, "kind", 10),
        due_on=due_on,
        assignee_id=assignee,
        summary=text_of(request.POST, "summary", 200),
        note=text_of(request.POST, "note", 10_000),
    )


def _list(request: MemberRequest, record_id: int, company_id: int, trouble: str = "") -> HttpResponse:
    if request.method == "POST" and not is_fragment(request):
        return go(request, reverse("web:record", args=[record_id]), trouble=trouble)
    context = {**activities_context(request, record_id, colleagues([company_id])), "trouble": trouble}
    answer = fragment(request, "postroom/records/_activities.html", context, status=422 if trouble else 200)
    if request.method == "POST" and not trouble:
        answer["HX-Trigger"] = "postroom:changed"
    return answer
