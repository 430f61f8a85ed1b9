"""Embedded files: what old programs wrote into the text itself, and the file formats that hide a whole mail.

Duty: to cut uuencoded and yEnc blocks out of a text body, and to put the content of a winmail.dat in its place.
Laws: never raises, linear; a block that is not evidently one stays text; a damaged winmail.dat stays beside what was found in it.
Standards: POSIX uuencode, yEnc draft 1.3, MS-OXTNEF (see `tnef`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice

from postroom.core.mime.attachments import clean_name, type_by_name
from postroom.core.mime.defects import Defect
from postroom.core.mime.parsed import Attachment
from postroom.core.mime.parts import MAX_PARTS, Part
from postroom.core.mime.tnef import read_tnef
from postroom.core.mime.words import decode_text

_UU = re.compile(rb"begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,500})\r?\n")
_UU_END = re.compile(rb"\n(?:end|====)[ \t]{0,20}(?=\r?\n|\Z)")
_YENC = re.compile(rb"=ybegin ([^\r\n]{1,700})\r?\n(?:=ypart [^\r\n]{0,200}\r?\n)?")
_YENC_END = re.compile(rb"\n=yend [^\n]{0,500}")
_MAX_NAME = 500
MAX_TRIES = 20_000  # lines that may open a block


def cut_out(data: bytes) -> tuple[bytes, list[Part]]:
    """The text without the files that were written into it, and these as parts."""
    if b"begin" not in data:
        return data, []
    uu_ends, yenc_ends = _Ends(_UU_END, data), _Ends(_YENC_END, data)
    kept: list[bytes] = []
    parts: list[Part] = []
    end = 0
    for start in islice(_starts(data), MAX_TRIES):
        if start < end:
            continue
        if len(parts) >= MAX_PARTS:
            break
        found = _yenc_block(data, start, yenc_ends) if data[start] == _EQUALS else _uu_block(data, start, uu_ends)
        if found is not None:
            kept.append(data[end:start])
            end, part = found
            parts.append(part)
    kept.append(data[end:])
    return b"".join(kept), parts


_EQUALS = ord("=")


class _Ends:
    """The lines that end a block, each looked at once: asked for ascending places."""

    def __init__(self, pattern: re.Pattern[bytes], data: bytes) -> None:
        self.matches = pattern.finditer(data)
        self.next = next(self.matches, None)

    def behind(self, position: int) -> tuple[int, int] | None:
        """Start and end of the first such line from this place on; None when there is none."""
        while self.next is not None and self.next.start() < position:
            self.next = next(self.matches, None)
        return self.next.span() if self.next else None


def _starts(data: bytes) -> Iterator[int]:
    """Where a line begins that may open a block."""
    if data.startswith((b"begin", b"=ybegin ")):
        yield 0
    for match in _OPENINGS.finditer(data):
        yield match.start() + 1


_OPENINGS = re.compile(rb"\n(?:begin[ -]|=ybegin )")


def _yenc_block(data: bytes, start: int, ends: _Ends) -> tuple[int, Part] | None:
    """The yEnc block that begins here and where it ends; None when it is none, or has no end."""
    begin = _YENC.match(data, start)
    end = ends.behind(begin.end() - 1) if begin else None
    if begin is None or end is None:
        return None
    return end[1], _part(data, begin.end(), end[0], begin[1].partition(b"name=")[2].strip(), "yenc")


def _uu_block(data: bytes, start: int, ends: _Ends) -> tuple[int, Part] | None:
    """The uuencoded (or base64) block that begins here and where it ends; None when it is none, or has no end."""
    begin = _UU.match(data, start)
    if begin is None:
        return None
    is_base64 = begin[0].startswith(b"begin-")
    end = ends.behind(begin.end() - 1) if _is_uu_line(data, begin.end(), is_base64=is_base64) else None
    if end is None:
        return None
    inner = (begin.end(), end[0]) if is_base64 else (start, end[1])
    return end[1], _part(data, *inner, begin[1].rstrip(), "base64" if is_base64 else "uuencode")


def _part(data: bytes, start: int, end: int, name: bytes, encoding: str) -> Part:
    file_name = decode_text(name[:_MAX_NAME])[0]
    return Part(
        data,
        start,
        max(start, end),
        content_type=type_by_name(file_name),
        encoding=encoding,
        disposition="attachment",
        disposition_parameters={"filename": file_name},
    )


def _is_uu_line(data: bytes, start: int, *, is_base64: bool) -> bool:
    """Whether the length that the first line says is the length that it has (some programs leave out or add blanks)."""
    end = data.find(b"\n", start, start + 200)
    line = data[start : end if end >= 0 else start + 200].rstrip(b"\r")
    if is_base64:
        return bool(line) and not line.strip(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    if not line or not 32 <= line[0] <= 96:
        return False
    size = (line[0] - 32) & 63
    return line == b"`" or abs(len(line) - 1 - (size + 2) // 3 * 4) <= 3


# -- winmail.dat -----------------------------------------------------------------------------------------

_TNEF_TYPES = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_TNEF_NAMES = frozenset(("winmail.dat", "win.dat"))


@dataclass(slots=True, kw_only=True)
class Unpacked:
    """The attachments with the contents of each winmail.dat in its place, and the body that the first of them brought."""

    attachments: list[Attachment] = field(default_factory=list)
    text: str = ""
    html: str = ""
    defects: tuple[str, ...] = ()


def holds_tnef(attachments: tuple[Attachment, ...]) -> bool:
    return any(map(_may_be_tnef, attachments))


def _may_be_tnef(one: Attachment) -> bool:
    return one.content_type in _TNEF_TYPES or one.name.lower() in _TNEF_NAMES


def unpack(attachments: tuple[Attachment, ...]) -> Unpacked:
    """Opens every winmail.dat. What could not be opened stays a file."""
    result = Unpacked()
    for one in attachments:
        found = read_tnef(one.content) if _may_be_tnef(one) else None
        if found is None:
            result.attachments.append(one)
            if one.content_type in _TNEF_TYPES:
                result.defects = (Defect.BAD_TNEF,)
            continue
        result.text, result.html = result.text or found.text, result.html or found.html
        gave_nothing = not found.text and not found.html and not any(file.content or file.name for file in found.files)
        if gave_nothing or not found.is_whole:  # whole, and nothing in it that we can read: somebody else may
            result.attachments.append(one)
        if not found.is_whole:
            result.defects = (Defect.BAD_TNEF,)
        for file in found.files:
            if not file.content and not file.name:
                continue
            name = clean_name(file.name[:_MAX_NAME]) or "attachment"
            result.attachments.append(
                Attachment(
                    name=name,
                    content_type=file.content_type if _TYPE.fullmatch(file.content_type) else type_by_name(name),
                    content=file.content,
                    sha256=sha256(file.content).hexdigest(),
                    content_id=file.content_id[:998],
                )
            )
    return result


_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,100}")
