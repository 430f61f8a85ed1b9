"""A message as a quotation: its fresh words, harmless, without what must not be repeated in another mail.

Laws: what it quoted itself is left out; remote pictures and pictures that are parts of it are named by their alternative text; whom it
mentions is not mentioned again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape

from postroom.core.mime.markup import html_to_text, text_to_html
from postroom.core.terms.states import MessageKind
from postroom.flows.access import visible_messages
from postroom.flows.ports import Ports
from postroom.store.models import Member

_PICTURE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALTERNATIVE = re.compile(r'\balt="([^"]*)"', re.IGNORECASE)
_MENTION = re.compile(r'\s*data-mention="[^"]*"')
LONGEST = 100_000  # characters; of longer ones the text is quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """Who said it when; ``html`` goes into a blockquote."""

    author: str
    at: datetime
    html: str
    is_note: bool


def quote_message(ports: Ports, *, message_id: int, member: Member) -> Quotation:
    """Raises Message.DoesNotExist, also for what the member may not see. Two queries."""
    message = visible_messages(member).select_related("body").get(pk=message_id)
    html = message.body.html
    if len(html) > LONGEST:
        html = text_to_html(html_to_text(html)[:LONGEST])
    html = _PICTURE.sub(_named, _MENTION.sub("", html))
    return Quotation(
        author=message.author_name or message.author_address,
        at=message.posted_at,
        html=ports.html.sanitize(html),
        is_note=message.kind == MessageKind.NOTE,
    )


def _named(match: re.Match[str]) -> str:
    found = _ALTERNATIVE.search(match[0])
    return f"[{escape(found[1])}]" if found and found[1] else ""
