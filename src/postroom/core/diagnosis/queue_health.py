"""What became of the mail: what waits and for which gate, what failed alike, what came in and was not routed.

Laws: pure. What fails because of us (sender, reputation, login) is a warning from the first mail on; that addresses are wrong or
mailboxes full is life, and only said until it is much. Reasons are those of the taxonomy of reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis import acting
from postroom.core.diagnosis.acting import Actor
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, domain_named, found, server_named
from postroom.core.reports.taxonomy import TAXONOMY, UNDETERMINED
from postroom.core.terms.gates import Gate
from postroom.core.terms.reasons import Reason, catalogue

LATE_OUT = timedelta(minutes=15)  # that a mail may be due and not tried
LATE_IN = timedelta(minutes=10)  # that a mail may wait to be routed
MANY_ADDRESSES = 25  # that are wrong within days: a bad list
MANY_DEFERRED = 10
FEW = 10  # mails of which a share tells nothing
MUCH = 0.3  # of what leaves fails
INCOMING = "incoming mail"
QUEUE = "the queue"

catalogue(
    {
        "finding.mails_refused": "Mails refused lately: {count}. {meaning}",
        "heal.mails_refused": "{advice}",
        "finding.addresses_refused": "Mails that could not be delivered lately: {count}. {meaning}",
        "heal.addresses_refused": "{advice}",
        "finding.mails_deferred": "Mails put off, and tried again: {count}. {meaning}",
        "heal.mails_deferred": "{advice}",
        "finding.queue_waits": "Mails that wait: {count}, the oldest since {since}. {reason}",
        "heal.queue_waits": "{advice}",
        "finding.queue_late": "Mails that are due and not sent: {count}, the oldest since {since}. No deliverer takes them.",
        "heal.queue_late": "See whether a deliverer runs (postroom status) and what the log says; the queue with its reasons: postroom queue list",
        "finding.outcomes_unknown": "Mails of which nobody knows whether they arrived: {count}. The connection broke after the mail and before the reply.",
        "heal.outcomes_unknown": "Decide about each whether it is sent again: the page Queue, Outcome unknown, or postroom queue unknown",
        "finding.inbound_failed": "Mails that came in and could not be routed: {count}; they are kept. The last one: {error}",
        "heal.inbound_failed": "Look at them (postroom inbound list --state failed) and route them again: postroom inbound again",
        "finding.inbound_late": "Mails that came in and wait to be routed: {count}, the oldest since {since}.",
        "heal.inbound_late": "See whether a router runs (postroom status) and what the log says.",
        "finding.mails_held": "Mails held for a person to decide: {count}.",
        "heal.mails_held": "Decide about them: the page Inbound, or postroom inbound list --state held",
        "finding.failing_much": "{failed} of {total} mails failed within the last day.",
        "heal.failing_much": "See the queue's page Delivery Failed, by reason, by domain and by server.",
    }
)  # fmt: skip

_CURES = {
    Gate.PAUSED: "Resume the server that they wait for.",
    Gate.LIMIT: "Raise the limit of the server, or set up another one that takes over.",
    Gate.SLOWED: "Nothing: they leave as fast as the other side allows.",
    Gate.TROUBLE: "Test the connection of the server and put right what it says.",
    Gate.SERVER: "Set up an outgoing server for this sender, or make the one that the mail names active again.",
    Gate.RETRY: "Nothing: they are tried again by themselves.",
    Gate.OTHER: "Read the reason; the whole story of each mail: postroom queue list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingGroup:
    """Mails that wait for the same gate. ``code`` of the stored reason; ``taxonomy``: of the server's last words, ``""``: none."""

    gate: Gate
    code: str
    count: int
    since: datetime
    reason: Reason
    server: str = ""
    domain: str = ""
    taxonomy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedGroup:
    """Mails that failed alike. ``example``: the newest one's reply, verbatim."""

    taxonomy: str
    count: int
    example: str
    servers: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    """Counts are bounded. ``due`` are those that nothing holds and nobody took."""

    waiting: tuple[WaitingGroup, ...] = ()
    due: int = 0
    due_since: datetime | None = None
    refused: tuple[RefusedGroup, ...] = ()
    unknown: int = 0
    sent_day: int = 0
    failed_day: int = 0
    inbound_failed: int = 0
    inbound_error: str = ""
    inbound_waiting: int = 0
    inbound_since: datetime | None = None
    held: int = 0
    is_capturing: bool = False


def check_queue(facts: QueueFacts, now: datetime) -> list[Finding]:
    return [*_refused(facts), *_waiting(facts, now), *_late(facts, now), *_outcomes(facts), *_incoming(facts, now)]


def _refused(facts: QueueFacts) -> Iterator[Finding]:
    for group in facts.refused:
        reason = TAXONOMY.get(group.taxonomy) or TAXONOMY[UNDETERMINED]
        who = acting.of_reason(reason.code)[1]
        is_ours = who in (Actor.ADMINISTRATOR, Actor.PROVIDER)
        much = Severity.WARNING if group.count >= MANY_ADDRESSES else None
        yield found(
            FindingCode.MAILS_REFUSED if is_ours else FindingCode.ADDRESSES_REFUSED,
            QUEUE,
            evidence=[group.example],
            severity=None if is_ours else much,
            who=who,
            detail=reason.code,
            about=[*map(server_named, group.servers), *map(domain_named, group.domains)],
            facts={"count": group.count, "meaning": reason.meaning, "advice": reason.cure},
        )


def _waiting(facts: QueueFacts, now: datetime) -> Iterator[Finding]:
    for group in facts.waiting:
        about = [
            *([server_named(group.server)] if group.server else []),
            *([domain_named(group.domain)] if group.domain else []),
        ]
        if group.taxonomy and group.taxonomy != UNDETERMINED:
            yield _deferred(group, about)
            continue
        is_calm = group.gate in (Gate.SLOWED, Gate.RETRY) or group.code == "wait.per_minute"
        calm = Severity.INFO if is_calm and now - group.since < LATE_OUT * 4 else None
        yield found(
            FindingCode.QUEUE_WAITS,
            QUEUE,
            evidence=[f"{group.count} x {group.reason}"],
            severity=Severity.ERROR if group.gate is Gate.SERVER else calm,
            detail=group.code,
            about=about,
            facts={
                "count": group.count,
                "since": _moment(group.since),
                "reason": group.reason,
                "advice": _CURES.get(group.gate, _CURES[Gate.OTHER]),
            },
        )


def _deferred(group: WaitingGroup, about: list[str]) -> Finding:
    reason = TAXONOMY[group.taxonomy]
    who = acting.of_reason(reason.code)[1]
    is_grave = group.count >= MANY_DEFERRED or who in (Actor.ADMINISTRATOR, Actor.PROVIDER)
    return found(
        FindingCode.MAILS_DEFERRED,
        QUEUE,
        evidence=[str(group.reason)],
        severity=Severity.WARNING if is_grave else None,
        who=who,
        detail=reason.code,
        about=about,
        facts={"count": group.count, "meaning": reason.meaning, "advice": reason.cure},
    )


def _late(facts: QueueFacts, now: datetime) -> Iterator[Finding]:
    if facts.due_since is not None and now - facts.due_since > LATE_OUT:
        since = _moment(facts.due_since)
        yield found(
            FindingCode.QUEUE_LATE,
            QUEUE,
            evidence=[f"{facts.due} due, the oldest since {since}"],
            facts={"count": facts.due, "since": since},
        )


def _outcomes(facts: QueueFacts) -> Iterator[Finding]:
    if facts.unknown:
        severity = Severity.INFO if facts.is_capturing else None
        yield found(
            FindingCode.OUTCOMES_UNKNOWN,
            QUEUE,
            evidence=[f"{facts.unknown} deliveries: unknown"],
            severity=severity,
            facts={"count": facts.unknown},
        )
    total = facts.sent_day + facts.failed_day
    if facts.failed_day >= FEW and facts.failed_day / total >= MUCH:
        yield found(
            FindingCode.FAILING_MUCH,
            QUEUE,
            evidence=[f"{facts.failed_day} failed, {facts.sent_day} sent"],
            facts={"failed": facts.failed_day, "total": total},
        )


def _incoming(facts: QueueFacts, now: datetime) -> Iterator[Finding]:
    if facts.inbound_failed:
        yield found(
            FindingCode.INBOUND_FAILED,
            INCOMING,
            evidence=[facts.inbound_error],
            facts={"count": facts.inbound_failed, "error": facts.inbound_error[:300]},
        )
    if facts.inbound_since is not None and now - facts.inbound_since > LATE_IN:
        since = _moment(facts.inbound_since)
        yield found(
            FindingCode.INBOUND_LATE,
            INCOMING,
            evidence=[f"{facts.inbound_waiting} received, the oldest since {since}"],
            facts={"count": facts.inbound_waiting, "since": since},
        )
    if facts.held:
        yield found(FindingCode.MAILS_HELD, INCOMING, evidence=[f"{facts.held} held"], facts={"count": facts.held})


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
