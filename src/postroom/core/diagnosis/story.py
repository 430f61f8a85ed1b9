"""The story of a mail or of an address: what happened, as values, brought into one order.

    facts of the store --> events (`story_events`) --> `merged` --> one timeline

Laws: pure. An event keeps the row that it was told from, and what a machine said verbatim (at most `MOST_VERBATIM` characters). The order is
total and stable: by instant; within one instant what causes stands before what follows from it (`StoryKind`, in the order in which it is
written down); then by the row. A row is told once for each kind, however many ways led to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from postroom.core.reports.taxonomy import TAXONOMY
from postroom.core.terms.reasons import Reason, reasons_as_json
from postroom.core.terms.states import DeliveryState

MOST_VERBATIM = 2_000  # characters


class StoryKind(StrEnum):
    """What happened. The order is that of cause and effect within one instant."""

    RECEIVED = "received"  # a mail came in at one of our doors
    ROUTED = "routed"  # what became of it there
    POSTED = "posted"  # a message was written
    HEARD = "heard"  # who hears of it
    QUEUED = "queued"  # a mail to one recipient
    WAITED = "waited"  # at a gate, and passed it
    ATTEMPT = "attempt"  # it was offered to a server
    CONFIRMED = "confirmed"  # the provider says: delivered
    EVENT = "event"  # what else the provider told
    RESOLUTION = "resolution"  # a person decided about an outcome that nobody knew
    REPORT = "report"  # a DSN, a complaint, a read receipt came back
    COUNTED = "counted"  # evidence against an address, whose delivery is gone
    SUPPRESSED = "suppressed"  # campaigns leave the address out
    RELEASED = "released"  # and may write to it again
    ANSWER = "answer"  # somebody wrote


_RANK = {kind: rank for rank, kind in enumerate(StoryKind)}


class Tone(StrEnum):
    """How it is to be taken."""

    PLAIN = "plain"
    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


class FoundBy(StrEnum):
    """What the question turned out to be."""

    MESSAGE_ID = "message_id"
    NUMBER = "number"  # of a message
    DELIVERY = "delivery"
    INBOUND = "inbound"
    RELAY = "relay"  # the id of a relay or provider
    ADDRESS = "address"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """The row that an event is told from."""

    table: str
    number: int
    place: int = 0  # of several that one row tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where more of it is to be seen: numbers of rows, None for none."""

    message_id: int | None = None
    record_id: int | None = None
    delivery_id: int | None = None
    inbound_id: int | None = None
    health_id: int | None = None

    def as_json(self) -> dict[str, int | None]:
        return {
            "message_id": self.message_id,
            "record_id": self.record_id,
            "delivery_id": self.delivery_id,
            "inbound_id": self.inbound_id,
            "address_id": self.health_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEvent:
    """One thing that happened. ``who`` did it, ``about`` which address; ``evidence`` verbatim; ``why`` the reasons that were noted
    then."""

    at: datetime
    kind: StoryKind
    said: Reason
    source: Source
    tone: Tone = Tone.PLAIN
    who: str = ""
    about: str = ""
    evidence: str = ""
    relay_ids: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()
    cause: str = ""  # of the taxonomy of reports: what such a refusal usually means
    links: Links = field(default_factory=Links)

    @property
    def meaning(self) -> str:
        """What such a refusal usually means; ``""`` where nobody can say."""
        return TAXONOMY[self.cause].meaning if self.cause in TAXONOMY else ""

    def as_json(self) -> dict[str, object]:
        return {
            "at": self.at.isoformat(),
            "kind": self.kind.value,
            "sentence": str(self.said),
            "tone": self.tone.value,
            "who": self.who,
            "about": self.about,
            "evidence": self.evidence,
            "relay_ids": list(self.relay_ids),
            "why": [one | {"sentence": str(why)} for one, why in zip(reasons_as_json(self.why), self.why, strict=True)],
            "cause": self.cause,
            "usually_means": self.meaning,
            "source": f"{self.source.table}:{self.source.number}",
            **self.links.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHead:
    """How a mail to one recipient stands now. ``due_at``: of what waits."""

    delivery_id: int
    address: str
    subject: str
    state: DeliveryState
    waits_for: Reason | None = None
    due_at: datetime | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "delivery_id": self.delivery_id,
            "address": self.address,
            "subject": self.subject,
            "state": self.state.value,
            "waits_for": str(self.waits_for) if self.waits_for else "",
            "due_at": self.due_at.isoformat() if self.due_at else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A timeline, the oldest first. ``remarks`` say what was not looked at; ``next`` is the cursor of what is older (``""``: nothing)."""

    asked: str
    found_by: FoundBy
    title: str = ""
    address: str = ""
    events: tuple[StoryEvent, ...] = ()
    mails: tuple[MailHead, ...] = ()
    remarks: tuple[Reason, ...] = ()
    next: str = ""
    health_ids: tuple[int, ...] = ()

    @property
    def is_found(self) -> bool:
        return self.found_by is not FoundBy.NOTHING

    def as_json(self) -> dict[str, object]:
        return {
            "asked": self.asked,
            "found_by": self.found_by.value,
            "title": self.title,
            "address": self.address,
            "mails": [one.as_json() for one in self.mails],
            "events": [one.as_json() for one in self.events],
            "remarks": [str(one) for one in self.remarks],
            "next": self.next,
        }


def merged(*sources: Iterable[StoryEvent], since: datetime | None = None) -> tuple[StoryEvent, ...]:
    """One timeline of many, the oldest first; nothing before ``since``."""
    told: dict[tuple[StoryKind, Source], StoryEvent] = {}
    for event in _all(sources):
        if since is None or event.at >= since:
            told.setdefault((event.kind, event.source), event)
    return tuple(sorted(told.values(), key=_place))


def _all(sources: Iterable[Iterable[StoryEvent]]) -> Iterator[StoryEvent]:
    for source in sources:
        yield from source


def _place(event: StoryEvent) -> tuple[datetime, int, Source]:
    return event.at, _RANK[event.kind], event.source


def verbatim(text: str) -> str:
    """What was said, cut where nobody reads on."""
    return text if len(text) <= MOST_VERBATIM else f"{text[:MOST_VERBATIM]}…"
