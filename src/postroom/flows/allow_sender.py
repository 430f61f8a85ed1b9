"""Always allow this sender: a person mends the cause why a mail was refused or held, and the mail is routed again.

Only causes that lie in the sender: the policy of an alias, or the loop breaker. What that would mean is said before (`what_it_means`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction

from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, reasons_from_json
from postroom.core.terms.states import InboundState
from postroom.flows.access import require, require_house, visible_inbound, visible_records
from postroom.flows.ports import Ports
from postroom.flows.route_message import raw_of, read_mail, waiting_of
from postroom.flows.settings import parameters, set_parameter
from postroom.flows.settle_inbound import AlreadySettled, route_again
from postroom.store.models import Contact, Follower, InboundMessage, Member
from postroom.store.queries.colleagues import known_to


class Permission(StrEnum):
    """What is missing."""

    CONTACT = "contact"  # a contact with this address
    FOLLOWER = "follower"  # a follower of the record
    LOOP = "loop"  # an entry on the allow-list of the loop breaker


_CAUSES = {
    "policy.no_known_contact": Permission.CONTACT,
    "policy.no_follower": Permission.FOLLOWER,
    "loop.alias_author": Permission.LOOP,
    "loop.fallback": Permission.LOOP,
    "loop.replies": Permission.LOOP,
    "loop.similar": Permission.LOOP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What allowing the sender would change. ``record_id`` is the record that he would follow."""

    permission: Permission
    record_id: int | None = None


class CannotAllow(ValueError):  # noqa: N818 (an answer to a person, not a fault)
    """Nothing that lies in the sender kept the mail; the text says so."""


def what_it_means(reasons: Iterable[Reason]) -> Allowance | None:
    """The first cause that lies in the sender; None: there is none. Reads nothing."""
    for reason in reasons:
        permission = _CAUSES.get(reason.code)
        if permission is Permission.FOLLOWER:
            record = reason.facts.get("record", "")
            return Allowance(permission=permission, record_id=int(record)) if record.isdigit() else None
        if permission is not None:
            return Allowance(permission=permission)
    return None


@transaction.atomic
def allow_sender(ports: Ports, inbound_id: int, *, member: Member | None) -> Allowance:
    """Do it, and route the mail again. Raises `CannotAllow`, `NotAllowed`, `AlreadySettled`, `DoesNotExist`."""
    require(member, "inbound")
    row = visible_inbound(member).select_related("raw_mail").get(pk=inbound_id)
    if row.state == InboundState.ROUTED:
        raise AlreadySettled("This mail is on a record already.")
    allowance = what_it_means(reason for one in row.verdict for reason in reasons_from_json(one.get("reasons", ())))
    if allowance is None:
        raise CannotAllow("It was not its sender that kept this mail, so allowing him would not change anything.")
    author = read_mail(ports, waiting_of(row), raw_of(ports, row)).case.evidence
    if author.author is None or not author.author_normal:
        raise CannotAllow("The mail names no sender.")
    match allowance.permission:
        case Permission.CONTACT:
            _contact(row, author.author.name, author.author_normal, member)
        case Permission.FOLLOWER:
            record = visible_records(member).get(pk=allowance.record_id or 0)
            require(member, "write", record)
            contact = _contact(row, author.author.name, author.author_normal, member)
            Follower.objects.get_or_create(record=record, contact=contact)
        case Permission.LOOP:
            _exempt(ports, author.author_normal, member)
    route_again(ports, inbound_id, member=member)
    return allowance


def _contact(row: InboundMessage, name: str, normal: str, member: Member | None) -> Contact:
    """The contact of the mail's company with this address; one that was archived comes back."""
    company_id = row.company_id or (member.company_id if member else None)
    known = Contact.objects.filter(known_to([company_id] if company_id else []), normal=normal)
    found = known.order_by("-is_active", "id").first()
    if found is None:
        return Contact.objects.create(
            company_id=company_id, name=(name or normal)[:200], address=normal, normal=normalize(normal)
        )
    if not found.is_active:
        found.is_active = True
        found.save(update_fields=["is_active"])
    return found


def _exempt(ports: Ports, normal: str, member: Member | None) -> None:
    require_house(member)
    listed = parameters(ports).words("mail.gateway.allowed")
    if normal not in {one.lower() for one in listed}:
        set_parameter(ports, "mail.gateway.allowed", ", ".join((*listed, normal)), member=member)
