"""What stories are told from, as `stories` finds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postroom.core.terms.reasons import Reason
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.store.queries.delivery_histories import WaitedFact
from postroom.store.queries.pages import cursor_of
from postroom.store.queries.pages_story import PostedFact


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What bears a Message-ID: messages, mails that no message caused, mails that came in."""

    messages: tuple[int, ...] = ()
    mails: tuple[int, ...] = ()
    inbound: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameFact:
    """A mail that came in."""

    inbound_id: int
    received_at: datetime
    sender: str
    door: str
    state: InboundState
    routed_at: datetime | None
    subject: str
    error: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFact:
    """The message that a story is about, and the mail as which it came in, if it did."""

    posted: PostedFact
    subject: str
    came: CameFact | None
    by_mail: int
    in_app: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFact:
    """A mail to one recipient as it stands, and the message that it carries. ``due_at``: of what waits."""

    delivery_id: int
    address: str
    subject: str
    state: DeliveryState
    created_at: datetime
    due_at: datetime | None
    waits_for: Reason | None
    reasons: tuple[Reason, ...]
    waited: tuple[WaitedFact, ...]
    confirmed_at: datetime | None
    provider_id: str
    posted: PostedFact | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WroteFact:
    """What somebody wrote. ``parent_id``: the message that it answers; ``words`` are empty for a note."""

    message_id: int
    record_id: int | None
    inbound_id: int | None
    title: str
    who: str
    words: str
    posted_at: datetime
    parent_id: int | None
    is_automatic: bool
    is_note: bool
    is_asked: bool  # by the address itself; else only as an answer

    @property
    def is_answer(self) -> bool:
        return self.parent_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFact:
    """What was counted against an address, and whose delivery is gone."""

    id: int
    health_id: int
    kind: str
    status: str
    reply: str
    happened_at: datetime

    @property
    def place(self) -> str:
        return cursor_of(self.happened_at, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeFact:
    """A time on the blacklist."""

    id: int
    health_id: int
    address: str
    reasons: tuple[Reason, ...]
    who: str
    since: datetime
    expires_at: datetime | None
    released_at: datetime | None
    released_who: str
    released_why: str
