"""What the pages of automation rules show: their list, and what one may name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.store.models import Alias, AutomationRule, Contact, MailTemplate, Member, RecordKind
from postroom.store.queries.colleagues import works_for

MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFact:
    """A rule in the list. ``actions`` as they are stored."""

    id: int
    name: str
    company: str
    is_active: bool
    trigger: str
    via: str
    stage: str
    hours: int
    kind: str
    alias: str
    responsible: str
    side: str
    words: str
    actions: tuple[dict[str, object], ...]
    count: int
    last_at: datetime | None
    trouble: tuple[Reason, ...]


def rule_facts(rows: QuerySet[AutomationRule]) -> tuple[RuleFact, ...]:
    """By name. One query, where ``rows`` has what `manageable_rules` joins."""
    return tuple(_fact(row) for row in rows.order_by("name", "id")[:MOST])


def _fact(row: AutomationRule) -> RuleFact:
    tally = getattr(row, "tally", None)
    return RuleFact(
        id=row.pk,
        name=row.name,
        company=row.company.name,
        is_active=row.is_active,
        trigger=row.trigger,
        via=row.via,
        stage=row.stage,
        hours=row.hours,
        kind=row.kind.label if row.kind else "",
        alias=f"{row.alias.name}@{row.alias.domain.name}" if row.alias else "",
        responsible=row.responsible,
        side=row.side,
        words=row.words,
        actions=tuple(one for one in row.actions if isinstance(one, dict)) if isinstance(row.actions, list) else (),
        count=tally.count if tally is not None else 0,
        last_at=tally.last_at if tally is not None else None,
        trouble=reasons_from_json(tally.trouble or ()) if tally is not None else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody who may be named: as a follower by his contact, else as a member."""

    contact_id: int
    member_id: int | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChoices:
    """What a rule of this company may name: (value, word) each."""

    kinds: tuple[tuple[str, str], ...]
    stages: tuple[str, ...]
    aliases: tuple[tuple[int, str], ...]
    templates: tuple[tuple[int, str], ...]
    people: tuple[Colleague, ...]


def rule_choices(company_id: int, named_contacts: Collection[int] = ()) -> RuleChoices:
    """``named_contacts``: who is in the rule already, colleague or not. Five queries at most."""
    kinds = list(RecordKind.objects.filter(is_active=True))
    members = Member.objects.filter(works_for([company_id]), user__is_active=True).select_related("contact")
    people = [
        Colleague(contact_id=one.contact_id, member_id=one.pk, name=one.contact.name)
        for one in members.order_by("contact__name", "pk")[:MOST]
    ]
    missing = set(named_contacts) - {one.contact_id for one in people}
    if missing:
        rows = Contact.objects.filter(Q(company_id=company_id) | Q(company=None), pk__in=missing)
        people += [Colleague(contact_id=row.pk, member_id=None, name=row.name or row.address) for row in rows]
    templates = MailTemplate.objects.filter(Q(company=None) | Q(company_id=company_id), is_active=True)
    aliases = Alias.objects.filter(company_id=company_id, retired_at=None).select_related("domain").order_by("name")
    return RuleChoices(
        kinds=tuple((kind.pk, kind.label) for kind in kinds),
        stages=tuple(dict.fromkeys(str(stage) for kind in kinds for stage in kind.stages)),
        aliases=tuple((one.pk, f"{one.name}@{one.domain.name}") for one in aliases[:MOST]),
        templates=tuple(templates.values_list("pk", "name")[:MOST]),
        people=tuple(people),
    )
