"""Whom a message might also go to (U-2): the record's outside person, who is responsible, and who was in To or Cc of the last mail.

Laws: a suggestion tells nobody by itself; it is a tick on the page. Left out are followers, who hear of it anyway, whoever asks, and
our own addresses: a reply to all must not come back to us. Unverified mail suggests nobody (its Cc may be anybody's).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery

from postroom.core.conversations.audience import Candidate
from postroom.core.terms.addresses import format_address, normalize
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.flows.ports import Ports
from postroom.store.models import AliasDomain, Contact, Member, MessageBody, Record
from postroom.store.queries.conversations import contacts_at, followers_of

MOST = 12

catalogue(
    {
        "suggest.customer": "The record's contact.",
        "suggest.responsible": "Responsible for this record.",
        "suggest.addressed": "Was in To or Cc of the last mail that came in.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """``contact_id`` is None for an address that is no contact yet; ``full`` is what `post_message` takes as an address."""

    contact_id: int | None
    name: str
    address: str
    reason: Reason
    is_customer: bool = False

    @property
    def full(self) -> str:
        return format_address(self.name if self.name != self.address else "", self.address)


def suggest_recipients(
    _ports: Ports, *, record: Record, member: Member, followers: Sequence[Candidate] | None = None
) -> tuple[Suggestion, ...]:
    """At most a dozen, for a record that the member may see, with its contact and responsible person loaded. Two queries, three for
    who has no ``followers`` of the record at hand."""
    followers = followers_of([record.pk]).get(record.pk, ()) if followers is None else followers
    following = [one for one in followers if one.follows_comments]
    seen_ids = {one.contact_id for one in following} | {member.contact_id}
    seen = {one.normal for one in following} | {member.contact.normal, ""}
    found = [*_customer(record), *_responsible(record), *_addressed(record)]
    chosen = []
    for one in found:
        normal = normalize(one.address)
        if one.contact_id in seen_ids or normal in seen:
            continue
        seen_ids.add(one.contact_id or 0)
        seen.add(normal)
        chosen.append(one)
    return tuple(chosen[:MOST])


def _customer(record: Record) -> list[Suggestion]:
    if record.contact is not None:
        return [_contact(record.contact, because("suggest.customer"), is_customer=True)]
    address = normalize(record.contact_address)
    name = record.contact_name or record.contact_address
    why = because("suggest.customer")
    return [Suggestion(contact_id=None, name=name, address=address, reason=why, is_customer=True)] if address else []


def _responsible(record: Record) -> list[Suggestion]:
    if record.responsible is None:
        return []
    return [_contact(record.responsible.contact, because("suggest.responsible"))]


def _contact(contact: Contact, reason: Reason, *, is_customer: bool = False) -> Suggestion:
    return Suggestion(
        contact_id=contact.pk, name=contact.name, address=contact.address, reason=reason, is_customer=is_customer
    )


def _addressed(record: Record) -> list[Suggestion]:
    """To and Cc of the newest mail that somebody sent to this record."""
    domains = ArraySubquery(AliasDomain.objects.order_by().values("name"))
    last, ours = (
        MessageBody.objects.filter(message__record=record, message__inbound__isnull=False, message__is_unverified=False)
        .order_by("-message_id")
        .values_list("addressed", domains)
        .first()
    ) or (None, ())
    rows = [*last.get("to", ()), *last.get("cc", ())] if isinstance(last, dict) else []
    asked = {normal: str(name or "") for name, address in rows[:50] if (normal := normalize(str(address)))}
    if not asked:
        return []
    known = contacts_at(record.company_id, asked)
    why = because("suggest.addressed")
    found = []
    for normal, name in asked.items():
        if contact := known.get(normal):
            found.append(_contact(contact, why))
        elif normal.rpartition("@")[2] not in ours:
            found.append(Suggestion(contact_id=None, name=name or normal, address=normal, reason=why))
    return found
