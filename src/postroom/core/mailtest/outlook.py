"""What a reader of Outlook files gives: a mail rebuilt from what the file holds, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.terms.reasons import Reason

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB] 2.2: what an Outlook file begins with


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookMail:
    """``has_header``: the header of the wire was kept in the file; else what is there was made of its properties."""

    raw: bytes
    has_header: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookTrouble:
    """Why it cannot be read: the end of a sentence."""

    why: Reason
