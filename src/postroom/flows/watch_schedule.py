"""Looks whether the scheduled actions are done at all: an alarm for each that is switched off, or late (PRODUCT E).

Laws: one alarm for an action, until it is well again. What a person dismissed is not said again before the action has run once more:
who switched one off knows it. Two queries where all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

import postroom.core.schedule.sentences  # noqa: F401 - the sentences of the reasons below
from postroom.core.schedule.intervals import is_late
from postroom.core.terms.reasons import Reason, because
from postroom.flows.alarms import clear_alarm, raise_alarm
from postroom.flows.ports import Ports
from postroom.flows.run_scheduled_action import ACTIONS
from postroom.store.models import Alarm, ScheduledAction

CODE = "schedule.late"


def watch_schedule(ports: Ports) -> int:
    """How many alarms are new."""
    now = ports.clock.now()
    with transaction.atomic():
        rows = ScheduledAction.objects.filter(key__in=ACTIONS).order_by("key")
        wrong = {_subject(row): (row, reason) for row in rows if (reason := _trouble(row, now)) is not None}
        is_open = set(Alarm.objects.filter(code=CODE, ended_at=None).values_list("subject", flat=True))
        for subject in is_open - wrong.keys():
            clear_alarm(ports, code=CODE, subject=subject)
        fresh = {subject: found for subject, found in wrong.items() if subject not in is_open}
        seen = _dismissed(fresh) if fresh else {}
        return sum(
            raise_alarm(ports, code=CODE, subject=subject, reason=reason, link=f"/settings/actions/{row.key}/")
            for subject, (row, reason) in fresh.items()
            if subject not in seen or (row.last_run_at is not None and row.last_run_at > seen[subject])
        )


def _subject(row: ScheduledAction) -> str:
    return f"action:{row.key}"


def _trouble(row: ScheduledAction, now: datetime) -> Reason | None:
    if not row.is_active:
        return because("schedule.off", action=row.name)
    if is_late(row.next_run_at, timedelta(seconds=row.interval_seconds), now):
        return because("schedule.late", action=row.name, due=f"{row.next_run_at:%Y-%m-%d %H:%M} UTC")
    return None


def _dismissed(subjects: Mapping[str, object]) -> dict[str, datetime]:
    """When a person dismissed such an alarm last."""
    rows = Alarm.objects.filter(code=CODE, subject__in=subjects.keys(), dismissed_by__isnull=False)
    return dict(rows.values_list("subject").annotate(last=Max("ended_at")).values_list("subject", "last"))
