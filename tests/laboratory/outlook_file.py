"""Outlook files as Outlook writes them, in their smallest form: a compound file ([MS-CFB]) with the properties of a mail ([MS-OXMSG]).

    raw = outlook_file(subject="Printers", body="They smoke.", headers="From: ...")

Streams are kept in sectors of 512 bytes, the small ones in the ministream, as the format asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SECTOR, MINI, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
STORAGE, STREAM, ROOT = 1, 2, 5
_UNICODE, _BINARY, _INTEGER = 0x001F, 0x0102, 0x0003

Tree = dict[str, "bytes | Tree"]


@dataclass(slots=True)
class _Entry:
    name: str
    kind: int
    content: bytes = b""
    start: int = END
    child: int = FREE
    right: int = FREE
    size: int = 0


@dataclass(slots=True)
class _Builder:
    entries: list[_Entry] = field(default_factory=list)

    def add(self, tree: Tree) -> int:
        """The number of the first of these siblings; each is the right one of the one before."""
        numbers = []
        for name, content in sorted(tree.items()):
            number = len(self.entries)
            self.entries.append(_Entry(name, STREAM if isinstance(content, bytes) else STORAGE))
            if isinstance(content, bytes):
                self.entries[number].content = content
                self.entries[number].size = len(content)
            else:
                self.entries[number].child = self.add(content)
            numbers.append(number)
        for one, after in pairwise(numbers):
            self.entries[one].right = after
        return numbers[0] if numbers else FREE


def compound_file(tree: Tree) -> bytes:
    """The bytes of a compound file with these streams (bytes) and storages (dictionaries)."""
    builder = _Builder([_Entry("Root Entry", ROOT)])
    root = builder.entries[0]
    root.child = builder.add(tree)
    mini, mini_fat, large = b"", [], []
    for entry in builder.entries[1:]:
        if entry.kind != STREAM or not entry.content:
            continue
        if entry.size < CUTOFF:
            entry.start = len(mini_fat)
            count = -(-entry.size // MINI)
            mini_fat += [*range(entry.start + 1, entry.start + count), END]
            mini += entry.content.ljust(count * MINI, b"\0")
        else:
            large.append(entry)
    root.content, root.size = mini, len(mini)
    sectors: list[bytes] = []
    fat: list[int] = []

    def put(content: bytes) -> int:
        """The first sector of a chain that holds it."""
        if not content:
            return END
        first, count = len(fat), -(-len(content) // SECTOR)
        fat.extend([*range(first + 1, first + count), END])
        padded = content.ljust(count * SECTOR, b"\0")
        sectors.extend(padded[place : place + SECTOR] for place in range(0, len(padded), SECTOR))
        return first

    root.start = put(mini)
    for entry in large:
        entry.start = put(entry.content)
    mini_start = put(b"".join(struct.pack("<I", one) for one in mini_fat))
    directory = b"".join(map(_directory_entry, builder.entries))
    directory_start = put(directory)
    fat_count = 1
    while (len(fat) + fat_count) * 4 > fat_count * SECTOR:
        fat_count += 1
    fat_places = list(range(len(fat), len(fat) + fat_count))
    fat += [FAT] * fat_count
    table = b"".join(struct.pack("<I", one) for one in fat).ljust(fat_count * SECTOR, b"\xff")
    head = _header(directory_start, mini_start, len(mini_fat), fat_places)
    return head + b"".join(sectors) + table


def _directory_entry(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16-le") + b"\0\0"
    row = struct.pack(
        "<64sHBBIII16sIQQIQ",
        name,
        len(name),
        entry.kind,
        1,
        FREE,
        entry.right,
        entry.child,
        b"",
        0,
        0,
        0,
        entry.start,
        entry.size,
    )
    assert len(row) == 128
    return row


def _header(directory: int, mini_fat: int, minis: int, fat_places: Sequence[int]) -> bytes:
    assert len(fat_places) <= 109
    head = struct.pack("<8s16sHHHHH6s", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"")
    mini_sectors = -(-minis * 4 // SECTOR)
    head += struct.pack("<IIIIIIIII", 0, len(fat_places), directory, 0, CUTOFF, mini_fat, mini_sectors, END, 0)
    places = [*fat_places, *[FREE] * (109 - len(fat_places))]
    return head + struct.pack("<109I", *places)


# ---- a mail


def outlook_file(
    *,
    subject: str = "",
    body: str = "",
    html: str = "",
    headers: str = "",
    sender: tuple[str, str] = ("", ""),
    to: Sequence[tuple[str, str]] = (),
    files: Sequence[tuple[str, bytes]] = (),
) -> bytes:
    """An Outlook file. ``headers``: those of the wire, empty for one that never travelled; ``sender`` and ``to``: name and address."""
    texts = {0x001A: "IPM.Note", 0x0037: subject, 0x1000: body, 0x007D: headers, 0x0C1A: sender[0], 0x5D01: sender[1]}
    tree = _properties(texts, {0x1013: html.encode()}, {0x3FDE: 65001, 0x340D: 0x00040E79}, head=32)
    tree["__nameid_version1.0"] = {"__substg1.0_00020102": b""}
    for number, (name, address) in enumerate(to):
        people = _properties({0x3001: name, 0x39FE: address, 0x3003: address}, {}, {0x0C15: 1}, head=8)
        tree[f"__recip_version1.0_#{number:08X}"] = people
    for number, (name, content) in enumerate(files):
        file = _properties({0x3707: name}, {0x3701: content}, {0x3705: 1}, head=8)
        tree[f"__attach_version1.0_#{number:08X}"] = file
    return compound_file(tree)


def _properties(texts: Mapping[int, str], blobs: Mapping[int, bytes], numbers: Mapping[int, int], *, head: int) -> Tree:
    streams: Tree = {}
    rows = b""
    for pid, text in texts.items():
        if text:
            content = text.encode("utf-16-le")
            streams[f"__substg1.0_{pid:04X}{_UNICODE:04X}"] = content
            rows += struct.pack("<HHIII", _UNICODE, pid, 6, len(content) + 2, 0)
    for pid, content in blobs.items():
        if content:
            streams[f"__substg1.0_{pid:04X}{_BINARY:04X}"] = content
            rows += struct.pack("<HHIII", _BINARY, pid, 6, len(content), 0)
    for pid, number in numbers.items():
        rows += struct.pack("<HHIII", _INTEGER, pid, 6, number, 0)
    streams["__properties_version1.0"] = b"\0" * head + rows
    return streams
