"""The blacklist: addresses that campaigns leave out, with what came back from each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404
from ninja import Field, Query, Router, Schema, Status
from ninja.errors import HttpError

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.schemas import Cut, In, PageOut, ReasonOut, Trouble, fields_of, page_out, reasons_out
from postroom.core.terms.addresses import normalize
from postroom.core.terms.states import EvidenceKind, EvidenceSource, SuppressionCause
from postroom.flows import access
from postroom.flows.suppress_address import LONGEST_DAYS, SuppressionError, release, suppress
from postroom.store.queries.pages_suppression import (
    AddressFact,
    AddressRow,
    AddressView,
    EventFact,
    SuppressionFact,
    address,
    address_list,
)
from postroom.store.queries.suppressed import suppressed_among
from postroom.wiring import ports

router = Router(tags=["suppression"])

TROUBLE = {400: Trouble, 401: Trouble, 403: Trouble, 404: Trouble, 409: Trouble, 422: Trouble}


class SuppressionQuery(Cut):
    view: AddressView = AddressView.SUPPRESSED
    search: str = Field("", max_length=320, description="An address, or words that begin words of it.")


class SuppressionIn(In):
    address: str = Field(max_length=320)
    why: str = Field(min_length=1, max_length=500)
    days: int = Field(0, ge=0, le=LONGEST_DAYS, description="For how long; 0: for good.")
    company_id: int | None = Field(None, description="The member's own company when left out.")


class ReleaseIn(In):
    why: str = Field("", max_length=500)


class CheckIn(In):
    addresses: list[str] = Field(max_length=10_000)
    company_id: int | None = None


class SuppressionOut(Schema):
    cause: SuppressionCause
    reasons: list[ReasonOut]
    since: datetime
    expires_at: datetime | None
    who: str
    released_at: datetime | None
    released_who: str
    released_why: str


class AddressOut(Schema):
    id: int
    company_id: int
    address: str
    bounce_count: int = Field(description="Since the last sign of life.")
    first_bounced_at: datetime | None
    last_bounced_at: datetime | None
    last_status: str
    last_reply: str
    last_blame: str
    complaint_count: int
    last_complained_at: datetime | None
    alive_at: datetime | None
    suppression: SuppressionOut | None


class EvidenceOut(Schema):
    kind: EvidenceKind
    source: EvidenceSource
    status: str
    reply: str
    blame: str
    is_proof: bool = Field(description="That the address does not exist.")
    happened_at: datetime
    delivery_id: int
    inbound_id: int | None


class AddressStoryOut(Schema):
    address: AddressOut
    events: list[EvidenceOut]
    history: list[SuppressionOut]


@router.get("/suppressions", response={200: PageOut[AddressOut], **TROUBLE}, summary="The blacklist")
def list_suppressions(request: ApiRequest, asked: Query[SuppressionQuery]) -> Any:
    """Newest first. ``view``: suppressed, bouncing, complained, released."""
    access.require(request.auth, "view")
    page = address_list(
        access.company_ids(request.auth),
        asked.view,
        now=ports().clock.now(),
        search=asked.search,
        cursor=asked.after,
        size=asked.limit,
    )
    return page_out(page, [_address(row) for row in page.rows])


@router.post("/suppressions", response={201: AddressStoryOut, **TROUBLE}, summary="Leave an address out of campaigns")
def add_suppression(request: ApiRequest, given: SuppressionIn) -> Any:
    company_id = given.company_id or request.auth.company_id
    if not normalize(given.address):
        raise HttpError(422, f"{given.address!r} is no mail address.")
    try:
        row = suppress(
            ports(), company_id=company_id, address=given.address, why=given.why, days=given.days, member=request.auth
        )
    except SuppressionError as error:
        raise HttpError(409, str(error)) from None
    return Status(201, _story(request, row.pk))


@router.post(
    "/suppressions/check", response={200: dict[str, ReasonOut], **TROUBLE}, summary="Who of these is left out?"
)
def check(request: ApiRequest, given: CheckIn) -> Any:
    """Those that campaigns leave out, each with the reason; the others are not in the answer."""
    access.require(request.auth, "view")
    company_id = given.company_id or request.auth.company_id
    if company_id not in access.company_ids(request.auth):
        raise Http404
    found = suppressed_among(company_id, given.addresses, now=ports().clock.now())
    return {one: reasons_out([reason])[0] for one, reason in found.items()}


@router.get("/suppressions/{address_id}", response={200: AddressStoryOut, **TROUBLE}, summary="One address")
def get_suppression(request: ApiRequest, address_id: int) -> Any:
    """With what came back from it, verbatim, and all times at which it was left out."""
    access.require(request.auth, "view")
    return _story(request, address_id)


@router.post(
    "/suppressions/{address_id}/release", response={200: AddressStoryOut, **TROUBLE}, summary="Write to it again"
)
def let_go(request: ApiRequest, address_id: int, given: ReleaseIn) -> Any:
    """What came back before is spent by it: only new evidence suppresses it again."""
    try:
        release(ports(), address_id, why=given.why, member=request.auth)
    except SuppressionError as error:
        raise HttpError(409, str(error)) from None
    return _story(request, address_id)


def _story(request: ApiRequest, address_id: int) -> dict[str, Any]:
    found: AddressFact | None = address(access.visible_addresses(request.auth), address_id)
    if found is None:
        raise Http404
    return {
        "address": _address(found.row),
        "events": [_event(one) for one in found.events],
        "history": [_suppression(one) for one in found.history],
    }


def _address(row: AddressRow) -> dict[str, Any]:
    return fields_of(row, AddressOut, suppression=_suppression(row.suppression) if row.suppression else None)


def _event(one: EventFact) -> dict[str, Any]:
    return fields_of(one, EvidenceOut)


def _suppression(one: SuppressionFact) -> dict[str, Any]:
    return fields_of(one, SuppressionOut, reasons=reasons_out(one.reasons))
