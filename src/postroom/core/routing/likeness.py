"""How alike two mails are, told from 64 characters that are stored with each message.

Duty: `signature` of a mail's words; `is_same` and `is_near` compare two of them; `is_short` says that there is little to compare.
Laws: pure; linear in the text, of which the first `MAX_WORDS` words count; digits, and words with digits in them, are one and the
same word, so that ticket numbers and time stamps do not tell mails apart.

A signature is hex: 12 characters of a digest of all words with their numbers, subject and attachments, 2 with the number of different words, 2 with those of the lead (the
first line that is no greeting), 32 with a sketch of all words and 16 with a sketch of the lead. A sketch is a MinHash by one
permutation: each word falls into one of its buckets, each bucket keeps the least; the share of equal buckets estimates the share of
common words (Jaccard). All must be alike, and so must the lead: whoever writes "Yes, tomorrow" and "Where is it?" above the
same long signature says two things, a robot begins as it did before.
"""

from __future__ import annotations

import hashlib
import re
from binascii import crc32
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

MAX_WORDS = 150
MAX_TEXT = 20_000  # characters that are read
SHORT = 5  # different words; below, equal words prove nothing: people say "ok" many times
NEAR = 0.6  # share of common words
LEAD_NEAR = 0.5
_LEAD_WORDS = 12
_LONGEST_WORD = 64  # characters by which words are told apart in a sketch

_EXACT, _COUNTS, _BODY_BUCKETS, _LEAD_BUCKETS = 12, 4, 16, 8
_BODY = slice(_EXACT + _COUNTS, _EXACT + _COUNTS + 2 * _BODY_BUCKETS)
_LEAD = slice(_BODY.stop, _BODY.stop + 2 * _LEAD_BUCKETS)
LENGTH = _LEAD.stop

_WORD = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_WITHOUT_SPACES = re.compile("[\u2e80-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")  # scripts that part no words: Chinese, Thai …
_GREETING = re.compile(
    r"(?:hi|hello|hey|dear|good|guten|hallo|liebe[rs]?|sehr|moin|servus|bonjour|salut|ch[eè]re?s?|hola|buen[ao]s|estimad[ao]s?|ciao|"
    r"buongiorno|gentile|ol[aá]|prezad[ao]|beste|geachte|hej|k[aæä]re|cze[sś][cć]|dzie[nń])\b",
    re.IGNORECASE,
)
_GREETING_WORDS = 5


def signature(subject: str, text: str, attachments: Iterable[str] = ()) -> str:
    """64 hex characters. ``subject`` without reply marks; ``attachments``: their SHA-256."""
    text = text[:MAX_TEXT]
    found = _all_words(text)
    everything = sorted({*_all_words(subject), *found})
    exact = hashlib.sha256(" ".join([*everything, *sorted(attachments)]).encode("utf-8", "replace")).hexdigest()
    words = _words(found, MAX_WORDS)
    lead = _words(_all_words(_lead(text)), _LEAD_WORDS)
    return (
        f"{exact[:_EXACT]}{min(len(words), 255):02x}{min(len(lead), 255):02x}"
        f"{_sketch(words, _BODY_BUCKETS)}{_sketch(lead, _LEAD_BUCKETS)}"
    )


def is_same(one: str, other: str) -> bool:
    """Whether two mails say the same in the same words, however often and in whatever lines: our frame around a mail that goes round
    and round does not make it another one."""
    return one[:_EXACT] == other[:_EXACT]


def is_near(one: str, other: str) -> bool:
    """Whether two mails say nearly the same. What has no words, or no signature of this form, is near nothing."""
    if len(one) != LENGTH or len(other) != LENGTH:
        return False
    return _likeness(one[_BODY], other[_BODY]) >= NEAR and _likeness(one[_LEAD], other[_LEAD]) >= LEAD_NEAR


def is_short(one: str) -> bool:
    """Whether it says too little for likeness to prove anything by itself: few words, or one or two in the lead."""
    if len(one) != LENGTH:
        return True
    return int(one[_EXACT : _EXACT + 2], 16) < SHORT or int(one[_EXACT + 2 : _EXACT + 4], 16) < 3


def _lead(text: str) -> str:
    """The first line that is no greeting."""
    lines = (line.strip() for line in text.splitlines())
    first = ""
    for line in lines:
        if not line:
            continue
        if not first and _is_greeting(line):
            first = line
            continue
        return line
    return first


def _is_greeting(line: str) -> bool:
    return (
        len(line) <= 80
        and len(line.split()) <= _GREETING_WORDS
        and (line.endswith((",", "!", ":", "，", "！")) or _GREETING.match(line) is not None)
    )


def _all_words(text: str) -> list[str]:
    """Runs of letters and digits, without case."""
    return text.translate(_PLAIN_WORDS).split() if text.isascii() else _WORD.findall(text.casefold())


_PLAIN_WORDS = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


def _words(found: Sequence[str], most: int) -> set[str]:
    """Of the first ``most``; of scripts without spaces, pairs of characters."""
    first = found[:most]
    if all(map(str.isascii, first)):
        return {word if word.isalpha() else "0" for word in first}
    return set(islice((part for word in first for part in _parts(word)), most))


def _parts(word: str) -> Sequence[str]:
    if word.isascii():
        return (word,) if word.isalpha() else ("0",)
    plain = _DIGIT.sub("", word)
    if _WITHOUT_SPACES.search(word):
        return [plain[i : i + 2] for i in range(max(1, len(plain) - 1))]
    return (word,) if plain == word else ("0",)


def _sketch(words: Iterable[str], buckets: int) -> str:
    """Two hex characters for each bucket; ``00``: no word fell into it."""
    least = [0] * buckets
    for word in words:
        value = _value(word[:_LONGEST_WORD])
        bucket, rank = value % buckets, (value // buckets) % 255 + 1
        if not least[bucket] or rank < least[bucket]:
            least[bucket] = rank
    return bytes(least).hex()


@lru_cache(maxsize=8192)
def _value(word: str) -> int:
    """A number for a word; people and robots use the same few thousand."""
    return crc32(word.encode("utf-8", "replace")) * 2_654_435_761 >> 16  # CRC alone hardly mixes its high bits


def _likeness(one: str, other: str) -> float:
    """The share of buckets that agree, of those that are not empty in both."""
    pairs = [(one[i : i + 2], other[i : i + 2]) for i in range(0, len(one), 2)]
    filled = [(mine, yours) for mine, yours in pairs if mine != "00" or yours != "00"]
    return sum(mine == yours for mine, yours in filled) / len(filled) if filled else 0.0
