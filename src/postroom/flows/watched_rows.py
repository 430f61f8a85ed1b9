"""Stored findings of the watch, read back as values."""

from __future__ import annotations

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.watching import Watched
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import WatchedFinding


def read_watched(row: WatchedFinding) -> Watched:
    """A stored finding; one of a version whose code is gone counts as a clue, which is never looked for."""
    known = set(FindingCode)
    return Watched(
        key=row.key,
        code=FindingCode(row.code) if row.code in known else FindingCode.ALARM_OPEN,
        severity=Severity(row.severity),
        subject=row.subject,
        detail=row.detail,
        cause=reason_of(row.cause),
        cure=reason_of(row.cure),
        who=row.who,
        evidence=tuple(map(str, row.evidence)),
        is_cause=row.is_cause,
        first_seen=row.first_seen_at,
        last_seen=row.last_seen_at,
        seen=row.seen_count,
        is_alarmed=row.alarmed_at is not None,
        is_back=row.is_back,
    )


def reason_of(stored: object) -> Reason:
    """A stored reason."""
    return reasons_from_json([stored if isinstance(stored, dict) else {}])[0]
