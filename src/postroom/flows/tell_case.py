"""The story of a case: what happened to its mails, in order, each line with its moment. What a support bundle shows as the timeline.

`story_of` is the one place that a fuller story plugs into: whoever tells one returns the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from postroom.core.terms.reasons import reasons_from_json
from postroom.flows.gather_case import Case
from postroom.store.models import Attempt, Delivery, DeliveryEvent, InboundMessage, ReportedRecipient, Resolution
from postroom.store.queries.pages_chatter import reply_text, verdict_reasons

MOST_LINES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One thing that happened. ``what`` in words, ``facts`` for programs."""

    at: datetime
    kind: str
    what: str
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"at": self.at.isoformat(), "kind": self.kind, "what": self.what, **self.facts}


def story_of(case: Case) -> list[StoryLine]:
    """The oldest first. Four queries, and one for the reasons of each."""
    lines = [*_came_in(case), *_posted(case), *_went_out(case)]
    return sorted(lines, key=lambda one: one.at)[:MOST_LINES]


def _came_in(case: Case) -> Iterator[StoryLine]:
    for row in case.inbounds:
        told = {"inbound": row.pk, "door": row.door, "peer": row.peer, "mail_from": row.mail_from}
        told |= {"rcpt_to": list(row.rcpt_to), "message_id": row.message_id, "size": row.size}
        yield StoryLine(at=row.received_at, kind="received", what=f"A mail came in at the door {row.door}.", facts=told)
        if row.routed_at is not None or row.error:
            yield _routed(row)


def _routed(row: InboundMessage) -> StoryLine:
    why = [str(one) for one in verdict_reasons(row.verdict if isinstance(row.verdict, list) else ())]
    facts = {"inbound": row.pk, "state": row.state, "reasons": why, "error": row.error, "attempts": row.attempt_count}
    return StoryLine(at=row.routed_at or row.due_at, kind="routed", what=f"It was {row.state}.", facts=facts)


def _posted(case: Case) -> Iterator[StoryLine]:
    for one in case.messages:
        facts = {"message": one.pk, "record": one.record_id, "message_id": one.message_id, "author": one.author_address}
        yield StoryLine(at=one.posted_at, kind="posted", what=f"A {one.kind} was posted.", facts=facts)


def _went_out(case: Case) -> Iterator[StoryLine]:
    rows = {one.pk: one for one in case.deliveries}
    for one in case.deliveries:
        yield _queued(one)
        if one.confirmed_at is not None:
            yield StoryLine(at=one.confirmed_at, kind="confirmed", what="The provider delivered it.", facts={"delivery": one.pk})  # fmt: skip
        if one.finished_at is not None:
            facts = {"delivery": one.pk, "state": one.state, "failure": one.failure_reason, "blame": one.blame}
            yield StoryLine(at=one.finished_at, kind="finished", what=f"It was {one.state}.", facts=facts)
    for attempt in Attempt.objects.filter(delivery__in=rows).select_related("server").order_by("id")[:MOST_LINES]:
        reply = reply_text(attempt.code, attempt.enhanced, attempt.text)
        server = attempt.server.name if attempt.server is not None else ""
        facts = {"delivery": attempt.delivery_id, "server": server, "phase": attempt.phase, "reply": reply}
        facts |= {"tls": attempt.tls, "connection": attempt.connection, "duration_ms": attempt.duration_ms}
        yield StoryLine(at=attempt.tried_at, kind="attempt", what=f"It was tried: {attempt.state}.", facts=facts)
    for event in DeliveryEvent.objects.filter(delivery__in=rows).order_by("id")[:MOST_LINES]:
        facts = {"delivery": event.delivery_id, "event": event.kind, "status": event.status, "text": event.text}
        yield StoryLine(at=event.told_at, kind="event", what=f"The provider told: {event.kind}.", facts=facts)
    for report in ReportedRecipient.objects.filter(delivery__in=rows).select_related("inbound").order_by("id")[:MOST_LINES]:  # fmt: skip
        facts = {"delivery": report.delivery_id, "inbound": report.inbound_id, "action": report.action, "status": report.status, "reply": report.reply}  # fmt: skip
        yield StoryLine(at=report.inbound.received_at, kind="report", what=f"A report came back: {report.action}.", facts=facts)  # fmt: skip
    for choice in Resolution.objects.filter(delivery__in=rows).order_by("id")[:MOST_LINES]:
        facts = {"delivery": choice.delivery_id, "decision": choice.decision}
        yield StoryLine(at=choice.resolved_at, kind="resolution", what=f"A person decided: {choice.decision}.", facts=facts)  # fmt: skip


def _queued(one: Delivery) -> StoryLine:
    why = one.notification.reasons if one.notification is not None else []
    facts = {
        "delivery": one.pk,
        "to": one.to_address,
        "message_id": one.mail.header_message_id,
        "why": [str(reason) for reason in reasons_from_json(why or ())],
        "server": one.server.name if one.server is not None else "",
        "why_server": [str(reason) for reason in reasons_from_json(one.reasons or ())],
        "waits_for": str(reasons_from_json([one.waits_for])[0]) if one.waits_for else "",
    }
    return StoryLine(at=one.created_at, kind="queued", what="A mail was queued.", facts=facts)
