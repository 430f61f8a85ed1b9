"""Templates to write with, and messages that are posted later."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from ninja import Router, Status
from ninja.errors import HttpError

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.records import TROUBLE, readers_of, words_of
from postroom.api.v1.schemas import (
    AttachmentOut,
    FilledOut,
    ScheduledChange,
    ScheduledIn,
    ScheduledOut,
    TemplateOut,
    fields_of,
)
from postroom.core.terms.templates import TemplateError
from postroom.flows import access
from postroom.flows.mail_templates import fill_template
from postroom.flows.scheduled_messages import (
    ScheduleError,
    Words,
    cancel_scheduled,
    change_scheduled,
    schedule_message,
    send_scheduled_now,
    visible_scheduled,
)
from postroom.store.models import Record, ScheduledMessage
from postroom.store.queries.pages_scheduled import ScheduledFact, scheduled_rows, template_choices
from postroom.wiring import ports

router = Router(tags=["writing ahead"])


@router.get(
    "/records/{record_id}/templates", response={200: list[TemplateOut], **TROUBLE}, summary="Templates that fit"
)
def list_templates(request: ApiRequest, record_id: int) -> Any:
    """Those of the record's company and kind, and those of all."""
    record = _record(request, record_id)
    choices = template_choices(access.usable_templates(request.auth, record))
    return [fields_of(one, TemplateOut, languages=list(one.languages)) for one in choices]


@router.get(
    "/records/{record_id}/templates/{template_id}",
    response={200: FilledOut, **TROUBLE},
    summary="What a template says on a record",
)
def fill(request: ApiRequest, record_id: int, template_id: int, language: str = "") -> Any:
    """In ``language``, else in that of the record's contact."""
    access.require(request.auth, "post")
    try:
        found = fill_template(
            ports(), template_id=template_id, record_id=record_id, member=request.auth, language=language[:12]
        )
    except TemplateError as error:
        raise HttpError(422, f"The template cannot be used on this record. {error}") from None
    return fields_of(found, FilledOut)


@router.get("/records/{record_id}/scheduled", response={200: list[ScheduledOut], **TROUBLE}, summary="What waits")
def list_scheduled(request: ApiRequest, record_id: int) -> Any:
    """Messages of the record that wait for their date, and those that could not be posted."""
    record = _record(request, record_id)
    return [_out(one) for one in scheduled_rows(ScheduledMessage.objects.filter(record=record))]


@router.post("/records/{record_id}/scheduled", response={201: ScheduledOut, **TROUBLE}, summary="Write for later")
def schedule(request: ApiRequest, record_id: int, body: ScheduledIn) -> Any:
    """Posted at its date with the rights that the member has then."""
    words = words_of(request, record_id, body)
    try:
        row = schedule_message(
            ports(),
            record_id=record_id,
            author=request.auth,
            words=Words(html=words.html, subject=words.subject, template_id=body.template_id, **readers_of(body)),
            at=body.scheduled_at,
            files=words.files,
        )
    except ScheduleError as error:
        raise HttpError(422, str(error)) from None
    return Status(201, _out(_fact(request, row.pk)))


@router.patch("/scheduled/{scheduled_id}", response={200: ScheduledOut, **TROUBLE}, summary="Change what waits")
def change(request: ApiRequest, scheduled_id: int, body: ScheduledChange) -> Any:
    """Only its author."""
    fact = _fact(request, scheduled_id)
    try:
        change_scheduled(
            ports(),
            scheduled_id,
            member=request.auth,
            html=fact.html if body.html is None else body.html,
            subject=fact.subject if body.subject is None else body.subject,
            at=body.scheduled_at or fact.scheduled_at,
        )
    except ScheduleError as error:
        raise HttpError(422, str(error)) from None
    return _out(_fact(request, scheduled_id))


@router.delete("/scheduled/{scheduled_id}", response={204: None, **TROUBLE}, summary="Cancel what waits")
def cancel(request: ApiRequest, scheduled_id: int) -> Any:
    """It is never posted."""
    _fact(request, scheduled_id)
    cancel_scheduled(ports(), scheduled_id, member=request.auth)
    return Status(204, None)


@router.post("/scheduled/{scheduled_id}/send-now", response={200: dict[str, int], **TROUBLE}, summary="Send it now")
def send_now(request: ApiRequest, scheduled_id: int) -> Any:
    """Its author or an administrator. Returns the number of the message."""
    _fact(request, scheduled_id)
    try:
        return {"message_id": send_scheduled_now(ports(), scheduled_id, member=request.auth).pk}
    except ScheduleError as error:
        raise HttpError(422, str(error)) from None


def _record(request: ApiRequest, record_id: int) -> Record:
    found = access.visible_records(request.auth).filter(pk=record_id).first()
    if found is None:
        raise Http404
    return found


def _fact(request: ApiRequest, scheduled_id: int) -> ScheduledFact:
    rows = scheduled_rows(visible_scheduled(request.auth).filter(pk=scheduled_id))
    if not rows:
        raise Http404
    return rows[0]


def _out(fact: ScheduledFact) -> dict[str, Any]:
    return fields_of(
        fact, ScheduledOut, kind=fact.kind.value, files=[fields_of(one, AttachmentOut) for one in fact.files]
    )
