"""A provider tells what became of mails that it took: the right deliveries learn of it, and the envelopes on their records.

    request -> whose address is it -> is it signed -> events -> find the deliveries -> judge -> one transaction

Laws: only deliveries that left through this very server are touched, found by our signed token, else by the provider's id and the
recipient. Events repeat and overtake each other; told twice is told once (`core.delivery.tracking` judges). Of what we do not know we
say nothing: the provider hears that all is well. No network inside the transaction, and a constant number of statements for any batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import OperationalError, transaction
from django.db.models import Q

from postroom.core.delivery.providers import PROVIDERS
from postroom.core.delivery.tracking import (
    NOTED,
    EventKind,
    HookPost,
    HookReading,
    HookRefusal,
    TrackedChange,
    TrackingEvent,
    judge_events,
)
from postroom.core.terms.addresses import normalize
from postroom.core.terms.secret import Secret
from postroom.core.terms.states import DeliveryState, NotificationState
from postroom.core.tokens.addresses import TokenPurpose, read_token
from postroom.flows.bounce_evidence import Happening, Spoken, of_event
from postroom.flows.note_bounces import note_bounces, note_signs_of_life
from postroom.flows.ports import Ports
from postroom.flows.tell_pages import of_companies, tell_pages
from postroom.store.models import DeliveryEvent, ProviderHook
from postroom.store.tracking import (
    DeliveryChange,
    NotificationChange,
    TrackedRow,
    lock_tracked,
    write_tracked,
)

MOST_BYTES = 8 * 1024 * 1024  # of one request: ten thousand events of the wordiest provider
MOST_EVENTS = 20_000
_TRIES = 3
_A_MINUTE = timedelta(minutes=1)
_DEADLOCK = "40P01"


class HookResult(StrEnum):
    """What the provider hears."""

    TAKEN = "taken"
    FORGED = "forged"  # no such address, or not signed by whom it should be
    UNREADABLE = "unreadable"
    TOO_LARGE = "too_large"  # a mail that was handed in
    LATER = "later"  # our trouble: told again, please


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """How many events there were, and how many deliveries changed."""

    events: int = 0
    changed: int = 0


def is_known_address(provider: str, token: str) -> bool:
    """Whether anybody may tell events there: asked before a stranger's body is read. Raises database errors."""
    return _hook(provider, token) is not None


def take_hook(ports: Ports, *, provider: str, token: str, headers: Mapping[str, str], body: bytes) -> HookResult:
    """``headers`` with names in lower case. Raises database errors only."""
    post = HookPost(headers=headers, body=body)
    hook = _hook(provider, token)
    if hook is None:
        return HookResult.FORGED
    try:
        signing = ports.vault.open(bytes(hook.signing_secret)) if hook.signing_secret else Secret("")
    except ValueError:
        _note_trouble(hook, "What signs the events cannot be read: enter it again.")
        return HookResult.LATER
    try:
        reading = ports.providers.read_post(provider, post, signing)
        if isinstance(reading, HookReading) and reading.confirm_at:
            ports.providers.confirm(reading.confirm_at)
    except (OSError, ValueError) as error:
        _note_trouble(hook, f"Amazon could not be asked: {type(error).__name__}.")
        return HookResult.LATER
    match reading:
        case HookRefusal.FORGED:
            _note_trouble(hook, "A request was not signed as it should be, and was refused.")
            return HookResult.FORGED
        case HookRefusal.UNREADABLE:
            _note_trouble(hook, "A request could not be read.")
            return HookResult.UNREADABLE
        case HookReading():
            record_tracking(ports, hook.server_id, reading.events[:MOST_EVENTS])
            _note_event(ports, hook)
            return HookResult.TAKEN


def _hook(provider: str, token: str) -> ProviderHook | None:
    """By the digest of the secret part: looking it up tells nothing about how near a guess was."""
    if provider not in PROVIDERS:
        return None
    digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    return ProviderHook.objects.filter(
        token_digest=digest, server__transport="api", server__provider=provider, server__is_active=True
    ).first()


def _note_trouble(hook: ProviderHook, trouble: str) -> None:
    ProviderHook.objects.filter(pk=hook.pk).exclude(last_trouble=trouble).update(last_trouble=trouble)


def _note_event(ports: Ports, hook: ProviderHook) -> None:
    """At most once a minute, so that requests do not wait for each other's row."""
    now = ports.clock.now()
    is_old = Q(last_event_at=None) | Q(last_event_at__lt=now - _A_MINUTE) | ~Q(last_trouble="")
    ProviderHook.objects.filter(is_old, pk=hook.pk).update(last_event_at=now, last_trouble="")


# -- recording


def record_tracking(ports: Ports, server_id: int, events: Sequence[TrackingEvent]) -> Recorded:
    """One transaction, begun again should it cross a deliverer's. Raises database errors only."""
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                return _record(ports, server_id, events)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _DEADLOCK or attempt == _TRIES - 1:
                raise
    return Recorded()


def _record(ports: Ports, server_id: int, events: Sequence[TrackingEvent]) -> Recorded:
    now = ports.clock.now()
    events = [_keepable(event) for event in events]
    signed = {event.token: _delivery_of(ports, event.token) for event in events if event.token}
    rows = lock_tracked(
        server_id,
        sorted({number for number in signed.values() if number is not None}),
        sorted({event.message_id for event in events if event.message_id}),
    )
    told = _by_delivery(events, signed, rows)
    changes: list[tuple[TrackedRow, TrackedChange, str]] = []
    for row in rows:
        if not (mine := told.get(row.fact.id)):
            continue
        change = judge_events(row.fact, mine, now)
        message_id = "" if row.provider_message_id else next((one.message_id for one in mine if one.message_id), "")
        if change.is_changed or message_id:
            changes.append((row, change, message_id))
    write_tracked(
        server_id,
        [_delivery_change(change, message_id) for _, change, message_id in changes],
        [one for row, change, _ in changes if (one := _notification_change(row, change)) is not None],
    )
    DeliveryEvent.objects.bulk_create(
        [_event_row(number, event, ports) for number, mine in told.items() for event in mine if event.kind in NOTED],
        ignore_conflicts=True,
    )
    _note_evidence(ports, changes, told)
    _tell_pages([row for row, change, _ in changes if change.is_changed])
    return Recorded(events=len(events), changed=sum(change.is_changed for _, change, _ in changes))


def _note_evidence(
    ports: Ports,
    changes: Iterable[tuple[TrackedRow, TrackedChange, str]],
    told: Mapping[int, Sequence[TrackingEvent]],
) -> None:
    """Of deliveries that bounced or were complained about just now, what speaks against the address; and whose mail arrived."""
    now = ports.clock.now()
    happenings: list[Happening] = []
    arrived: dict[str, datetime | None] = {}
    for row, change, _ in changes:
        state = change.fact.state
        spoken = Spoken(
            delivery_id=row.fact.id,
            company_id=row.company_id,
            address=row.to_address,
            state=row.fact.state,
            contact_id=row.contact_id,
        )
        wanted: tuple[EventKind, ...] = ()
        if change.bounces:
            wanted = (EventKind.BOUNCED, EventKind.REJECTED)
        elif state is DeliveryState.COMPLAINED and row.fact.state is not DeliveryState.COMPLAINED:
            wanted = (EventKind.COMPLAINED,)
        found = [of_event(spoken, one, now) for one in told[row.fact.id] if one.kind in wanted]
        happenings += [one for one in found if one is not None]
        if state is DeliveryState.SENT and change.fact.confirmed_at != row.fact.confirmed_at:
            arrived[normalize(row.to_address)] = change.fact.confirmed_at
    note_bounces(ports, happenings)
    note_signs_of_life(ports, arrived, by="delivered")


def _keepable(event: TrackingEvent) -> TrackingEvent:
    """Without what PostgreSQL does not keep: NUL and lone surrogates."""
    return replace(
        event,
        message_id=_plain(event.message_id),
        recipient=_plain(event.recipient),
        event_id=_plain(event.event_id),
        status=_plain(event.status),
        text=_plain(event.text),
    )


def _plain(text: str) -> str:
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def _delivery_of(ports: Ports, token: str) -> int | None:
    found = read_token(ports.address_keys, token)
    return found.number if found is not None and found.purpose is TokenPurpose.BOUNCE else None


def _by_delivery(
    events: Iterable[TrackingEvent], signed: Mapping[str, int | None], rows: Sequence[TrackedRow]
) -> dict[int, list[TrackingEvent]]:
    """Who is meant: the token says it; else the provider's id, with the recipient where several mails share one id."""
    known = {row.fact.id for row in rows}
    by_message: dict[str, list[TrackedRow]] = {}
    for row in rows:
        if row.provider_message_id:
            by_message.setdefault(row.provider_message_id, []).append(row)
    found: dict[int, list[TrackingEvent]] = {}
    for event in events:
        number = signed.get(event.token)
        if number is None and event.message_id:
            number = _of_message(event, by_message.get(event.message_id, []))
        if number is not None and number in known:
            found.setdefault(number, []).append(event)
    return found


def _of_message(event: TrackingEvent, rows: Sequence[TrackedRow]) -> int | None:
    mine = [row for row in rows if not event.recipient or row.to_address == event.recipient]
    return mine[0].fact.id if len(mine) == 1 else None


def _delivery_change(change: TrackedChange, message_id: str) -> DeliveryChange:
    fact = change.fact
    return DeliveryChange(
        id=fact.id,
        state=fact.state.value,
        confirmed_at=fact.confirmed_at,
        finished_at=fact.finished_at,
        message_id=message_id,
        failure_type=change.failure_type.value,
        failure_reason=change.reason,
        blame=change.blame,
    )


def _notification_change(row: TrackedRow, change: TrackedChange) -> NotificationChange | None:
    if change.notification is None or row.notification_id is None:
        return None
    is_bounce = change.notification is NotificationState.BOUNCE
    return NotificationChange(
        id=row.notification_id,
        state=change.notification.value,
        failure_type=change.failure_type.value if is_bounce else "",
        failure_reason=change.reason if is_bounce else "",
    )


def _event_row(delivery_id: int, event: TrackingEvent, ports: Ports) -> DeliveryEvent:
    now = ports.clock.now()
    return DeliveryEvent(
        delivery_id=delivery_id,
        kind=event.kind.value,
        event_id=event.event_id,
        told_at=min(event.at or now, now),
        recorded_at=now,
        status=event.status[:12],
        text=event.text,
    )


def _tell_pages(rows: Sequence[TrackedRow]) -> None:
    records = sorted({row.record_id for row in rows if row.record_id is not None})
    tell_pages(*of_companies("queue", (row.company_id for row in rows)), *(f"record:{one}" for one in records))
