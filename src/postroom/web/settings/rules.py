"""Automation rules: their list, the form in sentences (when, and, then), and trying one out on a record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.automation import MOST_ACTIONS, Responsible, Side, Trigger, Via
from postroom.core.terms.states import ActivityKind
from postroom.flows import access
from postroom.flows import automation_rules as flow
from postroom.flows.automation_rules import Tried, manageable_rules
from postroom.store.models import AutomationRule, Company, Record
from postroom.store.queries.pages import read_id
from postroom.store.queries.pages_automation import RuleChoices, RuleFact, rule_choices, rule_facts
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import fragment, go, page
from postroom.web.templatetags.timeline import ACTIVITY
from postroom.wiring import ports

RECORDS_TO_TRY = 30
LEAST_ROWS, FRESH_ROWS = 3, 2

TRIGGERS = {
    Trigger.CREATED: gettext_lazy("a record is created"),
    Trigger.ANSWER: gettext_lazy("a customer's answer arrives"),
    Trigger.STAGE: gettext_lazy("the stage is set"),
    Trigger.RESPONSIBLE: gettext_lazy("somebody is made responsible"),
    Trigger.UNANSWERED: gettext_lazy("nobody has answered"),
}
VIAS = {
    Via.MAIL: gettext_lazy("by a mail"),
    Via.PERSON: gettext_lazy("by a person"),
    Via.PROGRAM: gettext_lazy("by a program"),
}
SIDES = {Side.CUSTOMER: gettext_lazy("a customer"), Side.COLLEAGUE: gettext_lazy("a colleague")}
RESPONSIBLES = {Responsible.NONE: gettext_lazy("nobody yet"), Responsible.SOMEBODY: gettext_lazy("somebody already")}
DOINGS = {
    "message": gettext_lazy("send a message from a template"),
    "note": gettext_lazy("log a note from a template"),
    "responsible": gettext_lazy("set the responsible"),
    "stage": gettext_lazy("set the stage"),
    "follow": gettext_lazy("add followers"),
    "unfollow": gettext_lazy("remove followers"),
    "activity": gettext_lazy("plan an activity"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRow:
    """A row of *then*, as it stands in the form. ``people``: contacts."""

    number: int
    do: str = ""
    template: int | None = None
    people: tuple[int, ...] = ()
    stage: str = ""
    kind: str = ActivityKind.TO_DO
    summary: str = ""
    days: str = "1"
    member: int | None = None


@for_members("GET")
def rules(request: MemberRequest) -> HttpResponse:
    """All of the member's companies."""
    found = rule_facts(manageable_rules(request.member))
    rows = [(one, _when(one), _then(one)) for one in found]
    many = len({one.company for one in found}) > 1
    return page(request, "postroom/settings/rules.html", _("Automation rules"), {"rules": rows, "has_companies": many})


def _when(one: RuleFact) -> str:
    """``When a record is created by a mail, and it is a Ticket …``"""
    trigger = Trigger(one.trigger)
    words = str(TRIGGERS[trigger])
    if trigger is Trigger.CREATED and one.via:
        words = f"{words} {VIAS[Via(one.via)]}"
    elif trigger is Trigger.STAGE:
        words = _("the stage is set to {stage}").format(stage=one.stage)
    elif trigger is Trigger.UNANSWERED:
        words = _("nobody has answered for {hours} hours").format(hours=one.hours)
    parts = [one.kind, one.alias]
    parts.append(_("in {stage}").format(stage=one.stage) if one.stage and trigger is not Trigger.STAGE else "")
    parts.append(_("from {who}").format(who=SIDES[Side(one.side)]) if one.side else "")
    parts.append(
        _("responsible: {who}").format(who=RESPONSIBLES[Responsible(one.responsible)]) if one.responsible else ""
    )
    parts.append(f"“{one.words}”" if one.words else "")
    return " · ".join([words, *filter(None, parts)])


def _then(one: RuleFact) -> str:
    return ", ".join(str(DOINGS.get(str(action.get("do")), action.get("do"))) for action in one.actions)


@for_members("GET", "POST")
def edit(request: MemberRequest, rule_id: int | None = None) -> HttpResponse:
    """The form of one rule, or of a new one."""
    rule = _rule(request, rule_id)
    if request.method != "POST":
        choices = rule_choices(rule.company_id, _contacts(rule))
        return _form(request, rule, _rows_of(rule, choices), choices)
    choices = rule_choices(rule.company_id, _contacts(rule))
    rows = _typed_rows(request.POST, choices)
    values = _typed(request.POST, rows, choices)
    try:
        if rule_id is None:
            values["company_id"] = rule.company_id
        saved = flow.save_rule(ports(), {**values, "id": rule_id}, member=request.member)
    except ValidationError as error:
        wrong = {name: " ".join(map(str, words)) for name, words in error.update_error_dict({}).items()}
        return _form(request, _as_typed(rule, values), rows, choices, wrong=wrong)
    return go(request, reverse("web:rule", args=[saved.pk]), said=_("Saved."))


@for_members("POST")
def try_out(request: MemberRequest) -> HttpResponse:
    """What the form says, on a record: what would be done. Nothing is, and nothing is stored."""
    rule = _rule(request, read_id(request.POST.get("rule", "")))
    choices = rule_choices(rule.company_id, _contacts(rule))
    rows = _typed_rows(request.POST, choices)
    typed = _as_typed(rule, _typed(request.POST, rows, choices))
    record_id = read_id(request.POST.get("record", ""))
    tried: Tried | None = None
    trouble = ""
    try:
        values = {name: getattr(typed, name) for name in _COLUMNS}
        flow.checked_rule(values, None)
        if record_id is None:
            trouble = _("Choose a record to try it on.")
        else:
            tried = flow.try_rule(ports(), typed, record_id, member=request.member)
    except ValidationError as error:
        trouble = " ".join(error.messages)
    except Record.DoesNotExist:
        trouble = _("There is no such record in the company of the rule.")
    context = {"tried": tried, "trouble": trouble}
    if is_fragment(request):
        return fragment(request, "postroom/settings/_rule_tried.html", context)
    return _form(request, typed, rows, choices, more=context)


@for_members("POST")
def switch(request: MemberRequest, rule_id: int) -> HttpResponse:
    """On or off."""
    rule = _rule(request, rule_id)
    is_on = request.POST.get("on") == "1"
    try:
        flow.save_rule(ports(), {"id": rule.pk, "is_active": is_on}, member=request.member)
    except ValidationError as error:
        return go(request, reverse("web:rule", args=[rule.pk]), trouble=" ".join(error.messages))
    return go(request, reverse("web:rules"), said=_("The rule is on.") if is_on else _("The rule is off."))


@for_members("POST")
def remove(request: MemberRequest, rule_id: int) -> HttpResponse:
    """The rule is gone; what it did stays."""
    _rule(request, rule_id)
    flow.remove_rule(ports(), rule_id, member=request.member)
    return go(request, reverse("web:rules"), said=_("The rule is gone."))


# ---- the form


_COLUMNS = (
    "company_id", "name", "is_active", "trigger", "kind_id", "via", "stage", "alias_id", "responsible", "side", "words",
    "hours", "actions",
)  # fmt: skip


def _rule(request: MemberRequest, rule_id: int | None) -> AutomationRule:
    """Of a new one the company is in the address, else the member's own. Raises `NotAllowed`, Http404."""
    if rule_id is not None:
        found = manageable_rules(request.member).filter(pk=rule_id).first()
        if found is None:
            raise Http404
        return found
    access.require(request.member, "settings")
    asked = read_id(request.POST.get("company", "") or request.GET.get("company", ""))
    mine = access.company_ids(request.member)
    return AutomationRule(
        company_id=asked if asked in mine else request.member.company_id, trigger=Trigger.CREATED, actions=[]
    )


def _form(
    request: MemberRequest,
    rule: AutomationRule,
    rows: Collection[ActionRow],
    choices: RuleChoices,
    *,
    wrong: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> HttpResponse:
    companies = Company.objects.filter(pk__in=access.company_ids(request.member)).order_by("name")
    context = {
        "rule": rule,
        "fact": rule_facts(manageable_rules(request.member).filter(pk=rule.pk))[0] if rule.pk else None,
        "rows": rows,
        "wrong": wrong or {},
        "choices": choices,
        "triggers": _options(TRIGGERS),
        "vias": _options(VIAS),
        "sides": _options(SIDES),
        "responsibles": _options(RESPONSIBLES),
        "doings": _options(DOINGS),
        "activities": [(key, str(word)) for key, (word, _sign) in ACTIVITY.items()],
        "companies": [] if rule.pk else list(companies),
        "records": _records(request, rule),
        **(more or {}),
    }
    title = rule.name if rule.pk else _("New rule")
    return page(request, "postroom/settings/rule.html", title, context, status=422 if wrong else 200)


def _options(words: Mapping[Any, Any]) -> list[tuple[str, str]]:
    return [(str(value), str(word)) for value, word in words.items()]


def _records(request: MemberRequest, rule: AutomationRule) -> list[Record]:
    """Records to try it on: of its company and kind, lately written on."""
    rows = access.visible_records(request.member).filter(company_id=rule.company_id, merged_into=None)
    if rule.kind_id:
        rows = rows.filter(kind_id=rule.kind_id)
    return list(rows.order_by("-updated_at", "-id").only("id", "title", "contact_name")[:RECORDS_TO_TRY])


def _contacts(rule: AutomationRule) -> set[int]:
    """The contacts that it names."""
    found: set[int] = set()
    for action in rule.actions:
        numbers = action.get("contacts")
        found |= {one for one in numbers if isinstance(one, int)} if isinstance(numbers, list) else set()
    return found


def _rows_of(rule: AutomationRule, choices: RuleChoices) -> list[ActionRow]:
    """Those that are stored, and some to fill in."""
    contacts = {one.member_id: one.contact_id for one in choices.people}
    rows = []
    for number, action in enumerate(rule.actions):
        people = action.get("contacts") or [contacts[one] for one in action.get("members") or () if one in contacts]
        rows.append(
            ActionRow(
                number=number,
                do=str(action.get("do", "")),
                template=action.get("template"),
                people=tuple(people),
                stage=str(action.get("stage", "")),
                kind=str(action.get("kind", ActivityKind.TO_DO)),
                summary=str(action.get("summary", "")),
                days=str(action.get("days", 1)),
                member=action.get("member"),
            )
        )
    return _with_fresh(rows)


def _with_fresh(rows: list[ActionRow]) -> list[ActionRow]:
    count = min(MOST_ACTIONS, max(LEAST_ROWS, len(rows) + FRESH_ROWS))
    return [*rows, *(ActionRow(number=number) for number in range(len(rows), count))]


def _typed_rows(data: QueryDict, choices: RuleChoices) -> list[ActionRow]:
    """Those in which something is to be done, in their order."""
    known = {one.contact_id for one in choices.people}
    rows: list[ActionRow] = []
    for place in range(MOST_ACTIONS):
        do = text_of(data, f"do_{place}", 20)
        if not do:
            continue
        chosen = [read_id(text) for text in data.getlist(f"people_{place}")[: len(known)]]
        rows.append(
            ActionRow(
                number=len(rows),
                do=do,
                template=read_id(text_of(data, f"template_{place}", 20)),
                people=tuple(one for one in chosen if one is not None),
                stage=text_of(data, f"stage_{place}", 80),
                kind=text_of(data, f"kind_{place}", 20) or ActivityKind.TO_DO,
                summary=text_of(data, f"summary_{place}", 200),
                days=text_of(data, f"days_{place}", 6),
                member=read_id(text_of(data, f"member_{place}", 20)),
            )
        )
    return _with_fresh(rows)


def _typed(data: QueryDict, rows: Collection[ActionRow], choices: RuleChoices) -> dict[str, Any]:
    """What a flow stores. What does not belong to the trigger is empty."""
    trigger = text_of(data, "trigger", 12)
    hours = text_of(data, "hours", 5)
    return {
        "name": text_of(data, "name", 100),
        "is_active": data.get("is_active") == "on",
        "trigger": trigger,
        "kind_id": text_of(data, "kind", 40) or None,
        "via": text_of(data, "via", 8) if trigger == Trigger.CREATED else "",
        "stage": text_of(data, "into_stage" if trigger == Trigger.STAGE else "stage", 80),
        "alias_id": read_id(text_of(data, "alias", 20)),
        "responsible": text_of(data, "responsible", 8),
        "side": text_of(data, "side", 9),
        "words": text_of(data, "words", 500),
        "hours": int(hours) if trigger == Trigger.UNANSWERED and hours.isascii() and hours.isdigit() else 0,
        "actions": [_action(row, choices) for row in rows if row.do],
    }


def _action(row: ActionRow, choices: RuleChoices) -> dict[str, object]:
    """As `core.terms.automation` reads it."""
    members = {one.contact_id: one.member_id for one in choices.people}
    found: dict[str, object] = {"do": row.do}
    match row.do:
        case "message" | "note":
            found["template"] = row.template
        case "follow" | "unfollow":
            found["contacts"] = list(row.people)
        case "responsible":
            found["members"] = [members.get(one) or 0 for one in row.people]
        case "stage":
            found["stage"] = row.stage
        case "activity":
            days = int(row.days) if row.days.isascii() and row.days.isdigit() else -1
            found |= {"kind": row.kind, "summary": row.summary, "days": days, "member": row.member}
        case _:  # read_actions says that there is no such action
            pass
    return found


def _as_typed(rule: AutomationRule, values: Mapping[str, Any]) -> AutomationRule:
    """The row as the form would have it, not stored."""
    for name, value in values.items():
        setattr(rule, name, value)
    return rule
