"""The mail that a report quotes: its Message-ID, its envelope sender, whom it was for."""

from __future__ import annotations

from postroom.core.mime.parsed import ParsedMail
from postroom.core.reports.status_fields import Group, first, read_head
from postroom.core.terms.addresses import normalize
from postroom.core.terms.message_ids import read_message_ids

_TYPES = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822", "message/global-headers"})
_MAX_HEAD = 100_000


def quoted_heads(mail: ParsedMail) -> tuple[Group, ...]:
    """The headers of the mails that the report quotes in parts of their own."""
    return tuple(
        read_head(part.content[:_MAX_HEAD].decode("utf-8", "replace"))
        for part in mail.report_parts
        if part.content_type.lower() in _TYPES
    )


def original_message_id(mail: ParsedMail, *heads: Group) -> str:
    """Of the quoted mail; else what the report answers (I-42). ``heads`` are more quoted headers, found in the text."""
    for head in (*quoted_heads(mail), *heads):
        for name in ("message-id", "x-microsoft-original-message-id"):
            ids = read_message_ids(first(head, name))
            if ids:
                return ids[0]
    outer = read_message_ids(mail.header("X-Microsoft-Original-Message-ID"))
    return next(iter((*outer, *mail.in_reply_to, *reversed(mail.references))), "")


def quoted_return_path(mail: ParsedMail, *heads: Group) -> str:
    """The envelope sender that a server noted in the quoted mail, normalised, or ``""``."""
    values = (first(head, "return-path") for head in (*quoted_heads(mail), *heads))
    return next((found for value in values if (found := normalize(value))), "")
