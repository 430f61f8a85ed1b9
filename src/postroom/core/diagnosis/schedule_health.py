"""Scheduled actions: is any off, late, or failing again and again?

Laws: pure. The two on which mail itself depends (the queue, the fetching) are errors when they are off; the others are warnings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import Finding, Fix, FixKind, action_named, found
from postroom.core.terms.reasons import catalogue

VITAL = frozenset({"queue_manager", "fetchmail"})
MANY_FAILURES = 3

catalogue(
    {
        "finding.schedule_off": "The scheduled action {action} is switched off: what it does is not done.",
        "heal.schedule_off": "Switch it on: Settings, Scheduled actions, {action}.",
        "finding.schedule_late": "The scheduled action {action} was due at {due} and has not run since.",
        "heal.schedule_late": "See whether the scheduler runs (postroom status), and run it by hand: postroom schedule run {key}",
        "finding.schedule_failing": "The scheduled action {action} has failed {count} times in a row. It said: {result}",
        "heal.schedule_failing": "Read what it says, put that right, and run it by hand: postroom schedule run {key}",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFacts:
    """``is_late`` as the schedule reckons it."""

    key: str
    name: str
    is_active: bool
    is_late: bool
    next_run_at: datetime
    interval: timedelta
    failure_count: int = 0
    last_result: str = ""


def check_schedule(actions: Iterable[ActionFacts]) -> list[Finding]:
    findings: list[Finding] = []
    for one in actions:
        subject = action_named(one.name)
        evidence = [f"{one.key}: every {one.interval}, next run {one.next_run_at:%Y-%m-%d %H:%M} UTC"]
        if not one.is_active:
            severity = Severity.ERROR if one.key in VITAL else None
            fix = Fix(kind=FixKind.SWITCH_ON_ACTION, target=one.key)
            evidence = [f"{one.key}: active: no"]
            findings.append(
                found(
                    FindingCode.SCHEDULE_OFF,
                    subject,
                    evidence=evidence,
                    severity=severity,
                    fix=fix,
                    detail=one.key,
                    facts={"action": one.name},
                )
            )
            continue
        run = Fix(kind=FixKind.RUN_ACTION, target=one.key)
        if one.failure_count >= MANY_FAILURES:
            findings.append(
                found(
                    FindingCode.SCHEDULE_FAILING,
                    subject,
                    evidence=[one.last_result],
                    fix=run,
                    detail=one.key,
                    facts={
                        "action": one.name,
                        "key": one.key,
                        "count": one.failure_count,
                        "result": one.last_result[:300],
                    },
                )
            )
        if one.is_late:
            findings.append(
                found(
                    FindingCode.SCHEDULE_LATE,
                    subject,
                    evidence=evidence,
                    fix=run,
                    detail=one.key,
                    facts={"action": one.name, "key": one.key, "due": f"{one.next_run_at:%Y-%m-%d %H:%M} UTC"},
                )
            )
    return findings
