"""What needs attention, for the first page. Laws: see `store.queries.pages`; every number is bounded ("99 and more")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import BigIntegerField, F, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Extract

from postroom.core.terms.parameters import PARAMETERS
from postroom.core.terms.reasons import because, reasons_from_json
from postroom.core.terms.states import DeliveryState, InboundState
from postroom.store.models import (
    Alarm,
    Delivery,
    InboundMessage,
    Installation,
    Mailbox,
    OutgoingServer,
    Record,
)
from postroom.store.models.outgoing import SHOWN_APART, WAITING
from postroom.store.queries.gates import full_servers
from postroom.store.queries.pages_failures import FailuresFact, my_failures
from postroom.store.queries.pages_reading import ReadingFact, unread

MANY = 99
WARNED_BEFORE = 7  # days before held mail is forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleFact:
    """A server or a mailbox that reports trouble with itself."""

    place: str  # "server" or "mailbox"
    id: int
    name: str
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFact:
    """A trouble that showed by itself. ``link`` is a path of ours, or ``""``."""

    id: int
    code: str
    sentence: str
    link: str
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationFact:
    """Where this database lives, and whether mail leaves it."""

    identity: str
    found_elsewhere: str  # where it woke up without being confirmed there
    is_capturing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """What needs somebody's eyes. Numbers stop at ``MANY + 1``."""

    failures: FailuresFact  # of my messages
    held: int
    unknown: int
    soon_forgotten: int  # held mails that Auto-Vacuum takes within a week
    inbox: tuple[ReadingFact, ...]
    stuck: int
    oldest_waiting: datetime | None
    troubles: tuple[TroubleFact, ...]
    alarms: tuple[AlarmFact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSteps:
    """What is set up already of what a house needs, in the order in which it is done."""

    server: bool
    mailbox: bool
    domain: bool
    alias: bool
    record: bool

    @property
    def done(self) -> int:
        return sum((self.server, self.mailbox, self.domain, self.alias, self.record))

    @property
    def is_complete(self) -> bool:
        return self.done == TOTAL_STEPS


TOTAL_STEPS = 5


def installation() -> InstallationFact | None:
    """None before the first start of a worker."""
    row = Installation.objects.values("identity", "found_elsewhere", "is_capturing").first()
    return InstallationFact(**row) if row is not None else None


_FIRST_STEPS = """
SELECT i.identity, i.found_elsewhere, i.is_capturing, s.*
FROM (SELECT 1) AS one LEFT JOIN postroom_installation i ON true
LEFT JOIN LATERAL (
    SELECT EXISTS (SELECT 1 FROM postroom_outgoingserver WHERE is_active AND transport <> 'letterbox' AND trouble = ''
            AND coalesce(test_result->>'ok', 'true') <> 'false'),
        EXISTS (SELECT 1 FROM postroom_mailbox WHERE is_confirmed)
            OR EXISTS (SELECT 1 FROM postroom_inboundmessage WHERE door IN ('smtp', 'lmtp', 'pipe', 'http')),
        EXISTS (SELECT 1 FROM postroom_aliasdomain WHERE retired_at IS NULL),
        EXISTS (SELECT 1 FROM postroom_alias), EXISTS (SELECT 1 FROM postroom_record)
) AS s(server, mailbox, domain, alias, record) ON i.guide_closed_at IS NULL LIMIT 1
"""


def first_steps() -> tuple[InstallationFact | None, FirstSteps | None]:
    """The installation, and what is set up of it; the latter None when nobody wants to see it any more. One query, which stops at the
    first row of each table. Mail that is only captured leaves through no server, nor by one that failed; mail comes in through a mailbox, or by itself to a door."""
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_STEPS)
        identity, found_elsewhere, is_capturing, *steps = cursor.fetchone()
    known = None
    if identity is not None:
        known = InstallationFact(identity=identity, found_elsewhere=found_elsewhere, is_capturing=is_capturing)
    if steps[0] is None:
        return known, None
    server, mailbox, domain, alias, record = steps
    return known, FirstSteps(server=server, mailbox=mailbox, domain=domain, alias=alias, record=record)


@dataclass(frozen=True, slots=True, kw_only=True)
class MineFact:
    """A record that I am responsible for."""

    id: int
    title: str
    contact: str
    contact_address: str
    stage: str
    updated_at: datetime


def my_records(visible: QuerySet[Record], member_id: int, most: int = 6) -> tuple[MineFact, ...]:
    """Those on which something was written last. One query, along the index of what is mine."""
    rows = visible.filter(responsible_id=member_id, is_done=False).order_by("-updated_at", "-id")
    names = ("id", "title", "stage", "updated_at", "contact_address", "contact_name")
    return tuple(
        MineFact(
            id=row["id"],
            title=row["title"],
            contact=row["contact_name"] or row["contact_address"],
            contact_address=row["contact_address"],
            stage=row["stage"],
            updated_at=row["updated_at"],
        )
        for row in rows.values(*names)[:most]
    )


def few(visible: QuerySet[InboundMessage], state: InboundState) -> int:
    """How many mails are in this state, at most ``MANY + 1``. Walks the index of the few."""
    return len(visible.filter(state=state).order_by("-id").values_list("id", flat=True)[: MANY + 1])


def attention(
    *,
    contact_id: int,
    member_id: int,
    records: QuerySet[Record],
    inbound: QuerySet[InboundMessage] | None,
    deliveries: QuerySet[Delivery] | None,
    servers: QuerySet[OutgoingServer] | None,
    mailboxes: QuerySet[Mailbox] | None,
    alarms: QuerySet[Alarm] | None,
    now: datetime,
) -> Attention:
    """Everything for the first page; None where the reader may not look."""
    few_ones = _for_people(inbound, deliveries, now)
    return Attention(
        failures=my_failures(contact_id, records),
        held=few_ones.held,
        unknown=few_ones.unknown,
        soon_forgotten=few_ones.forgotten,
        inbox=unread(contact_id, member_id, records).rows,
        stuck=few_ones.stuck,
        oldest_waiting=few_ones.oldest,
        troubles=(*_troubles(servers, mailboxes), *_full(servers, now)),
        alarms=open_alarms(alarms) if alarms is not None else (),
    )


def open_alarms(alarms: QuerySet[Alarm], most: int = 20) -> tuple[AlarmFact, ...]:
    """What shows now, the newest first."""
    rows = alarms.filter(ended_at=None).order_by("-last_at", "-id")
    return tuple(
        AlarmFact(
            id=row.pk,
            code=row.code,
            sentence=str(reasons_from_json([row.reason])[0]),
            link=row.link,
            count=row.count,
            last_at=row.last_at,
        )
        for row in rows[:most]
    )


def _full(servers: QuerySet[OutgoingServer] | None, now: datetime) -> tuple[TroubleFact, ...]:
    """Servers whose limit of today is reached."""
    if servers is None:
        return ()
    return tuple(
        TroubleFact(
            place="server",
            id=one.id,
            name=one.name,
            trouble=str(because("alarm.daily_limit", used=one.used, until=f"{one.until:%Y-%m-%d %H:%M} UTC")),
        )
        for one in full_servers(servers, now)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Few:
    """Numbers at most ``MANY + 1``; ``oldest``: since when the delivery is due that is due for longest."""

    held: int = 0
    stuck: int = 0
    unknown: int = 0
    forgotten: int = 0
    oldest: datetime | None = None


def _for_people(inbound: QuerySet[InboundMessage] | None, deliveries: QuerySet[Delivery] | None, now: datetime) -> _Few:
    """What waits for a decision, and how late the queue is. One query, a few looks into indexes of the few."""
    pieces: list[QuerySet[Any, Any]] = []
    if inbound is not None:
        pieces.append(_first(inbound.filter(state=InboundState.HELD), "held"))
        pieces.append(_first(inbound.filter(state=InboundState.FAILED), "stuck"))
        pieces.append(_first(_soon_forgotten(inbound, now), "forgotten"))
    if deliveries is not None:
        unknown = deliveries.filter(state=DeliveryState.UNKNOWN, state__in=SHOWN_APART)
        pieces.append(_first(unknown, "unknown"))
        pieces += [_late(deliveries, lane, now) for lane in (0, 1, 2)]
    if not pieces:
        return _Few()
    rows = list(pieces[0].union(*pieces[1:], all=True))
    found = [what for what, _ in rows]
    late = [number for what, number in rows if what == "late"]
    return _Few(
        held=found.count("held"),
        stuck=found.count("stuck"),
        unknown=found.count("unknown"),
        forgotten=found.count("forgotten"),
        oldest=datetime.fromtimestamp(min(late), UTC) if late else None,
    )


def _late(deliveries: QuerySet[Delivery], lane: int, now: datetime) -> QuerySet[Any, Any]:
    due: QuerySet[Any, Any] = (
        deliveries.filter(state__in=WAITING, due_at__lte=now, lane=lane)
        .order_by("due_at")
        .annotate(what=Value("late"), since=Cast(Extract("due_at", "epoch"), BigIntegerField()))
        .values_list("what", "since")[:1]
    )
    return due


_HELD_SINCE = """%s::timestamptz - make_interval(days => greatest(0, coalesce(
    (SELECT nullif(value, '')::int FROM postroom_parameter WHERE key = 'retention.held_days'), %s) - %s))"""


def _soon_forgotten(inbound: QuerySet[InboundMessage], now: datetime) -> QuerySet[InboundMessage]:
    """Of the oldest held mails those that go within a week: nobody has to look at all that are held."""
    oldest = inbound.filter(state=InboundState.HELD).order_by("id").values("pk")[: MANY + 1]
    days = int(PARAMETERS["retention.held_days"].default)
    return inbound.filter(pk__in=oldest, received_at__lt=RawSQL(_HELD_SINCE, [now, days, WARNED_BEFORE]))  # noqa: S611 (our own words; the values are bound)


def _first(rows: QuerySet[Any], what: str) -> QuerySet[Any, Any]:
    first: QuerySet[Any, Any] = rows.order_by("-id").annotate(what=Value(what)).values_list("what", "id")[: MANY + 1]
    return first


def _troubles(
    servers: QuerySet[OutgoingServer] | None, mailboxes: QuerySet[Mailbox] | None, most: int = 10
) -> tuple[TroubleFact, ...]:
    """One query for both. A mailbox that nobody confirmed yet is being set up: its page says what is wrong, and nobody else needs to."""
    if servers is None or mailboxes is None:
        return ()
    mailboxes = mailboxes.filter(is_confirmed=True)
    names = ("place", "pk", "name", "said")
    bad = [
        rows.filter(is_active=True)
        .exclude(**{column: ""})
        .annotate(place=Value(place), said=F(column))
        .order_by()
        .values_list(*names)
        for rows, place, column in ((servers, "server", "trouble"), (mailboxes, "mailbox", "last_error"))
    ]
    return tuple(
        TroubleFact(place=place, id=pk, name=name, trouble=said)
        for place, pk, name, said in bad[0].union(bad[1])[:most]
    )
