"""Header blocks: from bytes to fields, dates, parameters and message identifiers.

Duty: the lines before the first empty line, whoever wrote them. Values come as raw text (unfolded, encoded
words not yet decoded), because addresses and parameters must be taken apart before their words are decoded.
Laws: never raises; one pass over the block; what is larger than the budgets below is left out and named as a
defect.
Standards: RFC 5322 2.2 and 3.3, RFC 2045 5.1, RFC 2231 (parameters), RFC 6532 (raw UTF-8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

from postroom.core.mime.defects import Defect
from postroom.core.mime.mailboxes import read_addresses
from postroom.core.mime.words import LINE_BREAKING, decode_text, decode_words
from postroom.core.terms.remembering import remembered

__all__ = ["HeaderBlock", "read_addresses", "read_block", "read_date", "read_parameters"]

MAX_BLOCK = 256 * 1024  # bytes of one header block
MAX_FIELDS = 2_000
MAX_VALUE = 64 * 1024  # characters of one field
MAX_PARAMETERS = 100

_ODD_END = re.compile(rb"\n\r+\n")
_NO_FIELD = re.compile(r"^(?![^\x00-\x20\x7f:]++ *:| )", re.MULTILINE)
_UNFOLDED = re.compile(r"([;,]) *\n(?![^\x00-\x20\x7f:]++ *:| |\Z)")
_TELLING = re.compile(
    r"^(?:from|to|cc|subject|date|message-id|mime-version|received|return-path|reply-to|references|in-reply-to"
    r"|content-[a-z-]+|x-[a-z0-9-]+|dkim-signature|delivered-to)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_CONTROLS = bytes([*range(10), *range(11, 32), 127])  # all but the line feed
_CONTROLS_TO_SPACES = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))


@dataclass(slots=True)
class HeaderBlock:
    """``fields`` in order, values unfolded but not decoded.

    ``body`` is where the content begins, an offset in the bytes.
    """

    fields: list[tuple[str, str]]
    body: int
    defects: tuple[str, ...] = ()

    def first(self, name: str) -> str:
        """The first value under this name (lower case), or ``""``."""
        for key, value in self.fields:
            if key.lower() == name:
                return value
        return ""


def read_block(raw: bytes, start: int, end: int) -> HeaderBlock:
    """The header block that begins at ``start``; the content ends at ``end``."""
    if start >= end or raw[start] == 10 or raw[start : start + 2] == b"\r\n":  # no fields at all
        return HeaderBlock([], min(end, start + (1 if raw[start : start + 1] == b"\n" else 2)))
    stop, body = _find_end(raw, start, end)
    block = raw[start : min(stop, start + MAX_BLOCK)]
    text, defects = _block_text(block if body < end else block.rstrip(b"\r\n"))
    fields = _fields(text)
    if fields is None:
        text, skipped, more = _mend(text)
        fields, defects = _fields(text, lenient=True) or [], defects + more
        if skipped is not None:
            body = start + _offset_of_line(block, skipped)
    if stop - start > MAX_BLOCK or len(fields) > MAX_FIELDS:
        fields, defects = fields[:MAX_FIELDS], (*defects, Defect.HEADERS_TOO_LARGE)
    if len(text) > MAX_VALUE:
        fields = [(name, value[:MAX_VALUE]) for name, value in fields]
    return HeaderBlock(fields, body, defects)


def _fields(text: str, *, lenient: bool = False) -> list[tuple[str, str]] | None:
    """The fields, unfolded (RFC 5322 2.2.3). None when a line is none, unless we are lenient with it."""
    fields = []
    for line in text.replace("\n ", " ").split("\n"):
        name, colon, value = line.partition(":")
        if " " in name:
            name = name.rstrip(" ")
        if colon and name and " " not in name:
            fields.append((name, value.strip()))
        elif not lenient:
            return None
    return fields


def _find_end(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the block ends, at its last line break, and where the content begins behind the empty line."""
    crlf = raw.find(b"\n\r\n", start, end)
    lf = raw.find(b"\n\n", start, end if crlf < 0 else crlf + 1)
    if lf >= 0:
        return lf, lf + 2
    if crlf >= 0:
        return crlf, crlf + 3
    odd = _ODD_END.search(raw, start, end)
    return odd.span() if odd else (end, end)


def _block_text(block: bytes) -> tuple[str, tuple[str, ...]]:
    """The block with LF line ends and spaces for controls; 8-bit lines that are no UTF-8 are guessed."""
    block = block.translate(_CONTROLS_TO_SPACES, b"\r")
    if block.isascii():
        return block.decode("ascii"), ()
    try:
        return _without_separators(block.decode("utf-8")), ()
    except UnicodeDecodeError:
        lines = [line if line.isascii() else _guessed(line) for line in block.split(b"\n")]
        text = b"\n".join(lines).decode("utf-8", "replace")
        return _without_separators(text), (Defect.BAD_HEADER_BYTES,)


def _without_separators(text: str) -> str:
    """Line breaks beyond ASCII become spaces; line feeds stay."""
    return "\n".join([line.translate(LINE_BREAKING) for line in text.split("\n")])


def _guessed(line: bytes) -> bytes:
    return decode_text(line)[0].encode("utf-8")


def _mend(text: str) -> tuple[str, int | None, tuple[str, ...]]:
    """The fields among lines that are none, and at which line the body begins when its empty line is missing.

    Behind a comma or semicolon such a line continues the field. Else it is noise when fields that only a
    header block has follow it, or the body begins there. A mailbox's From line is dropped without a word.
    """
    indented = len(text) - len(text.lstrip(" \n"))
    text, skipped = text[indented:], text.count("\n", 0, indented)
    if text.startswith(("From ", ">From ")):
        _, _, text = text.partition("\n")
        skipped += 1
    text = _UNFOLDED.sub(r"\1\n ", text)
    stray = _NO_FIELD.search(text)
    if stray is None or not text:
        return text, None, (Defect.BAD_HEADER,) if not skipped else ()
    if _TELLING.search(text, stray.start()):
        return text, None, (Defect.BAD_HEADER,)
    lines = skipped + text.count("\n", 0, stray.start())
    return text[: stray.start()], lines, (Defect.MISSING_HEADER_SEPARATOR,)


def _offset_of_line(block: bytes, number: int) -> int:
    position = 0
    for _ in range(number):
        position = block.find(b"\n", position) + 1
    return position


# -- dates -----------------------------------------------------------------------------------------------

_DATE = re.compile(
    r"(?:[A-Za-z]{3},? +)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))?"
    r" ?([+-])(\d\d)(\d\d)(?: *\(.*)?\Z"
)
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
_LONGEST_DATE = 200


def read_date(value: str) -> datetime | None:
    """The instant of a Date field in UTC (RFC 5322 3.3 and what people write instead); None for none.

    Without a zone, or with an impossible one, UTC is taken. A leap second counts as the second before it.
    """
    match = _DATE.match(value)
    if match is not None and (month := _MONTHS.get(match[2].lower())):
        day, _, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
        offset = int(zone_hours) * 60 + int(zone_minutes)
        moment = (int(year), month, int(day), int(hour), int(minute), int(second or 0))
        return _utc(moment, -offset * 60 if sign == "-" else offset * 60)
    return _read_odd_date(value[:_LONGEST_DATE].strip())


def _read_odd_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_tz(value)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):  # it has raised each of these
        parsed = None
    if parsed is not None and parsed[1] >= 1:
        return _utc(parsed[:6], parsed[9] or 0)
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _utc(moment: tuple[int, int, int, int, int, int], offset: int) -> datetime | None:
    year, month, day, hour, minute, second = moment
    if not -86_400 < offset < 86_400:
        offset = 0
    try:
        local = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return local - timedelta(seconds=offset) if offset else local
    except (ValueError, OverflowError):
        return None


# -- parameters ------------------------------------------------------------------------------------------

_PARAMETER = re.compile(r'[;\s]*+([^\s=;"]{1,80}+)\s*+=\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|[^;]*+)')
_SEPARATORS = re.compile(r"[;\s]*+")
_ESCAPED = re.compile(r'\\(["\\])')
_SECTION = re.compile(r"(.+?)\*(\d{1,4})?(\*)?\Z")


def read_parameters(value: str) -> tuple[str, dict[str, str]]:
    """``text/plain; charset="a"`` as ``("text/plain", {"charset": "a"})``, the first word in lower case.

    Handles RFC 2231 (charset, language, continuations), RFC 2047 inside parameters, missing quotes, raw 8-bit
    text.
    """
    word, parameters = _read_parameters(value)
    return word, dict(parameters)


@remembered(most=1024, longest=200)
def _read_parameters(value: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    word, _, rest = value.partition(";")
    if "=" in word and " " in word.strip():  # the first semicolon is missing
        word, _, more = word.strip().partition(" ")
        rest = f"{more};{rest}"
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, text in _pairs(rest):
        section = _SECTION.match(name) if "*" in name else None
        if section is None:
            plain.setdefault(name, decode_words(text))
        else:
            number, extended = int(section[2] or 0), section[3] is not None or section[2] is None
            sections.setdefault(section[1], {}).setdefault(number, (text, extended))
    for name, parts in sections.items():
        plain[name] = _joined(parts)
    return word.strip().lower(), tuple(plain.items())


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    position = count = 0
    while position < len(rest) and count < MAX_PARAMETERS:
        match = _PARAMETER.match(rest, position)
        if match is None:  # no parameter here: on behind the next semicolon that something stands behind
            position = rest.find(";", _SEPARATORS.match(rest, position).end())  # type: ignore[union-attr]
            if position < 0:
                return
            continue
        count, position = count + 1, match.end()
        name, text = match.groups()
        if text[:1] == '"':
            text = _ESCAPED.sub(r"\1", text[1:-1] if len(text) > 1 and text[-1] == '"' else text[1:])
            yield name.lower(), text if "*" in name else text.strip()
            continue
        if " (" in text and "name" not in name.lower():  # a comment; names may have brackets
            text = text.partition(" (")[0]
        yield name.lower(), text.strip()


def _joined(parts: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 3 and 4: the sections in their order.

    The first names the charset of all that are percent-encoded.
    """
    charset = ""
    pieces: list[bytes] = []
    first = min(parts)
    for number, (text, is_extended) in sorted(parts.items()):
        if not is_extended:
            pieces.append(decode_words(text).encode("utf-8"))
            charset = charset or "utf-8"
        elif number == first and text.count("'") >= 2:
            charset, _, encoded = text.split("'", 2)
            pieces.append(unquote_to_bytes(encoded))
        else:
            pieces.append(unquote_to_bytes(text))
    return decode_words(decode_text(b"".join(pieces), charset)[0])
