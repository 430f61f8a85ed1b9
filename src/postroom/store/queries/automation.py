"""Automation rules, as facts: which of them could fire, and how a record stands for one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Exists, OuterRef, Q

from postroom.core.conversations.automation import Conditions
from postroom.core.terms.automation import Responsible, Side, Trigger, Via, read_words
from postroom.store.models import AutomationRule, Contact, MailTemplate, Member
from postroom.store.queries.colleagues import known_to, works_for

_CONDITIONS = (
    "pk", "company_id", "trigger", "kind_id", "via", "stage", "alias_id", "responsible", "side", "words", "hours",
)  # fmt: skip


def has_rules() -> Exists:
    """Of companies: whether one of its rules is switched on. For a query that is asked anyway."""
    return Exists(AutomationRule.objects.filter(company_id=OuterRef("pk"), is_active=True))


def rules_for(company_ids: Collection[int], triggers: Collection[Trigger]) -> list[Conditions]:
    """The rules of these companies that are switched on and wait for this, in the order of their names. One query."""
    rows = AutomationRule.objects.filter(company_id__in=company_ids, trigger__in=list(triggers), is_active=True)
    return [conditions_of(row) for row in rows.only(*_CONDITIONS)]


def conditions_of(rule: AutomationRule) -> Conditions:
    return Conditions(
        rule_id=rule.pk,
        company_id=rule.company_id,
        trigger=Trigger(rule.trigger),
        kind=rule.kind_id or "",
        via=Via(rule.via) if rule.via else None,
        stage=rule.stage,
        alias_id=rule.alias_id,
        responsible=Responsible(rule.responsible) if rule.responsible else None,
        side=Side(rule.side) if rule.side else None,
        words=read_words(rule.words),
        hours=rule.hours,
    )


def members_there(company_id: int, numbers: Collection[int]) -> Mapping[int, str]:
    """Of these members, those who work for the company and may sign in: their names."""
    if not numbers:
        return {}
    rows = Member.objects.filter(works_for([company_id]), pk__in=list(numbers), user__is_active=True)
    return dict(rows.values_list("pk", "contact__name"))


def contacts_there(company_id: int, numbers: Collection[int]) -> Mapping[int, str]:
    """Of these contacts, those that the company knows and that are not switched off: their names."""
    if not numbers:
        return {}
    off = Q(member__isnull=False, member__user__is_active=False)
    rows = Contact.objects.filter(known_to([company_id]), pk__in=list(numbers), is_active=True).exclude(off)
    return dict(rows.values_list("pk", "name"))


def templates_there(company_id: int, kind: str, numbers: Collection[int]) -> Mapping[int, str]:
    """Of these templates, those in use that fit the company and the kind (``""``: of any kind): their names."""
    if not numbers:
        return {}
    rows = MailTemplate.objects.filter(Q(company=None) | Q(company_id=company_id), pk__in=list(numbers), is_active=True)
    if kind:
        rows = rows.filter(Q(kind=None) | Q(kind_id=kind))
    return dict(rows.values_list("pk", "name"))
