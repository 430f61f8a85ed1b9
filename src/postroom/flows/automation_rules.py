"""Automation rules, kept and tried out: by administrators of the company whose records they are for.

Laws: nothing is stored that could not act: templates in use that fit, people who work for the company, stages that the kind has. A rule is of
one company, and reaches nobody of another. Trying it on a record shows what it would do and does nothing. A rule that waits for answers
begins with who waits not yet that long: switching it on writes to nobody who has waited for weeks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet

from postroom.core.conversations.automation import Occurrence, Outcome, Step, Verdict, judge, plan
from postroom.core.terms.automation import (
    MOST_HOURS,
    Action,
    ActionError,
    AddFollowers,
    LogNote,
    PlanActivity,
    RemoveFollowers,
    Responsible,
    SendMessage,
    SetResponsible,
    SetStage,
    Side,
    Trigger,
    Via,
    action_as_json,
    read_actions,
)
from postroom.core.terms.reasons import Reason, because
from postroom.core.terms.states import MessageKind
from postroom.core.terms.templates import TemplateError
from postroom.flows.access import company_ids, require, visible_records
from postroom.flows.mail_templates import fill_by_itself
from postroom.flows.ports import Ports
from postroom.flows.run_rules import OF_A_RECORD, forget_trouble, is_answerable, standing_of, waiting_now
from postroom.flows.settings import forget_row
from postroom.flows.settings import save_rule as save_row
from postroom.store.models import (
    Alias,
    AutomationEvent,
    AutomationMark,
    AutomationRule,
    AutomationTally,
    MailTemplate,
    Member,
    Message,
    Record,
    RecordKind,
)
from postroom.store.queries.automation import conditions_of, contacts_there, members_there, templates_there

_WAITS_ANEW = ("trigger", "kind_id", "hours", "is_active")  # where one of them changes
_CHOICES = {"trigger": Trigger, "via": Via, "responsible": Responsible, "side": Side}


def manageable_rules(member: Member | None) -> QuerySet[AutomationRule]:
    """Of the member's companies. Raises `NotAllowed`."""
    require(member, "settings")
    rows = AutomationRule.objects.select_related("tally", "kind", "alias__domain", "company")
    return rows if member is None else rows.filter(company_id__in=company_ids(member))


@transaction.atomic
def save_rule(ports: Ports, values: Mapping[str, Any], *, member: Member | None) -> AutomationRule:
    """``values``: columns, ``id`` to change one; ``actions`` as JSON. One that could not act any more can still be switched off. Raises
    ValidationError by field, `NotAllowed`, AutomationRule.DoesNotExist."""
    before = AutomationRule.objects.filter(pk=values.get("id") or 0).first()
    is_only_off = values.keys() == {"id", "is_active"} and not values["is_active"]
    checked = values if is_only_off else checked_rule(values, before)
    rule = save_row(ports, checked, member=member)
    AutomationTally.objects.get_or_create(rule=rule)
    if before is None or any(getattr(before, name) != getattr(rule, name) for name in _WAITS_ANEW):
        _wait_anew(ports, rule)
    forget_trouble(ports, rule.pk)
    return rule


def checked_rule(values: Mapping[str, Any], before: AutomationRule | None) -> dict[str, Any]:
    """The values, in order, for a row that is or would be like ``before``. Raises ValidationError by field."""
    found = dict(values)
    for name in ("name", "words"):
        if name in found:
            found[name] = " ".join(str(found[name]).split())
    rule = AutomationRule()
    for name, value in [*(_stored(before).items() if before else ()), *found.items()]:
        if name != "id":
            setattr(rule, name, value)
    wrong = _faults(rule)
    try:
        actions = read_actions(rule.actions)
    except ActionError as error:
        wrong["actions"] = str(error)
    else:
        wrong |= _faults_of_actions(rule, actions)
        if "actions" in found:
            found["actions"] = [action_as_json(one) for one in actions]
    if wrong:
        raise ValidationError(wrong)
    return found


def _stored(row: AutomationRule) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if not field.primary_key}


def _faults(rule: AutomationRule) -> dict[str, str]:
    wrong = {}
    for name, states in _CHOICES.items():
        value = getattr(rule, name)
        if value not in {str(one) for one in states} and (value or name == "trigger"):
            wrong[name] = f"One of: {', '.join(states)}."
    if not rule.name:
        wrong["name"] = "A rule needs a name."
    kind = RecordKind.objects.filter(pk=rule.kind_id).first() if rule.kind_id else None
    if rule.kind_id and kind is None:
        wrong["kind"] = "There is no such kind of record."
    if rule.trigger == Trigger.STAGE and not rule.stage:
        wrong["stage"] = "Into which stage?"
    if kind is not None and rule.stage and rule.stage not in kind.stages:
        wrong["stage"] = f"Records of this kind have no stage {rule.stage}."
    if rule.trigger == Trigger.UNANSWERED and not 1 <= int(rule.hours) <= MOST_HOURS:
        wrong["hours"] = f"After 1 to {MOST_HOURS} hours."
    if rule.alias_id and not Alias.objects.filter(pk=rule.alias_id, company_id=rule.company_id).exists():
        wrong["alias"] = "There is no such alias in the company of the rule."
    return wrong


def _faults_of_actions(rule: AutomationRule, actions: Sequence[Action]) -> dict[str, str]:
    """The first action that could not be done."""
    kind = RecordKind.objects.filter(pk=rule.kind_id).first() if rule.kind_id else None
    for number, action in enumerate(actions, start=1):
        if fault := _fault(rule, kind, action):
            return {"actions": f"{number}. {fault}"}
    return {}


def _fault(rule: AutomationRule, kind: RecordKind | None, action: Action) -> str:
    company_id, fault = rule.company_id, ""
    match action:
        case SendMessage(template_id=one) | LogNote(template_id=one):
            if not templates_there(company_id, rule.kind_id or "", [one]):
                fault = "This template is not in use, or is for other records."
        case AddFollowers(contact_ids=numbers) | RemoveFollowers(contact_ids=numbers):
            if len(contacts_there(company_id, numbers)) < len(numbers):
                fault = _PERSON
        case SetResponsible(member_ids=numbers):
            if len(members_there(company_id, numbers)) < len(numbers):
                fault = _PERSON
        case PlanActivity(member_id=number):
            if number is not None and not members_there(company_id, [number]):
                fault = _PERSON
        case SetStage(stage=stage):
            if kind is not None and stage not in kind.stages:
                fault = f"Records of this kind have no stage {stage}."
    return fault


_PERSON = "A person of this action is switched off, or not of the company of the rule."

_WAITING = """
INSERT INTO postroom_automationevent (rule_id, record_id, why, may_answer, due_at)
SELECT %(rule)s, id, '[]', NULL, unanswered_since + %(wait)s FROM postroom_record
 WHERE company_id = %(company)s AND unanswered_since IS NOT NULL AND NOT is_done AND unanswered_since + %(wait)s > %(now)s
   AND merged_into_id IS NULL AND (%(kind)s = '' OR kind_id = %(kind)s)
"""


def _wait_anew(ports: Ports, rule: AutomationRule) -> None:
    """What was written down for another time or kind is forgotten; who waits for an answer now, and not that long yet, is taken up. Over the
    index of what is unanswered, once."""
    AutomationEvent.objects.filter(rule=rule, why=[]).delete()
    if rule.trigger != Trigger.UNANSWERED or not rule.is_active:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _WAITING,
            {
                "rule": rule.pk,
                "wait": f"{rule.hours} hours",
                "company": rule.company_id,
                "now": ports.clock.now(),
                "kind": rule.kind_id or "",
            },
        )


@transaction.atomic
def remove_rule(ports: Ports, rule_id: int, *, member: Member | None) -> None:
    """What it did stays done. Raises `NotAllowed`, AutomationRule.DoesNotExist."""
    rule = manageable_rules(member).get(pk=rule_id)
    AutomationEvent.objects.filter(rule=rule).delete()  # before the tally, as who acts for it locks them
    forget_trouble(ports, rule.pk)
    forget_row(ports, rule, "automation rule", member=member)


# ---- trying it out


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedStep:
    """What would become of an action; ``subject`` of what it would write."""

    outcome: Outcome
    reason: Reason
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a rule would do on a record now."""

    record_id: int
    title: str
    verdict: Verdict
    steps: tuple[TriedStep, ...]


def try_rule(ports: Ports, rule: AutomationRule, record_id: int, *, member: Member | None) -> Tried:
    """As if what the rule waits for had just happened to this record; nothing is done. The rule may be one that is not stored yet. Raises
    `NotAllowed`, Record.DoesNotExist, `ActionError`."""
    require(member, "settings", rule)
    rows = visible_records(member).filter(company_id=rule.company_id, merged_into=None).select_related(*OF_A_RECORD)
    record = rows.get(pk=record_id)
    actions = read_actions(rule.actions)
    stored = rule.pk is not None
    mark = AutomationMark.objects.filter(rule_id=rule.pk, record=record).first() if stored else None
    tally = AutomationTally.objects.filter(pk=rule.pk).first() if stored else None
    standing = standing_of(
        ports,
        rule,
        record,
        actions,
        mark=mark,
        may_answer=is_answerable(ports, record, actions),
        last_member_id=tally.last_member_id if tally is not None else None,
    )
    return Tried(
        record_id=record.pk,
        title=record.title,
        verdict=judge(conditions_of(rule), _as_if(ports, rule, record)),
        steps=tuple(_tried(ports, step, record) for step in plan(actions, standing)),
    )


def _as_if(ports: Ports, rule: AutomationRule, record: Record) -> Occurrence:
    """The record as it stands, and what its conversation began with."""
    trigger = Trigger(rule.trigger)
    if trigger is Trigger.UNANSWERED:
        return waiting_now(ports, record)
    first = Message.objects.filter(record=record).exclude(kind=MessageKind.SYSTEM).order_by("id").first()
    came_in = first is not None and first.inbound_id is not None
    inside = first is not None and Member.objects.filter(contact_id=first.author_id or 0).exists()
    from_outside = trigger is Trigger.ANSWER or (trigger is Trigger.CREATED and came_in and not inside)
    return Occurrence(
        trigger=trigger,
        company_id=record.company_id,
        kind=record.kind_id,
        stage=record.stage,
        alias_id=record.alias_id,
        responsible_id=record.responsible_id,
        side=Side.CUSTOMER if from_outside else Side.COLLEAGUE,
        subject=(first.subject if first is not None else "") or record.title,
        via=Via.MAIL if came_in else Via(rule.via) if rule.via and rule.via != Via.MAIL else Via.PERSON,
    )


def _tried(ports: Ports, step: Step, record: Record) -> TriedStep:
    template_id = getattr(step.action, "template_id", None)
    if step.outcome is not Outcome.DO or template_id is None:
        return TriedStep(outcome=step.outcome, reason=step.reason)
    try:
        filled = fill_by_itself(ports, template=MailTemplate.objects.get(pk=template_id), record=record)
    except TemplateError as error:
        return TriedStep(outcome=Outcome.TROUBLE, reason=because("rule.trouble.words", what=error))
    return TriedStep(outcome=step.outcome, reason=step.reason, subject=filled.subject)
