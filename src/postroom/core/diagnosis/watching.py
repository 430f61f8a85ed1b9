"""The watch: what the doctor finds now against what it found before; what is new, what is gone, and what deserves an alarm.

    findings now + findings before --> compare --> still there, appeared, gone --> raise once, clear once

Laws: pure. One trouble has one key, however its details change; what is in trouble for another cause than before is told anew, since now; causes and what follows from them are both remembered, and only causes raise
an alarm. Flapping is damped: what is seen for the first time waits for the next look, unless mail cannot leave because of it; what came
back within a day always waits. What could not be looked at now is neither there nor gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from postroom.core.diagnosis.broken_checks import CODES, Check, unknown_codes
from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding, Folded
from postroom.core.diagnosis.observed import storable
from postroom.core.terms.reasons import Reason

TWICE = 2  # looks, before an alarm
SETTLED = timedelta(hours=24)  # what comes back sooner than this after its end is flapping
MOST_WATCHED = 500
LONGEST_KEY = LONGEST_DETAIL = 300  # characters

_NEVER = frozenset({FindingCode.CHANGED_BEFORE, FindingCode.ALARM_OPEN})  # clues, told with what they explain
_AT_ONCE = frozenset(
    map(
        FindingCode,
        "tables_behind disk_broken not_running role_missing role_hung secrets_unreadable staging_lock server_missing from_filter_invalid "
        "server_secret server_refuses server_broken queue_late".split(),
    )
)  # mail cannot leave
_ONE_TROUBLE = frozenset(
    map(FindingCode, "server_refuses server_broken mailbox_token mailbox_refuses mailbox_trouble".split())
)  # their details are what was said this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A finding over time. ``seen``: looks in a row that found it. ``is_alarmed``: it was told. ``is_back``: it had ended lately."""

    key: str
    code: FindingCode
    severity: Severity
    subject: str
    detail: str
    cause: Reason
    cure: Reason
    who: str
    evidence: tuple[str, ...]
    is_cause: bool
    first_seen: datetime
    last_seen: datetime
    seen: int = 1
    is_alarmed: bool = False
    is_back: bool = False

    @property
    def deserves_alarm(self) -> bool:
        """Whether people should hear of it now."""
        if self.is_alarmed or not self.is_cause or not self.severity.is_problem:
            return False
        is_urgent = self.severity is Severity.ERROR and self.code in _AT_ONCE and not self.is_back
        return is_urgent or self.seen >= TWICE

    @property
    def is_told_anew(self) -> bool:
        """Whether people who heard of it should hear that it is something else now."""
        return self.is_alarmed and self.is_cause and self.severity.is_problem

    def as_json(self) -> dict[str, object]:
        """For programs, in English."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "subject": self.subject,
            "detail": self.detail or None,
            "cause": str(self.cause),
            "cure": str(self.cure),
            "who": self.who,
            "evidence": list(self.evidence),
            "since": self.first_seen.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``open``: all that is there now (``appeared`` and what could not be looked at among them), ``gone``: no more. ``raised`` and
    ``cleared``: whose alarms begin and end with this look. ``other``: keys of what has another cause than before: it begins anew."""

    open: tuple[Watched, ...]
    appeared: tuple[Watched, ...]
    gone: tuple[Watched, ...]
    raised: tuple[Watched, ...]
    other: frozenset[str] = frozenset()

    @property
    def cleared(self) -> tuple[Watched, ...]:
        return tuple(one for one in self.gone if one.is_alarmed)


def key_of(finding: Finding) -> str:
    """What makes two findings the same trouble."""
    detail = "" if finding.code in _ONE_TROUBLE else finding.detail
    return storable(f"{finding.code} {finding.subject} {detail}").strip()[:LONGEST_KEY]


def dated(findings: Iterable[Folded], since: Mapping[str, datetime]) -> tuple[Folded, ...]:
    """With the day on which the watch saw each first. ``since``: by `key_of`."""
    return tuple(
        replace(one, since=since.get(key_of(one.finding)), follows=dated(one.follows, since)) for one in findings
    )


def compare(
    before: Sequence[Watched], findings: Iterable[Folded], now: datetime, *, lately_gone: Collection[str] = ()
) -> Comparison:
    """``before``: what was open after the last look; ``lately_gone``: keys of what ended within `SETTLED`."""
    told = list(_flat(findings))
    present = _present(told)
    blind = _blind(one.finding for one, _ in told)
    known = {one.key: one for one in before}
    fresh = [
        _watched(key, one, is_cause, known.get(key), now, is_back=key in lately_gone)
        for key, (one, is_cause) in list(present.items())[:MOST_WATCHED]
    ]
    unseen = [one for key, one in known.items() if key not in present]
    kept = [one for one in unseen if one.subject in blind or one.code in blind]
    other = frozenset(one.key for one in fresh if _is_other(known.get(one.key), one))
    raised = {one.key for one in fresh if one.deserves_alarm or (one.key in other and one.is_told_anew)}
    marked = tuple(replace(one, is_alarmed=True) if one.key in raised else one for one in fresh)
    return Comparison(
        open=(*marked, *kept),
        appeared=tuple(one for one in marked if one.key not in known or one.key in other),
        gone=tuple(one for one in unseen if one not in kept),
        raised=tuple(one for one in marked if one.key in raised),
        other=other,
    )


def _is_other(before: Watched | None, one: Watched) -> bool:
    """Whether the same thing is in trouble for another cause than before."""
    return before is not None and _is_other_cause(before, one.code, one.detail)


def _is_other_cause(before: Watched, code: FindingCode, detail: str) -> bool:
    return code in _ONE_TROUBLE and before.code is code and before.detail != detail[:LONGEST_DETAIL]


def _flat(findings: Iterable[Folded], *, is_cause: bool = True) -> Iterator[tuple[Folded, bool]]:
    for one in findings:
        yield one, is_cause
        yield from _flat(one.follows, is_cause=False)


def _present(told: Sequence[tuple[Folded, bool]]) -> Mapping[str, tuple[Folded, bool]]:
    found: dict[str, tuple[Folded, bool]] = {}
    for one, is_cause in told:
        severity = one.finding.severity
        if one.finding.code not in _NEVER and (severity.is_problem or severity is Severity.INFO):
            found.setdefault(key_of(one.finding), (one, is_cause))
    return found


def _watched(key: str, one: Folded, is_cause: bool, before: Watched | None, now: datetime, *, is_back: bool) -> Watched:
    finding = one.finding
    is_other = before is not None and _is_other_cause(before, finding.code, storable(finding.detail))
    return Watched(
        key=key,
        code=finding.code,
        severity=one.severity if is_cause else finding.severity,
        subject=storable(finding.subject),
        detail=storable(finding.detail),
        cause=_storable_reason(finding.cause),
        cure=_storable_reason(finding.cure),
        who=finding.who.value,
        evidence=tuple(map(storable, finding.evidence)),
        is_cause=is_cause,
        first_seen=now if before is None or is_other else before.first_seen,
        last_seen=now,
        seen=before.seen + 1 if before else 1,
        is_alarmed=before.is_alarmed if before else False,
        is_back=before.is_back if before else is_back,
    )


def _storable_reason(reason: Reason) -> Reason:
    return Reason(reason.code, {name: storable(str(fact)) for name, fact in reason.facts.items()})


def _blind(findings: Iterable[Finding]) -> frozenset[str]:
    """Subjects and codes that could not be looked at."""
    hidden: set[str] = set()
    for one in findings:
        if one.code is FindingCode.DNS_UNREACHABLE:
            hidden |= CODES[Check.NAMES]
        elif one.code is FindingCode.CHECK_BROKEN and one.subject == HOUSE:
            hidden |= unknown_codes(one)
        elif one.severity is Severity.UNCHECKED:
            hidden |= one.touches
    return frozenset(hidden)


# ---- through whom people can be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Messenger:
    """An outgoing server by which the news might leave; ``subject`` as findings name it."""

    id: int
    subject: str


_BLAMING = frozenset(map(FindingCode, "mails_refused mails_deferred queue_waits".split()))


def messenger_for(findings: Iterable[Folded], servers: Sequence[Messenger]) -> Messenger | None:
    """The first server that no finding blames, neither for itself nor for what became of its mail; None where there is none."""
    blamed: set[str] = set()
    for finding in (one for root in findings for one in root.all()):
        if finding.severity.is_problem or finding.severity is Severity.UNCHECKED:
            blamed.add(finding.subject)
            blamed |= finding.about if finding.code in _BLAMING else frozenset()
    return next((server for server in servers if server.subject not in blamed), None)
