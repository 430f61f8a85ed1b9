"""What the next server calls a mail: the id in its answer, by which its log can be searched.

Duty: relays name a mail as they take it ("queued as 4Zx9QK1dLpz2"), each in words of its own; their names are read here, and what a person
copied from a log (a whole line, perhaps) is brought down to the id. Laws: pure; never raises; only the first `MOST_READ` characters are
read, at most `MOST_IDS` ids are told, and the time is linear in both: no pattern can go back over what it has read.
"""

from __future__ import annotations

import re

MOST_READ = 2_000  # characters of an answer
MOST_IDS = 8
LONGEST = 128  # characters of an id

_ID = r"[0-9A-Za-z][0-9A-Za-z._+/=-]{3,127}"
_SHAPES = (  # the most telling first; each says whose words they are
    rf"\bqueued as <?({_ID})",  # Postfix, SendGrid, Mailgun's SMTP, amavis in front of a Postfix
    rf"\bOK id=({_ID})",  # Exim
    r"\[InternalId=([0-9]{4,24})[,\]]",  # Microsoft Exchange and 365
    r"\bOK {1,2}[0-9]{9,11} ([0-9A-Za-z._-]{6,64}) - gsmtp\b",  # Gmail
    rf"(?:^| )({_ID}) Message accepted for delivery",  # Sendmail, Proofpoint, OpenSMTPD, hMailServer
    r"\bok ([0-9]{6,12} qp [0-9]{1,10})\b",  # qmail
    r"\bMessage Queued \(([0-9A-Fa-f-]{8,64}(?:\.[0-9]{1,4})?)\)",  # Haraka
    r"\bOk:? ([0-9a-f]{16}-[0-9a-f-]{20,60})",  # Amazon SES
    r"\b(SmtpThread-[0-9A-Za-z-]{4,80})",  # Mimecast
)
_WORDS = [re.compile(shape, re.IGNORECASE) for shape in _SHAPES]
_NO_ID = frozenset({"message", "mail", "queued", "accepted", "delivery"})


def relay_ids(reply: str) -> tuple[str, ...]:
    """The ids in an answer, in the order in which they stand, each once; none where it names none. A mail that went through a filter has
    two: the filter's, and that of the server behind it."""
    read = " ".join(reply[:MOST_READ].split())
    found: dict[str, int] = {}
    for words in _WORDS:
        for match in words.finditer(read):
            name = match[1].rstrip(".,;:)>")[:LONGEST]
            if len(name) >= 4 and name.lower() not in _NO_ID and _is_telling(name):
                found.setdefault(name, match.start(1))
    return tuple(sorted(found, key=found.__getitem__)[:MOST_IDS])


def asked_id(text: str) -> str:
    """The id in what somebody has in hand: an answer, a line of a log (``4Zx9QK1dLpz2: removed``), or the id itself."""
    words = text.strip()[:MOST_READ]
    if found := relay_ids(words):
        return found[0]
    first = words.partition(" ")[0] if words[:LONGEST].partition(" ")[0].endswith(":") else words
    return first.strip("<>[]()\"' \t:;,")[:LONGEST]


def _is_telling(name: str) -> bool:
    """An id has a digit, or is written in letters of both kinds; a word of the language is none."""
    return any(character.isdigit() for character in name) or (name != name.lower() and name != name.title())
