"""What goes over the line, in and out. Times are ISO 8601 in UTC; reasons are a code, its facts and the English sentence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from ninja import Field, Schema
from pydantic import AwareDatetime, ConfigDict, model_validator

from postroom.core.terms.gates import Gate
from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import InboundState, Lane
from postroom.flows.post_message import MOST_ADDRESSES
from postroom.store.queries.pages import Page
from postroom.store.queries.queue_lists import QueueView

T = TypeVar("T")


class _WithoutNul(Schema):
    """PostgreSQL keeps no NUL, and nobody means one."""

    @model_validator(mode="after")
    def _hold_no_nul(self) -> Self:
        for name, value in self:
            if _holds_nul(value):
                raise ValueError(f"{name} holds a NUL character.")
        return self


def _holds_nul(value: object) -> bool:
    match value:
        case str():
            return "\0" in value
        case list():
            return any(map(_holds_nul, value))
        case dict():
            return any(map(_holds_nul, (*value, *value.values())))
        case _:
            return False


class In(_WithoutNul):
    """What programs send. Unknown names are refused: a misspelt one must not be lost in silence."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class PageOut(Schema, Generic[T]):
    rows: list[T]
    next: str = Field("", description="Ask with ?after= this for the next page; empty: there is none.")


class ReasonOut(Schema):
    code: str
    facts: dict[str, str]
    sentence: str


class Cut(_WithoutNul):
    """Which piece of a list."""

    after: str = Field("", max_length=100, description="The ``next`` of the page before.")
    limit: int = Field(50, ge=1, le=200)


class RecordQuery(Cut):
    kind: str = ""
    search: str = Field("", max_length=200, description="Words that begin words of title, contact or address.")
    stage: str = ""
    responsible_id: int | None = Field(None, description="0: nobody's.")
    contact_id: int | None = None


class DeliveryQuery(Cut):
    state: QueueView = QueueView.ALL
    to: str = Field("", max_length=320, description="The recipient's address, or a part of it.")
    server: str = Field("", max_length=100, description="The server's name.")
    lane: Lane | None = None
    gate: Gate | None = Field(None, description="Of what waits: what holds it.")


class InboundQuery(Cut):
    state: InboundState | None = None


class MergeIn(In):
    into_id: int = Field(description="The record that lives on.")


class RecordIn(In):
    kind: str = Field(max_length=40)
    title: str = Field(min_length=1, max_length=500)
    company_id: int | None = Field(None, description="The member's own company when left out.")
    contact_id: int | None = None
    contact_name: str = Field("", max_length=200)
    contact_address: str = Field("", max_length=320)
    stage: str = Field("", max_length=80)
    responsible_id: int | None = None


class RecordChange(In):
    """Only what is named is changed; null takes the responsible person or the contact away."""

    title: str | None = Field(None, min_length=1, max_length=500)
    stage: str | None = Field(None, max_length=80)
    responsible_id: int | None = None
    contact_id: int | None = None
    values: dict[str, str] | None = Field(None, description="By name, as texts; empty takes one away.")


class RecordRowOut(Schema):
    id: int
    kind: str
    title: str
    contact: str
    contact_address: str
    stage: str
    responsible_id: int | None
    responsible: str
    company: str
    updated_at: datetime


class FollowerOut(Schema):
    contact_id: int
    name: str
    address: str
    is_colleague: bool
    comments: bool
    notes: bool
    changes: bool
    activities: bool


class RecordOut(Schema):
    id: int
    kind: str
    title: str
    stage: str
    company_id: int
    company: str
    contact_id: int | None
    contact_name: str
    contact_address: str
    responsible_id: int | None
    responsible: str
    values: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    followers: list[FollowerOut]


class FollowIn(In):
    contact_id: int


class FileIn(In):
    name: str = Field(min_length=1, max_length=255)
    content_type: str = Field("application/octet-stream", max_length=255)
    content: str = Field(description="The bytes in base64.")


class MessageIn(In):
    html: str = Field("", max_length=1_000_000)
    text: str = Field("", max_length=1_000_000, description="Instead of html; becomes paragraphs.")
    kind: Literal["comment", "note"] = "comment"
    subject: str = Field("", max_length=1000)
    extra_contact_ids: list[int] = Field(
        default=[], max_length=100, description="Contacts who also get it; a note goes to colleagues alone."
    )
    mentioned_contact_ids: list[int] = Field(
        default=[],
        max_length=100,
        description="Contacts who are mentioned in it; in a note colleagues alone hear of it.",
    )
    addresses: list[Annotated[str, Field(max_length=400)]] = Field(
        default=[],
        max_length=MOST_ADDRESSES,
        description="Whom a comment also goes to, as “Name <name@company.example>” or an address alone; unknown ones become contacts.",
    )
    to_customer: bool = Field(
        False, description="A comment also goes to the record's contact, who follows from then on."
    )
    attachments: list[FileIn] = Field(default=[], max_length=20)
    template_id: int | None = Field(
        None, description="Its sender, server and files; its words where neither html nor text is given."
    )


class ScheduledIn(MessageIn):
    scheduled_at: AwareDatetime = Field(description="With its offset from UTC, to come.")


class ScheduledChange(In):
    """Only what is named is changed."""

    html: str | None = Field(None, max_length=1_000_000)
    subject: str | None = Field(None, max_length=1000)
    scheduled_at: AwareDatetime | None = None


class TemplateOut(Schema):
    id: int
    name: str
    kind: str
    languages: list[str]


class FilledOut(Schema):
    template_id: int
    language: str
    subject: str
    html: str


class AttachmentOut(Schema):
    id: int
    name: str
    content_type: str
    size: int


class EnvelopeOut(Schema):
    total: int
    failed: int
    waiting: int


class MessageOut(Schema):
    id: int
    kind: str
    author: str
    author_address: str
    subject: str
    posted_at: datetime
    is_unverified: bool
    html: str = Field(description="Sanitised. Show it in a sandboxed frame all the same.")
    quoted_html: str
    text: str
    attachments: list[AttachmentOut]
    envelope: EnvelopeOut
    inbound_id: int | None
    reasons: list[ReasonOut]


class ScheduledOut(Schema):
    id: int
    record_id: int
    author: str
    kind: str
    subject: str
    html: str
    scheduled_at: datetime
    trouble: str = Field(description="Why it could not be posted; empty while it waits.")
    files: list[AttachmentOut]


class DeliveryRowOut(Schema):
    id: int
    state: str
    to_name: str
    to_address: str
    from_address: str
    subject: str
    due_at: datetime
    waits_for: ReasonOut | None
    gate: str | None
    held_since: datetime | None
    attempt_count: int
    server: str
    failure_reason: str
    blame: str
    created_at: datetime
    finished_at: datetime | None
    last_reply: str
    record_id: int | None


class AttemptOut(Schema):
    tried_at: datetime
    duration_ms: int
    phase: str
    reply: str
    server: str
    connection: str
    tls: str
    state: str


class DeliveryOut(Schema):
    delivery: DeliveryRowOut
    message_id: str
    deadline_at: datetime
    failure_type: str
    reasons: list[ReasonOut]
    attempts: list[AttemptOut]


class ChangedOut(Schema):
    done: list[int]
    refused: dict[int, ReasonOut]


class InboundRowOut(Schema):
    id: int
    state: str
    door: str
    mailbox: str
    mail_from: str
    header_from: str
    rcpt_to: list[str]
    subject: str
    size: int
    received_at: datetime
    routed_at: datetime | None
    error: str
    reasons: list[ReasonOut]


class DecisionOut(Schema):
    name: str
    reasons: list[ReasonOut]


class MadeOut(Schema):
    message_id: int
    record_id: int | None


class FindingOut(Schema):
    method: str
    result: str
    domain: str
    aligned: bool
    by: str
    detail: str


class AuthenticationOut(Schema):
    """What is known about the author: ``proof`` is proven, unproven, spoofed or not_applicable."""

    proof: str
    author_domain: str
    findings: list[FindingOut]
    reasons: list[ReasonOut]


class InboundOut(Schema):
    mail: InboundRowOut
    message_id: str
    peer: str
    authentication: AuthenticationOut | None
    decisions: list[DecisionOut]
    made: list[MadeOut]


class HandedInOut(Schema):
    """A mail that was handed in, durable under this number of the inbound log."""

    id: int
    is_new: bool


class Trouble(Schema):
    detail: str


def reason_out(reason: Reason) -> ReasonOut:
    return ReasonOut(code=reason.code, facts=dict(reason.facts), sentence=str(reason))


def reasons_out(reasons: Iterable[Reason]) -> list[ReasonOut]:
    return [reason_out(reason) for reason in reasons]


def fields_of(fact: Any, schema: type[Schema], **instead: Any) -> dict[str, Any]:
    """The fields of a fact that the schema names, some of them put differently."""
    return {name: instead[name] if name in instead else getattr(fact, name) for name in schema.model_fields}


def page_out(page: Page[Any], rows: list[Any]) -> dict[str, Any]:
    return {"rows": rows, "next": page.next}
