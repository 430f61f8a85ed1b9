"""Lines up what a story is told from: facts of the store become events of the core, each of them once.

Laws: nothing is decided here and nobody is asked; who may see what was settled before (`tell_story`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from postroom.core.diagnosis import story_events as events
from postroom.core.diagnosis.story import MailHead, StoryEvent
from postroom.store.queries.delivery_histories import History
from postroom.store.queries.pages_story import PostedFact
from postroom.store.queries.story_facts import CameFact, EvidenceFact, MailFact, TimeFact, WroteFact


def head(mail: MailFact) -> MailHead:
    return MailHead(
        delivery_id=mail.delivery_id,
        address=mail.address,
        subject=mail.subject,
        state=mail.state,
        waits_for=mail.waits_for,
        due_at=mail.due_at,
    )


def mail_events(mail: MailFact, history: History) -> Iterator[StoryEvent]:
    number, to = mail.delivery_id, mail.address
    why = mail.posted.reasons if mail.posted else ()
    yield events.queued(at=mail.created_at, delivery_id=number, address=to, subject=mail.subject, why=why)
    for place, gate in enumerate(mail.waited):
        if gate.reason.code not in _RETRIES:
            yield events.waited(
                since=gate.since, until=gate.until, delivery_id=number, place=place, address=to, gate=gate.reason
            )
    for one in history.attempts:
        yield events.attempted(
            at=one.tried_at, attempt_id=one.id, delivery_id=number, address=to, server=one.server, state=one.state,
            code=one.code, enhanced=one.enhanced, text=one.text,
        )  # fmt: skip
    if mail.confirmed_at is not None:
        yield events.confirmed(at=mail.confirmed_at, delivery_id=number, address=to, provider_id=mail.provider_id)
    for event in history.events:
        yield events.provider_told(
            at=event.told_at, event_id=event.id, delivery_id=number, address=to, what=event.kind, status=event.status,
            text=event.text,
        )  # fmt: skip
    for decision in history.resolutions:
        yield events.resolved(
            at=decision.resolved_at, resolution_id=decision.id, delivery_id=number, address=to,
            decision=decision.decision, who=decision.who,
        )  # fmt: skip
    for report in history.reports:
        yield events.reported(
            at=report.received_at, report_id=report.id, inbound_id=report.inbound_id, delivery_id=number, address=to,
            action=report.action, status=report.status, reply=report.reply, reason=report.reason,
            is_claim=report.is_claim,
        )  # fmt: skip


_RETRIES = frozenset({"wait.transient", "wait.connection", "wait.resend"})  # their attempts tell it


def posts(mails: Iterable[MailFact]) -> Iterator[StoryEvent]:
    for mail in mails:
        if mail.posted is not None:
            yield posted_event(mail.posted)


def posted_event(fact: PostedFact) -> StoryEvent:
    return events.posted(
        at=fact.posted_at,
        message_id=fact.message_id,
        record_id=fact.record_id,
        who=fact.author,
        title=fact.record_title,
        kind=fact.kind,
    )


def came_events(fact: CameFact) -> Iterable[StoryEvent]:
    return events.received(
        at=fact.received_at,
        inbound_id=fact.inbound_id,
        sender=fact.sender,
        door=fact.door,
        state=fact.state,
        routed_at=fact.routed_at,
        why=fact.reasons,
        error=fact.error,
    )


def answer_event(fact: WroteFact) -> StoryEvent:
    return events.answered(
        at=fact.posted_at,
        message_id=fact.message_id,
        record_id=fact.record_id,
        inbound_id=fact.inbound_id,
        who=fact.who,
        title=fact.title,
        words=fact.words,
        is_answer=fact.is_answer,
        is_automatic=fact.is_automatic,
        is_note=fact.is_note,
    )


def counted_event(fact: EvidenceFact, address: str) -> StoryEvent:
    return events.counted(
        at=fact.happened_at,
        evidence_id=fact.id,
        health_id=fact.health_id,
        address=address,
        kind=fact.kind,
        status=fact.status,
        reply=fact.reply,
    )


def time_events(fact: TimeFact, now: datetime) -> Iterable[StoryEvent]:
    """Of a time whose end lies ahead only the beginning."""
    is_over = fact.expires_at is not None and fact.expires_at <= now
    return events.suppressed(
        since=fact.since,
        suppression_id=fact.id,
        health_id=fact.health_id,
        address=fact.address,
        why=fact.reasons,
        who=fact.who,
        released_at=fact.released_at,
        released_who=fact.released_who,
        released_why=fact.released_why,
        expires_at=fact.expires_at if is_over else None,
    )
