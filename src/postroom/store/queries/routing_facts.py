"""What routing must know, looked up once for a whole batch of mails: about fifteen queries, whatever its size.

`look_up` returns a `Book`; `Book.facts_for` makes the `Facts` of one mail from it, with what the batch itself has done so
far (`Tally`), so that a loop cannot slip through inside one batch. `known_addresses` serves the doors' RCPT.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from postroom.core.routing.loops import is_allowed
from postroom.core.routing.recipients import KnownAddresses
from postroom.core.routing.verdicts import (
    AliasFact,
    AuthorFact,
    DeliveryFact,
    DomainFact,
    Evidence,
    Facts,
    MessageFact,
)
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.states import AliasPolicy, MessageKind
from postroom.store.models import (
    Follower,
    InboundHook,
    Mailbox,
    Message,
    Notification,
)
from postroom.store.queries.authors import authors_by_address, contacts_of
from postroom.store.queries.loop_counts import Tally, recent_creations, recent_of_kinds
from postroom.store.queries.loop_signs import SignBook, look_up_signs
from postroom.store.queries.reported_deliveries import MESSAGE_FIELDS, message_fact, provider_of, reported_deliveries
from postroom.store.statements import ask

REPORTS_ADDRESS = "mail.dmarc.address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One mail of the batch: its number, what it shows, and the mailbox it was fetched from or the address it was handed in at."""

    inbound_id: int
    evidence: Evidence
    mailbox_id: int | None = None
    hook_id: int | None = None

    @property
    def source(self) -> tuple[str, int]:
        """By which its fallback is found."""
        return ("mailbox", self.mailbox_id) if self.mailbox_id else ("hook", self.hook_id or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """All that was looked up for a batch."""

    domains: tuple[DomainFact, ...]
    aliases: tuple[AliasFact, ...]
    by_identifier: Mapping[str, tuple[MessageFact, ...]]
    ours: frozenset[str]  # Message-IDs of mails that we sent
    by_number: Mapping[int, MessageFact]
    deliveries: Mapping[int, DeliveryFact]
    deliveries_by_id: Mapping[str, tuple[DeliveryFact, ...]]
    authors: Mapping[str, AuthorFact]
    follows: Mapping[int, frozenset[int]]
    took_part: frozenset[tuple[int, str]]
    duplicates: Mapping[str, int]
    creations: Mapping[int, int]
    fallback_recent: Mapping[tuple[str, str], int]
    fallbacks: Mapping[tuple[str, int], tuple[str, int]]
    signs: SignBook
    parameters: Parameters

    def facts_for(self, case: Case, tally: Tally) -> Facts:
        """The facts of one mail."""
        evidence = case.evidence
        author = evidence.author_normal
        messages = self._messages(evidence.thread_ids, evidence)
        known = self.by_identifier.get(evidence.message_id, ()) if evidence.message_id else ()
        kind, company_id = self.fallbacks.get(case.source, ("", 0))
        aliases = tuple(self._alias(alias, tally) for alias in self._aliases_of(evidence))
        return Facts(
            domains=self.domains,
            aliases=aliases,
            messages=messages,
            token_messages={
                number: self._message(self.by_number[number], evidence)
                for number in evidence.reply_numbers
                if number in self.by_number
            },
            deliveries=self._deliveries_of(evidence),
            reporter=provider_of(author.rpartition("@")[2]) if evidence.report is not None else "",
            author=self._author(author),
            duplicate_of=self._duplicate_of(case),
            known_message=known[0] if known else None,
            known_message_is_ours=evidence.message_id in self.ours,
            taken_records=frozenset(fact.record_id for fact in known if fact.record_id is not None),
            taken_aliases=frozenset(fact.record_alias_id for fact in known if fact.record_alias_id is not None),
            allowed_local_domains=self.parameters.words("mail.catchall.domain.allowed"),
            fallback_kind=kind,
            fallback_company_id=company_id or None,
            fallback_recent=self.fallback_recent.get((kind, author), 0) + tally.fallback[(kind, author)],
            loop_threshold=self.parameters.number("mail.gateway.loop.threshold"),
            loop_exempt=not evidence.authenticity.is_spoofed
            and is_allowed(author, self.parameters.words("mail.gateway.allowed")),
            reports_address=self.parameters.text(REPORTS_ADDRESS),
            hold_unknown=self.parameters.text("mail.gateway.unknown") == "hold",
            signs=self.signs.signs_for(evidence, case.inbound_id, [one.alias_id for one in aliases], tally.signs),
        )

    def _duplicate_of(self, case: Case) -> int | None:
        first = self.duplicates.get(case.evidence.fingerprint)
        return first if first != case.inbound_id else None

    def _aliases_of(self, evidence: Evidence) -> Iterable[AliasFact]:
        names = {recipient.local for recipient in evidence.recipients} | {
            recipient.normal.rpartition("@")[0] for recipient in evidence.recipients
        }
        return (alias for alias in self.aliases if alias.name in names)

    def _messages(self, identifiers: Sequence[str], evidence: Evidence) -> tuple[MessageFact, ...]:
        found = {fact.message_id: fact for one in identifiers for fact in self.by_identifier.get(one, ())}
        newest_first = sorted(found.values(), key=lambda fact: -fact.message_id)
        return tuple(self._message(fact, evidence) for fact in newest_first)

    def _message(self, fact: MessageFact, evidence: Evidence) -> MessageFact:
        """The message as this author meets it."""
        took_part = (fact.record_id, evidence.author_normal) in self.took_part
        return replace(fact, author_took_part=True) if took_part else fact

    def _alias(self, alias: AliasFact, tally: Tally) -> AliasFact:
        count = self.creations.get(alias.alias_id, 0) + tally.creations_all[alias.alias_id]
        return replace(alias, recent_creations_all=count) if count else alias

    def _deliveries_of(self, evidence: Evidence) -> tuple[DeliveryFact, ...]:
        found = [self.deliveries[number] for number in evidence.bounce_numbers if number in self.deliveries]
        if not found and evidence.report is not None:
            found = list(self.deliveries_by_id.get(evidence.report.original_message_id, ()))
        return tuple(
            replace(one, message=self._message(one.message, evidence)) if one.message else one for one in found
        )

    def _author(self, normal: str) -> AuthorFact:
        author = self._following(self.authors.get(normal, AuthorFact()))
        return replace(author, also=tuple(map(self._following, author.also))) if author.also else author

    def _following(self, author: AuthorFact) -> AuthorFact:
        follows = self.follows.get(author.contact_id or 0, frozenset())
        return replace(author, follows=follows) if follows else author


def look_up(cases: Sequence[Case], parameters: Parameters, now: datetime) -> Book:
    """Everything for these mails."""
    evidences = [case.evidence for case in cases]
    since = now - timedelta(minutes=parameters.number("mail.gateway.loop.minutes"))
    authors = {evidence.author_normal for evidence in evidences if evidence.author_normal}
    domains = _domains()
    aliases = _aliases(_locals(evidences))
    by_identifier, ours = _by_identifier(_identifiers(evidences))
    by_number = _by_number({number for evidence in evidences for number in evidence.reply_numbers})
    deliveries, deliveries_by_id = reported_deliveries(evidences)
    facts = [*(fact for some in by_identifier.values() for fact in some), *by_number.values()]
    facts += [one.message for one in deliveries.values() if one.message]
    records = {fact.record_id for fact in facts if fact.record_id is not None}
    records |= {one for alias in aliases for one in (alias.owner_record_id, alias.forced_record_id) if one}
    people = authors_by_address(authors, _own_addresses(authors, domains, aliases))
    fallbacks = _fallbacks(cases)
    return Book(
        domains=domains,
        aliases=aliases,
        by_identifier=by_identifier,
        ours=ours,
        by_number=by_number,
        deliveries=deliveries,
        deliveries_by_id=deliveries_by_id,
        authors=people,
        follows=_follows(contacts_of(people.values()), records),
        took_part=_took_part(records, authors),
        duplicates=_duplicates(case.evidence.fingerprint for case in cases),
        creations=recent_creations(
            [alias.alias_id for alias in aliases], since, parameters.number("mail.gateway.loop.threshold")
        ),
        fallback_recent=recent_of_kinds({kind for kind, _ in fallbacks.values() if kind}, authors, since),
        fallbacks=fallbacks,
        signs=look_up_signs(
            [(case.inbound_id, case.evidence) for case in cases],
            aliases=aliases,
            domains=domains,
            record_ids=records,
            since=since,
            now=now,
            threshold=parameters.number("mail.gateway.loop.threshold"),
        ),
        parameters=parameters,
    )


_KNOWN_ADDRESSES = """
SELECT
    (SELECT coalesce(json_agg(json_build_array(name, bounce_alias, catchall_alias, retired_at IS NOT NULL)), '[]')
        FROM postroom_aliasdomain),
    (SELECT coalesce(json_agg(json_build_array(
            alias.id, alias.name, domain.name, alias.kind_id, alias.company_id, alias.policy, alias.matches_local_part,
            alias.retired_at IS NOT NULL OR domain.retired_at IS NOT NULL) ORDER BY alias.id), '[]')
        FROM postroom_alias alias
        JOIN postroom_aliasdomain domain ON domain.id = alias.domain_id
        JOIN postroom_recordkind kind ON kind.key = alias.kind_id
        WHERE alias.name = ANY(%s::text[]) AND kind.is_active),
    (SELECT value FROM postroom_parameter WHERE key = %s::text),
    (SELECT value FROM postroom_parameter WHERE key = %s::text)
"""


def known_addresses(locals_: Collection[str]) -> KnownAddresses:
    """What RCPT must know of recipients with these local parts. One query, and the hottest of all: no models."""
    allowed = "mail.catchall.domain.allowed"
    ((domains, aliases, value, reports),) = ask(_KNOWN_ADDRESSES, [list(locals_), allowed, REPORTS_ADDRESS])
    return KnownAddresses(
        domains=tuple(
            DomainFact(name=name, bounce=bounce, catchall=catchall, is_retired=is_retired)
            for name, bounce, catchall, is_retired in _from_json(domains)
        ),
        aliases=tuple(
            AliasFact(
                alias_id=alias_id,
                name=name,
                domain=domain,
                kind=kind,
                company_id=company_id,
                policy=AliasPolicy(policy),
                matches_local_part=matches_local_part,
                is_retired=is_retired,
            )
            for alias_id, name, domain, kind, company_id, policy, matches_local_part, is_retired in _from_json(aliases)
        ),
        allowed_local_domains=Parameters({} if value is None else {allowed: value}).words(allowed),
        reports_address=Parameters({} if reports is None else {REPORTS_ADDRESS: reports}).text(REPORTS_ADDRESS),
    )


def _from_json(value: str | list[Any]) -> list[Any]:
    """Django leaves JSON of plain cursors as text; psycopg alone would not."""
    found: list[Any] = json.loads(value) if isinstance(value, str) else value
    return found


def _domains() -> tuple[DomainFact, ...]:
    rows = ask(
        "SELECT name, bounce_alias, catchall_alias, retired_at IS NOT NULL FROM postroom_aliasdomain ORDER BY priority, id"
    )
    return tuple(
        DomainFact(name=name, bounce=bounce, catchall=catchall, is_retired=is_retired)
        for name, bounce, catchall, is_retired in rows
    )


def _locals(evidences: Iterable[Evidence]) -> set[str]:
    found = set()
    for evidence in evidences:
        for recipient in evidence.recipients:
            found |= {recipient.local, recipient.normal.rpartition("@")[0]}
    return found


_ALIASES = """
SELECT alias.id, alias.name, domain.name, kind_id, company_id, policy, forced_record_id, owner_record_id, matches_local_part,
       alias.retired_at IS NOT NULL OR domain.retired_at IS NOT NULL, refusal_text
  FROM postroom_alias alias
  JOIN postroom_aliasdomain domain ON domain.id = alias.domain_id
  JOIN postroom_recordkind kind ON kind.key = alias.kind_id
 WHERE alias.name = ANY(%s::text[]) AND kind.is_active ORDER BY alias.id
"""


def _aliases(locals_: Collection[str]) -> tuple[AliasFact, ...]:
    if not locals_:
        return ()
    return tuple(
        AliasFact(
            alias_id=alias_id,
            name=name,
            domain=domain,
            kind=kind,
            company_id=company_id,
            policy=AliasPolicy(policy),
            forced_record_id=forced_record_id,
            owner_record_id=owner_record_id,
            matches_local_part=matches_local_part,
            is_retired=is_retired,
            refusal_text=refusal_text,
        )
        for (
            alias_id, name, domain, kind, company_id, policy, forced_record_id, owner_record_id, matches_local_part,
            is_retired, refusal_text,
        ) in ask(_ALIASES, [list(locals_)])
    )  # fmt: skip


def _identifiers(evidences: Iterable[Evidence]) -> set[str]:
    found: set[str] = set()
    for evidence in evidences:
        found.update(evidence.thread_ids)
        if evidence.message_id:
            found.add(evidence.message_id)
    return found


_BY_IDENTIFIER = """
SELECT known.identifier, message.message_id, inbound_id, message.id, message.kind, message.company_id, record_id, merged_into_id,
       record.kind_id, record.alias_id, record.contact_address
  FROM postroom_messageidentifier known
  JOIN postroom_message message ON message.id = known.message_id
  LEFT JOIN postroom_record record ON record.id = message.record_id
 WHERE known.identifier = ANY(%s::text[]) ORDER BY known.message_id DESC
"""


def _by_identifier(identifiers: Collection[str]) -> tuple[Mapping[str, tuple[MessageFact, ...]], frozenset[str]]:
    """The messages known by these ids, newest first; and which of the ids are on mails that we sent."""
    found: dict[str, list[MessageFact]] = defaultdict(list)
    ours = set()
    rows = ask(_BY_IDENTIFIER, [list(identifiers)]) if identifiers else ()
    for identifier, own_id, inbound_id, message_id, kind, company_id, record_id, merged_into_id, *of_record in rows:
        record_kind, alias_id, address = of_record
        fact = MessageFact(
            message_id=message_id,
            identifier=identifier,
            record_id=merged_into_id or record_id,
            kind=record_kind or "",
            company_id=company_id,
            is_note=kind == MessageKind.NOTE,
            record_alias_id=alias_id,
            record_address=address or "",
        )
        found[identifier].append(fact)
        if inbound_id is None or identifier != own_id:
            ours.add(identifier)
    return {one: tuple(facts) for one, facts in found.items()}, frozenset(ours)


def _by_number(numbers: Collection[int]) -> Mapping[int, MessageFact]:
    if not numbers:
        return {}
    rows = Message.objects.filter(pk__in=numbers).values(*MESSAGE_FIELDS)
    return {row["id"]: message_fact(row, "") for row in rows}


_OWN_ALIASES = """
SELECT alias.name || '@' || domain.name
  FROM postroom_alias alias JOIN postroom_aliasdomain domain ON domain.id = alias.domain_id
 WHERE alias.name = ANY(%s::text[])
"""


def _own_addresses(
    normals: Collection[str], domains: Sequence[DomainFact], aliases: Sequence[AliasFact]
) -> frozenset[str]:
    """Addresses of ours are nobody's (T-038)."""
    own = {f"{local}@{domain.name}" for domain in domains for local in (domain.bounce, domain.catchall)}
    own |= {f"{alias.name}@{alias.domain}" for alias in aliases}
    ours = {domain.name for domain in domains}
    at_home = {normal.rpartition("@")[0] for normal in normals if normal.rpartition("@")[2] in ours}
    if at_home:
        own |= {address for (address,) in ask(_OWN_ALIASES, [list(at_home)])}
    return frozenset(own)


def _follows(contact_ids: Collection[int], record_ids: Collection[int]) -> Mapping[int, frozenset[int]]:
    if not contact_ids or not record_ids:
        return {}
    found: dict[int, set[int]] = defaultdict(set)
    rows = Follower.objects.filter(contact_id__in=contact_ids, record_id__in=record_ids)
    for contact_id, record_id in rows.values_list("contact_id", "record_id"):
        found[contact_id].add(record_id)
    return {contact_id: frozenset(ids) for contact_id, ids in found.items()}


def _took_part(record_ids: Collection[int], normals: Collection[str]) -> frozenset[tuple[int, str]]:
    """Who wrote on which record before, or was written to from it."""
    if not record_ids or not normals:
        return frozenset()
    wrote = Message.objects.filter(record_id__in=record_ids, author_address__in=normals, is_unverified=False)
    heard = Notification.objects.filter(message__record_id__in=record_ids, contact__normal__in=normals)
    return frozenset(wrote.values_list("record_id", "author_address").distinct()) | frozenset(
        heard.values_list("message__record_id", "contact__normal").distinct()
    )


def _duplicates(fingerprints: Iterable[str]) -> Mapping[str, int]:
    return dict(ask("SELECT key, inbound_id FROM postroom_seenmail WHERE key = ANY(%s::text[])", [list(fingerprints)]))


def _fallbacks(cases: Sequence[Case]) -> Mapping[tuple[str, int], tuple[str, int]]:
    """The kind and the company, by the way in."""
    found: dict[tuple[str, int], tuple[str, int]] = {}
    ways: tuple[tuple[str, type[Mailbox] | type[InboundHook]], ...] = (("mailbox", Mailbox), ("hook", InboundHook))
    for way, model in ways:
        numbers = {number for kind, number in (case.source for case in cases) if kind == way and number}
        if numbers:
            rows = model.objects.filter(pk__in=numbers).values_list("pk", "fallback_kind_id", "company_id")
            found |= {(way, pk): (kind or "", company_id) for pk, kind, company_id in rows}
    return found
