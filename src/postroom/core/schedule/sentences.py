"""Why a scheduled action is in trouble: the sentences of the alarms."""

from __future__ import annotations

from postroom.core.terms.reasons import catalogue

catalogue(
    {
        "schedule.off": "The scheduled action {action} is switched off: what it does is not done.",
        "schedule.late": "The scheduled action {action} was due at {due} and has not run since: look whether the scheduler runs.",
    }
)
