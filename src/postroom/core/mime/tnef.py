"""TNEF: what Outlook hides in a file named winmail.dat.

Duty: to find the body and the files in a TNEF stream, those of mails attached within it included.
Laws: never raises; every byte is looked at once, nesting and the number of files are bounded; a damaged stream yields what
stands before the damage, and says so.
Standards: MS-OXTNEF (streams and attributes), MS-OXCDATA 2.11 (property types), MS-OXPROPS (property numbers).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from postroom.core.mime.rtf import decompress_rtf, read_rtf
from postroom.core.mime.words import decode_text

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_FILES = 200
MAX_DEPTH = 3  # of mails within mails
MAX_ATTRIBUTES = 5_000
MAX_PROPERTIES = 5_000  # of one list

_BODY, _ATTACH_DATA, _ATTACH_TITLE = 0x800C, 0x800F, 0x8010
_NEW_ATTACHMENT, _MESSAGE_PROPERTIES, _ATTACHMENT_PROPERTIES, _CODE_PAGE = 0x9002, 0x9003, 0x9005, 0x9007

_PLAIN, _RTF, _HTML, _CPID = 0x1000, 0x1009, 0x1013, 0x3FDE
_DATA, _SHORT_NAME, _LONG_NAME, _DISPLAY_NAME = 0x3701, 0x3704, 0x3707, 0x3001
_MIME_TAG, _CONTENT_ID = 0x370E, 0x3712
_OBJECT, _STRING8, _UNICODE, _BINARY = 0x000D, 0x001E, 0x001F, 0x0102
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_MULTIPLE = 0x1000
_VARIABLE = frozenset((_OBJECT, _STRING8, _UNICODE, _BINARY))
_MAIL_WITHIN = b"\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"  # IID_IMessage


@dataclass(slots=True, kw_only=True)
class TnefFile:
    """A file as its sender named it; ``content_type`` is ``""`` where TNEF does not say."""

    name: str = ""
    content_type: str = ""
    content: bytes = b""
    content_id: str = ""


@dataclass(slots=True, kw_only=True)
class Tnef:
    """What a stream holds. ``is_whole`` is false when it was damaged or went over the limits."""

    text: str = ""
    html: str = ""
    files: list[TnefFile] = field(default_factory=list)
    is_whole: bool = True


def read_tnef(data: bytes) -> Tnef | None:
    """The content of a TNEF stream; None when it is none."""
    return _read(data, 0) if data[:4] == SIGNATURE else None


def _read(data: bytes, depth: int) -> Tnef:
    found = Tnef()
    charset = "cp1252"
    open_file: TnefFile | None = None
    for attribute in _attributes(data):
        match attribute.number:
            case -1:
                found.is_whole = False
            case 0x9007:  # the code page
                charset = _code_page(attribute.data) or charset
            case 0x800C:  # the body
                found.text = found.text or _text(attribute.data, charset)
            case 0x9003:
                _take_body(found, attribute.data, charset)
            case 0x9002:
                if len(found.files) >= MAX_FILES:
                    found.is_whole = False
                    break
                open_file = TnefFile()
                found.files.append(open_file)
            case 0x800F if open_file is not None:
                open_file.content = attribute.data
            case 0x8010 if open_file is not None:
                open_file.name = _text(attribute.data, charset)
            case 0x9005 if open_file is not None:
                _take_file(found, open_file, attribute.data, charset, depth)
            case _:
                pass
    return found


class _Attribute(NamedTuple):
    number: int  # -1 where the stream is damaged
    data: bytes


def _attributes(data: bytes) -> Iterator[_Attribute]:
    position = 6  # behind signature and key
    for _ in range(MAX_ATTRIBUTES):
        if position + 9 > len(data):
            if position < len(data):
                yield _Attribute(-1, b"")
            return
        number, size = struct.unpack_from("<xHxxI", data, position)
        end = position + 9 + size
        yield _Attribute(number, data[position + 9 : end])
        if end + 2 > len(data):
            yield _Attribute(-1, b"")
            return
        position = end + 2  # the checksum says nothing that the lengths do not
    yield _Attribute(-1, b"")


def _code_page(data: bytes) -> str:
    number = int.from_bytes(data[:4], "little")
    return _charset_of(number)


def _charset_of(number: int) -> str:
    return {65001: "utf-8", 1200: "utf-16-le", 20127: "ascii"}.get(number, f"cp{number}" if 0 < number < 65_000 else "")


def _text(data: bytes, charset: str) -> str:
    return decode_text(data.rstrip(b"\0"), charset)[0]


def _take_body(found: Tnef, data: bytes, charset: str) -> None:
    values, is_whole = _properties(data)
    found.is_whole = found.is_whole and is_whole
    cpid = values.get(_CPID)
    internet = _charset_of(int.from_bytes(cpid.data[:4], "little")) if cpid else ""
    if _PLAIN in values:
        found.text = _string(values[_PLAIN], charset) or found.text
    if _HTML in values:
        value = values[_HTML]
        found.html = (
            _text(value.data, internet or charset) if value.kind == _BINARY else _string(value, internet or charset)
        )
    if _RTF in values and not found.html:
        body = read_rtf(decompress_rtf(values[_RTF].data))
        found.html = body.html
        found.text = found.text or body.text


def _take_file(found: Tnef, file: TnefFile, data: bytes, charset: str, depth: int) -> None:
    values, is_whole = _properties(data)
    found.is_whole = found.is_whole and is_whole
    name = next(
        (text for key in (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME) if (text := _string(values.get(key), charset))), ""
    )
    file.name = name or file.name
    file.content_type = _string(values.get(_MIME_TAG), charset).lower()
    file.content_id = _string(values.get(_CONTENT_ID), charset).strip("<> ")
    value = values.get(_DATA)
    if value is None:
        return
    if value.kind == _OBJECT and value.data[:16] == _MAIL_WITHIN and value.data[16:20] == SIGNATURE:
        _take_mail(found, file, value.data[16:], depth)
    else:
        file.content = value.data[16:] if value.kind == _OBJECT else value.data


def _take_mail(found: Tnef, file: TnefFile, data: bytes, depth: int) -> None:
    """A mail within the mail: its words become a file under its name, its files follow."""
    if depth >= MAX_DEPTH:
        file.content, found.is_whole = data, False
        return
    inner = _read(data, depth + 1)
    stem = file.name or "mail"
    if inner.html:
        file.name, file.content_type, file.content = f"{stem}.html", "text/html", inner.html.encode()
    else:
        file.name, file.content_type, file.content = f"{stem}.txt", "text/plain", inner.text.encode()
    room = MAX_FILES - len(found.files)
    found.files += inner.files[:room]
    found.is_whole = found.is_whole and inner.is_whole and len(inner.files) <= room


# -- property lists --------------------------------------------------------------------------------------


class _Value(NamedTuple):
    kind: int
    data: bytes


def _string(value: _Value | None, charset: str) -> str:
    if value is None:
        return ""
    return (
        _text(value.data, charset)
        if value.kind != _UNICODE
        else value.data.decode("utf-16-le", "replace").replace("\0", "").encode("utf-8", "replace").decode()
    )


def _properties(data: bytes) -> tuple[dict[int, _Value], bool]:
    """The first value of each property, and whether the list was whole."""
    values: dict[int, _Value] = {}
    try:
        (count,) = struct.unpack_from("<I", data, 0)
        position = 4
        for _ in range(min(count, MAX_PROPERTIES)):
            kind, number = struct.unpack_from("<HH", data, position)
            position += 4
            if number >= 0x8000:
                position = _behind_name(data, position)
            value, position = _value(data, position, kind)
            if value is not None and number < 0x8000:
                values.setdefault(number, _Value(kind & ~_MULTIPLE, value))
    except (struct.error, _DamagedError):
        return values, False
    return values, count <= MAX_PROPERTIES


class _DamagedError(Exception):
    """The list ends within a value, or holds a type that is none."""


def _behind_name(data: bytes, position: int) -> int:
    """Behind the set and the number or name of a named property."""
    (kind,) = struct.unpack_from("<I", data, position + 16)
    position += 20
    if kind == 0:
        return position + 4
    (size,) = struct.unpack_from("<I", data, position)
    return position + 4 + _padded(size)


def _value(data: bytes, position: int, kind: int) -> tuple[bytes | None, int]:
    """The first value that begins here, and where the next property begins."""
    base = kind & ~_MULTIPLE
    count, is_variable = 1, base in _VARIABLE
    if is_variable or kind & _MULTIPLE:
        (count,) = struct.unpack_from("<I", data, position)
        position += 4
    if not is_variable:
        size = _FIXED.get(base)
        if size is None:
            raise _DamagedError
        return data[position : position + size], position + size * count
    first: bytes | None = None
    for _ in range(count):
        (size,) = struct.unpack_from("<I", data, position)
        position += 4
        if position + size > len(data):
            raise _DamagedError
        if first is None:
            first = data[position : position + size]
        position += _padded(size)
    return first, position


def _padded(size: int) -> int:
    return size + (-size % 4)
