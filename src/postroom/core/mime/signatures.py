"""Signatures: what programs and lawyers put below the words of a mail.

Duty: to find where the signature of a stretch of fresh lines begins: "-- ", a telephone's line, a list's footer, a disclaimer.
Laws: never raises, linear; when in doubt a line belongs to the words.
Standards: RFC 3676 4.3 (the "-- " line); else the habits of programs (see `quote_words`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from postroom.core.mime.quote_words import (
    APPS,
    CONFIDENTIAL,
    DEVICES,
    DISCLAIMERS,
    GET,
    SENT_BEHIND,
    SENT_FROM,
    SYSTEMS,
)

MOST_SIGNATURE_LINES = 15
MOST_LINES_IN_DOUBT = 2  # between dashes and a quotation


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_MOBILE = re.compile(
    rf"[-–—*_ ]*(?:{_either(SENT_FROM)}) ?(?:[^\s,.]+ ){{0,3}}?\S{{0,12}}(?:{_either(DEVICES)})", re.IGNORECASE
)
_GETS = frozenset(GET)
_DISCLAIMER = re.compile(rf"[-*_ ]{{0,5}}(?:{_either(DISCLAIMERS)})", re.IGNORECASE)
_CONFIDENTIAL = re.compile(_either(CONFIDENTIAL), re.IGNORECASE)
_SIGNATURE_MARKS = ("--", "__")
_LIST_FOOTER = re.compile(r"mailing.list|listinfo|unsubscribe|googlegroups", re.IGNORECASE)


def start_of_signature(lines: list[str], start: int, end: int, *, is_above_quotation: bool = False) -> int:
    """Where the signature of the fresh lines ``start:end`` begins; ``end`` without one.

    Few lines between dashes and a quotation are in doubt: a name, or a last word below a divider. They belong to the words.
    """
    cut = end
    for number in range(end - 1, max(start, end - 3 * MOST_SIGNATURE_LINES) - 1, -1):
        line = lines[number]
        if line[:2] not in _SIGNATURE_MARKS:
            continue
        line = line.rstrip()
        if line == "--" or (not line.strip("_") and _is_list_footer(lines, number, end)):
            below = sum(1 for one in lines[number + 1 : cut] if one.strip())
            if is_above_quotation and line == "--" and below <= MOST_LINES_IN_DOUBT:
                return end
            if below <= MOST_SIGNATURE_LINES:
                cut = number
            break
    while (above := _start_of_last_piece(lines, start, cut)) is not None:
        cut = above
    return cut


def _start_of_last_piece(lines: list[str], start: int, cut: int) -> int | None:
    """Where the last lines before ``cut`` begin when they are a telephone's signature or a disclaimer; None when they are words."""
    last = cut - 1
    while last >= start and not lines[last].strip():
        last -= 1
    if last < start:
        return None
    if len(lines[last]) <= 400 and _is_mobile_signature(lines[last].strip()):
        return last
    first = last
    while first > start and last - first < MOST_SIGNATURE_LINES and lines[first - 1].strip():
        first -= 1
    if (
        first == start or _DISCLAIMER.match(lines[first][:100].lstrip()) is None
    ):  # a mail of nothing else says it on purpose
        return None
    paragraph = " ".join(lines[first : last + 1])
    return first if len(paragraph) >= 80 and _CONFIDENTIAL.search(paragraph[:2000]) else None


def _is_mobile_signature(line: str) -> bool:
    """ "Sent from my iPhone", "iPhone'umdan gönderildi", "Get Outlook for iOS": in one line and not as the beginning of a sentence."""
    if len(line) > 80 and not ("<" in line or "http" in line):
        return False
    words = line.partition("<")[0].partition("http")[0].strip()
    if not words or len(words) > 80:
        return False
    if _MOBILE.match(words) is not None:
        return True
    lowered = words.lower()
    if len(words) > 60 or not any(device in lowered for device in DEVICES):
        return False
    if lowered.endswith(SENT_BEHIND):
        return len(words.split()) <= 6
    pieces = lowered.split()
    is_app = any(app in lowered for app in APPS) and not _SYSTEMS.isdisjoint(pieces)
    return is_app and len(pieces) <= 7 and (pieces[0] in _GETS or pieces[-1] in _GETS)


_SYSTEMS = frozenset(SYSTEMS)


def _is_list_footer(lines: list[str], number: int, end: int) -> bool:
    return any(_LIST_FOOTER.search(line[:500]) for line in lines[number + 1 : min(end, number + 6)])
