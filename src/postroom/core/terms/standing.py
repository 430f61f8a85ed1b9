"""How the queue stands: the words for it. What is so is decided in `postroom.core.delivery.standing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from postroom.core.terms.reasons import Reason


class Stand(StrEnum):
    """How it stands."""

    PAUSED = "paused"
    LATE = "late"
    IN_TROUBLE = "in_trouble"
    PARTLY_PAUSED = "partly_paused"
    MOVING = "moving"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``since``: what is due for longest, as far as it is late."""

    stand: Stand
    reason: Reason
    since: datetime | None = None
