"""How large the table of a ZIP file is, before anybody reads it.

Laws: linear in the file. Python's library reads the whole table at once, an object for each entry, and believes what the end record says of its
size. The entries themselves cannot be denied: each begins with its signature. A second, larger end record (ZIP64) stands in no file of ours or of
receivers: those are for files of four gigabytes. Standards: APPNOTE 6.3, 4.3.12 to 4.3.16.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_ENTRY = b"PK\x01\x02"
_END, _LARGE_END = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LARGE_SIZE = 22, 20
_MOST_REMARK = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``told``: members, as the end record has it; ``entries``: at least as many as a library makes, more where contents happen to look like one
    (an archive that is stored in the archive); ``size`` in bytes."""

    told: int
    entries: int
    size: int


def table_of(whole: bytes) -> Table | None:
    """None for no ZIP file, or one that speaks of its table in the record for huge files."""
    at = whole.rfind(_END, max(0, len(whole) - _MOST_REMARK - _END_SIZE))
    if at < 0 or len(whole) < at + _END_SIZE:
        return None
    if whole[max(0, at - _LARGE_SIZE) : at].startswith(_LARGE_END):
        return None
    told, size = struct.unpack("<HL", whole[at + 10 : at + 16])
    return Table(told=told, entries=whole.count(_ENTRY), size=size)
