"""What one bad day of a server is, and what may come of it: the vocabulary of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.adapters.smtp.scripted_peer import Script

PATIENT, IMPATIENT = 60.0, 4.0  # seconds that the deliverer waits; the short one only where it waits in vain


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Of the first mail that was not simply sent. ``says``: words of the reason, or of the reply to what was sent."""

    state: str
    says: str
    blame: str = ""
    counts: bool = True  # as an attempt
    again: str = ""  # when it is tried again
    circuit_opens: bool = False
    notification: str = "ready"
    kind: str = ""  # the failure type, in the users' words
    later: str = "sent"  # once the server has mended its ways and time has gone by


MINUTE, WITH_SERVER = "in 60 to 75 s", "with the server, in 30 s"


def sent(says: str = "250 2.0.0 taken") -> Expected:
    """As if nothing had been."""
    return Expected(state="sent", says=says, notification="sent")


def refused(says: str, *, blame: str, kind: str = "mail_smtp") -> Expected:
    """For good, this mail alone."""
    return Expected(state="failed", says=says, blame=blame, kind=kind, notification="exception", later="failed")


def later(says: str, *, blame: str = "server") -> Expected:
    """This mail alone, and the try counts."""
    return Expected(state="deferred", says=says, blame=blame, again=MINUTE)


def broke(says: str) -> Expected:
    """The connection, twice, before anything could have been accepted."""
    return later(says, blame="network")


def waits(says: str) -> Expected:
    """The server's own trouble: nothing is given to it for a while, and no try of the mail counts."""
    return Expected(state="queued", says=says, counts=False, again=WITH_SERVER, circuit_opens=True)


def unknown(says: str) -> Expected:
    """The whole mail was out, and no answer came: nobody can know, a person decides."""
    return Expected(
        state="unknown", says=says, blame="network", kind="unknown", notification="exception", later="unknown"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """``scripts``: of the first connections, the last one for all that follow; none: nobody listens.

    ``server`` are columns of the server's row, ``states`` counts what becomes of all the ``mails`` (one mail, many recipients).
    """

    name: str
    scripts: tuple[Script, ...]
    expected: Expected
    server: Mapping[str, Any] = field(default_factory=dict)
    tls: str = ""  # the certificate of a server that begins with TLS
    patience: float = PATIENT
    mails: int = 1
    states: Mapping[str, int] | None = None
    recipient: str = "carla@reader.example"
    text: str = "All is well."
    is_last_chance: bool = False  # its deadline is now
    is_new_afterwards: bool = False  # what it said on the old connection does not count any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Days that have a step in common."""

    title: str
    days: tuple[Day, ...]
