"""Where mails lie that are too large for the database: how much more there is place for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes that are free at a place; ``trouble``: why nothing can be written there, in words, or ``""``."""

    place: str
    free: int
    trouble: str = ""
