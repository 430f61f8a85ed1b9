"""Which gate holds a mail that waits: the reasons of waiting, sorted by what a person can do about them.

Laws: pure. Whoever lets a mail wait writes a reason; here it is only read. A reason that nobody knows here is a gate of its own
kind (``OTHER``), shown with its sentence: nothing that waits is ever hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum


class Gate(StrEnum):
    """What a waiting mail waits for."""

    TURN = "turn"  # due, and behind others of its lane
    NOT_DUE = "not_due"  # scheduled, or still to be undone
    PAUSED = "paused"  # a person paused the server
    LIMIT = "limit"  # so many a day or a minute, or a warm-up
    SLOWED = "slowed"  # the destination, or the server, wants fewer
    TROUBLE = "trouble"  # the circuit of the server is open
    SERVER = "server"  # there is none, or it cannot be used
    RETRY = "retry"  # a temporary refusal or a broken connection: tried again later
    OTHER = "other"


CODES: Mapping[Gate, tuple[str, ...]] = {
    Gate.PAUSED: ("wait.paused",),
    Gate.LIMIT: ("wait.daily_limit", "wait.per_minute", "wait.warm_up"),
    Gate.SLOWED: ("wait.destination", "wait.slowed", "wait.server_slowed"),
    Gate.TROUBLE: ("wait.broken",),
    Gate.SERVER: ("wait.no_server", "wait.no_house_server", "wait.archived", "wait.secret"),
    Gate.RETRY: ("wait.transient", "wait.connection", "wait.resend", "wait.our_fault"),
}

OF_DESTINATIONS = ("wait.destination", "wait.slowed")
OF_LIMITS = (*CODES[Gate.LIMIT], *CODES[Gate.SLOWED])  # who waits for a place

_GATES = {code: gate for gate, codes in CODES.items() for code in codes}
KNOWN_CODES = tuple(_GATES)


def gate_of(code: str, due_at: datetime, now: datetime) -> Gate:
    """``code`` of the stored reason, ``""`` for none."""
    if code:
        return _GATES.get(code, Gate.OTHER)
    return Gate.NOT_DUE if due_at > now else Gate.TURN
