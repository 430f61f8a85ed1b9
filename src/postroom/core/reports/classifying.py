"""From a server's reply to a reason of the taxonomy.

Laws: pure, never raises, linear in the text's length (at most 1,500 characters are read). Specific words come first, because
servers are careless with codes; then the enhanced status (RFC 3463, 5248, 6710, 7293, 7372, 7505, 8689 and the IANA registry;
Microsoft's and Google's published own ones); then words that say little; then the basic code (RFC 5321 4.2.3).
A name that cannot be found *now* proves nothing against the address.
"""

from __future__ import annotations

import re
from functools import lru_cache

from postroom.core.reports.taxonomy import UNDETERMINED
from postroom.core.reports.wordings import names, reason_in

_MAX_TEXT = 1_500
_ADDRESS = re.compile(r"[^\s<>:;,()\"'\[\]]{1,80}@[^\s<>:;,()\"'\[\]]{1,253}")
# What senders put before the other server's words: sendmail's for the number, Zoho's for any refusal.
_GLOSS = re.compile(r"[245]\.\d{1,3}\.\d{1,3} - [a-z ]{1,40} (?=[45]\d\d)|invalid address, error_code :\d{3},")
_CLOSED = re.compile(r"account is (?:disabled|temporarily limited)")
_STATUS = re.compile(r"(?<![\d.])([45])\.(\d)\.(\d{1,3})(?![\d.]*\d)")

_REFUSED_RCPT = re.compile(
    r"recipient address rejected: (?!access denied|undeliverable|unverified)"
)  # Postfix's own words
# A server that took the recipient at RCPT and refuses after the content.
_AFTER_CONTENT = re.compile(
    r"smtp command:? data|in reply to end of data|after (?:the )?end of data|>>> data\s{1,9}<<< [45]\d\d(?!.{0,400}need rcpt)|after sending (?:the )?(?:data|message)",
    re.DOTALL,
)

# Words that a specific status outweighs.
_SAY_LITTLE = frozenset(
    {"policy", "system_error", "syntax", "network_error", "expired", "content", "mailer_error", "mailbox_busy"}
)
# Words and statuses of one kind, where the status knows better.
_SHARPER = frozenset({
    ("rate_limited", "mailbox_full"), ("too_large", "mailbox_full"), ("mailbox_full", "system_full"),
    ("login_required", "auth_failure"),
})  # fmt: skip
# What links, signatures and transcripts speak of as well.
_BESIDES = frozenset({"virus", "loop", "spam_content", "blocked_network", "bad_reputation", "content", "too_large"})
# Reasons that an address earns only by a lasting refusal.
_PASSING = {"host_unknown": "network_error", "not_accepting": "network_error", "bad_address": "policy"}

# Subject and detail of the enhanced status; a subject alone stands for all its other details.
_STATUSES: dict[str, str] = {
    "1": "user_unknown", "1.2": "host_unknown", "1.3": "bad_address", "1.5": "undetermined", "1.6": "has_moved",
    "1.7": "sender_rejected", "1.8": "sender_rejected", "1.9": "undetermined", "1.10": "not_accepting",
    "1.20": "content", "1.90": "sender_suspended",
    "2": "mailbox_busy", "2.1": "suspended", "2.2": "mailbox_full", "2.3": "too_large", "2.4": "system_error",
    "2.121": "rate_limited", "2.122": "rate_limited",
    "3": "system_error", "3.1": "system_full", "3.4": "too_large",
    "4": "network_error", "4.4": "host_unknown", "4.5": "system_error", "4.6": "loop", "4.7": "expired",
    "4.14": "loop", "4.300": "expired", "4.310": "host_unknown", "4.316": "expired",
    "5": "syntax", "5.3": "too_many_recipients",
    "6": "content",
    "7": "policy", "7.2": "restricted", "7.3": "encryption", "7.4": "encryption", "7.5": "encryption", "7.7": "content",
    "7.8": "login_required", "7.9": "login_required", "7.10": "encryption", "7.11": "encryption",
    "7.12": "login_required", "7.13": "suspended", "7.14": "login_required", "7.16": "too_large",
    "7.17": "has_moved", "7.18": "has_moved", "7.19": "system_error",
    "7.20": "auth_failure", "7.21": "auth_failure", "7.22": "auth_failure", "7.23": "auth_failure",
    "7.24": "auth_failure", "7.25": "no_reverse_name", "7.26": "auth_failure", "7.27": "sender_rejected",
    "7.28": "rate_limited", "7.29": "auth_failure", "7.30": "encryption",
    "7.57": "login_required", "7.60": "sender_rejected", "7.64": "relay_denied",
    "7.124": "restricted", "7.129": "restricted", "7.133": "restricted", "7.134": "restricted", "7.135": "restricted",
    "7.136": "restricted", "7.193": "restricted", "7.232": "sender_suspended", "7.233": "sender_suspended",
    "7.321": "encryption", "7.322": "encryption", "7.323": "encryption", "7.324": "encryption", "7.325": "encryption",
    "7.501": "sender_suspended", "7.502": "sender_suspended", "7.503": "sender_suspended", "7.506": "sender_rejected",
    "7.508": "rate_limited", "7.509": "auth_failure", "7.511": "blocked_network", "7.512": "content",
    "7.515": "auth_failure", "7.703": "sender_suspended", "7.705": "sender_suspended", "7.708": "sender_suspended",
    "7.750": "sender_suspended",
}  # fmt: skip
_RANGES: tuple[tuple[str, range, str], ...] = (("7", range(605, 650), "blocked_network"),)  # banned by Microsoft

_CODES: dict[int, str] = {
    450: "mailbox_busy", 452: "mailbox_full",
    510: "user_unknown", 511: "user_unknown", 512: "host_unknown", 513: "bad_address",
    530: "login_required", 534: "login_required", 535: "login_required", 538: "encryption", 541: "spam_content",
    550: "policy", 551: "has_moved", 552: "mailbox_full", 553: "bad_address", 554: "policy", 556: "not_accepting",
}  # fmt: skip


def classify(status: str, text: str, code: int = 0, *, background: str = "") -> str:
    """The code of a `ReportReason`. ``status`` such as ``5.1.1`` or ``""``; ``text`` the reply or Diagnostic-Code;
    ``background`` is what else the report says, asked only where the reply and the status tell nothing."""
    words = _clean(text)
    status = _best_status(status, words)
    by_status = _by_status(status)
    by_words = _by_words(words)
    if background and not by_words and by_status in ("", "policy", "system_error", "syntax"):
        by_words = _by_words(_clean(background)) or by_words
    if by_words == "user_unknown" and not by_status:
        by_words = _doubted(_lower(background))
    if code == 521 and by_status in ("", "system_error") and by_words in ("", *_SAY_LITTLE):
        by_words = by_status = "not_accepting"  # RFC 7504
    if by_status == "user_unknown" and by_words in _BESIDES and names("user_unknown", words):
        by_words = by_status  # number and words agree; what else they speak of is beside the point
    reason = _weigh(by_words, by_status) or _CODES.get(code, UNDETERMINED)
    is_passing = status.startswith("4") or (not status and 400 <= code < 500)
    return _PASSING.get(reason, reason) if is_passing else reason


@lru_cache(maxsize=2048)
def _by_words(words: str) -> str:
    return reason_in(words)


def _doubted(background: str) -> str:
    """What an unknown user without a number may be in the light of the rest: only proof speaks against the address."""
    if _AFTER_CONTENT.search(background):
        return "filtered"  # the server knew the recipient before
    return "suspended" if _CLOSED.search(background) else "user_unknown"


def tells_reason(text: str) -> bool:
    """Whether these words give a reason of their own that only a refusal has."""
    reason = _by_words(_clean(text))
    return bool(reason) and reason not in _SAY_LITTLE


def _weigh(by_words: str, by_status: str) -> str:
    if by_words == "user_unknown" and by_status in ("suspended", "mailbox_full", "mailbox_busy", "sender_rejected"):
        return by_status  # of a mailbox that is there, or of the sender: no proof against the address
    if by_words in ("host_unknown", "user_unknown") and by_status in ("sender_rejected", "host_unknown"):
        return by_status
    if (by_words, by_status) in _SHARPER:
        return by_status
    if by_words in _SAY_LITTLE and by_status not in ("", "policy", "system_error", "syntax", "network_error"):
        return by_status
    if by_words == "policy" and by_status:
        return by_status
    return by_words or by_status


def _clean(text: str) -> str:
    return _ADDRESS.sub("a@b", _REFUSED_RCPT.sub("", _GLOSS.sub("", _lower(text))))


def _lower(text: str) -> str:
    return " ".join(text[:_MAX_TEXT].lower().split())


def _best_status(status: str, words: str) -> str:
    """The given one; where it says nothing in particular, the first in the words that does."""
    if status and not status.endswith((".0.0", ".1.0", ".3.0", ".5.0", ".7.0")):
        return status
    for found in _STATUS.finditer(words):
        if (not status or found[1] == status[:1]) and (found[2], found[3]) != ("0", "0"):
            return found[0]
    return status


def _by_status(status: str) -> str:
    status_class, _, detail = status.partition(".")
    subject, _, number = detail.partition(".")
    if subject not in _STATUSES or status_class not in ("4", "5"):
        return ""
    if number.isdecimal():
        for ranged, numbers, reason in _RANGES:
            if subject == ranged and int(number[:4]) in numbers:
                return reason
    return _STATUSES.get(f"{subject}.{number}") or _STATUSES[subject]
