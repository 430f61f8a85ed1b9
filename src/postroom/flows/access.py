"""Who may do and see what. Asked by flows and queries, never by templates alone.

Roles: an administrator changes settings; a manager acts on queue and inbound mail of the own companies; an agent writes on
records; who reads only, reads only. Everything is cut to the companies of the member.
"""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from postroom.core.terms.states import Role
from postroom.store.models import Delivery, InboundMessage, LetterboxMail, Member, Message, Notification, Record

Row = TypeVar("Row", bound=Model)

_ALLOWED: dict[str, frozenset[Role]] = {
    "view": frozenset(Role),
    "post": frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT}),
    "write": frozenset({Role.ADMINISTRATOR, Role.MANAGER, Role.AGENT}),
    "queue": frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
    "inbound": frozenset({Role.ADMINISTRATOR, Role.MANAGER}),
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


def company_ids(member: Member) -> list[int]:
    """The companies that the member sees: kept on the instance, which lives for one request."""
    known: list[int] | None = member.__dict__.get("_company_ids")
    if known is None:
        known = sorted({member.company_id, *member.companies.values_list("pk", flat=True)})
        member.__dict__["_company_ids"] = known
    return known


def visible_records(member: Member | None) -> QuerySet[Record]:
    return _cut(Record.objects.all(), member)


def visible_messages(member: Member | None) -> QuerySet[Message]:
    return _cut(Message.objects.all(), member)


def visible_notifications(member: Member | None) -> QuerySet[Notification]:
    return _cut(Notification.objects.all(), member)


def visible_deliveries(member: Member | None) -> QuerySet[Delivery]:
    return _cut(Delivery.objects.all(), member)


def visible_letterbox(member: Member | None) -> QuerySet[LetterboxMail]:
    return _cut(LetterboxMail.objects.all(), member)


def visible_inbound(member: Member | None) -> QuerySet[InboundMessage]:
    """Mail that belongs to no company yet (held, refused, failed) is for administrators and managers."""
    rows = InboundMessage.objects.all()
    if member is None:
        return rows
    mine = Q(company_id__in=company_ids(member))
    if may(member, "inbound"):
        mine |= Q(company=None)
    return rows.filter(mine)


def _cut(rows: QuerySet[Row], member: Member | None) -> QuerySet[Row]:
    return rows if member is None else rows.filter(company_id__in=company_ids(member))


def _is_visible(member: Member, subject: object) -> bool:
    company_id = getattr(subject, "company_id", None)
    return company_id is None or company_id in company_ids(member)
