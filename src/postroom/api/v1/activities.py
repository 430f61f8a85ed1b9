"""What is to be done on records, and of what followers hear."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import Http404
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from ninja.errors import HttpError

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.records import TROUBLE
from postroom.api.v1.schemas import FollowerOut, In, fields_of
from postroom.core.terms.states import ActivityKind
from postroom.flows import access
from postroom.flows.activities import Plan, cancel_activity, finish_activity, plan_activity
from postroom.flows.mail_templates import zone_of
from postroom.flows.records import choose_subtypes
from postroom.store.queries.pages_activities import activities_of, activities_on
from postroom.store.queries.pages_records import followers
from postroom.wiring import ports

router = Router(tags=["activities"])


class ActivityIn(In):
    kind: ActivityKind = ActivityKind.TO_DO
    due_on: date
    assignee_id: int | None = Field(None, description="A member; the caller when left out.")
    summary: str = Field("", max_length=200)
    note: str = Field("", max_length=10_000, description="Plain text.")


class ActivityOut(Schema):
    id: int
    record_id: int
    kind: str
    summary: str
    note: str
    due_on: date
    due: str
    assignee_id: int
    assignee: str


class DoneIn(In):
    feedback: str = Field("", max_length=10_000, description="What came of it: plain text, for the conversation.")


class SubtypesIn(In):
    """Of what a follower hears. Who is no colleague hears of comments alone."""

    comments: bool
    notes: bool = False
    changes: bool = False
    activities: bool = False


@router.get("/activities", response={200: list[ActivityOut], **TROUBLE}, summary="What I have to do")
def mine(request: ApiRequest) -> Any:
    """The most urgent first, at most 200."""
    rows = activities_of(request.auth, access.visible_records(request.auth), _today(request), most=200)
    return [fields_of(one, ActivityOut) for one in rows]


@router.get(
    "/records/{record_id}/activities",
    response={200: list[ActivityOut], **TROUBLE},
    summary="What is planned on a record",
)
def list_activities(request: ApiRequest, record_id: int) -> Any:
    _record(request, record_id)
    return [fields_of(one, ActivityOut) for one in activities_on(record_id, _today(request))]


@router.post("/records/{record_id}/activities", response={201: ActivityOut, **TROUBLE}, summary="Plan an activity")
def plan(request: ApiRequest, record_id: int, body: ActivityIn) -> Any:
    """Who is given one by somebody else is told."""
    _record(request, record_id)
    wanted = Plan(
        kind=body.kind,
        due_on=body.due_on,
        assignee_id=request.auth.pk if body.assignee_id is None else body.assignee_id,
        summary=body.summary,
        note=body.note,
    )
    try:
        made = plan_activity(ports(), record_id=record_id, plan=wanted, by=request.auth)
    except ValidationError as error:
        raise HttpError(422, " ".join(error.messages)) from None
    except ObjectDoesNotExist:
        raise HttpError(422, "assignee_id is no member of this company.") from None
    found = next(one for one in activities_on(record_id, _today(request)) if one.id == made.pk)
    return Status(201, fields_of(found, ActivityOut))


@router.post("/activities/{activity_id}/done", response={204: None, **TROUBLE}, summary="It is done")
def done(request: ApiRequest, activity_id: int, body: DoneIn) -> Any:
    """An entry in the conversation says so."""
    finish_activity(ports(), activity_id=activity_id, by=request.auth, feedback=body.feedback)
    return Status(204, None)


@router.delete("/activities/{activity_id}", response={204: None, **TROUBLE}, summary="It need not be done any more")
def cancel(request: ApiRequest, activity_id: int) -> Any:
    cancel_activity(ports(), activity_id=activity_id, by=request.auth)
    return Status(204, None)


@router.put(
    "/records/{record_id}/followers/{contact_id}/subtypes",
    response={200: list[FollowerOut], **TROUBLE},
    summary="Of what a follower hears",
)
def subtypes(request: ApiRequest, record_id: int, contact_id: int, body: SubtypesIn) -> Any:
    choose_subtypes(ports(), record_id=record_id, contact_id=contact_id, by=request.auth, **body.model_dump())
    return [fields_of(one, FollowerOut) for one in followers(record_id)]


def _record(request: ApiRequest, record_id: int) -> None:
    if not access.visible_records(request.auth).filter(pk=record_id).exists():
        raise Http404


def _today(request: ApiRequest) -> date:
    """Where the caller lives."""
    return timezone.localdate(timezone=zone_of(request.auth))
