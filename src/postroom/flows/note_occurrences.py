"""Something happened to records: the automation rules that fire are written down, in the transaction in which it happened.

Here nothing is done and no message is written: a rule that acts needs locks and templates, and may fail, and none of that is for the router.
What fires is a row with a date; `run_rules` takes it, a moment after the commit.
Laws: where a company has no rules nothing is written and, for what comes in, nothing is asked. A rule that waits for an answer gets its row
when the waiting begins, dated when it will have lasted too long: no sweep over the records, no index on them. What rules do is never noted
here: so no rule triggers itself or another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from postroom.core.conversations.automation import Conditions, Occurrence, judge
from postroom.core.terms.automation import Side, Trigger, Via
from postroom.core.terms.reasons import reasons_as_json
from postroom.flows.ports import Ports
from postroom.store.bulk import insert
from postroom.store.models import AutomationEvent, Record
from postroom.store.queries.automation import rules_for

CHANNEL = "postroom_scheduled"  # who posts scheduled messages lets rules act, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What happened to this record. ``may_answer``: whether a message of a rule may follow the mail that did it (RFC 3834); None: it was no
    mail. ``begins_waiting``: since now somebody outside waits for an answer."""

    record_id: int
    what: Occurrence
    may_answer: bool | None = None
    begins_waiting: bool = False


def by_colleague(
    record: Record,
    trigger: Trigger,
    *,
    via: Via | None = None,
    stage: str | None = None,
    responsible_id: int | None = None,
) -> Happened:
    """A colleague, or a program of his, did this to the record; ``stage`` and ``responsible_id``: what the row does not show yet."""
    return Happened(
        record_id=record.pk,
        what=Occurrence(
            trigger=trigger,
            company_id=record.company_id,
            kind=record.kind_id,
            stage=record.stage if stage is None else stage,
            alias_id=record.alias_id,
            responsible_id=responsible_id or record.responsible_id,
            side=Side.COLLEAGUE,
            subject=record.title,
            via=via,
        ),
    )


def note_occurrences(ports: Ports, happened: Sequence[Happened]) -> int:
    """Write down what fires; how many rules. One query, and one statement when there is something. Inside a transaction."""
    if not happened:
        return 0
    triggers = {one.what.trigger for one in happened}
    if any(one.begins_waiting for one in happened):
        triggers.add(Trigger.UNANSWERED)
    rules = rules_for({one.what.company_id for one in happened}, triggers)
    now = ports.clock.now()
    events = [event for one in happened for rule in rules if (event := _event(rule, one, now)) is not None]
    if events:
        insert(events)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    return len(events)


def _event(rule: Conditions, one: Happened, now: datetime) -> AutomationEvent | None:
    event = AutomationEvent(rule_id=rule.rule_id, record_id=one.record_id, may_answer=one.may_answer, due_at=now)
    if (
        rule.trigger is Trigger.UNANSWERED
    ):  # judged when it is due: until then everything may change but company and kind
        if not one.begins_waiting or rule.company_id != one.what.company_id or rule.kind not in ("", one.what.kind):
            return None
        event.due_at = now + timedelta(hours=rule.hours)
        return event
    verdict = judge(rule, one.what)
    event.why = reasons_as_json(verdict.reasons)
    return event if verdict.fires else None
