"""Writes TNEF streams and compressed RTF for tests: the other half of what the product only reads (MS-OXTNEF, MS-OXRTFCP)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

MESSAGE, ATTACHMENT = 1, 2
BODY, ATTACH_DATA, ATTACH_TITLE = 0x0002800C, 0x0006800F, 0x00018010
NEW_ATTACHMENT, PROPERTIES, ATTACHMENT_PROPERTIES, CODE_PAGE = 0x00069002, 0x00069003, 0x00069005, 0x00069007
STRING8, UNICODE, BINARY, OBJECT = 0x1E, 0x1F, 0x102, 0x0D


def attribute(level: int, number: int, data: bytes) -> bytes:
    return struct.pack("<BII", level, number, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def stream(*attributes: bytes) -> bytes:
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attributes)


def variable(kind: int, number: int, *values: bytes) -> bytes:
    out = struct.pack("<HHI", kind, number, len(values))
    for value in values:
        out += struct.pack("<I", len(value)) + value + b"\0" * (-len(value) % 4)
    return out


def fixed(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, number) + value + b"\0" * (-len(value) % 4)


def named(kind: int, name: str, value: bytes) -> bytes:
    written = (name + "\0").encode("utf-16-le")
    head = struct.pack("<HH", kind, 0x8001) + bytes(16) + struct.pack("<II", 1, len(written))
    head += written + b"\0" * (-len(written) % 4)
    return head + struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)


def numbered(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, 0x8002) + bytes(16) + struct.pack("<II", 0, 0x8554) + value


def properties(*values: bytes) -> bytes:
    return struct.pack("<I", len(values)) + b"".join(values)


def unicode(number: int, text: str) -> bytes:
    return variable(UNICODE, number, (text + "\0").encode("utf-16-le"))


def file(name: str, content: bytes, *, more: Sequence[bytes] = ()) -> bytes:
    """A file in the three attributes that Outlook writes."""
    return (
        attribute(ATTACHMENT, NEW_ATTACHMENT, bytes(14))
        + attribute(ATTACHMENT, ATTACH_TITLE, b"SHORT~1.DAT\0")
        + attribute(ATTACHMENT, ATTACH_DATA, content)
        + attribute(ATTACHMENT, ATTACHMENT_PROPERTIES, properties(unicode(0x3707, name), *more))
    )


def mail_within(name: str, inner: bytes) -> bytes:
    """A mail that is attached as an object."""
    interface = b"\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"
    data = properties(unicode(0x3001, name), variable(OBJECT, 0x3701, interface + inner))
    return attribute(ATTACHMENT, NEW_ATTACHMENT, bytes(14)) + attribute(ATTACHMENT, ATTACHMENT_PROPERTIES, data)


def uncompressed(rtf: bytes) -> bytes:
    return struct.pack("<III4x", len(rtf) + 12, len(rtf), 0x414C454D) + rtf


def compressed(rtf: bytes) -> bytes:
    """Literal bytes and runs: enough to try both kinds of token."""
    out = bytearray()
    position, written = 0, 207
    tokens: list[bytes | tuple[int, int]] = []
    while position < len(rtf):
        run = next(
            (
                n
                for n in range(17, 2, -1)
                if position and rtf[position : position + n] == rtf[position - 1 : position] * n
            ),
            0,
        )
        if run:
            tokens.append(((written - 1) % 4096, run))
            position, written = position + run, written + run
        else:
            tokens.append(rtf[position : position + 1])
            position, written = position + 1, written + 1
    tokens.append((written % 4096, 2))  # the end
    for start in range(0, len(tokens), 8):
        group = tokens[start : start + 8]
        out.append(sum(1 << bit for bit, token in enumerate(group) if isinstance(token, tuple)))
        for token in group:
            if isinstance(token, tuple):
                value = token[0] << 4 | token[1] - 2
                out += bytes((value >> 8, value & 255))
            else:
                out += token
    return struct.pack("<III4x", len(out) + 12, len(rtf), 0x75465A4C) + bytes(out)
