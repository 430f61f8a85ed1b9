"""A single request to a web server that somebody named: what came back, or why nothing did. Laws: pure values; no secret is in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """``status`` of RFC 9110 15; ``date``: what the server takes for now (RFC 9110 6.6.1), None where it does not say."""

    status: int
    content_type: str = ""
    date: datetime | None = None
    body: bytes = b""

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class NoVisit:
    """``reason``: a sentence. ``is_theirs``: it cannot be our own network."""

    reason: str
    is_theirs: bool = False
