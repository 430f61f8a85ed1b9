"""Looks a report over before a parser of somebody else's may: what no report has is refused, what many have wrong is mended.

Laws: linear in the text; never raises. Refused: a document type or entities, depth and numbers beyond any report, dates that make no
sense (a parser that walks from day to day would walk for years). Mended: character sets, control characters, comments, prefixes of namespaces, a
missing address of the reporter. Standards: XML 1.0 2.2 and 2.8, RFC 7489 app. C, RFC 8259.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape

from postroom.core.reports.authentication_reports import AHEAD
from postroom.core.terms.reasons import Reason, because

DEEPEST = 24
MOST_TAGS = 500_000
MOST_RECORDS = 10_000  # a large receiver tells of some thousand sources
MOST_JSON_PIECES = 400_000
LONGEST = timedelta(days=35)  # that one report may speak of
EARLIEST = datetime(2010, 1, 1, tzinfo=UTC)  # there was no DMARC before

_DECLARED = re.compile(r"<!\s{0,9}(?:DOCTYPE|ENTITY|ATTLIST|ELEMENT)", re.IGNORECASE)
_PROLOG = re.compile(r"\A\s{0,99}<\?xml[^<>]{0,400}\?>", re.IGNORECASE)
_ENCODING = re.compile(rb"<\?xml[^<>]{0,300}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9._-]{1,40})[\"']")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
# a tag as a parser takes it: quoted values may hold what would end it. Possessive, so that nothing is read twice
_TAG = re.compile(r"""<(/?)([^\s<>/!?"'=][^\s<>/"'=]*+)((?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+)>""")
_PLAIN = "<![CDATA["
_ENDS = {"<!--": "-->", _PLAIN: "]]>", "<?": "?>"}
_ASIDE = re.compile("|".join(map(re.escape, _ENDS)))
_PREFIX = re.compile(r"(</?)[A-Za-z_][\w.-]{0,40}:(?=[A-Za-z_])")
_RANGE = re.compile(
    r"<date_range>\s{0,99}<begin>\s{0,99}(\d{1,12})[^<]{0,40}</begin>\s{0,99}<end>\s{0,99}(\d{1,12})[^<]{0,40}</end>"
)
_METADATA, _METADATA_ENDS = "<report_metadata>", "</report_metadata>"
_SAFE = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso8859-1", "iso8859-15", "cp1252", "ascii", "koi8-r", "cp1251"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedOver:
    """A text that may be parsed. ``records``: how many rows it has; the dates are of an aggregate report."""

    text: str
    records: int = 0
    begins_at: datetime = EARLIEST
    ends_at: datetime = EARLIEST


def decode(content: bytes) -> str:
    """By its byte order mark, by where its zero bytes stand, by what it says of itself; else UTF-8."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(name, "replace")
    head = content[:4]
    if len(head) == 4 and head[1] == head[3] == 0:
        return content.decode("utf-16-le", "replace")
    if len(head) == 4 and head[0] == head[2] == 0:
        return content.decode("utf-16-be", "replace")
    said = _ENCODING.match(content[:500].lstrip())
    name = _charset(said[1].decode("ascii")) if said else "utf-8"
    return content.decode(name if not name.startswith("utf-16") else "utf-8", "replace")


def _charset(name: str) -> str:
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    return found if found in _SAFE else "utf-8"


def look_over_xml(text: str, name: str, *, now: datetime) -> LookedOver | Reason:
    """Mended, or why it is refused. ``now``: beyond it no report speaks of anything."""
    text = _PREFIX.sub(r"\1", _without_asides(_PROLOG.sub("", _CONTROL.sub("", text), count=1))).strip()
    if _DECLARED.search(text):
        return because("receivers.doctype", name=name)
    if _ASIDE.search(text):
        return because("receivers.unreadable", name=name, trouble="a comment does not end")
    records = 0
    open_tags: list[str] = []
    for tags, tag in enumerate(_TAG.finditer(text)):
        if tag[1]:
            if open_tags and open_tags[-1] == tag[2]:  # what closes nothing makes nothing less deep
                open_tags.pop()
        elif not tag[3].endswith("/"):
            open_tags.append(tag[2])
            records += tag[2] == "record"
        if len(open_tags) > DEEPEST:
            return because("receivers.too_deep", name=name)
        if tags > MOST_TAGS or records > MOST_RECORDS:
            return because("receivers.too_long", name=name, limit=MOST_RECORDS if records > MOST_RECORDS else MOST_TAGS)
    found = _RANGE.search(text)
    span = _span(int(found[1]), int(found[2]), now) if found else None
    if span is None:
        return because("receivers.dates", name=name)
    return LookedOver(text=_with_address(text), records=records, begins_at=span[0], ends_at=span[1])


def _without_asides(text: str) -> str:
    """Comments and instructions are left out, and plain sections are written as text: nothing that looks like a tag hides in them. One that does
    not end stays, to be refused."""
    pieces: list[str] = []
    done = 0
    while (opened := _ASIDE.search(text, done)) and (end := text.find(_ENDS[opened[0]], opened.end())) >= 0:
        pieces.append(text[done : opened.start()])
        pieces.append(escape(text[opened.end() : end]) if opened[0] == _PLAIN else " ")
        done = end + len(_ENDS[opened[0]])
    return "".join([*pieces, text[done:]]) if pieces else text


def _span(begin: int, end: int, now: datetime) -> tuple[datetime, datetime] | None:
    latest = (now + AHEAD).timestamp()
    if not (EARLIEST.timestamp() <= begin <= end <= latest + LONGEST.total_seconds()) or begin > latest:
        return None
    span = datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC)
    return span if span[1] - span[0] <= LONGEST else None


def is_span(begins_at: datetime, ends_at: datetime, now: datetime) -> bool:
    """Whether a report may speak of this time."""
    return EARLIEST <= begins_at <= ends_at and begins_at <= now + AHEAD and ends_at - begins_at <= LONGEST


def _with_address(text: str) -> str:
    """Receivers leave out their address now and then; the parser wants one."""
    begin = text.find(_METADATA)
    end = text.find(_METADATA_ENDS, begin)
    if begin < 0 or end < 0 or text.find("<email", begin, end) >= 0:
        return text
    begin += len(_METADATA)
    return f"{text[:begin]}<email>unknown</email>{text[begin:]}"


def look_over_json(text: str, name: str) -> LookedOver | Reason:
    """Depth and number of pieces, outside of strings."""
    text = _CONTROL.sub("", text).strip("\ufeff \t\r\n")
    depth = pieces = 0
    in_string = False
    for mark in _JSON_MARKS.finditer(text):
        sign = mark[0]
        if sign == '"':
            in_string = not in_string
        elif not in_string and len(sign) == 1:
            pieces += 1
            depth += (sign in "[{") - (sign in "]}")
            if depth > DEEPEST:
                return because("receivers.too_deep", name=name)
            if pieces > MOST_JSON_PIECES:
                return because("receivers.too_long", name=name, limit=MOST_JSON_PIECES)
    return LookedOver(text=text)


_JSON_MARKS = re.compile(r'\\.|["\[\]{},]', re.DOTALL)
