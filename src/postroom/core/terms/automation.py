"""The words of automation rules: when one fires, what it asks of a record, and what it does.

Actions are a closed union, stored as JSON; `read_actions` reads it back and takes nothing that is not whole. People and templates stand in
them by their numbers: whether these are there, and may be used, is asked when a rule is saved and again when it acts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from postroom.core.terms.states import ActivityKind

MOST_ACTIONS = 8
MOST_PEOPLE = 50  # of one action
MOST_HOURS = 24 * 90
MOST_DAYS = 366


class Trigger(StrEnum):
    """What must happen."""

    CREATED = "created"  # a record is made, by a mail, a person or a program
    ANSWER = "answer"  # somebody outside writes on a record
    STAGE = "stage"  # somebody puts a record into the stage
    RESPONSIBLE = "responsible"  # somebody is made responsible for a record
    UNANSWERED = "unanswered"  # somebody outside has waited for an answer for so many hours


class Via(StrEnum):
    """How a record was made."""

    MAIL = "mail"
    PERSON = "person"
    PROGRAM = "program"


class Side(StrEnum):
    """Who caused it: a customer, who is everybody outside, or a colleague who is proven to be one."""

    CUSTOMER = "customer"
    COLLEAGUE = "colleague"


class Responsible(StrEnum):
    """Whether somebody must be responsible already."""

    NONE = "none"
    SOMEBODY = "somebody"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    """A message from a template to the record's customer; its followers hear of it as of every message."""

    template_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNote:
    """A note from a template. It never leaves."""

    template_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFollowers:
    contact_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFollowers:
    contact_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetResponsible:
    """One member; of several each in turn."""

    member_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStage:
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanActivity:
    """Due so many days from then. ``member_id`` None: whoever is responsible for the record."""

    kind: ActivityKind
    summary: str
    days: int
    member_id: int | None = None


Action = SendMessage | LogNote | AddFollowers | RemoveFollowers | SetResponsible | SetStage | PlanActivity


class ActionError(ValueError):
    """This is no action; the text says why."""


def action_as_json(action: Action) -> dict[str, object]:  # noqa: PLR0911 (one for each action)
    match action:
        case SendMessage(template_id=template_id):
            return {"do": "message", "template": template_id}
        case LogNote(template_id=template_id):
            return {"do": "note", "template": template_id}
        case AddFollowers(contact_ids=contact_ids):
            return {"do": "follow", "contacts": list(contact_ids)}
        case RemoveFollowers(contact_ids=contact_ids):
            return {"do": "unfollow", "contacts": list(contact_ids)}
        case SetResponsible(member_ids=member_ids):
            return {"do": "responsible", "members": list(member_ids)}
        case SetStage(stage=stage):
            return {"do": "stage", "stage": stage}
        case PlanActivity():
            found: dict[str, object] = {"do": "activity", "kind": action.kind.value, "summary": action.summary}
            return found | {"days": action.days, "member": action.member_id}


def read_actions(rows: object) -> tuple[Action, ...]:
    """Raises `ActionError`."""
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise ActionError("A rule does something: choose at least one action.")
    if len(rows) > MOST_ACTIONS:
        raise ActionError(f"A rule has at most {MOST_ACTIONS} actions.")
    return tuple(_action(row) for row in rows)


def _action(row: object) -> Action:  # noqa: PLR0911 (one for each action)
    if not isinstance(row, Mapping):
        raise ActionError("An action is an object.")
    match row.get("do"):
        case "message":
            return SendMessage(template_id=_number(row.get("template"), "Choose the template of the message."))
        case "note":
            return LogNote(template_id=_number(row.get("template"), "Choose the template of the note."))
        case "follow":
            return AddFollowers(contact_ids=_numbers(row.get("contacts"), "Choose who is to follow."))
        case "unfollow":
            return RemoveFollowers(contact_ids=_numbers(row.get("contacts"), "Choose who is to follow no longer."))
        case "responsible":
            return SetResponsible(member_ids=_numbers(row.get("members"), "Choose who is to be responsible."))
        case "stage":
            return SetStage(stage=_text(row.get("stage"), 80, "Say into which stage."))
        case "activity":
            return _activity(row)
        case other:
            raise ActionError(f"There is no action {str(other)[:40]!r}.")


def _activity(row: Mapping[str, object]) -> PlanActivity:
    kind, days, member = row.get("kind"), row.get("days", 0), row.get("member")
    if kind not in set(ActivityKind):
        raise ActionError(f"An activity is one of: {', '.join(ActivityKind)}.")
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= MOST_DAYS:
        raise ActionError(f"An activity is due within 0 to {MOST_DAYS} days.")
    return PlanActivity(
        kind=ActivityKind(str(kind)),
        summary=" ".join(str(row.get("summary") or "").split())[:200],
        days=days,
        member_id=None if member is None else _number(member, "Choose who is to do it."),
    )


def _number(value: object, otherwise: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise ActionError(otherwise)
    return value


def _numbers(values: object, otherwise: str) -> tuple[int, ...]:
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise ActionError(otherwise)
    found = tuple(dict.fromkeys(_number(one, otherwise) for one in values))
    if not found:
        raise ActionError(otherwise)
    if len(found) > MOST_PEOPLE:
        raise ActionError(f"At most {MOST_PEOPLE} people.")
    return found


def _text(value: object, most: int, otherwise: str) -> str:
    found = " ".join(str(value or "").split())[:most]
    if not found:
        raise ActionError(otherwise)
    return found


def read_words(text: str) -> tuple[str, ...]:
    """Words or phrases, separated by commas, each once and without case."""
    return tuple(dict.fromkeys(word for part in text.split(",") if (word := " ".join(part.split()).casefold())))
