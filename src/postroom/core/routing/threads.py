"""What a mail answers: by signed reply address, by Message-ID; and whether its author has a part in that."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.core.routing.claims import has_no_part, is_mistrusted
from postroom.core.routing.recipients import Meaning, matching_aliases, meaning
from postroom.core.routing.verdicts import AliasFact, Evidence, Facts, MessageFact, Recipient
from postroom.core.tokens.addresses import TokenPurpose


def named_by_token(evidence: Evidence, facts: Facts) -> list[MessageFact]:
    """The messages whose signed reply addresses the mail was written to, as far as their records still exist."""
    found = [facts.token_messages.get(number) for number in evidence.reply_numbers]
    return [message for message in found if message is not None and message.record_id is not None]


def referred_to(evidence: Evidence, facts: Facts) -> list[MessageFact]:
    """Messages with a record that the mail refers to: what In-Reply-To names first, then the newest (I-16, I-23)."""
    known = [message for message in facts.messages if message.record_id is not None and message.identifier]
    return sorted(known, key=lambda message: message.identifier not in evidence.in_reply_to)


def aliases_named(evidence: Evidence, facts: Facts) -> list[tuple[Recipient, AliasFact]]:
    """Recipients with the aliases they mean. A live signed reply address is a reply, whatever alias it is built on."""
    return [
        (recipient, alias)
        for recipient in recipients_that_count(evidence, facts)
        if not _is_live_reply_address(recipient, facts)
        for alias in matching_aliases(recipient, facts)
    ]


def recipients_that_count(evidence: Evidence, facts: Facts) -> Sequence[Recipient]:
    """Whom the envelope names, where one of them is an alias or a reply address; else whom the headers name too (law 5)."""
    enveloped = [recipient for recipient in evidence.recipients if not recipient.is_header]
    is_ours = any(meaning(recipient, facts) in (Meaning.ALIAS, Meaning.REPLY_TOKEN) for recipient in enveloped)
    return enveloped if is_ours else evidence.recipients


def _is_live_reply_address(recipient: Recipient, facts: Facts) -> bool:
    token = recipient.token
    if token is None or token.purpose is not TokenPurpose.REPLY:
        return False
    message = facts.token_messages.get(token.number)
    return message is not None and message.record_id is not None


def is_elsewhere(alias: AliasFact, answered: MessageFact) -> bool:
    """Whether writing to this alias leaves the record that is answered: another kind, or another company's."""
    if alias.alias_id == answered.record_alias_id or alias.forced_record_id == answered.record_id:
        return False
    return alias.kind != answered.kind or alias.company_id != answered.company_id


def is_unverified(message: MessageFact, evidence: Evidence, facts: Facts) -> bool:
    """Found by a Message-ID, which many may know: the author must be proven, and have a part in the record."""
    return not evidence.authenticity.vouches or has_no_part(message, evidence, facts)


def is_unverified_by_token(message: MessageFact, evidence: Evidence, facts: Facts) -> bool:
    """Found by a signed reply address, which only readers of the message know: where the author is not proven he must have a part
    in the record, or another reader speaks under his name."""
    if is_mistrusted(evidence, facts):
        return True
    return not evidence.authenticity.vouches and has_no_part(message, evidence, facts)


def may_thread(evidence: Evidence, facts: Facts) -> bool:
    """At SMTP and LMTP the recipient decides: a reference leads from an address that takes replies only (law 5)."""
    if not evidence.door.recipient_decides:
        return True
    takes_replies = (Meaning.REPLY_TOKEN, Meaning.CATCHALL, Meaning.ALIAS)
    return any(meaning(recipient, facts) in takes_replies for recipient in evidence.recipients)
