"""Parts: the tree of a MIME mail, and the content of its leaves.

Duty: to find the parts by offsets into the raw bytes (nothing is copied before a leaf is decoded), with the
budgets that keep a hostile mail as cheap as a friendly one of the same size.
Laws: never raises; a message/rfc822 is a leaf, never walked into; every level scans its bytes once.
Standards: RFC 2045 (encodings), RFC 2046 5.1 (multipart), RFC 2183 (disposition), RFC 2392 (Content-ID).
"""

from __future__ import annotations

import re
from binascii import Error as UuError
from binascii import a2b_qp, a2b_uu
from dataclasses import dataclass, field
from typing import NamedTuple

from postroom.core.mime.defects import Defect
from postroom.core.mime.headers import HeaderBlock, read_block, read_parameters
from postroom.core.mime.words import decode_base64, decode_words

MAX_DEPTH = 24
MAX_PARTS = 1_000
MAX_GUESSED = 1_000_000  # bytes in which an undeclared boundary is looked for
MAX_UU_LINES = 1_000_000  # 60 MB in lines of the usual length
MAX_DELIMITERS = 100_000  # places looked at that may be one
MAX_BOUNDARY = 1_000  # RFC 2046 allows 70; one of 700 was seen


@dataclass(slots=True)
class Part:
    """One part: a multipart with ``children``, or a leaf whose encoded content is ``raw[start:end]``."""

    raw: bytes
    start: int
    end: int
    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    encoding: str = ""  # "base64", "quoted-printable", "uuencode", "yenc", or "" for none
    disposition: str = ""
    disposition_parameters: dict[str, str] = field(default_factory=dict)
    content_id: str = ""
    location: str = ""
    declared_type: str = ""  # as written
    children: list[Part] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        return bool(self.children)

    def content(self) -> tuple[bytes, bool]:
        """The decoded content of a leaf, and whether its encoding was in order."""
        data = self.raw[self.start : self.end]
        match self.encoding:
            case "":
                return data, True
            case "base64":
                return decode_base64(data)
            case "quoted-printable":
                return _decode_quoted_printable(data), True
            case "yenc":
                return _decode_yenc(data), True
            case _:
                return _decode_uu(data)


def read_tree(raw: bytes, top: HeaderBlock) -> tuple[Part, tuple[str, ...]]:
    """The parts of a mail whose header block has been read, and what was wrong with them."""
    reader = _Reader(raw)
    root = reader.read(top, len(raw), "text/plain", 0)
    return root, tuple(dict.fromkeys(reader.defects))


class _Reader:
    """Walks down the multiparts and keeps the accounts of budgets and defects."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.count = 0
        self.defects: list[str] = []

    def read(self, block: HeaderBlock, end: int, default_type: str, depth: int) -> Part:
        self.count += 1
        part = Part(self.raw, block.body, end)
        self._describe(part, block, default_type)
        if part.content_type.startswith("multipart/"):
            self._divide(part, depth)
        return part

    def _describe(self, part: Part, block: HeaderBlock, default_type: str) -> None:
        part.content_type = default_type
        seen = set()
        for name, value in block.fields:
            if name[0] not in "Cc" or (key := name.lower()) in seen:
                continue
            seen.add(key)
            match key:
                case "content-type":
                    written, part.parameters = read_parameters(value)
                    part.declared_type = written
                    part.content_type = mend_content_type(written) or default_type
                    if part.content_type != written and written not in _SYNONYMS:
                        self.defects.append(Defect.BAD_CONTENT_TYPE)
                case "content-transfer-encoding":
                    part.encoding = self._encoding(value)
                case "content-disposition":
                    part.disposition, part.disposition_parameters = read_parameters(value)
                case "content-id":
                    part.content_id = decode_words(value).strip("<> \t")[:998]
                case "content-location":
                    part.location = decode_words(value).strip()[:998]
                case _:
                    pass

    def _encoding(self, value: str) -> str:
        value = value.partition(";")[0].strip("\"' \t").lower()
        known = _ENCODINGS.get(value)
        if known is None:
            self.defects.append(Defect.BAD_TRANSFER_ENCODING)
            known = next((encoding for mark, encoding in _ENCODING_MARKS if mark in value), "")
        return known

    def _divide(self, part: Part, depth: int) -> None:
        if depth >= MAX_DEPTH:
            self.defects.append(Defect.TOO_DEEP)
            return
        boundary = part.parameters.get("boundary", "").encode("utf-8", "replace")[:MAX_BOUNDARY].rstrip()
        split = _split(self.raw, part.start, part.end, boundary)
        if not split.spans:
            self.defects.append(Defect.BROKEN_BOUNDARY)
            guessed = _guess_boundary(self.raw, part.start, part.end)
            if not guessed:  # what stands there is text, without the delimiter that closes nothing
                part.content_type, part.end = "text/plain", split.first
                return
            split = _split(self.raw, part.start, part.end, guessed)
        if not split.is_closed:
            self.defects.append(Defect.MISSING_CLOSING_BOUNDARY)
        default_type = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        for start, end in split.spans:
            if self.count >= MAX_PARTS:
                self.defects.append(Defect.TOO_MANY_PARTS)
                return
            block = read_block(self.raw, start, end)
            self.defects.extend(block.defects)
            part.children.append(self.read(block, end, default_type, depth + 1))


_ENCODINGS = {
    "": "",
    "7bit": "",
    "8bit": "",
    "binary": "",
    "base64": "base64",
    "quoted-printable": "quoted-printable",
    "uuencode": "uuencode",
    "x-uuencode": "uuencode",
    "x-uue": "uuencode",
}
_ENCODING_MARKS = (("base64", "base64"), ("quoted", "quoted-printable"), ("uue", "uuencode"))


class _Split(NamedTuple):
    """The spans between delimiter lines, whether the last one closed it all, and where the first stands."""

    spans: list[tuple[int, int]]
    is_closed: bool
    first: int


def _split(raw: bytes, start: int, end: int, boundary: bytes) -> _Split:
    """Delimiter lines and what is between them (RFC 2046 5.1.1); a line break before one belongs to it.

    A delimiter behind the closing one opens the multipart again: senders reuse a boundary for the inner
    multipart. The search stops when the budget of parts is spent.
    """
    if not boundary:
        return _Split([], False, end)
    delimiter = b"--" + boundary
    spans: list[tuple[int, int]] = []
    begun = first = -1  # where the open part began; where the first delimiter is
    is_closed = False
    position = raw.find(delimiter, start, end)
    looked_at = 0
    while position >= 0 and len(spans) <= MAX_PARTS and looked_at < MAX_DELIMITERS:
        looked_at += 1
        behind = position + len(delimiter)
        if position == start or raw[position - 1] == 10:
            line_end = raw.find(b"\n", behind, end)
            line_end = end if line_end < 0 else line_end + 1
            rest = raw[behind:line_end].strip(b" \t\r\n")
            if rest in (b"", b"--"):
                if 0 <= begun < position:  # two delimiters in a row have no part between them
                    spans.append((begun, _before_line_break(raw, begun, position)))
                first = position if first < 0 else first
                is_closed = rest == b"--"
                begun, behind = -1 if is_closed else line_end, max(behind, line_end - 1)
        position = raw.find(delimiter, behind, end)
    if begun >= 0 and (position < 0 or looked_at == MAX_DELIMITERS):
        spans.append((begun, end))
    return _Split(spans, is_closed, end if first < 0 else first)


def _before_line_break(raw: bytes, begun: int, position: int) -> int:
    if position > begun and raw[position - 1] == 10:
        position -= 1
        if position > begun and raw[position - 1] == 13:
            position -= 1
    return position


_DELIMITER_LINE = re.compile(rb"^--(\S[^\r\n]{0,200}?)[ \t]{0,20}\r?\n(?=content-)", re.MULTILINE | re.IGNORECASE)


def _guess_boundary(raw: bytes, start: int, end: int) -> bytes:
    """The delimiter that the sender used without declaring it.

    A line of dashes and a word before a Content field.
    """
    found = _DELIMITER_LINE.search(raw, start, min(end, start + MAX_GUESSED))
    return found[1] if found else b""


_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_SYNONYMS = {
    "application/octetstream": "application/octet-stream",
    "application/x-pdf": "application/pdf",
    "text/pdf": "application/pdf",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
}
_MENDED = _SYNONYMS | {
    "binary/octet-stream": "application/octet-stream",
    "pdf": "application/pdf",
    "text": "text/plain",
    "plain": "text/plain",
    "html": "text/html",
    "message": "message/rfc822",
    "multipart": "multipart/mixed",
    "binary": "application/octet-stream",
    "attachment": "application/octet-stream",
}


def mend_content_type(written: str) -> str:
    """The media type for what was written in its place; ``""`` when it says nothing: the default applies."""
    if written in _MENDED:
        return _MENDED[written]
    found = _TYPE.match(written)
    if found is None:
        return ""
    if found.end() == len(written):
        return written
    return _MENDED.get(found[0], found[0])


_SOFT_BREAK_WITH_SPACE = re.compile(rb"=[ \t]+(\r?\n)")


def _decode_quoted_printable(data: bytes) -> bytes:
    if b"= " in data or b"=\t" in data:
        data = _SOFT_BREAK_WITH_SPACE.sub(rb"=\1", data)
    return a2b_qp(data)


def _decode_uu(data: bytes) -> tuple[bytes, bool]:
    lines = data.replace(b"\r\n", b"\n").split(b"\n", MAX_UU_LINES)
    in_order = len(lines) <= MAX_UU_LINES
    lines = lines[:MAX_UU_LINES]
    begin = next((number for number, line in enumerate(lines) if line.startswith(b"begin ")), None)
    if begin is None:
        return data, False
    pieces = []
    for line in lines[begin + 1 :]:
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            pieces.append(a2b_uu(line))
        except UuError:
            in_order = False
            try:  # the length byte lies: as many bytes as it says, the way old encoders padded
                pieces.append(a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3]))
            except UuError:
                break
    return b"".join(pieces), in_order


_YENC_SHIFT = bytes((byte - 42) & 255 for byte in range(256))
_YENC_ESCAPE = re.compile(rb"=(.)", re.DOTALL)


def _decode_yenc(data: bytes) -> bytes:
    """yEnc draft 1.3: every byte stands 42 higher; those that would harm are 64 higher still, behind an equals sign."""
    plain = data.replace(b"\r", b"").replace(b"\n", b"")
    if b"=" in plain:
        plain = _YENC_ESCAPE.sub(lambda match: bytes([(match[1][0] - 64) & 255]), plain)
    return plain.translate(_YENC_SHIFT)
