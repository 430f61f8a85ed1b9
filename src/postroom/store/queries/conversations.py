"""What a message needs to know of its record: who may hear of it, what it answers, where replies come. Batched reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.db.models import F, Min

from postroom.core.conversations.audience import Candidate
from postroom.core.terms.states import Channel
from postroom.store.models import Alias, AliasDomain, Company, Contact, Message, MessageIdentifier
from postroom.store.queries.colleagues import colleague_in_sql, is_colleague, known_to
from postroom.store.statements import ask

_FOLLOWERS = """
SELECT record_id, follower.contact_id, contact.name, address, normal, language, contact.is_active,
       {is_colleague}, member.channel, comments, notes, changes, activities
  FROM postroom_follower follower
  JOIN postroom_record record ON record.id = follower.record_id
  JOIN postroom_contact contact ON contact.id = follower.contact_id
  LEFT JOIN postroom_member member ON member.contact_id = contact.id
 WHERE record_id = ANY(%s::bigint[]) ORDER BY follower.id
"""


def followers_of(record_ids: Collection[int]) -> Mapping[int, list[Candidate]]:
    """The followers of each record, oldest first. One query, without models: every mail that comes in asks it."""
    if not record_ids:
        return {}
    found: dict[int, list[Candidate]] = defaultdict(list)
    known: dict[tuple[object, ...], Candidate] = {}  # a batch of records has the same few followers
    for record_id, *facts in ask(_FOLLOWERS.format(is_colleague=colleague_in_sql()), [list(record_ids)]):
        key = tuple(facts)
        found[record_id].append(known.get(key) or known.setdefault(key, _follower(*facts)))
    return found


def _follower(
    contact_id: int,
    name: str,
    address: str,
    normal: str,
    language: str,
    is_active: bool,
    is_colleague: bool,
    channel: str | None,
    comments: bool,
    notes: bool,
    changes: bool,
    activities: bool,
) -> Candidate:
    return Candidate(
        contact_id=contact_id,
        name=name,
        address=address,
        normal=normal,
        language=language,
        is_active=is_active,
        is_colleague=is_colleague,
        channel=Channel(channel) if is_colleague and channel is not None else Channel.MAIL,
        follows_comments=comments,
        follows_notes=notes,
        follows_changes=changes,
        follows_activities=activities,
    )


def candidates(contact_ids: Collection[int], company_ids: Collection[int]) -> Mapping[tuple[int, int], Candidate]:
    """Contacts that were named explicitly, as each of these companies knows them: by company and contact. One query a company."""
    found = {}
    for company_id in company_ids:
        rows = Contact.objects.filter(pk__in=list(contact_ids)).annotate(of_ours=is_colleague([company_id]))
        for row in rows.values(*_NAMED, contact=F("id"), inside=F("of_ours"), how=F("member__channel")):
            number, inside, channel = row.pop("contact"), row.pop("inside"), row.pop("how")
            found[company_id, number] = Candidate(
                contact_id=number,
                is_colleague=inside,
                channel=Channel(channel) if inside else Channel.MAIL,
                is_explicit=True,
                **row,
            )
    return found


def contacts_at(company_id: int, normals: Collection[str]) -> Mapping[str, Contact]:
    """Whom the company knows at these addresses: the own contact before one that all share, of several the oldest. One query."""
    found: dict[str, Contact] = {}
    if not normals:
        return found
    rows = Contact.objects.filter(known_to([company_id]), normal__in=list(normals), is_active=True)
    for contact in rows.order_by(F("company_id").asc(nulls_last=True), "id"):
        found.setdefault(contact.normal, contact)
    return found


_NAMED = ("name", "address", "normal", "language", "is_active")


def first_messages(record_ids: Collection[int]) -> Mapping[int, int]:
    """The first message of each record. One query."""
    if not record_ids:
        return {}
    rows = Message.objects.filter(record_id__in=record_ids).values("record_id").annotate(first=Min("id"))
    return {row["record_id"]: row["first"] for row in rows}


def identifiers_of(message_ids: Collection[int]) -> Mapping[int, list[str]]:
    """The Message-IDs by which messages are known, the first one first. One query."""
    if not message_ids:
        return {}
    found: dict[int, list[str]] = defaultdict(list)
    rows = MessageIdentifier.objects.filter(message_id__in=message_ids).order_by("id")
    for message_id, identifier in rows.values_list("message_id", "identifier"):
        found[message_id].append(identifier)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The addresses of a company: where its replies come and what it sends as."""

    company_id: int
    company_name: str
    domain_id: int | None
    domain: str
    catchall: str
    plus_addresses_arrive: bool


def homes(company_ids: Collection[int]) -> Mapping[int, Home]:
    """Each company with its alias domain, else the first one. Two queries at most."""
    companies = list(Company.objects.filter(pk__in=company_ids).select_related("alias_domain"))
    default = None
    if any(company.alias_domain is None for company in companies):
        default = AliasDomain.objects.filter(retired_at=None).first()
    found = {}
    for company in companies:
        domain = company.alias_domain or default
        found[company.pk] = Home(
            company_id=company.pk,
            company_name=company.name,
            domain_id=domain.pk if domain else None,
            domain=domain.name if domain else "",
            catchall=domain.catchall_alias if domain else "",
            plus_addresses_arrive=bool(domain and domain.plus_addresses_arrive),
        )
    return found


def aliases_owned(record_ids: Collection[int]) -> Mapping[int, tuple[str, str]]:
    """Local part and domain of the alias that a record owns. One query."""
    if not record_ids:
        return {}
    rows = Alias.objects.filter(owner_record_id__in=record_ids, retired_at=None).order_by("-name")
    return {
        owner: (name, domain) for owner, name, domain in rows.values_list("owner_record_id", "name", "domain__name")
    }
