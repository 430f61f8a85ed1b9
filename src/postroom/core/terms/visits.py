"""A single request to a web server that somebody named: what came back, or why nothing did; `pictures` shares the reasons.

Laws: pure values; no secret is in them. Why nothing came back is a reason of the catalogue, told in the reader's language.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postroom.core.terms.reasons import Reason, catalogue

catalogue(
    {
        "visit.large": "It is larger than 5 MB.",
        "visit.led_nowhere": "It is led on to nowhere.",
        "visit.led_on": "It is led on too often.",
        "visit.many": "Too many requests are under way.",
        "visit.many_pictures": "Too many pictures are being fetched.",
        "visit.no_address": "The name has no address.",
        "visit.no_picture": "It is no PNG, JPEG, GIF or WebP.",
        "visit.nonsense": "The server could not be asked, or answered nonsense.",
        "visit.not_askable": "It is no address that can be asked.",
        "visit.not_https": "It is no https address.",
        "visit.not_looked_up": "The name could not be looked up.",
        "visit.not_public": "The address is not a public one.",
        "visit.port": "Only the usual ports are asked.",
        "visit.refused": "It refuses the connection.",
        "visit.silent": "It did not answer in time.",
        "visit.slow": "It takes too long.",
        "visit.certificate": "Its certificate was not accepted: {why}.",
        "visit.trouble": "It could not be asked ({error}).",
        "visit.status": "The server answered {status}.",
    }
)


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
    """``reason``: one of ``visit.*``. ``is_theirs``: it cannot be our own network."""

    reason: Reason
    is_theirs: bool = False
