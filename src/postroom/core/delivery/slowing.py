"""A destination, or a server, that asks us to slow down: when it does, to what rate, and how it becomes faster again.

Laws: pure. Half of what it had in the last minute, again half when it asks again (but once for the many mails that met the same
refusal); never under one a minute. After a while without asking a step faster, and free again from `FREE_FROM` on. Greylisting
is no request to slow down.
Standards: RFC 5321 4.2.3 (421), RFC 3463 3.5 and 3.8 (X.2.1 of a mailbox that takes too much, X.7.z of policy).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.delivery.wire import Phase, WireOutcome
from postroom.core.terms.smtp_replies import SmtpReply

HOLD = timedelta(seconds=20)  # what was on its way when it asked says nothing new
STEP_AFTER = timedelta(minutes=5)
STEP = 1.5  # times as fast
FREE_FROM = 1200  # a minute
SLOWEST = 1

_SLOWER = re.compile(
    r"too (?:many|much|fast|frequent)|rate[ -]?limit|throttl|slow(?:ing)? down|exceeded .{0,40}(?:rate|limit|quota)"
    r"|unusual (?:rate|amount)|(?:messages?|mails?|connections?) per (?:second|minute|hour)|deferred due to .{0,40}volume",
    re.IGNORECASE,
)
_GREYLISTED = re.compile(r"gr[ae]y-?\s?list|whitelisted in|come back (?:later|in)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """``per_minute`` until ``until``, then faster step by step. ``per_minute`` 0: free."""

    per_minute: int
    until: datetime | None
    changed_at: datetime | None = None


def asks_to_slow_down(outcome: WireOutcome) -> bool:
    """Whether the destination, and not the server that we speak to, wants less: only at RCPT and later the server knows it."""
    if outcome.reply is None or outcome.phase not in (Phase.RCPT, Phase.DATA, Phase.BODY):
        return False
    return _wants_less(outcome.reply)


def server_asks_to_slow_down(outcome: WireOutcome) -> bool:
    """Whether the server itself wants less mail from us: it says so before it knows for whom the mail is. A 421 without words about a rate
    or a policy is a server that goes down, and what it says of a login concerns the login."""
    reply = outcome.reply
    if reply is None or outcome.phase not in (Phase.GREETING, Phase.EHLO, Phase.MAIL) or not 400 <= reply.code < 500:
        return False
    if _GREYLISTED.search(reply.text):
        return False
    return (reply.code == 421 and reply.enhanced.startswith("4.7.")) or bool(_SLOWER.search(reply.text))


def _wants_less(reply: SmtpReply) -> bool:
    if not 400 <= reply.code < 500 or _GREYLISTED.search(reply.text):
        return False
    if reply.code == 421 or reply.enhanced.startswith("4.7.") or (reply.code, reply.enhanced) == (450, "4.2.1"):
        return True
    return bool(_SLOWER.search(reply.text))


def slowed(now_is: Slowness, observed: int, now: datetime) -> Slowness | None:
    """After it asked. ``observed``: mails it took in the last minute. None: nothing new was said."""
    if now_is.changed_at is not None and now - now_is.changed_at < HOLD and now_is.per_minute:
        return None
    present = recovered(now_is, now).per_minute
    rate = min(present, observed) if present and observed else present or observed
    return Slowness(per_minute=max(SLOWEST, rate // 2), until=now + STEP_AFTER, changed_at=now)


def recovered(now_is: Slowness, now: datetime) -> Slowness:
    """As fast as it may be by now."""
    rate, until = now_is.per_minute, now_is.until
    while rate and until is not None and until <= now:
        rate, until = max(rate + 1, int(rate * STEP)), until + STEP_AFTER
        if rate >= FREE_FROM:
            return Slowness(per_minute=0, until=None, changed_at=now_is.changed_at)
    return Slowness(per_minute=rate, until=until, changed_at=now_is.changed_at)
