"""The story of a mail or of an address, for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError
from pydantic import AwareDatetime

from postroom.api.v1.authentication import ApiRequest
from postroom.api.v1.schemas import Cut, ReasonOut, Trouble
from postroom.core.diagnosis.story import FoundBy, StoryKind, Tone
from postroom.core.terms.states import DeliveryState
from postroom.flows.tell_story import LONGEST_QUESTION, StoryWish, tell_story
from postroom.wiring import ports

router = Router(tags=["story"])

TROUBLE = {401: Trouble, 403: Trouble, 404: Trouble, 422: Trouble}


class StoryQuery(Cut):
    q: str = Field(
        min_length=1,
        max_length=LONGEST_QUESTION,
        description="A Message-ID, an address, a relay's or provider's id or a line of its log, the number of a message, delivery:NUMBER or inbound:NUMBER.",
    )
    after: str = Field("", max_length=200, description="The ``next`` of the page before.")
    since: AwareDatetime | None = Field(None, description="Nothing that happened before.")


class StoryEventOut(Schema):
    at: datetime
    kind: StoryKind
    sentence: str
    tone: Tone
    who: str
    about: str
    evidence: str = Field(description="What a machine or a person said, verbatim: strangers' words.")
    relay_ids: list[str] = Field(description="What the next server calls the mail.")
    why: list[ReasonOut]
    cause: str = Field(description="Of the list of reasons why mails come back; empty where nobody can say.")
    usually_means: str
    source: str = Field(description="The row that it is told from.")
    message_id: int | None
    record_id: int | None
    delivery_id: int | None
    inbound_id: int | None
    address_id: int | None


class MailHeadOut(Schema):
    delivery_id: int
    address: str
    subject: str
    state: DeliveryState
    waits_for: str
    due_at: datetime | None


class StoryOut(Schema):
    """``next``: ask with ?after= this for what is older; ``remarks`` say how far was looked."""

    asked: str
    found_by: FoundBy
    title: str
    address: str
    mails: list[MailHeadOut]
    events: list[StoryEventOut] = Field(description="The oldest first.")
    remarks: list[str]
    next: str


@router.get("/story", response={200: StoryOut, **TROUBLE}, summary="The story of a mail or of an address")
def get_story(request: ApiRequest, asked: Query[StoryQuery]) -> Any:
    """One timeline across posting, queue, attempts, reports, the blacklist and answers; cut to what the caller may see."""
    wish = StoryWish(asked=asked.q, since=asked.since, cursor=asked.after, size=asked.limit)
    told = tell_story(ports(), wish, member=request.auth)
    if not told.is_found:
        raise HttpError(404, " ".join(map(str, told.remarks)) or "Nothing was asked.")
    return told.as_json()
