"""Quotes: the new words of a reply, told from what it quotes and from its signature.

Duty: to split the plain text of a mail into reply, quotation and signature. Every line lands in exactly one
of them.
Laws: never raises, linear; when in doubt a line belongs to the reply: a quotation that stays is ugly, a word
that is lost costs a customer. A mail that consists of a forward alone is its own reply.
Standards: none; RFC 3676 4.3 (the "-- " line) and 4.5 (quote marks), and the habits of mail programs (see
`quote_words`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from postroom.core.mime.quote_words import (
    DATE,
    DEVICES,
    FROM,
    OPENINGS,
    SENT_FROM,
    SEPARATORS,
    SUBJECT,
    TO,
    VERBS,
)

MOST_ATTRIBUTION_LINES = 4  # of a wrapped "On ... wrote:"
MOST_HEADER_LINES = 14  # of a quoted header block, wrapped ones included
MOST_SIGNATURE_LINES = 15
MOST_REST_LINES = 60  # of what is another's: enough to see whose


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatedReply:
    """The three parts of a text, each without empty lines at its ends."""

    reply: str
    quoted: str
    signature: str
    rest: str = field(default="", compare=False, repr=False)  # from where on everything is another's, "" for nowhere


def separate_reply(text: str) -> SeparatedReply:
    """The new words of a mail, the quotations taken from between them, and the signatures."""
    lines = text.replace("\r\n", "\n").split("\n")
    quoted, cut = _find_quotations(lines)
    rest = "\n".join(lines[cut : cut + MOST_REST_LINES])
    reply: list[str] = []
    quotation: list[str] = []
    signature: list[str] = []
    start = 0
    while start < len(lines):
        try:
            end = quoted.index(not quoted[start], start)
        except ValueError:
            end = len(lines)
        if quoted[start]:
            quotation += lines[start:end]
        else:
            tail = _signature_start(lines, start, end)
            reply += lines[start:tail]
            signature += lines[tail:end]
        start = end
    words = _tidy(reply)
    if not words and cut < len(lines):  # a forward without a word of one's own, or a quotation that was misread
        return SeparatedReply(reply=_tidy(lines), quoted="", signature="", rest=rest)
    return SeparatedReply(reply=words, quoted=_tidy(quotation), signature=_tidy(signature), rest=rest)


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
        elif (line[0] in _RULE_MARKS or ":" in line or "：" in line) and (
            cut := _start_of_rest(lines, number, line)
        ) is not None:
            quoted[cut:] = [True] * (len(lines) - cut)
            return quoted, cut
        elif line[-1] in ":：" or (line[-2:] in _VERB_TAILS and _ends_with_verb(line)):
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
_END_MARKS = " :：*_\t\u200e\u200f\u202c\xa0"
_VERB_TAILS = frozenset(verb[-2:] for verb in VERBS)
_ENDINGS = tuple(verb if ord(verb[0]) > 0x2E80 else f" {verb}" for verb in VERBS)


def _ends_with_verb(line: str) -> bool:
    return f" {line}".lower().rstrip(_END_MARKS).endswith(_ENDINGS)


def _attribution(lines: list[str], number: int) -> tuple[int, int, bool] | None:
    """The attribution that ends in this line: its first line, the column there, whether it is beyond doubt.

    One in doubt counts only when marked lines follow it.
    """
    joined = ""
    for start in range(number, max(number - MOST_ATTRIBUTION_LINES, -1), -1):
        line = lines[start].strip()
        if not line or line[0] == ">" or len(joined) + len(line) > 500:
            break
        joined = f"{line} {joined}" if joined else line
        inside = None if _OPENS.match(line) else _OPENS_INSIDE.search(lines[start])
        if inside is not None:
            column = inside.start(1)
            rest = " ".join([lines[start][column:], *lines[start + 1 : number + 1]])
            if certainty_of_attribution(rest) > 1:
                return start, column, False
        certainty = certainty_of_attribution(joined)
        if certainty:
            return start, 0, certainty > 1
    return None


def certainty_of_attribution(text: str) -> int:
    """2 for an attribution beyond doubt, 1 for what may be one, 0 for none."""
    end = text.rstrip(_END_MARKS)
    has_verb = _ends_with_verb(text)
    has_time, has_date = _TIME.search(text) is not None, _DATE.search(text) is not None
    opens = _OPENS.match(text) is not None
    has_address = "@" in text and _ADDRESS.search(text) is not None
    if has_verb:
        if (has_time or has_date) and (opens or has_address or text[0].isdigit()) and len(text) <= 400:
            return 2 if has_address or (has_time and has_date) else 1
        return 1 if len(text) <= 100 and text[-1] in ":：" and not text[0].islower() and len(text.split()) <= 9 else 0
    if (has_time or has_date) and _ADDRESS_AT_END.search(end):
        return 2
    if opens and has_time and has_date:  # "Am 2.1.2024 um 15:04 schrieb Alice:"
        lowered = text.lower()
        return 2 if any(f"{ending} " in lowered for ending in _ENDINGS) else 1
    return 0


# -- quoted header blocks and separators -----------------------------------------------------------------

_KINDS = {
    label: kind
    for kind, labels in (("from", FROM), ("date", DATE), ("to", TO), ("subject", SUBJECT))
    for label in labels
}
_SEPARATORS = frozenset(SEPARATORS)
_RULE_MARKS = "-_=*~—–─"


def _start_of_rest(lines: list[str], number: int, line: str) -> int | None:
    """Where a quotation begins that has no end.

    At a separator, or at a quoted header block and the rule above it.
    """
    if line[0] in _RULE_MARKS or line[-1] in ":：":
        core = line.strip(_RULE_MARKS + " :：>\t").lower()
        if core in _SEPARATORS and _is_separator(lines, number, line):
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
    """The line where the horizontal rule right above this line stands, else ``number``."""
    above = number - 1
    while above >= 0 and number - above <= 3 and not lines[above].strip():
        above -= 1
    rule = lines[above].strip() if above >= 0 else ""
    return above if len(rule) >= 3 and not rule.strip(_RULE_MARKS) else number


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


# -- signatures ------------------------------------------------------------------------------------------

_PHRASES = "|".join(sorted(map(re.escape, SENT_FROM), key=len, reverse=True))
_DEVICES = "|".join(sorted(map(re.escape, DEVICES), key=len, reverse=True))
_MOBILE = re.compile(
    rf"[-–—*_ ]*(?:(?:{_PHRASES}) ?(?:[^\s,.]+ ){{0,3}}?\S{{0,12}}(?:{_DEVICES})"
    r"|\S{2,12}(?: \S{2,8}){0,2} outlook (?:for|für|pour|para|per|voor|til|för|dla|для) \S)",
    re.IGNORECASE,
)
_SIGNATURE_MARKS = ("--", "__")
_LIST_FOOTER = re.compile(r"mailing.list|listinfo|unsubscribe|googlegroups", re.IGNORECASE)


def _signature_start(lines: list[str], start: int, end: int) -> int:
    """Where the signature of the fresh lines ``start:end`` begins; ``end`` without one."""
    cut = end
    for number in range(end - 1, max(start, end - 3 * MOST_SIGNATURE_LINES) - 1, -1):
        line = lines[number]
        if line[:2] not in _SIGNATURE_MARKS:
            continue
        line = line.rstrip()
        if line == "--" or (not line.strip("_") and _is_list_footer(lines, number, end)):
            if sum(1 for one in lines[number + 1 : cut] if one.strip()) <= MOST_SIGNATURE_LINES:
                cut = number
            break
    while True:
        last = cut - 1
        while last >= start and not lines[last].strip():
            last -= 1
        if last < start or len(lines[last]) > 400 or not _is_mobile_signature(lines[last].strip()):
            return cut
        cut = last


def _is_mobile_signature(line: str) -> bool:
    """ "Sent from my iPhone", in one line and not as the beginning of a sentence."""
    found = _MOBILE.match(line)
    return found is not None and len(line.partition("<")[0].partition("http")[0]) <= 80


def _is_list_footer(lines: list[str], number: int, end: int) -> bool:
    return any(_LIST_FOOTER.search(line[:500]) for line in lines[number + 1 : min(end, number + 6)])
