"""How the queue stands, in one word and one sentence, for whoever looks at the house and not at each server.

Laws: pure; decided here alone. What keeps all mail comes before what is late, that before what is in trouble, and a server that a person
paused is never passed over: a queue of which a part stands still is not said to be moving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.core.terms.reasons import because, catalogue
from postroom.core.terms.standing import Stand, Standing

LATE_AFTER = timedelta(minutes=5)  # that a due mail may wait before it is spoken of
NAMED = 3  # servers that the sentence names

catalogue(
    {
        "queue.stands_paused": "Every server is paused: mail waits until one is resumed.",
        "queue.stands_late": "Mail is due and has not left.",
        "queue.stands_in_trouble": "It is tried again by itself: {servers}.",
        "queue.stands_partly_paused": "Mail for {servers} waits.",
        "queue.stands_well": "Nothing is late.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A server that is in use. ``broken_until``: its circuit is open until then."""

    name: str
    is_paused: bool
    broken_until: datetime | None = None


def how_it_stands(senders: Sequence[Sender], *, oldest_due: datetime | None, now: datetime) -> Standing:
    """``oldest_due``: when the delivery was due that waits for longest, None when none is due."""
    late = oldest_due if oldest_due is not None and now - oldest_due > LATE_AFTER else None
    paused = [one.name for one in senders if one.is_paused]
    broken = [one.name for one in senders if not one.is_paused and one.broken_until and one.broken_until > now]
    if paused and len(paused) == len(senders):
        return Standing(stand=Stand.PAUSED, reason=because("queue.stands_paused"), since=late)
    if late is not None:
        return Standing(stand=Stand.LATE, reason=because("queue.stands_late"), since=late)
    if broken:
        return Standing(stand=Stand.IN_TROUBLE, reason=because("queue.stands_in_trouble", servers=_named(broken)))
    if paused:
        return Standing(stand=Stand.PARTLY_PAUSED, reason=because("queue.stands_partly_paused", servers=_named(paused)))
    return Standing(stand=Stand.MOVING, reason=because("queue.stands_well"))


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return f"{shown}, …" if len(names) > NAMED else shown
