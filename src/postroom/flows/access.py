"""Who may do and see what. Asked by flows and queries, never by templates alone.

What belongs to no company (parameters, shared servers, mail that could be anybody's) is the house's: it needs a house
administrator, who is an administrator of the only company, or one whose account is a superuser.

Roles: an administrator changes settings; a manager acts on queue and inbound mail of the own companies; an agent writes on
records; who reads only, reads only. Everything is cut to the companies of the member.
"""

from __future__ import annotations

from typing import TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Model, OuterRef, Q, QuerySet

from postroom.core.terms.states import Role
from postroom.store.models import (
    AddressHealth,
    Alias,
    Company,
    Delivery,
    InboundMessage,
    LetterboxMail,
    MailTemplate,
    Member,
    Message,
    Record,
    SettingChange,
)

Row = TypeVar("Row", bound=Model)

_ALLOWED: dict[str, frozenset[Role]] = {
    "view": frozenset(Role),
    "post": frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT}),
    "write": frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT}),
    "queue": frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    "inbound": frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    "suppress": frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    "letterbox": frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT}),
    "settings": frozenset({Role.ADMINISTRATOR}),
    "run": frozenset({Role.ADMINISTRATOR}),
}


class NotAllowed(Exception):  # noqa: N818 (an answer to a person, not a fault)
    """The member may not do that; the text says what is missing."""


def may(member: Member | None, action: str, subject: object = None) -> bool:
    """Whether the member's role and companies allow it. None is the operator at the command line, who may everything."""
    if member is None:
        return True
    return Role(member.role) in _ALLOWED[action] and _is_visible(member, subject)


def require(member: Member | None, action: str, subject: object = None) -> None:
    """Raises `NotAllowed` unless `may`."""
    if not may(member, action, subject):
        roles = ", ".join(sorted(role.value for role in _ALLOWED[action]))
        raise NotAllowed(f"This needs one of the roles {roles}, in the company that owns it.")


def is_house_administrator(member: Member | None) -> bool:
    """Whether the member may change what no single company owns."""
    return member is None or (Role(member.role) is Role.ADMINISTRATOR and sees_whole_house(member))


def sees_whole_house(member: Member) -> bool:
    """Whether all companies are the member's own."""
    return bool(member.user.is_superuser) or _companies(member)[1]


def opens_more_than(member: Member, company_id: int) -> bool:
    """Whether a key to this account opens more than an administrator of that one company has: such a key passes none of its servers."""
    others = Company.objects.exclude(pk=company_id)
    return others.exists() if member.user.is_superuser else set(company_ids(member)) != {company_id}


def require_house(member: Member | None) -> None:
    """Raises `NotAllowed` unless `is_house_administrator`."""
    if not is_house_administrator(member):
        raise NotAllowed("This concerns every company of the house: it needs an administrator of all of them.")


def require_settings(member: Member | None, subject: object) -> None:
    """Raises `NotAllowed` unless the member may settle this: what belongs to no company is the house's."""
    require(member, "settings", subject)
    if getattr(subject, "company_id", None) is None:
        require_house(member)


def company_ids(member: Member) -> list[int]:
    """The companies that the member sees."""
    return _companies(member)[0]


def company_cut(member: Member | None) -> list[int] | None:
    """The companies to which lists are cut; None where nothing is to be cut."""
    if member is None:
        return None
    mine, are_all = _companies(member)
    return None if are_all else mine


def with_companies(members: QuerySet[Member]) -> QuerySet[Member]:
    """These members, each with what `company_ids` and `company_cut` would ask for, so that a page need not."""
    listed = Member.companies.through.objects.filter(member_id=OuterRef("pk")).values("company_id")
    every = Company.objects.order_by().values("pk")
    return members.annotate(listed_companies=ArraySubquery(listed), all_companies=ArraySubquery(every))


def _companies(member: Member) -> tuple[list[int], bool]:
    """The member's companies, and whether these are all: one query at most, kept on the instance, which lives for one request."""
    known: tuple[list[int], bool] | None = member.__dict__.get("_own_companies")
    if known is None:
        if "all_companies" not in member.__dict__:
            names = ("listed_companies", "all_companies")
            member.__dict__ |= with_companies(Member.objects.filter(pk=member.pk)).values(*names)[0]
        mine = sorted({member.company_id, *member.__dict__["listed_companies"]})
        known = mine, set(member.__dict__["all_companies"]) <= set(mine)
        member.__dict__["_own_companies"] = known
    return known


def visible_records(member: Member | None) -> QuerySet[Record]:
    return _cut(Record.objects.all(), member)


def usable_templates(member: Member | None, record: Record | None = None) -> QuerySet[MailTemplate]:
    """The templates in use of the own companies and of all; with ``record`` those that fit its company and kind."""
    rows = MailTemplate.objects.filter(is_active=True)
    if member is not None:
        rows = rows.filter(Q(company=None) | Q(company_id__in=company_ids(member)))
    if record is not None:
        rows = rows.filter(Q(company=None) | Q(company_id=record.company_id), Q(kind=None) | Q(kind_id=record.kind_id))
    return rows


def visible_messages(member: Member | None) -> QuerySet[Message]:
    return _cut(Message.objects.all(), member)


def visible_deliveries(member: Member | None) -> QuerySet[Delivery]:
    """What concerns the whole house is seen by its administrators, though it is in some company's queue."""
    rows = _cut(Delivery.objects.all(), member)
    return rows if is_house_administrator(member) else rows.filter(is_of_the_house=False)


def visible_addresses(member: Member | None) -> QuerySet[AddressHealth]:
    return _cut(AddressHealth.objects.all(), member)


def visible_letterbox(member: Member | None) -> QuerySet[LetterboxMail]:
    """What no message stands behind may open an account (a new password, an invitation): it is for who could give these anyway."""
    rows = _cut(LetterboxMail.objects.all(), member)
    if is_house_administrator(member):
        return rows
    return rows.filter(Q(delivery=None) | Q(delivery__mail__message__isnull=False))


def visible_aliases(member: Member | None) -> QuerySet[Alias]:
    return _cut(Alias.objects.all(), member)


def visible_inbound(member: Member | None) -> QuerySet[InboundMessage]:
    """Mail of which nobody can say whose it is, is for those whose all companies are."""
    rows = InboundMessage.objects.all()
    if member is None:
        return rows
    mine = Q(company_id__in=company_ids(member))
    if may(member, "inbound") and sees_whole_house(member):
        mine |= Q(company=None)
    return rows.filter(mine)


def visible_changes(member: Member | None) -> QuerySet[SettingChange]:
    """What the own companies' people changed; all of it for house administrators."""
    rows = SettingChange.objects.all()
    if member is None or is_house_administrator(member):
        return rows
    return rows.filter(company_id__in=company_ids(member))


def _cut(rows: QuerySet[Row], member: Member | None) -> QuerySet[Row]:
    return rows if member is None else rows.filter(company_id__in=company_ids(member))


def _is_visible(member: Member, subject: object) -> bool:
    company_id = getattr(subject, "company_id", None)
    return company_id is None or company_id in company_ids(member)
