"""Applies what was decided on a batch of incoming mails, inside the routing transaction, in bulk.

New records first, then one `post_messages` for all messages, then reports and refusals, then the states of the inbound rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from postroom.core.conversations.automation import Occurrence
from postroom.core.mime.html_quotes import separate_html_reply
from postroom.core.mime.markup import text_to_html
from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.particulars import particulars_as_json
from postroom.core.mime.quotes import separate_reply
from postroom.core.routing.placing import may_be_answered
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    Hold,
    RecordReport,
    Refuse,
    TakeReceiversReport,
    Verdict,
)
from postroom.core.terms.alias_values import Plain
from postroom.core.terms.automation import Side, Trigger, Via
from postroom.core.terms.parameters import Parameters
from postroom.core.terms.reasons import reasons_as_json
from postroom.core.terms.states import InboundState, MessageKind, Turn
from postroom.flows.alias_defaults import record_defaults
from postroom.flows.change_records import note_returned
from postroom.flows.new_files import NewFile
from postroom.flows.note_bounces import note_signs_of_life
from postroom.flows.note_occurrences import Happened, note_occurrences
from postroom.flows.ports import Ports
from postroom.flows.record_report import BookedReport, record_reports
from postroom.flows.records import default_stages
from postroom.flows.refuse_mail import Refused, answer_refusals
from postroom.flows.take_reports import TakenReport, take_reports
from postroom.flows.tell_pages import tell_pages
from postroom.flows.write_messages import Author, Posting, RecordFact, write_messages
from postroom.store.bulk import insert_rows
from postroom.store.models import Alias, AliasFollower, Company, Follower, Record, RecordKind
from postroom.store.queries.automation import has_rules
from postroom.store.queries.inbound_queue import Waiting
from postroom.store.statements import ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A mail of the batch and the verdict on it."""

    row: Waiting
    mail: ParsedMail
    evidence: Evidence
    facts: Facts
    verdict: Verdict


Creation = tuple[Decided, CreateRecord]
Appending = tuple[Decided, AppendToRecord]


def apply_verdicts(ports: Ports, batch: Sequence[Decided], values: Parameters | None = None) -> None:
    """Everything that follows from the verdicts. A record that is gone makes its decision a `Hold`: nothing is lost (I-51)."""
    now = ports.clock.now()
    creations = [(one, d) for one in batch for d in one.verdict.decisions if isinstance(d, CreateRecord)]
    appendings = [(one, d) for one in batch for d in one.verdict.decisions if isinstance(d, AppendToRecord)]
    made = _create_records(creations, now)
    standing = _existing(appendings)
    known = {pk: RecordFact.of(row) for pk, row in standing.items()}
    postings = [_posting(ports, one, record, d) for (one, d), record in zip(creations, made, strict=True)]
    postings += [_posting(ports, one, known[d.record_id], d) for one, d in appendings if d.record_id in known]
    messages = write_messages(ports, postings, values)
    note_returned(
        {posting.record.id: at for posting, at in zip(postings, messages, strict=True) if _brings_back(posting)}
    )
    _follow_authors(appendings, known)
    record_reports(
        ports,
        [
            BookedReport(inbound_id=one.row.id, decision=d)
            for one in batch
            for d in one.verdict.decisions
            if isinstance(d, RecordReport)
        ],
    )
    take_reports(
        ports,
        [
            TakenReport(inbound_id=one.row.id, authenticity=one.evidence.authenticity)
            for one in batch
            for d in one.verdict.decisions
            if isinstance(d, TakeReceiversReport)
        ],
    )
    note_signs_of_life(ports, dict.fromkeys(_proven_authors(batch)), by="mail")
    answer_refusals(
        ports,
        [
            Refused(mail=one.mail, sender=one.evidence.mail_from or one.evidence.author_normal, decision=d)
            for one in batch
            for d in one.verdict.decisions
            if isinstance(d, Refuse)
        ],
    )
    lost = {d.record_id for _, d in appendings} - known.keys()
    owners, ruled = _companies()
    _note_states(batch, lost, known, owners, now)
    if ruled:
        note_occurrences(ports, [*_made(creations, made, ruled), *_answered(appendings, standing, ruled)])
    tell_pages(arrived=[one.row.id for one in batch])


def _made(creations: Sequence[Creation], made: Sequence[RecordFact], ruled: Collection[int]) -> Iterable[Happened]:
    """For the rules of companies that have some: these records are new. A query, if there are any."""
    new = {fact.id: case for fact, case in zip(made, creations, strict=True) if fact.company_id in ruled}
    for row in Record.objects.filter(pk__in=new).order_by("pk") if new else ():
        one, decision = new[row.pk]
        yield _happened(row, one, decision, Trigger.CREATED, begins_waiting=row.unanswered_since is not None)


def _answered(
    appendings: Sequence[Appending], standing: Mapping[int, Record], ruled: Collection[int]
) -> Iterable[Happened]:
    """And on these somebody outside wrote. ``standing``: as they were before."""
    for one, decision in appendings:
        row = standing.get(decision.record_id)
        if row is None or row.company_id not in ruled:
            continue
        if _turn(one, row.company_id, row.pk, decision) is Turn.ASKS:
            begins = row.is_done or row.unanswered_since is None
            yield _happened(row, one, decision, Trigger.ANSWER, begins_waiting=begins)


def _happened(
    row: Record, one: Decided, decision: CreateRecord | AppendToRecord, trigger: Trigger, *, begins_waiting: bool
) -> Happened:
    is_colleague = one.facts.author.within(row.company_id, row.pk).is_colleague and not decision.unverified
    return Happened(
        record_id=row.pk,
        what=Occurrence(
            trigger=trigger,
            company_id=row.company_id,
            kind=row.kind_id,
            stage=row.stage,
            alias_id=row.alias_id,
            responsible_id=row.responsible_id,
            side=Side.COLLEAGUE if is_colleague else Side.CUSTOMER,
            subject=one.mail.subject,
            via=Via.MAIL,
        ),
        may_answer=may_be_answered(one.evidence),
        begins_waiting=begins_waiting,
    )


def _brings_back(posting: Posting) -> bool:
    return posting.record.is_done and posting.turn is Turn.ASKS


def _proven_authors(batch: Sequence[Decided]) -> set[str]:
    """Whose mail is on a record now: their addresses live. What only claims to be theirs says nothing about them."""
    return {
        one.evidence.author_normal
        for one in batch
        for d in one.verdict.decisions
        if isinstance(d, AppendToRecord | CreateRecord) and not getattr(d, "unverified", False)
    }


def state_of(decisions: Sequence[Decision]) -> InboundState:
    """The best of them: routed over held over refused over discarded."""
    found = {_STATES[type(decision)] for decision in decisions}
    return next(state for state in _BEST_FIRST if state in found)


_STATES: Mapping[type, InboundState] = {
    AppendToRecord: InboundState.ROUTED,
    CreateRecord: InboundState.ROUTED,
    RecordReport: InboundState.ROUTED,
    TakeReceiversReport: InboundState.ROUTED,
    Hold: InboundState.HELD,
    Refuse: InboundState.REFUSED,
    Discard: InboundState.DISCARDED,
}
_BEST_FIRST = (InboundState.ROUTED, InboundState.HELD, InboundState.REFUSED, InboundState.DISCARDED)


def verdict_as_json(verdict: Verdict) -> list[dict[str, object]]:
    """One object per decision: its name, what it points at, and why."""
    return [_decision_as_json(decision) for decision in verdict.decisions]


def _decision_as_json(decision: Decision) -> dict[str, object]:
    row: dict[str, object] = {"decision": type(decision).__name__}
    for name in (
        "record_id",
        "parent_message_id",
        "alias_id",
        "kind",
        "company_id",
        "answer",
        "recipient",
        "duplicate_of",
    ):
        value = getattr(decision, name, None)
        if value is not None:
            row[name] = value
    for name in ("unverified", "as_note"):
        if getattr(decision, name, False):
            row[name] = True
    row["reasons"] = reasons_as_json(decision.reasons)
    return row


def _create_records(creations: Sequence[Creation], now: datetime) -> list[RecordFact]:
    """New records with their first followers: who follows what the alias makes, its responsible, a known author."""
    if not creations:
        return []
    kinds = {kind.pk: kind for kind in RecordKind.objects.filter(pk__in={d.kind for _, d in creations})}
    stages = default_stages(list(kinds.values()))
    aliases = {
        alias.pk: alias
        for alias in Alias.objects.filter(pk__in={d.alias_id for _, d in creations if d.alias_id}).select_related(
            "responsible", "kind"
        )
    }
    defaults = record_defaults(aliases.values())
    rows = [
        _record(one, d, aliases.get(d.alias_id or 0), dict(defaults.get(d.alias_id or 0, {})), stages, now)
        for one, d in creations
    ]
    numbers = insert_rows(Record, _RECORD, rows)
    _follow_new(numbers, creations, aliases)
    return [
        RecordFact(id=number, company_id=d.company_id, title=row[_TITLE], kind_label=kinds[d.kind].label)
        for number, row, (_, d) in zip(numbers, rows, creations, strict=True)
    ]


_RECORD = (
    "title", "company_id", "kind_id", "stage", "contact_id", "contact_name", "contact_address", "responsible_id", "alias_id",
    "values", "created_at", "updated_at", "unanswered_since",
)  # fmt: skip
_TITLE = 0


def _record(
    one: Decided,
    decision: CreateRecord,
    alias: Alias | None,
    defaults: dict[str, Plain],
    stages: Mapping[str, str],
    now: datetime,
) -> tuple[Any, ...]:
    """Defaults of the alias override what the mail says (I-64)."""
    author = one.mail.author
    return (
        (str(defaults.pop("title", "") or one.mail.subject) or "(no subject)")[:500],
        decision.company_id,
        decision.kind,
        str(defaults.pop("stage", stages.get(decision.kind, "")))[:80],
        one.facts.author.within(decision.company_id).contact_id,
        (author.name if author else "")[:200],
        one.evidence.author_normal[:320],
        alias.responsible_id if alias else None,
        decision.alias_id,
        json.dumps(defaults),
        now,
        now,
        now if _turn(one, decision.company_id, None, decision) is Turn.ASKS else None,
    )


def _follow_new(records: Sequence[int], creations: Sequence[Creation], aliases: Mapping[int, Alias]) -> None:
    following: dict[int, list[int]] = {}
    for alias_id, contact_id in AliasFollower.objects.filter(alias_id__in=aliases.keys()).values_list(
        "alias_id", "contact_id"
    ):
        following.setdefault(alias_id, []).append(contact_id)
    rows = []
    for record, (one, decision) in zip(records, creations, strict=True):
        alias = aliases.get(decision.alias_id or 0)
        colleagues = list(following.get(decision.alias_id or 0, ()))
        if alias is not None and alias.responsible is not None:
            colleagues.append(alias.responsible.contact_id)
        rows += [(record, contact_id, True) for contact_id in dict.fromkeys(colleagues)]
        author = one.facts.author.within(decision.company_id)
        if author.contact_id is not None and author.contact_id not in colleagues:
            rows.append((record, author.contact_id, author.is_colleague))
    insert_rows(Follower, ("record_id", "contact_id", "notes"), rows)


def _existing(appendings: Sequence[Appending]) -> Mapping[int, Record]:
    """As they stand before, their kinds loaded."""
    if not appendings:
        return {}
    return {
        row.pk: row for row in Record.objects.filter(pk__in={d.record_id for _, d in appendings}).select_related("kind")
    }


def _posting(ports: Ports, one: Decided, record: RecordFact, decision: CreateRecord | AppendToRecord) -> Posting:
    """The mail as a message. What is quoted is kept apart, never deleted."""
    appended = decision if isinstance(decision, AppendToRecord) else None
    mail, author = one.mail, one.mail.author
    fresh, quoted = _bodies(ports, mail)
    return Posting(
        record=record,
        kind=MessageKind.NOTE if appended and appended.as_note else MessageKind.COMMENT,
        author=Author(
            contact_id=None
            if decision.unverified
            else one.facts.author.within(record.company_id, record.id).contact_id,
            name=author.name if author else "",
            address=author.spec if author else one.evidence.mail_from,
        ),
        html=fresh,
        quoted_html=quoted,
        text=mail.reply_text or mail.text,
        subject=mail.subject,
        parent_id=appended.parent_message_id if appended else None,
        files=[
            NewFile(
                name=file.name,
                content_type=file.content_type,
                content=file.content,
                content_id=file.content_id,
                is_inline=file.is_inline,
            )
            for file in mail.attachments
        ],
        is_first=appended is None,
        notifies=appended is None or appended.notify,
        message_id=mail.message_id,
        inbound_id=one.row.id,
        is_unverified=decision.unverified,
        is_automatic=one.evidence.is_automatic,
        turn=_turn(one, record.company_id, record.id, decision),
        already_addressed=frozenset((*one.evidence.to, *one.evidence.cc)),
        addressed={
            "to": [[address.name, address.spec] for address in mail.to],
            "cc": [[address.name, address.spec] for address in mail.cc],
        },
        particulars=particulars_as_json(mail),
        text_digest=one.evidence.text_digest,
        trace=one.evidence.trace,
    )


def _turn(one: Decided, company_id: int, record_id: int | None, decision: CreateRecord | AppendToRecord) -> Turn | None:
    """Whoever writes from outside asks, even without proof; a colleague's mail answers; a robot's does neither."""
    if one.evidence.is_automatic or getattr(decision, "as_note", False):
        return None
    is_colleague = one.facts.author.within(company_id, record_id).is_colleague and not decision.unverified
    return Turn.ANSWERS if is_colleague else Turn.ASKS


def _bodies(ports: Ports, mail: ParsedMail) -> tuple[str, str]:
    """Fresh and quoted part as sanitised HTML."""
    if mail.forwarded is not None and not mail.forwarded.is_attached:  # new to its readers: nothing is folded
        return ports.html.sanitize(mail.html) if mail.html else text_to_html(mail.text), ""
    if mail.html:
        parts = separate_html_reply(mail.html)
        return ports.html.sanitize(parts.fresh), ports.html.sanitize(parts.quoted) if parts.quoted else ""
    split = separate_reply(mail.text)
    rest = "\n".join(part for part in (split.signature, split.quoted) if part)
    return text_to_html(split.reply or mail.text), text_to_html(rest) if rest and split.reply else ""


def _follow_authors(appendings: Sequence[Appending], known: Mapping[int, RecordFact]) -> None:
    """Who answers with proof and is known follows from now on (I-66)."""
    rows = []
    for one, d in appendings:
        if d.record_id in known and not d.unverified and d.notify:
            author = one.facts.author.within(known[d.record_id].company_id, d.record_id)
            if author.contact_id is not None:
                rows.append(Follower(record_id=d.record_id, contact_id=author.contact_id, notes=author.is_colleague))
    Follower.objects.bulk_create(rows, ignore_conflicts=True)


_NOTE_STATES = """
WITH new AS (
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS new(id, state, verdict, company_id)
), counted AS (
    INSERT INTO postroom_traffictally (company_number, hour, what, count)
    SELECT coalesce(new.company_id, 0), date_trunc('hour', mail.received_at, 'UTC'), 'received', count(*)
      FROM new JOIN postroom_inboundmessage AS mail ON mail.id = new.id
     WHERE mail.routed_at IS NULL GROUP BY 1, 2
)
UPDATE postroom_inboundmessage AS mail
   SET state = new.state, verdict = new.verdict::jsonb, company_id = new.company_id, routed_at = %s::timestamptz, error = ''
  FROM new
 WHERE mail.id = new.id
"""


def _note_states(
    batch: Sequence[Decided],
    lost: set[int],
    known: Mapping[int, RecordFact],
    owners: Mapping[str, int],
    now: datetime,
) -> None:
    """One statement for the whole batch; it counts what is routed for the first time, too."""
    states = [
        InboundState.HELD
        if any(isinstance(d, AppendToRecord) and d.record_id in lost for d in one.verdict.decisions)
        else state_of(one.verdict.decisions)
        for one in batch
    ]
    verdicts = [json.dumps(verdict_as_json(one.verdict)) for one in batch]
    companies = [_company(one, known, owners) for one in batch]
    ask(_NOTE_STATES, [[one.row.id for one in batch], [s.value for s in states], verdicts, companies, now])


def _company(one: Decided, known: Mapping[int, RecordFact], owners: Mapping[str, int]) -> int | None:
    """Whose mail it is: the record's, else of the delivery it reports, the alias, the mailbox, the domain it was sent to."""
    for decision in one.verdict.decisions:
        if isinstance(decision, CreateRecord):
            return decision.company_id
        if isinstance(decision, AppendToRecord) and decision.record_id in known:
            return known[decision.record_id].company_id
    meant = [
        *(d.company_id for d in one.facts.deliveries),
        *(_company_of_alias(a, one.evidence) for a in one.facts.aliases),
    ]
    meant += [one.facts.fallback_company_id, *(owners.get(recipient.domain) for recipient in one.evidence.recipients)]
    return next((company_id for company_id in meant if company_id is not None), owners.get(_ANY_DOMAIN))


def _company_of_alias(alias: AliasFact, evidence: Evidence) -> int | None:
    """The alias's, if a recipient is on its domain: the same name elsewhere is another's."""
    return alias.company_id if any(recipient.domain == alias.domain for recipient in evidence.recipients) else None


_ANY_DOMAIN = ""


def _companies() -> tuple[Mapping[str, int], set[int]]:
    """The company of each domain that one company alone uses; where there is one company in all, everything is its. And the companies
    that have automation rules. One query."""
    users: dict[str, set[int]] = {}
    ruled: set[int] = set()
    rows = Company.objects.annotate(has_rules=has_rules()).values_list("pk", "alias_domain__name", "has_rules")
    for company_id, domain, is_ruled in rows:
        ruled |= {company_id} if is_ruled else set()
        users.setdefault(_ANY_DOMAIN, set()).add(company_id)
        if domain:
            users.setdefault(domain, set()).add(company_id)
    return {domain: next(iter(ids)) for domain, ids in users.items() if len(ids) == 1}, ruled
