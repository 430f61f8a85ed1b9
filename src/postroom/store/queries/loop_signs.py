"""What the loop breaker looks at beside counts: the last messages of a record, what an author had made, our mail to him.

Laws: each query's cost is bounded by the threshold, however much mail there is; five queries for a batch, of which those for our
mail to an author run only for authors who already wrote nearly the same often enough, and those for permits and the catchall find
next to nothing.
Two routers at once do not see each other's batch, so a count may be short by one batch for each further router; a robot that waits
for our answer cannot profit, because our answer leaves with the commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from postroom.core.routing.likeness import is_near
from postroom.core.routing.loops import ALIAS_FACTOR, ROUNDS, base_of
from postroom.core.routing.verdicts import AliasFact, DomainFact, Evidence, LoopSigns, Said
from postroom.store.statements import ask

MEMORY = timedelta(days=1)  # of rounds: a loop may be slow
_MOST_WRITTEN = 200  # mails to one author that are looked at


@dataclass(slots=True, kw_only=True)
class SignTally:
    """What the mails of this batch have done before the one in hand."""

    on_records: dict[int, list[Said]] = field(default_factory=lambda: defaultdict(list))
    through_aliases: dict[tuple[int, str], list[Said]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    catchall: dict[str, int] = field(default_factory=dict)

    def note_appended(self, evidence: Evidence, record_id: int) -> None:
        self.on_records[record_id].append(_said_now(evidence))

    def note_created(self, evidence: Evidence, alias_id: int) -> None:
        self.through_aliases[(alias_id, base_of(evidence.author_normal))].append(_said_now(evidence))

    def note_refused(self, evidence: Evidence, answer: str, inbound_id: int) -> None:
        self.refused[(answer, refused_sender(evidence))] += 1
        if answer == "catchall" and evidence.message_id:
            self.catchall.setdefault(evidence.message_id, inbound_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignBook:
    """All that was looked up for a batch."""

    now: datetime
    since: datetime
    on_records: Mapping[int, Sequence[Said]]
    through_aliases: Mapping[tuple[int, str], Sequence[Said]]
    written_to: Mapping[str, tuple[datetime, ...]]
    refused: Mapping[tuple[str, str], int]
    permits: frozenset[tuple[str, str]]
    catchall: Mapping[str, int]

    def signs_for(self, evidence: Evidence, inbound_id: int, alias_ids: Iterable[int], tally: SignTally) -> LoopSigns:
        """Of one mail."""
        me, sender = base_of(evidence.author_normal), refused_sender(evidence)
        records = self.on_records.keys() | tally.on_records.keys()
        kinds = {kind for kind, one in (*self.refused, *tally.refused) if one == sender}
        copy = self.catchall.get(evidence.message_id) or tally.catchall.get(evidence.message_id)
        return LoopSigns(
            on_records={one: (*self.on_records.get(one, ()), *tally.on_records.get(one, ())) for one in records},
            through_aliases={
                alias_id: (
                    *self.through_aliases.get((alias_id, me), ()),
                    *tally.through_aliases.get((alias_id, me), ()),
                )
                for alias_id in alias_ids
            },
            written_to=self.written_to.get(me, ()),
            refused={
                kind: self.refused.get((kind, sender), 0) + tally.refused.get((kind, sender), 0) for kind in kinds
            },
            permits=self.permits,
            earlier_copy=copy if copy is not None and copy < inbound_id else None,
            since=self.since,
            now=self.now,
        )


def refused_sender(evidence: Evidence) -> str:
    """Whom a refusal is told, without sub-address: that is also who is counted."""
    return base_of(evidence.mail_from or evidence.author_normal)


def _said_now(evidence: Evidence) -> Said:
    return Said(author=base_of(evidence.author_normal), digest=evidence.text_digest, came_in=True)


def look_up_signs(
    mails: Sequence[tuple[int, Evidence]],
    *,
    aliases: Sequence[AliasFact],
    domains: Sequence[DomainFact],
    record_ids: Collection[int],
    since: datetime,
    now: datetime,
    threshold: int,
) -> SignBook:
    """For these mails (number and evidence). ``record_ids``: those that they may be put on."""
    evidences = [evidence for _, evidence in mails]
    day = min(since, now - MEMORY)
    through: Mapping[tuple[int, str], Sequence[Said]] = {}
    on_records: Mapping[int, Sequence[Said]] = {}
    if threshold > 0:
        through = _through_aliases(_pairs(evidences, aliases), day, threshold)
        on_records = _on_records(record_ids, day, threshold * ALIAS_FACTOR)
    return SignBook(
        now=now,
        since=since,
        on_records=on_records,
        through_aliases=through,
        written_to=_written_to(_suspects(evidences, through), day),
        refused=_refused({refused_sender(evidence) for evidence in evidences}, now),
        permits=frozenset((subject, author) for subject, author in ask(_PERMITS, [now])),
        catchall=_first_copies(mails, domains, since),
    )


def _pairs(evidences: Sequence[Evidence], aliases: Sequence[AliasFact]) -> set[tuple[int, str]]:
    """The aliases that each mail may mean, with its author."""
    by_name: dict[str, list[int]] = defaultdict(list)
    for alias in aliases:
        by_name[alias.name].append(alias.alias_id)
    return {
        (alias_id, evidence.author_normal)
        for evidence in evidences
        for recipient in evidence.recipients
        for name in {recipient.local, recipient.normal.rpartition("@")[0]}
        for alias_id in by_name.get(name, ())
    }


# A sub-address of the author may be any other's, so the alias's last records are looked through; else the author's own.
_THROUGH_ALIASES = """
SELECT pair.alias_id, pair.base, made.created_at, first.text_digest
  FROM unnest(%(aliases)s::bigint[], %(authors)s::text[], %(bases)s::text[]) AS pair(alias_id, author, base)
 CROSS JOIN LATERAL (
       (SELECT id, created_at FROM postroom_record
         WHERE contact_address = pair.author AND alias_id = pair.alias_id AND created_at >= %(since)s::timestamptz
           AND pair.author = pair.base
         ORDER BY created_at DESC LIMIT %(threshold)s::bigint)
       UNION ALL
       (SELECT id, created_at FROM (
            SELECT id, created_at, contact_address FROM postroom_record
             WHERE alias_id = pair.alias_id AND created_at >= %(since)s::timestamptz AND pair.author <> pair.base
             ORDER BY created_at DESC LIMIT %(wide)s::bigint) AS lately
         WHERE split_part(contact_address, '@', 2) = split_part(pair.base, '@', 2)
           AND split_part(split_part(contact_address, '@', 1), '+', 1) = split_part(pair.base, '@', 1))
       ) AS made
  LEFT JOIN LATERAL (
       SELECT text_digest FROM postroom_message WHERE record_id = made.id ORDER BY id LIMIT 1) AS first ON true
 ORDER BY made.created_at, made.id
"""


def _through_aliases(
    pairs: Collection[tuple[int, str]], since: datetime, threshold: int
) -> Mapping[tuple[int, str], list[Said]]:
    if not pairs:
        return {}
    rows = sorted(
        {(alias_id, author if author == base_of(author) else "+", base_of(author)) for alias_id, author in pairs}
    )
    found: dict[tuple[int, str], list[Said]] = defaultdict(list)
    values = {
        "aliases": [one for one, _, _ in rows],
        "authors": [one for _, one, _ in rows],
        "bases": [one for _, _, one in rows],
        "since": since,
        "threshold": threshold,
        "wide": threshold * ALIAS_FACTOR,
    }
    for alias_id, base, at, digest in ask(_THROUGH_ALIASES, values):
        found[(alias_id, base)].append(Said(author=base, digest=digest or "", came_in=True, at=at))
    return found


_ON_RECORDS = """
SELECT record.id, said.author_address, said.text_digest, said.inbound_id IS NOT NULL, said.posted_at
  FROM unnest(%(records)s::bigint[]) AS record(id)
 CROSS JOIN LATERAL (
       SELECT id, author_address, text_digest, inbound_id, posted_at FROM postroom_message
        WHERE record_id = record.id ORDER BY id DESC LIMIT %(most)s::bigint) AS said
 WHERE said.posted_at >= %(since)s::timestamptz
 ORDER BY said.id
"""


def _on_records(record_ids: Collection[int], since: datetime, most: int) -> Mapping[int, list[Said]]:
    """The last messages of each record; what is older than the window does not make it dearer."""
    if not record_ids:
        return {}
    found: dict[int, list[Said]] = defaultdict(list)
    values = {"records": sorted(record_ids), "most": most, "since": since}
    for record_id, author, digest, came_in, at in ask(_ON_RECORDS, values):
        found[record_id].append(Said(author=base_of(author), digest=digest, came_in=came_in, at=at))
    return found


def _suspects(evidences: Sequence[Evidence], through: Mapping[tuple[int, str], Sequence[Said]]) -> set[str]:
    """Authors who had several records made with nearly the words of now: for them alone it matters what we wrote to them."""
    by_author: dict[str, list[Sequence[Said]]] = defaultdict(list)
    for (_, base), said in through.items():
        if len(said) >= ROUNDS:
            by_author[base].append(said)
    return {
        me
        for evidence in evidences
        if (me := base_of(evidence.author_normal)) in by_author
        and any(sum(is_near(one.digest, evidence.text_digest) for one in said) >= ROUNDS for said in by_author[me])
    }


# By the index of recipients: ``text_pattern_ops`` serves equality and prefixes alike, and its own order keeps the planner from
# walking the numbers backwards.
_WRITTEN_TO = """
SELECT author.base, sent.created_at
  FROM unnest(%(bases)s::text[], %(subs)s::text[], %(domains)s::text[]) AS author(base, sub, domain)
 CROSS JOIN LATERAL (
       (SELECT created_at, mail_id FROM postroom_delivery
         WHERE lower(to_address) = author.base AND state <> 'sending' ORDER BY id DESC LIMIT %(most)s::bigint)
       UNION ALL
       (SELECT created_at, mail_id FROM postroom_delivery
         WHERE lower(to_address) ~>=~ author.sub AND lower(to_address) ~<~ (author.sub || chr(1114111))
           AND lower(to_address) LIKE '%%' || author.domain AND state <> 'sending'
         ORDER BY lower(to_address) USING ~<~ LIMIT %(most)s::bigint)
       ) AS sent
  JOIN postroom_outgoingmail mail ON mail.id = sent.mail_id
  LEFT JOIN postroom_message message ON message.id = mail.message_id
  LEFT JOIN postroom_member member ON member.contact_id = message.author_id
 WHERE sent.created_at >= %(since)s::timestamptz AND (message.id IS NULL OR (message.inbound_id IS NOT NULL AND member.id IS NULL))
 ORDER BY sent.created_at
"""


def _written_to(bases: Collection[str], since: datetime) -> Mapping[str, tuple[datetime, ...]]:
    """When we queued mail for these authors that no person of ours wrote: answers of ours, and what outsiders' mail caused."""
    if not bases:
        return {}
    names = sorted(bases)
    found: dict[str, list[datetime]] = defaultdict(list)
    values = {
        "bases": names,
        "subs": [f"{name.rpartition('@')[0]}+" for name in names],
        "domains": [f"@{name.rpartition('@')[2]}" for name in names],
        "most": _MOST_WRITTEN,
        "since": since,
    }
    for base, at in ask(_WRITTEN_TO, values):
        found[base].append(at)
    return {base: tuple(ats) for base, ats in found.items()}


_REFUSED = (
    "SELECT kind, sender, times FROM postroom_refusalnotice WHERE sender = ANY(%s::text[]) AND sent_on = %s::date"
)
_PERMITS = "SELECT subject, author FROM postroom_looppermit WHERE until > %s::timestamptz"


def _refused(senders: set[str], now: datetime) -> Mapping[tuple[str, str], int]:
    return {(kind, sender): times for kind, sender, times in ask(_REFUSED, [sorted(senders - {""}), now.date()])}


_FIRST_COPIES = """
SELECT message_id, min(id) FROM postroom_inboundmessage
 WHERE message_id = ANY(%s::text[]) AND received_at >= %s::timestamptz AND state <> 'received' GROUP BY message_id
"""


def _first_copies(
    mails: Sequence[tuple[int, Evidence]], domains: Sequence[DomainFact], since: datetime
) -> Mapping[str, int]:
    """Of mails to a catchall: the first that came within the window with the same Message-ID, whatever its recipients."""
    catchalls = {(domain.catchall, domain.name) for domain in domains}
    wanted = {
        evidence.message_id
        for _, evidence in mails
        if evidence.message_id and any((one.local, one.domain) in catchalls for one in evidence.recipients)
    }
    if not wanted:
        return {}
    return dict(ask(_FIRST_COPIES, [sorted(wanted), since]))
