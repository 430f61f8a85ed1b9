"""ZIP files whose tables promise much."""

from __future__ import annotations

import struct


def many_members(count: int, *, is_large: bool = False) -> bytes:
    """So many empty members of one name. ``is_large``: the record for huge files tells of them, and the usual one of a single member."""
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0x21, 0, 0, 0, 1, 0) + b"a"
    one = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 0x21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    table, at = one * count, len(local)
    large = b""
    if is_large:
        large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(table), at)
        large += struct.pack("<4sLQL", b"PK\x06\x07", 0, at + len(table), 1)
    told, size = (1, len(one)) if is_large else (count & 0xFFFF, len(table))
    return local + table + large + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, told, told, size, at, 0)
