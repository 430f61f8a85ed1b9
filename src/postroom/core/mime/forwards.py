"""Forwards: who wrote the mail that somebody passes on.

Duty: to recognise a mail that was forwarded, within the text or attached, and to read its author, date and subject.
Laws: never raises; looks at the first lines of what is quoted alone; everything read here is hearsay, proof is another room's trade.
Standards: none for forwards within the text (see `quote_words`); RFC 5322 for attached mails.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from postroom.core.mime.headers import read_addresses, read_block, read_date
from postroom.core.mime.parsed import Attachment, Forwarded
from postroom.core.mime.quote_words import FORWARD_MARKS, FORWARDS
from postroom.core.mime.quotes import certainty_of_attribution, label_of
from postroom.core.mime.words import decode_words
from postroom.core.terms.addresses import Address

MOST_LINES = 40  # of what is quoted, in which the original's header fields are looked for
MAX_VALUE = 1_000  # characters of one of them
_ATTACHED = frozenset(("message/rfc822", "message/global"))
_MARKS = "|".join(sorted(map(re.escape, FORWARD_MARKS), key=len, reverse=True))
_MARK = re.compile(
    rf"\s*(?:\[[^\]]{{1,40}}\]\s*)?(?:(?:re|aw|antw|sv|vs)\s*:\s*)?(?:(?:{_MARKS})\s*(?:\[\d+\])?\s*[:：]|\[fwd:)",
    re.IGNORECASE,
)
_FORWARDS = frozenset(FORWARDS)
_MAILTO = re.compile(r"[\[<(]+\s*mailto:([^\s\[\]<>()]{1,320})\s*[\])>]+", re.IGNORECASE)
_DOUBLED = re.compile(r"<([^\s<>]{1,320})<mailto:[^\s<>]{1,340}>>", re.IGNORECASE)


def is_forward_subject(subject: str) -> bool:
    """Whether a subject begins with the mark of a forward, in any language: ``Fwd: ``, ``WG: ``, ``TR: ``."""
    return _MARK.match(subject[:200]) is not None


def read_forwarded(subject: str, rest: str) -> Forwarded | None:
    """The mail within the text. ``rest`` is the text from the first line on that says it is another's."""
    lines = [line.strip().lstrip("> ").strip() for line in islice(_lines(rest), MOST_LINES)]
    if not is_forward_subject(subject) and not any(map(_is_forward_line, lines[:3])):
        return None
    fields = _fields(lines)
    if "from" not in fields:
        return _from_attribution(lines)
    written = fields.get("date", "")
    return Forwarded(
        author=_author(fields["from"]),
        date=read_date(written) if _ZONED.search(written) else None,
        written_date=written[:200],
        subject=fields.get("subject", ""),
    )


_ZONED = re.compile(r"[+-]\d{4}\b|\b(?:GMT|UTC)\b")


def _lines(text: str) -> list[str]:
    return text[: MOST_LINES * MAX_VALUE].split("\n")


def _is_forward_line(line: str) -> bool:
    return line.strip("-_=*~—–─ :：\t").lower() in _FORWARDS


def _fields(lines: Sequence[str]) -> dict[str, str]:
    """The first value under each kind of label, wrapped lines joined; they end at the first empty line behind them."""
    fields: dict[str, str] = {}
    last = ""
    for number, line in enumerate(lines):
        kind = label_of(line)
        if kind is not None:
            value = line.replace("：", ":", 1).partition(":")[2].strip("* \t\xa0")
            last = kind if kind not in fields else ""
            fields.setdefault(kind, value[:MAX_VALUE])
        elif not line and len(fields) > 1:
            following = next((one for one in lines[number + 1 : number + 2] if one), "")
            if label_of(following) is None:
                break
        elif line and last and len(fields[last]) < MAX_VALUE:
            fields[last] = f"{fields[last]} {line}".strip()[:MAX_VALUE]
    return fields


def _author(written: str) -> Address | None:
    written = _DOUBLED.sub(r"<\1>", written)
    written = _MAILTO.sub(r"<\1>", written).replace("*", "")
    found = read_addresses(written)
    if found and found[0].domain:
        return found[0]
    name = " ".join(written.split()).strip("\"'<> ")[:200]
    return Address(name, "", "") if name else None


def _from_attribution(lines: Sequence[str]) -> Forwarded | None:
    """ "On Monday Alice <alice@shop.example> wrote:" above a forward, as some programs write."""
    joined = ""
    for line in lines[:6]:
        joined = f"{joined} {line}".strip()
        if len(joined) > 500:
            return None
        if certainty_of_attribution(joined) > 1:
            found = [one for one in read_addresses(_behind_date(joined)) if one.domain]
            return Forwarded(author=found[0] if found else None, written_date="")
    return None


def _behind_date(attribution: str) -> str:
    """The last comma before the address separates the date from the name."""
    head, bracket, tail = attribution.partition("<")
    return head.rpartition(",")[2] + bracket + tail if bracket else attribution


def read_attached(attachments: Sequence[Attachment]) -> Forwarded | None:
    """The one mail that is attached; None when there is none or there are several."""
    mails = [one for one in attachments if one.content_type in _ATTACHED]
    if len(mails) != 1:
        return None
    content = mails[0].content
    block = read_block(content, len(content) - len(content.lstrip(b"\r\n")), len(content))
    authors = read_addresses(block.first("from"))
    written = block.first("date")
    if not authors and not written:
        return None
    return Forwarded(
        author=authors[0] if authors else None,
        date=read_date(written) if written else None,
        written_date=written[:200],
        subject=decode_words(block.first("subject"))[:MAX_VALUE].strip(),
        message_id=decode_words(block.first("message-id"))[:998].strip(),
        is_attached=True,
    )
