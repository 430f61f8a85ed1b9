"""The watch: the doctor looks by itself again and again, and people hear of what is new and of what is over, once.

    diagnose -> compare with the look before -> stored -> alarms raised and cleared -> a digest by mail, a request to a program

Laws: one alarm for a trouble, until it is gone; what has an alarm of its own (a silent mailbox, a late action) gets no second one here. The
digest leaves by a server that no finding blames, or not at all, and at most once an hour: what is new meanwhile stands in the next. What
is told is written in the transaction that remembers it. Nothing here is found by the doctor again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from postroom.core.diagnosis.finding_codes import FindingCode, Severity
from postroom.core.diagnosis.findings import HOUSE, Finding
from postroom.core.diagnosis.watching import LONGEST_DETAIL, MOST_WATCHED, SETTLED, Comparison, Watched, compare
from postroom.core.terms.reasons import Reason
from postroom.flows.access import require_house
from postroom.flows.alarms import clear_alarm, raise_alarm
from postroom.flows.diagnose import Diagnosis, DoctorWish, diagnose
from postroom.flows.gather_house import OWN_ALARMS
from postroom.flows.gather_outside import keep_observed
from postroom.flows.ports import Ports
from postroom.flows.tell_watch import mail_digest, post_news
from postroom.flows.watched_rows import read_watched, reason_of
from postroom.store.models import Member, WatchedFinding, WatchRun

PAGE = "/settings/health/"
LOCK = 0x77617463  # "watc"
_HAVE_ALARMS: Mapping[FindingCode, tuple[str, ...]] = {
    FindingCode.MAILBOX_SILENT: ("mailbox.silent",),
    FindingCode.MAILBOX_UNREAD: ("mailbox.trouble",),
    FindingCode.MAILBOX_TROUBLE: ("mailbox.trouble", "mailbox.token"),
    FindingCode.MAILBOX_REFUSES: ("mailbox.trouble", "mailbox.token"),
    FindingCode.MAILBOX_TOKEN: ("mailbox.token", "mailbox.trouble"),
    FindingCode.SCHEDULE_OFF: ("schedule.late",),
    FindingCode.SCHEDULE_LATE: ("schedule.late",),
    FindingCode.INBOUND_FAILED: ("inbound.failed",),
    FindingCode.INBOUND_LATE: ("inbound.waiting",),
    FindingCode.DISK_LOW: ("door.storage",),
    FindingCode.DISK_BROKEN: ("door.storage",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchResult:
    """What a look came to. ``mailed``: what became of the digest, ``""`` when there was nothing to tell."""

    comparison: Comparison
    diagnosis: Diagnosis
    mailed: str = ""
    is_posted: bool = False

    def __str__(self) -> str:
        one = self.comparison
        parts = [f"{len(one.open)} findings", f"{len(one.appeared)} new, {len(one.gone)} gone"]
        parts += [f"{len(one.raised)} alarms raised"] if one.raised else []
        parts += [f"{len(one.cleared)} cleared"] if one.cleared else []
        parts += [self.mailed] if self.mailed else []
        parts += ["told at the webhook"] if self.is_posted else []
        return "; ".join(parts)


def watch_house(ports: Ports, *, member: Member | None = None) -> WatchResult:
    """Look now, and tell what changed. Raises `NotAllowed`, and what a lost database raises. Asks the world for some seconds."""
    require_house(member)
    diagnosis = diagnose(ports, DoctorWish(), member=member)
    with transaction.atomic():
        _alone()
        comparison = _remember(ports, diagnosis)
        keep_observed(ports, diagnosis.observed)
        _raise_and_clear(ports, comparison, diagnosis)
        mailed = mail_digest(ports, diagnosis.findings)
        is_posted = post_news(ports, comparison.raised, comparison.cleared)
    return WatchResult(comparison=comparison, diagnosis=diagnosis, mailed=mailed, is_posted=is_posted)


def _alone() -> None:
    """Two looks at once (by the schedule, by hand) are compared one after the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


# ---- remembering


def _remember(ports: Ports, diagnosis: Diagnosis) -> Comparison:
    now = ports.clock.now()
    rows = {row.key: row for row in WatchedFinding.objects.select_for_update().filter(ended_at=None)}
    ended = WatchedFinding.objects.filter(ended_at__gt=now - SETTLED).values_list("key", flat=True)
    before = [read_watched(row) for row in rows.values()]
    found = compare(before, diagnosis.findings, now, lately_gone=frozenset(ended))
    WatchedFinding.objects.filter(pk__in=[rows[one.key].pk for one in found.gone]).update(ended_at=now)
    _store(found, rows, now)
    WatchRun.objects.create(
        ran_at=now,
        seconds=round(diagnosis.seconds, 3),
        errors=sum(one.severity is Severity.ERROR for one in diagnosis.findings),
        warnings=sum(one.severity is Severity.WARNING for one in diagnosis.findings),
        appeared=[_told(one) for one in found.appeared],
        gone=[_told(one) for one in found.gone],
    )
    return found


_CHANGING = (
    "severity", "detail", "cause", "cure", "who", "evidence", "is_cause", "is_back", "seen_count",
    "first_seen_at", "last_seen_at", "alarmed_at",
)  # fmt: skip


def _store(found: Comparison, rows: Mapping[str, WatchedFinding], now: datetime) -> None:
    """A few statements, however many there are."""
    raised = {one.key for one in found.raised}
    stored: list[WatchedFinding] = []
    for one in found.open:
        row = rows.get(one.key) or WatchedFinding(key=one.key)
        row.code, row.subject, row.first_seen_at = one.code.value, one.subject[:320], one.first_seen
        row.severity, row.detail, row.who = one.severity.value, one.detail[:LONGEST_DETAIL], one.who
        row.cause, row.cure, row.evidence = one.cause.as_json(), one.cure.as_json(), list(one.evidence)
        row.is_cause, row.is_back = one.is_cause, one.is_back
        row.seen_count, row.last_seen_at = one.seen, one.last_seen
        row.alarmed_at = now if one.key in raised else row.alarmed_at
        stored.append(row)
    WatchedFinding.objects.bulk_update([row for row in stored if row.pk], _CHANGING, batch_size=100)
    WatchedFinding.objects.bulk_create([row for row in stored if not row.pk])


def _told(one: Watched) -> dict[str, object]:
    return {"key": one.key, "severity": one.severity.value, "subject": one.subject, "cause": one.cause.as_json()}


# ---- alarms


def _raise_and_clear(ports: Ports, comparison: Comparison, diagnosis: Diagnosis) -> None:
    found = [one for root in diagnosis.findings for one in root.all()]
    alarms = [one for one in found if one.code is FindingCode.ALARM_OPEN]
    for one in comparison.raised:
        if not _has_alarm(one, alarms):
            is_anew = one.key in comparison.other
            raise_alarm(ports, code=_code(one), subject=one.key, reason=one.cause, link=PAGE, is_anew=is_anew)
    for one in comparison.cleared:
        clear_alarm(ports, code=_code(one), subject=one.key)


def _code(one: Watched) -> str:
    """By its key, which begins with the code: also that of a version whose code is gone."""
    return f"{OWN_ALARMS}{one.key.partition(' ')[0]}"[:40]


def _has_alarm(one: Watched, alarms: Sequence[Finding]) -> bool:
    """Whether the very thing has an alarm of its own."""
    codes = _HAVE_ALARMS.get(one.code, ())
    return any(alarm.detail in codes and (one.subject == HOUSE or one.subject in alarm.about) for alarm in alarms)


# ---- for the schedule, and for pages


def scheduled_look(ports: Ports, _is_over: Callable[[], bool]) -> str:
    """As a scheduled action runs it."""
    return str(watch_house(ports))


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStanding:
    """What the watch knows: when it looked last, since when each finding is there (by key), what the last look changed."""

    last: WatchRun | None
    since: Mapping[str, Watched]
    appeared: tuple[Reason, ...] = ()
    gone: tuple[Reason, ...] = ()


def watch_standing(_ports: Ports, *, member: Member | None) -> WatchStanding:
    """Two queries. Raises `NotAllowed`."""
    require_house(member)
    last = WatchRun.objects.first()
    rows = WatchedFinding.objects.filter(ended_at=None)[:MOST_WATCHED]
    return WatchStanding(
        last=last,
        since={row.key: read_watched(row) for row in rows},
        appeared=_sentences(last.appeared) if last else (),
        gone=_sentences(last.gone) if last else (),
    )


def _sentences(told: object) -> tuple[Reason, ...]:
    rows = told if isinstance(told, list) else []
    return tuple(reason_of(one.get("cause")) for one in rows[:20] if isinstance(one, dict))
