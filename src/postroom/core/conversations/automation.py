"""Automation rules: does a rule fire, and what follows from it. The whole policy, pure.

    occurrence + conditions -> Verdict (fires or not, and why)
    actions + how the record stands -> Steps (done, left out, or in trouble, each with its reason)

Laws: no rule answers what a machine wrote, or what must not be answered (RFC 3834 2): the step is left out, the others are done. At most one
message of a rule to a record within `BETWEEN_MESSAGES`. What is as wanted already is left as it is. Who is switched off, gone or of another
company is *trouble*: it is told, and the other steps are done. That what rules do triggers no rule is the flows' law: they never say that
something occurred.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from postroom.core.terms.automation import (
    Action,
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
)
from postroom.core.terms.reasons import Reason, because, catalogue

BETWEEN_MESSAGES = timedelta(hours=1)

catalogue(
    {
        "rule.created.mail": "A mail made the record.",
        "rule.created.person": "A person made the record.",
        "rule.created.program": "A program made the record.",
        "rule.answer": "A mail from outside came in on it.",
        "rule.stage": "Its stage was set to {stage}.",
        "rule.responsible": "Somebody was made responsible for it.",
        "rule.unanswered": "Somebody outside has waited for an answer for {hours} hours.",
        "rule.not.trigger": "Nothing of that kind happened.",
        "rule.not.via": "It was not made that way.",
        "rule.not.kind": "It is of another kind.",
        "rule.not.stage": "Its stage is {is}, not {wanted}.",
        "rule.not.alias": "It did not come by that alias.",
        "rule.not.responsible": "Somebody is responsible for it already.",
        "rule.not.nobody": "Nobody is responsible for it.",
        "rule.not.side": "Who caused it was not a {wanted}.",
        "rule.not.waiting": "Nobody outside has waited for an answer on it for {hours} hours.",
        "rule.not.words": "Its subject has none of these words: {words}.",
        "rule.did.message": "sends {what} to {who}",
        "rule.did.note": "logs the note {what}",
        "rule.did.follow": "adds {who} as follower",
        "rule.did.unfollow": "removes {who} from the followers",
        "rule.did.responsible": "makes {who} responsible",
        "rule.did.stage": "sets the stage to {what}",
        "rule.did.activity": "plans {what} for {who}",
        "rule.left.automatic": "sends no message: a machine wrote the mail, or its sender must not be answered",
        "rule.left.lately": "sends no message: it sent one on this record within the hour",
        "rule.left.nobody": "sends no message: the record has no customer with an address",
        "rule.left.follow": "adds no follower: all of them follow already",
        "rule.left.unfollow": "removes no follower: none of them follows",
        "rule.left.responsible": "leaves {who} responsible",
        "rule.left.stage": "leaves the stage at {what}",
        "rule.left.no_one": "plans nothing: nobody is responsible for the record",
        "rule.trouble.template": "The template is gone, archived, or for other records.",
        "rule.trouble.person": "A person of this rule is gone, switched off, or of another company.",
        "rule.trouble.stage": "Records of this kind have no stage {what}.",
        "rule.trouble.words": "The template could not be filled: {what}",
        "rule.trouble.actions": "What the rule does cannot be read: {what}",
        "rule.trouble.bug": "Postroom could not do it ({what}): this is a fault of ours, see the log.",
        "alarm.rule_failed": "The automation rule {rule} could not do all it should: {why}",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When a rule fires. Empty: whatever it is. ``stage``: the one it was put into (`Trigger.STAGE`), else the one it must stand in."""

    rule_id: int
    company_id: int
    trigger: Trigger
    kind: str = ""
    via: Via | None = None
    stage: str = ""
    alias_id: int | None = None
    responsible: Responsible | None = None
    side: Side | None = None
    words: tuple[str, ...] = ()
    hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What happened to a record, and how it stands now. ``subject``: of the mail, else the record's title. ``waited``: for how long somebody
    outside has waited for an answer, where that is asked."""

    trigger: Trigger
    company_id: int
    kind: str
    stage: str
    alias_id: int | None
    responsible_id: int | None
    side: Side
    subject: str
    via: Via | None = None
    waited: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the rule fires. ``reasons``: what happened; or everything that does not fit."""

    fires: bool
    reasons: tuple[Reason, ...]


def judge(rule: Conditions, seen: Occurrence) -> Verdict:
    """Whether this rule fires. A rule of another company never does."""
    wrong = _misfits(rule, seen)
    if rule.company_id != seen.company_id or wrong:
        return Verdict(fires=False, reasons=tuple(wrong))
    return Verdict(fires=True, reasons=(_cause(rule, seen),))


def _misfits(rule: Conditions, seen: Occurrence) -> list[Reason]:
    found = []
    if rule.trigger is not seen.trigger:
        found.append(because("rule.not.trigger"))
    if rule.via is not None and rule.trigger is Trigger.CREATED and rule.via is not seen.via:
        found.append(because("rule.not.via"))
    if rule.kind and rule.kind != seen.kind:
        found.append(because("rule.not.kind"))
    if rule.stage and rule.stage != seen.stage:
        found.append(because("rule.not.stage", **{"is": seen.stage or "–", "wanted": rule.stage}))
    if rule.alias_id is not None and rule.alias_id != seen.alias_id:
        found.append(because("rule.not.alias"))
    if rule.responsible is Responsible.NONE and seen.responsible_id is not None:
        found.append(because("rule.not.responsible"))
    if rule.responsible is Responsible.SOMEBODY and seen.responsible_id is None:
        found.append(because("rule.not.nobody"))
    if rule.side is not None and rule.side is not seen.side:
        found.append(because("rule.not.side", wanted=rule.side.value))
    if rule.trigger is Trigger.UNANSWERED and (seen.waited is None or seen.waited < timedelta(hours=rule.hours)):
        found.append(because("rule.not.waiting", hours=rule.hours))
    if rule.words and not any(word in seen.subject.casefold() for word in rule.words):
        found.append(because("rule.not.words", words=", ".join(rule.words)))
    return found


def _cause(rule: Conditions, seen: Occurrence) -> Reason:
    match rule.trigger:
        case Trigger.CREATED:
            return because(f"rule.created.{seen.via or Via.PERSON}")
        case Trigger.ANSWER:
            return because("rule.answer")
        case Trigger.STAGE:
            return because("rule.stage", stage=seen.stage)
        case Trigger.RESPONSIBLE:
            return because("rule.responsible")
        case Trigger.UNANSWERED:
            return because("rule.unanswered", hours=rule.hours)


# ---- what follows


class Outcome(StrEnum):
    """What becomes of a step."""

    DO = "do"
    LEAVE = "leave"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One action on one record. ``people``: the contacts (followers) or the one member that it is done with."""

    action: Action
    outcome: Outcome
    reason: Reason
    people: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a record stands for a rule that acts on it.

    ``members``, ``contacts``, ``templates``: names of those that may be used, by number; who is not in them is not there for the rule.
    ``last_member_id``: whose turn it was last. ``customer``: name of who is written to; empty: nobody.
    """

    now: datetime
    stage: str
    stages: tuple[str, ...]
    responsible_id: int | None
    customer: str
    followers: frozenset[int]
    members: Mapping[int, str]
    contacts: Mapping[int, str]
    templates: Mapping[int, str]
    may_answer: bool
    sent_at: datetime | None
    last_member_id: int | None


def plan(actions: Sequence[Action], standing: Standing) -> tuple[Step, ...]:
    """What becomes of each action, in their order; each sees what those before it change."""
    stage, responsible_id, followers = standing.stage, standing.responsible_id, standing.followers
    sent_at, steps = standing.sent_at, []
    for action in actions:
        step = _step(action, standing, _Now(stage, responsible_id, followers, sent_at))
        steps.append(step)
        if step.outcome is not Outcome.DO:
            continue
        match step.action:
            case SetStage(stage=stage):
                pass
            case SetResponsible():
                responsible_id = step.people[0]
            case AddFollowers():
                followers |= set(step.people)
            case RemoveFollowers():
                followers -= set(step.people)
            case SendMessage():
                sent_at = standing.now
            case LogNote() | PlanActivity():
                pass
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class _Now:
    """How it stands before a step."""

    stage: str
    responsible_id: int | None
    followers: frozenset[int]
    sent_at: datetime | None


def _step(action: Action, standing: Standing, now: _Now) -> Step:  # noqa: PLR0911 (one for each action)
    match action:
        case SendMessage(template_id=template_id):
            return _message(action, template_id, standing, now)
        case LogNote(template_id=template_id):
            return _note(action, template_id, standing)
        case AddFollowers(contact_ids=contact_ids):
            fresh = tuple(one for one in contact_ids if one not in now.followers)
            return _following(action, fresh, standing, "follow")
        case RemoveFollowers(contact_ids=contact_ids):
            there = tuple(one for one in contact_ids if one in now.followers)
            return _following(action, there, standing, "unfollow")
        case SetResponsible(member_ids=member_ids):
            return _responsible(action, member_ids, standing, now)
        case SetStage(stage=stage):
            return _stage(action, stage, standing, now)
        case PlanActivity():
            return _activity(action, standing, now)
        case _ as never:
            assert_never(never)


def _message(action: Action, template_id: int, standing: Standing, now: _Now) -> Step:
    if template_id not in standing.templates:
        return _trouble(action, because("rule.trouble.template"))
    if not standing.may_answer:
        return _leave(action, because("rule.left.automatic"))
    if not standing.customer:
        return _leave(action, because("rule.left.nobody"))
    if now.sent_at is not None and standing.now - now.sent_at < BETWEEN_MESSAGES:
        return _leave(action, because("rule.left.lately"))
    return _do(action, because("rule.did.message", what=standing.templates[template_id], who=standing.customer))


def _note(action: Action, template_id: int, standing: Standing) -> Step:
    if template_id not in standing.templates:
        return _trouble(action, because("rule.trouble.template"))
    return _do(action, because("rule.did.note", what=standing.templates[template_id]))


def _following(action: Action, contact_ids: tuple[int, ...], standing: Standing, word: str) -> Step:
    if not contact_ids:
        return _leave(action, because(f"rule.left.{word}"))
    if word == "follow" and not _are_all_in(contact_ids, standing.contacts):
        return _trouble(action, because("rule.trouble.person"))
    names = ", ".join(standing.contacts.get(one, "?") for one in contact_ids)
    return _do(action, because(f"rule.did.{word}", who=names), *contact_ids)


def _stage(action: Action, stage: str, standing: Standing, now: _Now) -> Step:
    if standing.stages and stage not in standing.stages:
        return _trouble(action, because("rule.trouble.stage", what=stage))
    if stage == now.stage:
        return _leave(action, because("rule.left.stage", what=stage))
    return _do(action, because("rule.did.stage", what=stage))


def _responsible(action: Action, member_ids: tuple[int, ...], standing: Standing, now: _Now) -> Step:
    """Of several, who is switched off is passed over; one that is named alone must be there."""
    if len(member_ids) > 1 and now.responsible_id in member_ids and now.responsible_id in standing.members:
        return _leave(action, because("rule.left.responsible", who=standing.members[now.responsible_id]))
    chosen = next_in_turn(member_ids, standing.members, standing.last_member_id)
    if chosen is None:
        return _trouble(action, because("rule.trouble.person"))
    if chosen == now.responsible_id:
        return _leave(action, because("rule.left.responsible", who=standing.members[chosen]))
    return _do(action, because("rule.did.responsible", who=standing.members[chosen]), chosen)


def next_in_turn(member_ids: Sequence[int], there: Collection[int], last: int | None) -> int | None:
    """The one after ``last`` who is there; the first when ``last`` is none of them. None: nobody is there."""
    start = member_ids.index(last) + 1 if last in member_ids else 0
    return next((one for one in (*member_ids[start:], *member_ids[:start]) if one in there), None)


def _activity(action: PlanActivity, standing: Standing, now: _Now) -> Step:
    who = action.member_id if action.member_id is not None else now.responsible_id
    if who is None:
        return _leave(action, because("rule.left.no_one"))
    if who not in standing.members:
        return _trouble(action, because("rule.trouble.person"))
    what = action.summary or action.kind.value
    return _do(action, because("rule.did.activity", what=what, who=standing.members[who]), who)


def _are_all_in(numbers: Sequence[int], there: Collection[int]) -> bool:
    return all(one in there for one in numbers)


def _do(action: Action, reason: Reason, *people: int) -> Step:
    return Step(action=action, outcome=Outcome.DO, reason=reason, people=people)


def _leave(action: Action, reason: Reason) -> Step:
    return Step(action=action, outcome=Outcome.LEAVE, reason=reason)


def _trouble(action: Action, reason: Reason) -> Step:
    return Step(action=action, outcome=Outcome.TROUBLE, reason=reason)
