"""What will happen to a message that is being written: who receives it and how, who does not, what stands in the way.

Law: it asks the flows that will do it (`post_message`, the choice of the server), so that what the page says is what happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.core.conversations.audience import AudienceMember, Candidate
from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import Channel, MessageKind
from postroom.flows.access import require, usable_templates, visible_records
from postroom.flows.foresee_delivery import foresee_delivery
from postroom.flows.ports import Ports
from postroom.flows.post_message import foresee_audience
from postroom.flows.settings import parameters
from postroom.flows.suggest_recipients import Suggestion, suggest_recipients
from postroom.flows.warn_about import Warned, warnings_about
from postroom.store.models import Member
from postroom.store.queries.conversations import followers_of

QUIET = ("audience.author",)  # nobody needs to be told that he is not told


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A suggestion with its tick."""

    one: Suggestion
    is_ticked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """``by_mail`` and ``in_app`` are numbers of people; ``hindrance`` says what the mails would wait for."""

    people: tuple[AudienceMember, ...]
    left_out: tuple[tuple[Candidate, Reason], ...]
    offered: tuple[Offered, ...]
    troubles: tuple[Warned, ...]
    hindrance: Reason | None
    by_mail: int
    in_app: int


def foresee_message(
    ports: Ports,
    *,
    record_id: int,
    author: Member,
    kind: MessageKind,
    extra_contact_ids: Sequence[int] = (),
    mentioned_contact_ids: Sequence[int] = (),
    addresses: Sequence[str] = (),
    to_customer: bool = False,
    template_id: int | None = None,
    with_suggested: bool = False,
) -> Foreseen:
    """``with_suggested``: the customer is ticked, as at first. Raises Record.DoesNotExist, `NotAllowed`."""
    record = (
        visible_records(author).select_related("kind", "company", "contact", "responsible__contact").get(pk=record_id)
    )
    require(author, "post", record)
    followers = followers_of([record.pk])
    suggested: tuple[Suggestion, ...] = ()
    if kind is MessageKind.COMMENT:
        suggested = suggest_recipients(ports, record=record, member=author, followers=followers.get(record.pk, ()))
    to_customer = to_customer or (with_suggested and any(one.is_customer for one in suggested))
    values = parameters(ports)
    audience = foresee_audience(
        ports,
        values=values,
        record=record,
        author=author,
        kind=kind,
        extra_contact_ids=extra_contact_ids,
        mentioned_contact_ids=mentioned_contact_ids,
        addresses=addresses,
        to_customer=to_customer,
        followers=followers,
    )
    by_mail = [one for one in audience.members if one.needs_mail]
    template = usable_templates(author, record).filter(pk=template_id).first() if template_id else None
    return Foreseen(
        people=audience.members,
        left_out=tuple((one, why) for one, why in audience.left_out if why.code not in QUIET),
        offered=tuple(
            Offered(one=one, is_ticked=_is_ticked(one, extra_contact_ids, addresses, to_customer=to_customer))
            for one in suggested
        ),
        troubles=warnings_about(ports, record.company_id, [one.address for one in by_mail]),
        hindrance=foresee_delivery(
            ports, record=record, author=author, mails=len(by_mail), template=template, values=values
        ),
        by_mail=len(by_mail),
        in_app=sum(one.channel is Channel.INBOX for one in audience.members),
    )


def _is_ticked(one: Suggestion, contact_ids: Sequence[int], addresses: Sequence[str], *, to_customer: bool) -> bool:
    if one.is_customer:
        return to_customer
    return one.contact_id in contact_ids if one.contact_id is not None else one.full in addresses
