"""The loop breaker: what would be the mail too many is held, never dropped.

Counted within a window, per target: mails of one author through one alias and on one record (a sub-address counts as its base); all
mails of an alias and of a record, five times as many; mails of an author that are refused; mails that say the same or nearly the
same (`likeness`). A threshold of 0 switches all of it off; authors on the allow-list are exempt from all but the wide caps; what a
person permitted (`LoopSigns.permits`) passes.

Rounds tell a loop from a stream: an author who writes nearly the same again, each time *after* mail of ours that nobody here wrote
by hand, is a machine that answers a machine. Orders and alerts come without being asked, so they have the whole threshold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from postroom.core.mime.markup import html_to_text
from postroom.core.mime.parsed import ParsedMail
from postroom.core.routing.likeness import is_near, is_same, is_short, signature
from postroom.core.routing.recipients import address_of
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    CreateRecord,
    Decision,
    Discard,
    Evidence,
    Facts,
    Hold,
    Refuse,
    Said,
)
from postroom.core.terms.addresses import normalize, normalize_domain, parse_one, strip_plus
from postroom.core.terms.reasons import Reason, because

ALIAS_FACTOR = 5  # the cap per alias and per record, in thresholds
SIMILAR_LIMIT = 5
ROUNDS = 4  # answers to our automatic mail that say nearly the same; the next is held
REFUSALS = 4  # of one author and kind on one day that could be answered; the next is held
ECHOES = 3  # times that words of ours are on the record, sent by us and come back; the next is held
MOST_MARKS = 8  # installations that may have relayed a mail before it comes to us
FRAMED = 3
PATIENCE_FACTOR = 2  # the limit of replies that differ as people's do, in thresholds
REPEATS = 3  # earlier mails that say nearly the same: from then on mails do not differ as people's do
AT_ONCE = timedelta(seconds=60)

_PREFIXES = re.compile(
    r"^(?:\s{0,9}(?:re|aw|fw|fwd|wg|antw|sv|vs|tr|rv|odp|r|i)\s{0,9}(?:\[\d{1,4}\])?\s{0,9}:)+", re.IGNORECASE
)


def restrain(decision: Decision, evidence: Evidence, facts: Facts) -> Decision:
    """The decision, or `Hold` where a breaker is open for its target; `Discard` for the catchall's second copy."""
    if isinstance(decision, Refuse) and decision.answer == "catchall" and facts.signs.earlier_copy is not None:
        copy = because("catchall.seen", inbound=facts.signs.earlier_copy)
        return Discard(duplicate_of=facts.signs.earlier_copy, reasons=(*decision.reasons, copy))
    target = _target(decision)
    trip = _trip(decision, evidence, facts) if target and facts.loop_threshold > 0 else None
    if trip is None:
        return decision
    author = "" if trip.code in WIDE else base_of(evidence.author_normal or evidence.mail_from)
    if (target, author) in facts.signs.permits:
        return decision
    return Hold(breaker=target, author=author, reasons=(*decision.reasons, trip))


WIDE = ("loop.alias_all", "loop.record_all")  # caps that count everybody


def base_of(normal: str) -> str:
    """An address without sub-address: ``robot+1@x.example`` counts as ``robot@x.example``."""
    local, at, domain = normal.rpartition("@")
    return f"{strip_plus(local)[0]}{at}{domain}"


@lru_cache(maxsize=8)
def allowed_authors(entries: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Addresses and domains of the allow-list (D-16): ``Bob <bob@x.example>``, ``bob@x.example``, ``@x.example``, ``x.example``."""
    found = [parse_one(one) for one in entries]
    domains = (
        normalize_domain(one.removeprefix("@")) for one, address in zip(entries, found, strict=True) if not address
    )
    return frozenset(one.normal for one in found if one), frozenset(domain for domain in domains if domain)


def is_allowed(author_normal: str, entries: tuple[str, ...]) -> bool:
    """Whether the allow-list names this author: the address, its base, or its domain."""
    addresses, domains = allowed_authors(entries)
    author = normalize(author_normal)
    return bool(author) and (
        author in addresses or base_of(author) in addresses or author.rpartition("@")[2] in domains
    )


def _target(decision: Decision) -> str:
    """What the breaker's name is; ``""`` for decisions that it lets pass always."""
    match decision:
        case CreateRecord(alias_id=None, kind=kind):
            return f"kind:{kind}"
        case CreateRecord(alias_id=alias_id):
            return f"alias:{alias_id}"
        case AppendToRecord(record_id=record_id):
            return f"record:{record_id}"
        case Refuse(answer=answer, may_answer=True):
            return f"refusal:{answer}"
        case _:
            return ""


def _trip(decision: Decision, evidence: Evidence, facts: Facts) -> Reason | None:
    author = evidence.author_normal or evidence.mail_from or "the sender"
    if len(evidence.trace) >= MOST_MARKS:
        return because("loop.marks", count=len(evidence.trace), limit=MOST_MARKS)
    match decision:
        case Refuse(answer=answer):
            return _trip_refusal(facts.signs.refused.get(answer, 0), author, facts)
        case CreateRecord(alias_id=None, kind=kind):
            over = not facts.loop_exempt and facts.fallback_recent >= facts.loop_threshold
            return _over("loop.fallback", facts.fallback_recent, facts, author=author, kind=kind) if over else None
        case CreateRecord(alias_id=alias_id):
            return _trip_alias(_alias(alias_id, facts), author, evidence, facts)
        case AppendToRecord():
            return _trip_record(decision, author, evidence, facts)
        case _:
            return None


def _trip_refusal(count: int, author: str, facts: Facts) -> Reason | None:
    if facts.loop_exempt or count < REFUSALS:
        return None
    return because("loop.refusals", author=author, count=count, limit=REFUSALS)


def _trip_alias(alias: AliasFact | None, author: str, evidence: Evidence, facts: Facts) -> Reason | None:
    """Creations: a stream has the threshold, a loop its rounds."""
    if alias is None:
        return None
    name, wide = address_of(alias), facts.loop_threshold * ALIAS_FACTOR
    if alias.recent_creations_all >= wide and (f"alias:{alias.alias_id}", "") not in facts.signs.permits:
        return because("loop.alias_all", alias=name, count=alias.recent_creations_all, limit=wide)
    if facts.loop_exempt:
        return None
    said = facts.signs.through_aliases.get(alias.alias_id, ())
    lately = _within_window(said, facts)
    if len(lately) >= facts.loop_threshold:
        return _over("loop.alias_author", len(lately), facts, author=author, alias=name)
    same = _same(lately, evidence.text_digest)
    if same >= SIMILAR_LIMIT:
        return because("loop.similar", author=author, count=same, limit=SIMILAR_LIMIT)
    rounds = _rounds(said, facts.signs.written_to, evidence.text_digest)
    return _rounds_trip(rounds, author) if rounds >= ROUNDS else None


def _within_window(said: Sequence[Said], facts: Facts) -> list[Said]:
    since = facts.signs.since
    return [one for one in said if one.at is None or since is None or one.at >= since]


def _same(mine: Sequence[Said], digest: str) -> int:
    """How many say the very same; where several do, those that say nearly the same are the same mail in another frame."""
    same = sum(is_same(one.digest, digest) for one in mine)
    return sum(is_same(one.digest, digest) or is_near(one.digest, digest) for one in mine) if same >= FRAMED else same


def _rounds(mine: Sequence[Said], answers: Sequence[datetime | None], digest: str) -> int:
    """How many mails of the author say nearly this, as far as there were as many automatic mails to him since the first of them.

    ``answers``: when these were; None: in this very batch.
    """
    near = [one for one in mine if is_near(one.digest, digest)]
    if not near:
        return 0
    first = near[0].at
    return min(len(near), sum(at is None or (first is not None and at >= first) for at in answers))


def _trip_record(decision: AppendToRecord, author: str, evidence: Evidence, facts: Facts) -> Reason | None:
    """Replies, and mails on a forced record: by the last messages on it."""
    record, day = decision.record_id, facts.signs.on_records.get(decision.record_id, ())
    said = _within_window(day, facts)
    wide, arrived = facts.loop_threshold * ALIAS_FACTOR, sum(one.came_in for one in said)
    if arrived >= wide and (f"record:{record}", "") not in facts.signs.permits:
        return because("loop.record_all", record=record, count=arrived, limit=wide)
    if not _is_conversation(record, facts):  # counted with its alias, too
        by_alias = _trip_alias(_alias(decision.alias_id, facts), author, evidence, facts)
        if by_alias is not None:
            return by_alias
    if facts.loop_exempt:
        return None
    me = base_of(evidence.author_normal)
    mine = [one for one in said if one.came_in and one.author == me]
    limit = facts.loop_threshold * (PATIENCE_FACTOR if _near(mine, evidence) < REPEATS else 1)
    if len(mine) >= limit:
        return because("loop.replies", count=len(mine), limit=limit, author=author, record=record)
    if is_short(evidence.text_digest):
        rounds = _quick_rounds(day, me, evidence.text_digest, facts.signs.now)
    else:
        others = [one.at for one in day if one.came_in and one.author != me]
        rounds = _rounds([one for one in day if one.came_in and one.author == me], others, evidence.text_digest)
    if rounds >= ROUNDS:
        return _rounds_trip(rounds, author)
    return _trip_similar(decision, author, evidence, mine, said)


def _trip_similar(
    decision: AppendToRecord,
    author: str,
    evidence: Evidence,
    mine: Sequence[Said],
    said: Sequence[Said],
) -> Reason | None:
    """Without rounds: the very same words, in a conversation nearly the same, or words of ours that come back."""
    is_dialogue = len(mine) < len(said)
    if is_short(evidence.text_digest) and is_dialogue:
        return None
    same, near = _same(mine, evidence.text_digest), _near(mine, evidence)
    if any(not one.came_in and is_near(one.digest, evidence.text_digest) for one in said) and 1 + near >= ECHOES:
        return because("loop.echo", author=author, record=decision.record_id, count=near)
    count = same if _is_stream(decision, evidence) else max(same, near)
    if count >= SIMILAR_LIMIT:
        return because("loop.similar", author=author, count=count, limit=SIMILAR_LIMIT)
    return None


def _near(said: Sequence[Said], evidence: Evidence) -> int:
    return sum(is_near(one.digest, evidence.text_digest) for one in said)


def _is_stream(decision: AppendToRecord, evidence: Evidence) -> bool:
    """Mail that answers nothing (through an alias with a forced record) or says that it is automatic: alerts resemble each other."""
    return evidence.is_automatic or decision.parent_message_id is None


def _quick_rounds(said: Sequence[Said], me: str, digest: str, now: datetime | None) -> int:
    """What says little must have come at once, each time after somebody else's mail: people write "ok" many times, but not five times
    within a minute each."""
    rounds, answered, wrote_at = 0, False, now
    answered_at: datetime | None = None
    for one in reversed(said):
        if not one.came_in:
            continue  # written here: a person's part in it
        if one.author != me:
            if not answered:
                answered, answered_at = True, one.at or now
            continue
        if is_near(one.digest, digest) and answered and not _is_slow(answered_at, wrote_at):
            rounds += 1
        answered, wrote_at = False, one.at or now
    return rounds


def _is_slow(answered_at: datetime | None, wrote_at: datetime | None) -> bool:
    return answered_at is not None and wrote_at is not None and wrote_at - answered_at > AT_ONCE


def _rounds_trip(rounds: int, author: str) -> Reason:
    return because("loop.rounds", author=author, count=rounds, limit=ROUNDS)


def _over(code: str, count: int, facts: Facts, **named: object) -> Reason:
    return because(code, count=count, limit=facts.loop_threshold, **named)


def _alias(alias_id: int | None, facts: Facts) -> AliasFact | None:
    return next((alias for alias in facts.aliases if alias.alias_id == alias_id), None)


def _is_conversation(record_id: int, facts: Facts) -> bool:
    """Whether the mail refers to a message on the record."""
    known = [*facts.messages, *facts.token_messages.values(), *(d.message for d in facts.deliveries if d.message)]
    return any(message.record_id == record_id for message in known)


def words_of(mail: ParsedMail) -> str:
    """The new words as plain text."""
    return mail.reply_text or mail.text or html_to_text(mail.html)


def normal_text_digest(mail: ParsedMail) -> str:
    """The same (`likeness.is_same`) for mails that say the same: subject without reply marks, new words without case and spacing,
    attachments. Near (`likeness.is_near`) for mails that say nearly the same, whatever their subjects.
    """
    return text_digest(mail.subject, words_of(mail), (attachment.sha256 for attachment in mail.attachments))


def text_digest(subject: str, text: str, attachments: Iterable[str] = ()) -> str:
    """The same of words that did not come as a mail."""
    return signature(_PREFIXES.sub("", subject), text, attachments)
