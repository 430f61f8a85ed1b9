"""What happened to deliveries after they were queued: attempts, reports, provider's events, what people decided, gates that were passed.

Laws: see `store.queries.pages`; the same number of queries for one delivery and for many, each bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import F

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import DeliveryState
from postroom.store.models import Attempt, DeliveryEvent, ReportedRecipient, Resolution
from postroom.store.queries.pages_chatter import reply_text

MOST_ATTEMPTS = 100  # of one delivery
MOST_ATTEMPTS_OF_MANY = 2_000
MOST_REPORTS = 50
MOST_TOLD = 1_000  # reports and events of many

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFact:
    """One try, with what the server said: in one text, and apart."""

    id: int
    tried_at: datetime
    duration_ms: int
    phase: str
    code: int
    enhanced: str
    text: str
    server: str
    connection: str
    tls: str
    state: DeliveryState

    @property
    def reply(self) -> str:
        return reply_text(self.code, self.enhanced, self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFact:
    """What a report that came back said of this delivery."""

    id: int
    action: str
    status: str
    reply: str
    blame: str
    reason: str  # of the taxonomy, "" in what was kept before there was one
    inbound_id: int
    received_at: datetime
    is_claim: bool = False  # nothing proves it: it changed nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolutionFact:
    """What a person decided when nobody knew the outcome. ``who``: empty for the command line."""

    id: int
    decision: str
    resolved_at: datetime
    who: str
    sent_again_as: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact:
    """What a provider told after it had taken the mail. ``kind`` as `core.delivery.tracking.EventKind`."""

    id: int
    kind: str
    told_at: datetime
    status: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitedFact:
    """A gate that it waited at, and passed."""

    reason: Reason
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that happened to one delivery, each newest first. ``is_cut``: there were more attempts."""

    attempts: tuple[AttemptFact, ...] = ()
    reports: tuple[ReportFact, ...] = ()
    events: tuple[EventFact, ...] = ()
    resolutions: tuple[ResolutionFact, ...] = ()
    is_cut: bool = False


def histories_of(delivery_ids: Collection[int]) -> Mapping[int, History]:
    """Of each of these. Four queries."""
    if not delivery_ids:
        return {}
    ids, alone = list(delivery_ids), len(delivery_ids) == 1
    tries, is_cut = _attempts(ids, MOST_ATTEMPTS if alone else MOST_ATTEMPTS_OF_MANY)
    reports = _reports(ids, MOST_REPORTS if alone else MOST_TOLD)
    events = _events(ids, MOST_ATTEMPTS if alone else MOST_TOLD)
    decisions = resolutions_of(ids)
    return {
        number: History(
            attempts=tries.get(number, ()),
            reports=reports.get(number, ()),
            events=events.get(number, ()),
            resolutions=decisions.get(number, ()),
            is_cut=is_cut,
        )
        for number in ids
    }


def _by_delivery(rows: Sequence[tuple[int | None, T]]) -> dict[int, tuple[T, ...]]:
    found: dict[int, list[T]] = defaultdict(list)
    for number, fact in rows:
        if number is not None:
            found[number].append(fact)
    return {number: tuple(facts) for number, facts in found.items()}


def _attempts(ids: list[int], most: int) -> tuple[Mapping[int, tuple[AttemptFact, ...]], bool]:
    tries = Attempt.objects.filter(delivery_id__in=ids).annotate(server_name=F("server__name"))
    rows = list(tries.order_by("-id")[: most + 1])
    facts = [
        (
            row.delivery_id,
            AttemptFact(
                id=row.pk,
                tried_at=row.tried_at,
                duration_ms=row.duration_ms,
                phase=row.phase,
                code=row.code,
                enhanced=row.enhanced,
                text=row.text,
                server=row.server_name or "",
                connection=row.connection,
                tls=row.tls,
                state=DeliveryState(row.state),
            ),
        )
        for row in rows[:most]
    ]
    return _by_delivery(facts), len(rows) > most


def _reports(ids: list[int], most: int) -> Mapping[int, tuple[ReportFact, ...]]:
    told = ReportedRecipient.objects.filter(delivery_id__in=ids).annotate(received_at=F("inbound__received_at"))
    rows = told.order_by("-id")[:most]
    return _by_delivery(
        [
            (
                row.delivery_id,
                ReportFact(
                    id=row.pk,
                    action=row.action,
                    status=row.status,
                    reply=row.reply,
                    blame=row.blame,
                    reason=row.reason,
                    inbound_id=row.inbound_id,
                    received_at=row.received_at,
                    is_claim=row.is_claim,
                ),
            )
            for row in rows
        ]
    )


def _events(ids: list[int], most: int) -> Mapping[int, tuple[EventFact, ...]]:
    rows = DeliveryEvent.objects.filter(delivery_id__in=ids).order_by("-told_at", "-id")[:most]
    return _by_delivery(
        [
            (
                row.delivery_id,
                EventFact(id=row.pk, kind=row.kind, told_at=row.told_at, status=row.status, text=row.text),
            )
            for row in rows
        ]
    )


def resolutions_of(delivery_ids: list[int]) -> Mapping[int, tuple[ResolutionFact, ...]]:
    """What was decided about these deliveries, newest first."""
    rows = Resolution.objects.filter(delivery_id__in=delivery_ids).order_by("-id")[:MOST_TOLD]
    return _by_delivery(
        [
            (
                row.delivery_id,
                ResolutionFact(
                    id=row.pk,
                    decision=row.decision,
                    resolved_at=row.resolved_at,
                    who=row.who,
                    sent_again_as=row.sent_again_as_id,
                ),
            )
            for row in rows
        ]
    )


def waited_of(stored: Any) -> tuple[WaitedFact, ...]:
    """The gates that are noted in ``Delivery.waited``, in their order."""
    return tuple(
        WaitedFact(
            reason=reasons_from_json([row])[0],
            since=datetime.fromisoformat(row["since"]),
            until=datetime.fromisoformat(row["until"]),
        )
        for row in stored or ()
    )
