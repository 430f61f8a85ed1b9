"""How large the table of a ZIP file is, before anybody reads it.

Laws: looks at the last bytes alone. Python's library reads the whole table at once, as long as the end record says that it is: the number of
members is not asked then, so the size is what counts. A second, larger end record (ZIP64) stands in no file of ours or of receivers: those are
for files of four gigabytes. Standards: APPNOTE 6.3, 4.3.14 to 4.3.16.
"""

from __future__ import annotations

import struct

_END, _LARGE_END = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LARGE_SIZE = 22, 20
_MOST_REMARK = 65_535


def table_of(whole: bytes) -> tuple[int, int] | None:
    """How many members it tells of, and the bytes of its table; None for no ZIP file, or one that says it in the record for huge files."""
    at = whole.rfind(_END, max(0, len(whole) - _MOST_REMARK - _END_SIZE))
    if at < 0 or len(whole) < at + _END_SIZE:
        return None
    if whole[max(0, at - _LARGE_SIZE) : at].startswith(_LARGE_END):
        return None
    count, size = struct.unpack("<HL", whole[at + 10 : at + 16])
    return count, size
