"""How many entries a ZIP file makes a library read, asked before the library is.

The library reads the whole table of a file at once, an object for each entry, and believes what the end of the file says of it (also that of
ZIP64, which may say something else than the end before it). The entries themselves cannot be denied: each begins with its signature.
Law: linear in the file. Standard: APPNOTE 4.3.12.
"""

from __future__ import annotations

_ENTRY = b"PK\x01\x02"


def most_entries(whole: bytes) -> int:
    """At least as many as there are; more where contents happen to look like one (an archive that is stored in the archive)."""
    return whole.count(_ENTRY)
