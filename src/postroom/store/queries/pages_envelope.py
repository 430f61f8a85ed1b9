"""Who hears of a message: each recipient with channel and state, and of a failure what is known, to explain and to mend it.

Laws: see `store.queries.pages`; failures first, at most `MOST` people, whatever the number of attempts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, OuterRef, QuerySet, Subquery

from postroom.core.diagnosis.refusals import reason_of_refusal
from postroom.core.reports.delivery_reports import ReportKind
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import DeliveryState, NotificationState
from postroom.store.models import Attempt, Delivery, Member, Notification, Record, ReportedRecipient
from postroom.store.queries.pages_chatter import FAILED, reply_text

MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalFact:
    """The last try, and the report that came back, as far as there are such. ``reply`` verbatim."""

    delivery_id: int
    attempts: int
    tried_at: datetime | None
    server: str
    phase: str
    tls: str
    connection: str
    reply: str
    inbound_id: int | None
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientFact:
    """One person: how they hear of the message, what became of it, and why. ``reason`` names the cause in the taxonomy."""

    notification_id: int
    contact_id: int
    name: str
    address: str
    channel: str
    state: NotificationState
    failure_type: str
    failure_reason: str
    blame: str
    reason: str
    reasons: tuple[Reason, ...]
    delivery_state: str
    waits_for: Reason | None
    due_at: datetime | None
    technical: TechnicalFact | None
    is_user: bool

    @property
    def is_failed(self) -> bool:
        return self.state.value in FAILED

    @property
    def is_unknown(self) -> bool:
        return self.delivery_state == DeliveryState.UNKNOWN

    @property
    def verbatim(self) -> str:
        """What was said, by whoever said something."""
        return self.failure_reason or (self.technical.reply if self.technical else "")


class Answer(NamedTuple):
    """What a server said at a try; code 0: nothing."""

    code: int = 0
    enhanced: str = ""
    text: str = ""


class _Try(NamedTuple):
    delivery_id: int
    tried_at: datetime
    phase: str
    tls: str
    connection: str
    code: int
    enhanced: str
    text: str

    @property
    def answer(self) -> Answer:
        return Answer(self.code, self.enhanced, self.text)


def envelope(visible: QuerySet[Record], message_id: int) -> tuple[RecipientFact, ...]:
    """Everybody who hears of a message, failures first. Four queries."""
    newest = Delivery.objects.filter(notification=OuterRef("pk")).order_by("-id").values("id")[:1]
    rows = list(
        Notification.objects.filter(message_id=message_id, message__record__in=visible)
        .annotate(newest=Subquery(newest))
        .order_by("id")
        .values(
            "id",
            "contact_id",
            "channel",
            "state",
            "failure_type",
            "failure_reason",
            "reasons",
            "newest",
            name=F("contact__name"),
            address=F("contact__address"),
            member=Subquery(Member.objects.filter(contact=OuterRef("contact")).values("pk")[:1]),
        )[:MOST]
    )
    numbers = [row["newest"] for row in rows if row["newest"]]
    deliveries, reports = _deliveries(numbers), _reports(numbers)
    facts = [_recipient(row, deliveries.get(row["newest"]), reports.get(row["newest"], {})) for row in rows]
    return tuple(sorted(facts, key=lambda fact: not fact.is_failed))


def _deliveries(delivery_ids: list[int]) -> Mapping[int, Mapping[str, Any]]:
    if not delivery_ids:
        return {}
    last = Attempt.objects.filter(delivery=OuterRef("pk")).order_by("-id")
    rows = Delivery.objects.filter(pk__in=delivery_ids).values(
        "id",
        "state",
        "to_address",
        "blame",
        "waits_for",
        "due_at",
        "attempt_count",
        last=Subquery(last.values("pk")[:1]),
        server_name=F("server__name"),
    )
    found = {row["id"]: dict(row) for row in rows}
    tries = Attempt.objects.filter(pk__in=[row["last"] for row in found.values() if row["last"]])
    for values in tries.values_list(*_Try._fields):
        attempt = _Try(*values)
        found[attempt.delivery_id]["attempt"] = attempt
    return found


def _reports(delivery_ids: list[int]) -> Mapping[int, Mapping[str, Any]]:
    """The last report about each; a read receipt is none on delivery."""
    if not delivery_ids:
        return {}
    rows = ReportedRecipient.objects.filter(delivery_id__in=delivery_ids).exclude(action=ReportKind.MDN).order_by("id")
    return {row["delivery_id"]: row for row in rows.values("delivery_id", "inbound_id", "reason", "status", "reply")}


def _recipient(row: Mapping[str, Any], delivery: Mapping[str, Any] | None, report: Mapping[str, Any]) -> RecipientFact:
    sent = delivery or {}
    attempt: _Try | None = sent.get("attempt")
    answer = attempt.answer if attempt else Answer()
    waits_for = sent.get("waits_for")
    return RecipientFact(
        notification_id=row["id"],
        contact_id=row["contact_id"],
        name=row["name"],
        address=sent.get("to_address") or row["address"],
        channel=row["channel"],
        state=NotificationState(row["state"]),
        failure_type=row["failure_type"],
        failure_reason=row["failure_reason"],
        blame=sent.get("blame", ""),
        reason=cause_of(row["failure_type"], sent.get("blame", ""), answer, report.get("reason", "")),
        reasons=reasons_from_json(row["reasons"]),
        delivery_state=sent.get("state", ""),
        waits_for=next(iter(reasons_from_json([waits_for])), None) if isinstance(waits_for, dict) else None,
        due_at=sent.get("due_at"),
        technical=_technical(delivery, attempt, report) if delivery is not None else None,
        is_user=row["member"] is not None,
    )


def cause_of(failure_type: str, blame: str, answer: Answer, reported: str) -> str:
    """Of a failure, in the taxonomy: by what was said at its last try and by what was reported about it."""
    return reason_of_refusal(
        failure_type=failure_type,
        blame=blame,
        code=answer.code,
        enhanced=answer.enhanced,
        text=answer.text,
        reported=reported,
    )


def _technical(delivery: Mapping[str, Any], attempt: _Try | None, report: Mapping[str, Any]) -> TechnicalFact:
    return TechnicalFact(
        delivery_id=delivery["id"],
        attempts=delivery["attempt_count"],
        tried_at=attempt.tried_at if attempt else None,
        server=delivery["server_name"] or "",
        phase=attempt.phase if attempt else "",
        tls=attempt.tls if attempt else "",
        connection=attempt.connection if attempt else "",
        reply=report.get("reply") or (reply_text(attempt.code, attempt.enhanced, attempt.text) if attempt else ""),
        inbound_id=report.get("inbound_id"),
        status=report.get("status", ""),
    )
