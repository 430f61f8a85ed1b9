"""The words of a text, for finding it again: cut, made alike, bounded.

Duty: one way to cut for what is stored and for what is asked, so that one meets the other. Case and accents make no difference
(``Grüße`` and ``GRUSSE`` are one word); scripts without blanks (Chinese, Japanese) are cut into pairs of signs; an address is
found whole, by its domain and by each of its words.
Law: linear in the text, and bounded: what comes in is strangers'.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postroom.core.terms.remembering import remembered

MOST_TEXT = 60_000  # signs of one text that are read
MOST_WORDS = 4_000  # different words kept of one message
LONGEST_WORD = 60  # signs; what is longer is cut, and found by its beginning
MOST_ASKED = 8
SHORTEST_BEGINNING = 3  # signs: shorter ones begin too many words
WHOLE = 2  # signs of a pair

_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"[\w.+=-]{1,64}@[\w.-]{1,255}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_NEAR = 60  # signs before the first hit that an excerpt shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody looks for: all of ``words`` whole, and one that begins with ``beginning`` (``""``: none)."""

    words: tuple[str, ...]
    beginning: str = ""

    @property
    def is_empty(self) -> bool:
        return not self.words and not self.beginning


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an excerpt. ``is_hit``: it is what was looked for."""

    text: str
    is_hit: bool = False


@remembered(most=16_384, longest=2 * LONGEST_WORD)
def fold(word: str) -> str:
    """Without case and accents, at most `LONGEST_WORD` signs."""
    if word.isascii():
        return word.lower()[:LONGEST_WORD]
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold()[:LONGEST_WORD]


def words_of(texts: Iterable[str], addresses: Iterable[str] = ()) -> list[str]:
    """The different words of these texts, and of these addresses also whole and by domain; sorted, at most `MOST_WORDS`."""
    found: set[str] = set()
    for address in addresses:
        plain = address.strip().lower()[:320]
        if "@" in plain:
            found.update((plain, plain.rpartition("@")[2]))
        found.update(_cut(plain))
    for text in texts:
        found.update(_cut(text[:MOST_TEXT]))
    return sorted(found)[:MOST_WORDS]


def question_of(typed: str) -> Question:
    """What the typed words ask for. The last one may be unfinished, unless a blank follows it."""
    text = typed[:400]
    addresses = [match.group().lower().rstrip(".") for match in _ADDRESS.finditer(text)]
    rest = _ADDRESS.sub(" ", text)
    words = _cut(rest)
    is_open = bool(words) and not rest.endswith(" ") and not addresses
    last = words[-1] if is_open else ""
    if len(last) != 1 if _UNSPACED.search(last) else len(last) < SHORTEST_BEGINNING:
        last = ""  # of a script without blanks a single sign begins a pair
    whole = [*addresses, *(words[:-1] if last else words)]
    return Question(words=tuple(dict.fromkeys(whole))[:MOST_ASKED], beginning=last)


def excerpt(text: str, question: Question, most: int = 160) -> tuple[Piece, ...]:
    """About ``most`` signs around the first hit, hits apart; the beginning of the text where there is none."""
    hits = _hits(text, question)
    start = 0
    if hits and hits[0][0] > _NEAR:
        start = text.rfind(" ", 0, hits[0][0] - _NEAR // 2) + 1
        start = max(start, hits[0][0] - 2 * _NEAR)
    end = min(len(text), start + most)
    pieces: list[Piece] = [Piece("… ")] if start else []
    at = start
    for begins, ends in hits:
        if begins < at or ends > end:
            continue
        pieces += [Piece(_one_line(text[at:begins])), Piece(text[begins:ends], is_hit=True)]
        at = ends
    pieces.append(Piece(_one_line(text[at:end])))
    return tuple(piece for piece in pieces if piece.text)


def _hits(text: str, question: Question, most: int = 12) -> list[tuple[int, int]]:
    """Where the words stand, in order."""
    whole = {word for word in question.words if "@" not in word}
    for address in question.words:
        if "@" in address:
            whole.update(_cut(address))
    found: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        word = fold(match.group())
        if word in whole or (question.beginning and word.startswith(question.beginning)):
            found.append(match.span())
        elif whole and not word.isascii():
            found += [(match.start() + at, match.start() + at + WHOLE) for at in _pairs_in(match.group(), whole)]
        if len(found) >= most:
            break
    return found[:most]


def _pairs_in(run: str, wanted: set[str]) -> list[int]:
    return [
        at
        for at in range(0, len(run) - 1)
        if run[at : at + WHOLE] in wanted and _UNSPACED.fullmatch(run[at : at + WHOLE])
    ]


def _one_line(text: str) -> str:
    """Blanks at the ends stay one: a hit stands beside them."""
    inner = " ".join(text.split())
    if not inner:
        return " " if text else ""
    return f"{' ' if text[0].isspace() else ''}{inner}{' ' if text[-1].isspace() else ''}"


def _cut(text: str) -> list[str]:
    if text.isascii():  # most are, and need no look at each word
        return [word[:LONGEST_WORD] for word in _WORD.findall(text.lower().replace("_", " "))]
    found: list[str] = []
    for run in _WORD.findall(text.replace("_", " ")):
        if run.isascii() or not _UNSPACED.search(run):
            found.append(fold(run))
        else:
            found += _of_mixed(run)
    return [word for word in found if word]


def _of_mixed(run: str) -> list[str]:
    """Signs of scripts without blanks as overlapping pairs, what stands between them as words."""
    found: list[str] = []
    at = 0
    for match in _UNSPACED.finditer(run):
        if match.start() > at:
            found.append(fold(run[at : match.start()]))
        signs = match.group()
        found += [signs] if len(signs) < WHOLE else [signs[i : i + WHOLE] for i in range(len(signs) - 1)]
        at = match.end()
    if at < len(run):
        found.append(fold(run[at:]))
    return found


# ---- how it is written down and asked for (PostgreSQL's tsvector and tsquery, as a set of words)

SHIFTS = (11, 14, 17, 20, 23)  # a message's number, cut off there, names the blocks that it lies in


def marks_of(message_id: int, company_id: int) -> list[str]:
    """Words that no text has: the company, and the blocks of numbers, each eight times the one before."""
    return [f"={company_id}", *(block_mark(level, message_id >> shift) for level, shift in enumerate(SHIFTS))]


def kept_as(words: Iterable[str]) -> str:
    """The tsvector of these words."""
    return " ".join(word if word.isalnum() else f"'{_quoted(word)}'" for word in words)


def asked_as(question: Question, company_ids: Sequence[int], block: str = "") -> str:
    """The tsquery for messages of these companies, in this block (`block_mark`) if one is named."""
    terms = [f"'{_quoted(word)}'" for word in question.words]
    if question.beginning:
        terms.append(f"'{_quoted(question.beginning)}':*")
    terms.append("(" + " | ".join(f"'={company_id}'" for company_id in company_ids) + ")")
    return " & ".join([*terms, f"'{block}'"] if block else terms)


def block_mark(level: int, block: int) -> str:
    """The word that messages of this block bear."""
    return f"~{level}:{block}"


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace("'", "''")
