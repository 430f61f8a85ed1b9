"""The loop breaker: what would be the mail too many is held, never dropped.

Counted within a window (`LoopWindow`): mails of one author through one alias; all mails through one alias, five times
as many; mails of one author to one record; near-identical mails of one author to one target. A threshold of 0 switches
it off; authors on the allow-list are exempt from all but the cap per alias.
"""

from __future__ import annotations

import hashlib
import re

from postroom.core.mime.markup import html_to_text
from postroom.core.mime.parsed import ParsedMail
from postroom.core.routing.recipients import address_of
from postroom.core.routing.verdicts import (
    AliasFact,
    AppendToRecord,
    CreateRecord,
    Decision,
    Evidence,
    Facts,
    Hold,
    MessageFact,
)
from postroom.core.terms.reasons import Reason, because

ALIAS_FACTOR = 5  # the cap per alias, in thresholds
SIMILAR_LIMIT = 5

_PREFIXES = re.compile(
    r"^(?:\s{0,9}(?:re|aw|fw|fwd|wg|antw|sv|vs|tr|rv|odp|r|i)\s{0,9}(?:\[\d{1,4}\])?\s{0,9}:)+", re.IGNORECASE
)


def restrain(decision: Decision, evidence: Evidence, facts: Facts) -> Decision:
    """The decision, or `Hold` where a breaker is open for its target."""
    trip = _trip(decision, evidence, facts)
    return decision if trip is None else Hold(reasons=(*decision.reasons, trip))


def _trip(decision: Decision, evidence: Evidence, facts: Facts) -> Reason | None:
    if facts.loop_threshold <= 0:
        return None
    author = evidence.author_normal or evidence.mail_from or "the sender"
    match decision:
        case CreateRecord(alias_id=None, kind=kind):
            over = not facts.loop_exempt and facts.fallback_recent >= facts.loop_threshold
            return _over("loop.fallback", facts.fallback_recent, facts, author=author, kind=kind) if over else None
        case CreateRecord(alias_id=alias_id):
            return _trip_alias(_alias(alias_id, facts), author, facts)
        case AppendToRecord(record_id=record_id, alias_id=alias_id):
            message = _message_on(record_id, facts)
            if message is not None:
                return _trip_record(message, record_id, author, facts)
            return _trip_alias(_alias(alias_id, facts), author, facts)
        case _:
            return None


def _trip_alias(alias: AliasFact | None, author: str, facts: Facts) -> Reason | None:
    if alias is None:
        return None
    name = address_of(alias)
    wide = facts.loop_threshold * ALIAS_FACTOR
    if alias.recent_creations_all >= wide:
        return because("loop.alias_all", alias=name, count=alias.recent_creations_all, limit=wide)
    if facts.loop_exempt:
        return None
    if alias.recent_creations >= facts.loop_threshold:
        return _over("loop.alias_author", alias.recent_creations, facts, author=author, alias=name)
    if alias.similar_creations >= SIMILAR_LIMIT:
        return because("loop.similar", author=author, count=alias.similar_creations, limit=SIMILAR_LIMIT)
    return None


def _trip_record(message: MessageFact, record_id: int, author: str, facts: Facts) -> Reason | None:
    if facts.loop_exempt:
        return None
    if message.recent_replies >= facts.loop_threshold:
        return _over("loop.replies", message.recent_replies, facts, author=author, record=record_id)
    if message.similar_replies >= SIMILAR_LIMIT:
        return because("loop.similar", author=author, count=message.similar_replies, limit=SIMILAR_LIMIT)
    return None


def _over(code: str, count: int, facts: Facts, **named: object) -> Reason:
    return because(code, count=count, limit=facts.loop_threshold, **named)


def _alias(alias_id: int | None, facts: Facts) -> AliasFact | None:
    return next((alias for alias in facts.aliases if alias.alias_id == alias_id), None)


def _message_on(record_id: int, facts: Facts) -> MessageFact | None:
    known = [*facts.messages, *facts.token_messages.values(), *(d.message for d in facts.deliveries if d.message)]
    return next((message for message in known if message.record_id == record_id), None)


def normal_text_digest(mail: ParsedMail) -> str:
    """Equal for mails that say the same: subject without reply marks, new words without case and spacing, attachments.

    Digits stay: orders and alerts that differ by a number alone are different mails.
    """
    subject = _PREFIXES.sub("", mail.subject)
    words = mail.reply_text or mail.text or html_to_text(mail.html)
    text = " ".join(f"{subject}\n{words}".casefold().split())
    attachments = sorted(attachment.sha256 for attachment in mail.attachments)
    return hashlib.sha256("\n".join([text, *attachments]).encode("utf-8", "replace")).hexdigest()
