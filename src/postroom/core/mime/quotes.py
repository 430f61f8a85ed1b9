"""Quotes: the new words of a reply, told from what it quotes and from its signature.

Duty: to split the plain text of a mail into reply, quotation and signature. Every line lands in exactly one
of them.
Laws: never raises, linear; when in doubt a line belongs to the reply: a quotation that stays is ugly, a word
that is lost costs a customer. What is forwarded belongs to the reply: its readers have not seen it.
Standards: none; RFC 3676 4.3 (the "-- " line) and 4.5 (quote marks), and the habits of mail programs (see
`quote_words`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from postroom.core.mime.quote_words import (
    DATE,
    FORWARDS,
    FROM,
    INNER_VERBS,
    OPENINGS,
    QUOTING,
    SEPARATORS,
    SUBJECT,
    TO,
    VERBS,
)
from postroom.core.mime.signatures import start_of_signature

MOST_ATTRIBUTION_LINES = 4  # of a wrapped "On ... wrote:"
MOST_HEADER_LINES = 14  # of a quoted header block, wrapped ones included
MOST_TEXT = 500_000  # characters; telling new words from quoted ones takes seconds for each million
MOST_REST_LINES = 60  # of what is another's: enough to see whose


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatedReply:
    """The three parts of a text, each without empty lines at its ends."""

    reply: str
    quoted: str
    signature: str
    rest: str = field(default="", compare=False, repr=False)  # from where on everything is another's, "" for nowhere


def separate_reply(text: str) -> SeparatedReply:
    """The new words of a mail, the quotations taken from between them, and the signatures. A very long text is all new."""
    if len(text) > MOST_TEXT:
        return SeparatedReply(reply=text, quoted="", signature="")
    lines = text.replace("\r\n", "\n").split("\n")
    quoted, cut = _find_quotations(lines)
    rest = "\n".join(lines[cut : cut + MOST_REST_LINES])
    own = cut if cut < len(lines) and _is_forward_line(lines[cut]) else len(lines)  # a forward belongs to the reply
    reply: list[str] = []
    quotation: list[str] = []
    signature: list[str] = []
    start = 0
    while start < own:
        try:
            end = quoted.index(not quoted[start], start, own)
        except ValueError:
            end = own
        if quoted[start]:
            quotation += lines[start:end]
        elif end - start == 1 and not lines[start]:
            reply.append("")
        else:
            tail = start_of_signature(lines, start, end, is_above_quotation=end < len(lines))
            reply += lines[start:tail]
            signature += lines[tail:end]
        start = end
    words = _tidy(reply + lines[own:])
    if not words and cut < len(lines):  # a quotation that was misread, or an answer without a word of its own
        return SeparatedReply(reply=_tidy(lines), quoted="", signature="", rest=rest)
    return SeparatedReply(reply=words, quoted=_tidy(quotation), signature=_tidy(signature), rest=rest)


def _is_forward_line(line: str) -> bool:
    return _core(line) in _FORWARDS


def _core(line: str) -> str:
    """The words of a separator without its dashes."""
    return line.strip(_RULE_MARKS + " :：>\t").lower().replace("i\u0307", "i")


def _tidy(lines: list[str]) -> str:
    return _MANY_BLANKS.sub("\n\n\n", "\n".join(lines)).strip("\n").rstrip() if lines else ""


_MANY_BLANKS = re.compile(r"\n(?:[ \t]*\n){3,}")


# -- where quotations are --------------------------------------------------------------------------------


def _find_quotations(lines: list[str]) -> tuple[list[bool], int]:
    """Which lines are quoted, and from which line on everything is (the number of lines when none).

    A line that holds both words and an attribution is split in ``lines``.
    """
    quoted = [False] * len(lines)
    number = 0
    while number < len(lines):
        line = lines[number].strip()
        if not line:
            pass
        elif line[0] == ">":
            quoted[number] = True
            if line[:4] == ">>> " and _is_groupwise(lines, number, line):
                quoted[number:] = [True] * (len(lines) - number)
                return quoted, number
        elif (line[0] in _RULE_MARKS or ":" in line or "：" in line) and (
            cut := _start_of_rest(lines, number, line)
        ) is not None:
            quoted[cut:] = [True] * (len(lines) - cut)
            return quoted, cut
        elif line[-1] in _ATTRIBUTION_ENDS or (line[-2:] in _VERB_TAILS and _ends_with_verb(line)):
            found = _attribution(lines, number)
            if found is not None:
                start, column, is_strong = found
                follows = _next_line(lines, number + 1)
                is_marked = follows < len(lines) and lines[follows].lstrip()[0] == ">"
                if column and is_marked:
                    words = lines[start][:column].rstrip(" -\t")
                    lines[start : start + 1] = [words, lines[start][len(words) :]]
                    quoted.insert(start, False)
                    start, number = start + 1, number + 1
                if is_marked:
                    quoted[start : number + 1] = [True] * (number + 1 - start)
                elif is_strong and not column and follows < len(lines):
                    quoted[start:] = [True] * (len(lines) - start)
                    return quoted, start
        number += 1
    _join_broken_quotations(lines, quoted)
    return quoted, len(lines)


def _next_line(lines: list[str], number: int) -> int:
    """The first line from ``number`` on that is not empty."""
    while number < len(lines) and not lines[number].strip():
        number += 1
    return number


def _join_broken_quotations(lines: list[str], quoted: list[bool]) -> None:
    """A single line between quoted ones is quoted when the line before it was evidently wrapped there."""
    for number in range(1, len(lines) - 1):
        if quoted[number] or not (quoted[number - 1] and quoted[number + 1]):
            continue
        before, line = lines[number - 1].strip(), lines[number].strip()
        if not line or before[:1] != ">":
            quoted[number] = not line
        elif line[0] in "(<" and line[1:5] == "http":
            quoted[number] = True
        else:
            words = before.lstrip("> ")
            is_open = words.count("(") > words.count(")") or words.count("<") > words.count(">")
            quoted[number] = is_open or (len(before) >= 66 and line[0].islower())


# -- attributions: "On Monday Alice wrote:" --------------------------------------------------------------

_TIME = re.compile(r"\d{1,2}\s?[:.h]\s?\d{2}\b|\d{1,2}\s?[ap]\.?m\b", re.IGNORECASE)
_DATE = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}\s?[./-]\s?\d{1,2}\s?[./-]\s?\d{2,4}|\d{4}年")
_ADDRESS = re.compile(r"[^\s<>()\[\]\"]{1,64}@[^\s<>()\[\]\"]{1,253}")
_ADDRESS_AT_END = re.compile(
    r"[<(\[][^\s<>()\[\]]{1,64}@[^\s<>()\[\]]{1,253}(?:<mailto:[^\s<>]{1,300}>)?[>)\]]+[\"*]?\Z"
)
_OPENING_WORDS = "|".join(sorted(map(re.escape, OPENINGS), key=len, reverse=True))
_OPENS = re.compile(rf"[-*_ ]*(?:{_OPENING_WORDS})[ ,.]", re.IGNORECASE)
_OPENS_INSIDE = re.compile(r"(?<=\S)(?: +|-{2,} ?)((?:On|Am|Le|El|Il|Em|Op|Den) (?=[^ ]))")
_END_MARKS = " :：*_\t-\u200e\u200f\u202c\xa0"
_ATTRIBUTION_ENDS = frozenset(":：*\u200e\u200f\u202c\u2069")
_DIRECTIONS = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_VERB_TAILS = frozenset([*(verb[-2:] for verb in VERBS), "--"])
_ENDINGS = tuple(verb if ord(verb[0]) > 0x2E80 else f" {verb}" for verb in VERBS)
_INNER = re.compile(rf"(?:{'|'.join(map(re.escape, INNER_VERBS))})", re.IGNORECASE)
_QUOTES = re.compile(rf"(?:{'|'.join(map(re.escape, QUOTING))})[ :]", re.IGNORECASE)


def _ends_with_verb(line: str) -> bool:
    return f" {line}".lower().rstrip(_END_MARKS).endswith(_ENDINGS)


def _attribution(lines: list[str], number: int) -> tuple[int, int, bool] | None:
    """The attribution that ends in this line: its first line, the column there, whether it is beyond doubt.

    One in doubt counts only when marked lines follow it.
    """
    joined = ""
    weak: tuple[int, int, bool] | None = None
    for start in range(number, max(number - MOST_ATTRIBUTION_LINES, -1), -1):
        line = lines[start].strip()
        if not line or line[0] == ">" or len(joined) + len(line) > 500:
            break
        if weak is not None and not _may_begin_above(line, joined):
            break
        joined = f"{line} {joined}" if joined else line
        inside = None if _OPENS.match(line) else _OPENS_INSIDE.search(lines[start])
        if inside is not None:
            column = inside.start(1)
            rest = " ".join([lines[start][column:], *lines[start + 1 : number + 1]])
            if certainty_of_attribution(rest) > 1:
                return start, column, False
        certainty = certainty_of_attribution(joined)
        if certainty > 1:
            return start, 0, True
        if certainty and weak is None:
            weak = start, 0, False
    return weak


def _may_begin_above(line: str, below: str) -> bool:
    """Whether what may be an attribution was wrapped: in the middle of an address, behind it, or behind the date."""
    if (
        below[0] in "<("
        or (line[-1] == ">" and _INNER.match(below) is not None)
        or (line[-1] == ">" and _ZH.match(below))
    ):
        return True
    has_date = _TIME.search(line) or _DATE.search(line)
    return bool(has_date) and line[-1] not in ".!?:" and (_OPENS.match(line) is not None or line[0].isdigit())


_ZH = re.compile("[于於]")


def certainty_of_attribution(text: str) -> int:
    """2 for an attribution beyond doubt, 1 for what may be one, 0 for none."""
    if not text.isascii():
        text = text.translate(_DIRECTIONS).strip()
    if not text:
        return 0
    has_time, has_date = _TIME.search(text) is not None, _DATE.search(text) is not None
    has_address = "@" in text and _ADDRESS.search(text) is not None
    if _ends_with_verb(text):
        return _with_verb(text, has_time=has_time, has_date=has_date, has_address=has_address)
    if not (has_time or has_date):
        return 1 if text[-1] in ":：" and len(text) <= 300 and _QUOTES.match(text) is not None else 0
    if _ADDRESS_AT_END.search(text.rstrip(_END_MARKS)):
        return 2
    return _with_inner_verb(text, is_dated=has_time and has_date, has_address=has_address)


def _with_verb(text: str, *, has_time: bool, has_date: bool, has_address: bool) -> int:
    """ "On Monday Alice wrote:" """
    is_open = has_address or text[0].isdigit() or _OPENS.match(text) is not None
    if (has_time or has_date) and is_open and len(text) <= 400:
        return 2 if has_address or (has_time and has_date) else 1
    return 1 if len(text) <= 100 and text[-1] in ":：" and not text[0].islower() and len(text.split()) <= 9 else 0


def _with_inner_verb(text: str, *, is_dated: bool, has_address: bool) -> int:
    """ "Am 2.1.2024 um 15:04 schrieb Alice:", "Alice <...> ezt írta (2024. jan. 2., 15:04):" """
    is_closed = text[-1] in ":：*" and len(text) <= 300
    if _OPENS.match(text) is not None and is_dated:
        lowered = text.lower()
        has_verb = any(f"{ending} " in lowered for ending in _ENDINGS) or _INNER.search(text) is not None
        return 2 if has_verb else 1
    if is_closed and _INNER.search(text) is not None:
        return 2 if has_address and is_dated else 1
    return 1 if is_closed and _QUOTES.match(text) is not None else 0


def _is_groupwise(lines: list[str], number: int, line: str) -> bool:
    """ ">>> Alice <alice@shop.example> 1/2/2024 3:04 PM >>>" above what GroupWise quotes without marks."""
    above = next((one for one in reversed(lines[max(0, number - 3) : number]) if one.strip()), "")
    if above.lstrip()[:1] == ">" or not (_TIME.search(line) and _DATE.search(line)):
        return False
    return line.endswith(">>>") or _INNER.search(line) is not None


# -- quoted header blocks and separators -----------------------------------------------------------------

_KINDS = {
    label: kind
    for kind, labels in (("from", FROM), ("date", DATE), ("to", TO), ("subject", SUBJECT))
    for label in labels
}
_SEPARATORS = frozenset(SEPARATORS)
_RULE_MARKS = "-_=*~—–─‐‑"
_DASHES = frozenset(("--", "__", "==", "**", "‐‐"))
_FORWARDS = frozenset(FORWARDS)


def _start_of_rest(lines: list[str], number: int, line: str) -> int | None:
    """Where a quotation begins that has no end.

    At a separator, or at a quoted header block and the rule above it.
    """
    if line[0] in _RULE_MARKS or line[-1] in ":：":
        core = _core(line)
        if (core in _SEPARATORS or core in _FORWARDS) and _is_separator(lines, number, line):
            return number
        if core.startswith("original message ") and line[:2] in _DASHES and line[-2:] in _DASHES:  # "... from Alice"
            return number
    if ":" in line[:45] or "：" in line[:30]:
        rule = _rule_above(lines, number)
        if _is_header_block(lines, number, has_rule=rule < number):
            return rule
    return None


def _is_separator(lines: list[str], number: int, line: str) -> bool:
    """Between dashes it is one; without them header fields must follow."""
    if line[0] in _RULE_MARKS and line[1:2] and line[1] in _RULE_MARKS:
        return True
    follows = _next_line(lines, number + 1)
    return follows < len(lines) and label_of(lines[follows].lstrip("> ")) is not None


def label_of(line: str) -> str | None:
    """Which header field a line shows: ``*Von:* Alice`` is ``from``; None for none."""
    label, colon, _ = line.strip().replace("：", ":", 1).partition(":")
    return _KINDS.get(label.strip("*_ \t\xa0").lower()) if colon else None


def _rule_above(lines: list[str], number: int) -> int:
    """The line where the horizontal rule above this line stands, else ``number``.

    Dashes that do not touch it may end the words above them, as people do; other rules are a program's.
    """
    above = number - 1
    while above >= 0 and number - above <= 3 and not lines[above].strip():
        above -= 1
    rule = lines[above].strip() if above >= 0 else ""
    is_rule = len(rule) >= 3 and not rule.strip(_RULE_MARKS)
    return above if is_rule and (above == number - 1 or rule.strip("-")) else number


def _is_header_block(lines: list[str], number: int, *, has_rule: bool) -> bool:
    """At least three kinds of fields, the sender among them, and a sign that they are a mail's."""
    if label_of(lines[number]) is None:
        return False
    kinds: set[str] = set()
    is_mail = has_rule
    strangers = 0
    for line in lines[number : number + MOST_HEADER_LINES]:
        kind = label_of(line)
        if kind is None:
            strangers += 1
            if strangers > 2:
                break
            is_mail = is_mail or (bool(kinds) and "@" in line and "to" not in kinds)
            continue
        strangers = 0
        kinds.add(kind)
        is_mail = is_mail or (kind in ("from", "to") and "@" in line) or line.lstrip().startswith("*")
    is_mail = is_mail or {"date", "subject"} <= kinds
    return is_mail and "from" in kinds and len(kinds) >= 3
