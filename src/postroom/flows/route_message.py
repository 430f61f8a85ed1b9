"""Routing: what came in becomes messages, records, booked reports, or is held, refused, discarded.

`route_waiting` claims a batch with SKIP LOCKED and does everything for it in one transaction: parse, collect, look up, decide
(all pure but the look-up), apply. If anything raises, the batch rolls back and its mails are routed one by one, so that one
poisonous mail fails alone: it is tried again with back-off, and after `MOST_ATTEMPTS` tries it stays `failed`, visibly.
Idempotent: a mail's fingerprint is written with its effects (`SeenMail`), so the same mail twice is discarded, and only when
the first one is committed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from postroom.core.mime.parsed import ParsedMail
from postroom.core.mime.parsing import parse
from postroom.core.routing.authenticity import Authenticity, authenticity_from_json
from postroom.core.routing.claims import believed
from postroom.core.routing.deciding import decide
from postroom.core.routing.evidence import collect
from postroom.core.routing.verdicts import AppendToRecord, CreateRecord, Refuse, Verdict
from postroom.core.routing.vouching import within_reach
from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door, InboundState
from postroom.flows.apply_verdict import Decided, apply_verdicts
from postroom.flows.note_holds import note_holds
from postroom.flows.ports import Ports
from postroom.flows.prove_senders import note_limited, prove_waiting
from postroom.flows.settings import parameters
from postroom.store.models import InboundMessage
from postroom.store.queries.inbound_queue import Waiting, claim_waiting
from postroom.store.queries.loop_counts import Tally
from postroom.store.queries.routing_facts import Case, look_up
from postroom.store.statements import ask

MOST_ATTEMPTS = 5
BATCH = 100
MOST_BYTES = 32 * 1024 * 1024  # of raw mail in one batch, until no more is read: parsed, it takes several times as much
_BACK_OFF = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
_OWN_TRACE = re.compile(rb"\AReceived:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*")  # our door's line: new each time
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A claimed mail that was read."""

    row: Waiting
    mail: ParsedMail
    case: Case


def route_waiting(ports: Ports, limit: int = BATCH) -> int:
    """Route up to ``limit`` waiting mails, oldest first. Returns how many were taken; 0: nothing waits.

    Raises only what a lost database raises.
    """
    prove_waiting(ports, limit)
    try:
        with transaction.atomic():
            taken = _route_batch(ports, claim_waiting(ports.clock.now(), limit))
        return taken or min(ports.senders.waiting(), 1)  # what is being checked waits too
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        _log.exception("a batch could not be routed; its mails are tried one by one")
    return _route_one_by_one(ports, limit)


def read_mail(ports: Ports, row: Waiting, raw: bytes) -> Read:
    """Parse and collect: pure but for the row it reads."""
    mail = parse(raw)
    envelope = Envelope(mail_from=row.mail_from, rcpt_to=row.rcpt_to) if row.rcpt_to else None
    evidence = collect(
        mail,
        envelope,
        row.door,
        keys=ports.address_keys,
        size=len(raw),
        content_digest=hashlib.sha256(_OWN_TRACE.sub(b"", raw, count=1)).hexdigest(),
        our_mark=ports.our_mark,
        authenticity=authenticity_from_json(json.loads(row.authentication) if row.authentication else None),
    )
    return Read(
        row=row,
        mail=mail,
        case=Case(inbound_id=row.id, evidence=evidence, mailbox_id=row.mailbox_id, hook_id=row.hook_id),
    )


def waiting_of(row: InboundMessage) -> Waiting:
    """A row that a person looks at, as the router would have claimed it, without its bytes."""
    return Waiting(
        id=row.pk,
        door=Door(row.door),
        mailbox_id=row.mailbox_id,
        hook_id=row.hook_id,
        mail_from=row.mail_from,
        rcpt_to=tuple(row.rcpt_to),
        attempt_count=row.attempt_count,
        authentication=json.dumps(row.authentication) if row.authentication is not None else None,
    )


def raw_of(ports: Ports, row: InboundMessage) -> bytes:
    """The bytes as they came. Raises KeyError when the blob is missing, RawMail.DoesNotExist when retention took them."""
    stored = row.raw_mail
    return bytes(stored.raw) if stored.raw is not None else ports.blobs.get(stored.sha256)


def _route_batch(ports: Ports, rows: Sequence[Waiting]) -> int:
    if not rows:
        return 0
    batch = _independent(_read_some(ports, rows))
    _claim_fingerprints(ports, batch)
    values = parameters(ports)
    book = look_up([read.case for read in batch], values, ports.clock.now())
    tally = Tally()
    decided = []
    limited: dict[int, Authenticity] = {}
    for read in batch:
        facts = book.facts_for(read.case, tally)
        evidence = within_reach(read.case.evidence, facts)
        if evidence.authenticity != read.case.evidence.authenticity:
            limited[read.row.id] = evidence.authenticity
        verdict = decide(evidence, facts)
        _count(tally, read, verdict)
        facts = believed(evidence, facts)
        decided.append(Decided(row=read.row, mail=read.mail, evidence=evidence, facts=facts, verdict=verdict))
    note_limited(limited)
    apply_verdicts(ports, decided, values)
    note_holds(ports, decided)
    about = {
        "inbounds": [read.row.id for read in batch],
        "message_ids": [read.case.evidence.message_id for read in batch if read.case.evidence.message_id],
    }
    transaction.on_commit(lambda: _log.info("%d mails were routed", len(batch), extra=about))
    return len(batch)


def _read_some(ports: Ports, rows: Sequence[Waiting]) -> list[Read]:
    """As many as fit into memory together, at least one; the others are still waiting when this batch is done."""
    found: list[Read] = []
    held = 0
    for row in rows:
        if held > MOST_BYTES:
            break
        raw = _bytes_of(ports, row)
        held += len(raw)
        found.append(read_mail(ports, row, raw))
    return found


def _bytes_of(ports: Ports, row: Waiting) -> bytes:
    return row.raw if row.raw is not None else ports.blobs.get(row.sha256)


def _independent(batch: Sequence[Read]) -> list[Read]:
    """The mails up to the first that answers or repeats another one of the batch: that one must see its effects first."""
    ids: set[str] = set()
    prints: set[str] = set()
    found: list[Read] = []
    for read in batch:
        evidence = read.case.evidence
        if evidence.fingerprint in prints or evidence.message_id in ids or ids.intersection(evidence.thread_ids):
            break
        if evidence.message_id:
            ids.add(evidence.message_id)
        prints.add(evidence.fingerprint)
        found.append(read)
    return found


_CLAIM_FINGERPRINTS = """
INSERT INTO postroom_seenmail (key, inbound_id, seen_at)
SELECT key, inbound_id, %s::timestamptz FROM unnest(%s::text[], %s::bigint[]) AS new(key, inbound_id) ORDER BY key
ON CONFLICT (key) DO NOTHING
"""


def _claim_fingerprints(ports: Ports, batch: Sequence[Read]) -> None:
    """Another router that holds the same mail waits here for our commit, and then finds it a duplicate.

    Sorted, so that two routers cannot block each other. The look-up takes other mails' fingerprints for duplicates, never
    a mail's own: one that is routed again stays itself.
    """
    keys = [read.case.evidence.fingerprint for read in batch]
    ask(_CLAIM_FINGERPRINTS, [ports.clock.now(), keys, [read.row.id for read in batch]])


def _count(tally: Tally, read: Read, verdict: Verdict) -> None:
    for decision in verdict.decisions:
        match decision:
            case CreateRecord(alias_id=alias_id, kind=kind):
                tally.note_created(read.case.evidence, alias_id, kind)
            case AppendToRecord(record_id=record_id):
                tally.note_appended(read.case.evidence, record_id)
            case Refuse(answer=answer, may_answer=True):
                tally.signs.note_refused(read.case.evidence, answer, read.row.id)
            case _:
                pass


def _route_one_by_one(ports: Ports, limit: int) -> int:
    """Each in a transaction of its own; whose routing raises is put off, or given up as `failed`."""
    taken = 0
    for _ in range(limit):
        row: Waiting | None = None
        try:
            with transaction.atomic():
                rows = claim_waiting(ports.clock.now(), 1)
                if not rows:
                    break
                row = rows[0]
                taken += _route_batch(ports, rows)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            if row is None:
                raise
            taken += 1
            _put_off(ports, row, error)
    return taken


def _put_off(ports: Ports, row: Waiting, error: Exception) -> None:
    """Our fault, not the mail's: kept, tried again, and after the last try shown as `failed` with the error."""
    attempts = row.attempt_count + 1
    gives_up = attempts >= MOST_ATTEMPTS
    text = f"{type(error).__name__}: {error}"[:2000].replace("\0", "")
    _log.error("routing failed", extra={"inbound": row.id, "attempt": attempts, "error_type": type(error).__name__})
    try:
        InboundMessage.objects.filter(pk=row.id, state=InboundState.RECEIVED).update(
            attempt_count=attempts,
            error=text,
            state=InboundState.FAILED if gives_up else InboundState.RECEIVED,
            due_at=ports.clock.now() + _BACK_OFF[min(attempts, len(_BACK_OFF)) - 1],
        )
    except DatabaseError:
        _log.exception("the failure could not be noted", extra={"inbound": row.id})
