"""Deliveries and incoming mail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import Http404
from ninja import Query, Router
from ninja.errors import HttpError

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.schemas import (
    AttemptOut,
    AuthenticationOut,
    ChangedOut,
    DecisionOut,
    DeliveryOut,
    DeliveryQuery,
    DeliveryRowOut,
    FindingOut,
    InboundOut,
    InboundQuery,
    InboundRowOut,
    MadeOut,
    PageOut,
    Trouble,
    fields_of,
    page_out,
    reason_out,
    reasons_out,
)
from postroom.flows import access, queue
from postroom.flows.list_queue import QueueFilter, read_filter
from postroom.flows.settle_unknown import Decision, resolve_unknown
from postroom.store.queries.pages_inbound import InboundFact, InboundRow, InboundWish, inbound, inbound_list
from postroom.store.queries.pages_queue import DeliveryRow, deliveries, delivery
from postroom.wiring import ports

router = Router(tags=["mail"])

TROUBLE = {400: Trouble, 401: Trouble, 403: Trouble, 404: Trouble, 422: Trouble}
ACTIONS = {"retry": queue.retry, "send-now": queue.send_now, "cancel": queue.cancel}
DECISIONS = {"arrived": Decision.ARRIVED, "send-again": Decision.AGAIN, "give-up": Decision.GIVEN_UP}


@router.get("/deliveries", response={200: PageOut[DeliveryRowOut], **TROUBLE}, summary="The queue")
def list_deliveries(request: ApiRequest, asked: Query[DeliveryQuery]) -> Any:
    """What is outgoing comes in the order in which it leaves, everything else newest first.

    A narrowed list may come in short pages: go on while there is a next one."""
    access.require(request.auth, "queue")
    try:
        wish = read_filter(_filter(asked), member=request.auth, cursor=asked.after)
    except ValueError as error:
        raise HttpError(422, str(error)) from None
    page = deliveries(replace(wish, size=asked.limit), now=ports().clock.now())
    return page_out(page, [_delivery(row) for row in page.rows])


@router.get("/deliveries/{delivery_id}", response={200: DeliveryOut, **TROUBLE}, summary="One delivery")
def get_delivery(request: ApiRequest, delivery_id: int) -> Any:
    """With every attempt and the server's replies verbatim."""
    access.require(request.auth, "queue")
    found = delivery(access.visible_deliveries(request.auth), delivery_id, now=ports().clock.now())
    if found is None:
        raise Http404
    return fields_of(
        found,
        DeliveryOut,
        delivery=_delivery(found.row),
        reasons=reasons_out(found.reasons),
        attempts=[fields_of(one, AttemptOut, state=one.state.value) for one in found.attempts],
    )


@router.post(
    "/deliveries/{delivery_id}/{action}",
    response={200: ChangedOut, **TROUBLE},
    summary="Retry, send now, cancel; or decide what is unknown",
)
def act(request: ApiRequest, delivery_id: int, action: str) -> Any:
    """``action``: retry, send-now or cancel; arrived, send-again or give-up where the outcome is unknown.

    A delivery that is not in a fitting state is left alone, with the reason."""
    access.require(request.auth, "queue")
    if action not in ACTIONS and action not in DECISIONS:
        raise HttpError(404, "There is no such action.")
    if not access.visible_deliveries(request.auth).filter(pk=delivery_id).exists():
        raise Http404
    if action in ACTIONS:
        changed = ACTIONS[action](ports(), [delivery_id], member=request.auth)
    else:
        changed = resolve_unknown(ports(), [delivery_id], DECISIONS[action], member=request.auth)
    return {"done": list(changed.done), "refused": {pk: reason_out(why) for pk, why in changed.refused.items()}}


@router.get("/inbound", response={200: PageOut[InboundRowOut], **TROUBLE}, summary="The inbound log")
def list_inbound(request: ApiRequest, asked: Query[InboundQuery]) -> Any:
    """Newest first."""
    access.require(request.auth, "inbound")
    page = inbound_list(
        access.visible_inbound(request.auth),
        InboundWish(state=asked.state),
        cut=access.company_cut(request.auth),
        cursor=asked.after,
        size=asked.limit,
    )
    return page_out(page, [_inbound(row) for row in page.rows])


@router.get("/inbound/{inbound_id}", response={200: InboundOut, **TROUBLE}, summary="One incoming mail")
def get_inbound(request: ApiRequest, inbound_id: int) -> Any:
    """What was decided about it, why, and what it became."""
    access.require(request.auth, "inbound")
    found = inbound(access.visible_inbound(request.auth), inbound_id, cut=access.company_cut(request.auth))
    if found is None:
        raise Http404
    return fields_of(
        found,
        InboundOut,
        mail=_inbound(found.row),
        authentication=_authentication(found),
        decisions=[fields_of(one, DecisionOut, reasons=reasons_out(one.reasons)) for one in found.decisions],
        made=[fields_of(one, MadeOut) for one in found.made],
    )


def _authentication(found: InboundFact) -> dict[str, Any] | None:
    sender = found.authenticity
    if sender is None:
        return None
    return fields_of(
        sender,
        AuthenticationOut,
        proof=sender.proof.value,
        findings=[
            fields_of(one, FindingOut, method=one.method.value, result=one.result.value) for one in sender.findings
        ],
        reasons=reasons_out(sender.reasons),
    )


def _filter(asked: DeliveryQuery) -> QueueFilter:
    return QueueFilter(
        state=asked.state.value,
        recipient=asked.to,
        server=asked.server,
        lane=asked.lane.value if asked.lane else "",
        gate=asked.gate.value if asked.gate else "",
    )


def _delivery(row: DeliveryRow) -> dict[str, Any]:
    waits_for = reason_out(row.waits_for) if row.waits_for else None
    gate = row.gate.value if row.gate else None
    return fields_of(row, DeliveryRowOut, state=row.state.value, waits_for=waits_for, gate=gate)


def _inbound(row: InboundRow) -> dict[str, Any]:
    return fields_of(row, InboundRowOut, state=row.state.value, reasons=reasons_out(row.reasons))
