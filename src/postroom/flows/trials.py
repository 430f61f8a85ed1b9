"""Tests of servers and mailboxes that somebody watches: begun on a page, worked through beside it, called off with a click.

    begin_trial -> (on commit) somebody runs it: its steps are noted as they happen -> finish_trial
                                                                   or cancel_trial -> what comes after that is not wanted

Laws: the outcome is stored by the test itself, with what was tested; a row here is only for watching, for its starter alone, and is
forgotten after a day. Whoever asks for it twice at once gets the one that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction

from postroom.flows.access import may, require, require_settings
from postroom.flows.ports import Ports
from postroom.store.models import Mailbox, Member, OutgoingServer, Trial

LONGEST = timedelta(seconds=150)  # whoever works at it is gone after that
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedStep:
    """A step as it is shown meanwhile; ``is_open``: it is under way."""

    step: str
    about: str = ""
    reply: str = ""
    milliseconds: int = 0
    is_ok: bool = True
    is_open: bool = False


class Watch(Protocol):
    """Follows a test from beside it."""

    def follow(self, tell: Callable[[], Sequence[WatchedStep]]) -> None:
        """Here is what tells the steps so far."""

    def is_wanted(self) -> bool:
        """Whether nobody called it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFact:
    """A trial as its page shows it."""

    id: int
    kind: str
    target_id: int
    is_over: bool
    is_cancelled: bool
    trouble: str
    place: str  # where it was begun, if not on the page of what is tested
    steps: tuple[WatchedStep, ...]


@transaction.atomic
def begin_trial(
    ports: Ports, kind: str, target_id: int, *, member: Member, options: dict[str, str | bool] | None = None
) -> TrialFact:
    """Write down that it is wanted. Raises `NotAllowed` and DoesNotExist."""
    require_triable(kind, target_id, member=member)
    now = ports.clock.now()
    Trial.objects.filter(started_at__lt=now - KEPT).delete()
    going_on = Trial.objects.filter(
        kind=kind, target_id=target_id, member=member, finished_at=None, cancelled_at=None, started_at__gt=now - LONGEST
    ).first()
    row = going_on or Trial.objects.create(
        kind=kind, target_id=target_id, member=member, options=options or {}, started_at=now
    )
    return _fact(row, now)


def require_triable(kind: str, target_id: int, *, member: Member) -> None:
    """Raises `NotAllowed` and DoesNotExist. Until the end of the transaction nobody else begins one of the same thing."""
    require(member, "settings")
    model: type[OutgoingServer] | type[Mailbox] = OutgoingServer if kind == "server" else Mailbox
    with transaction.atomic():
        target = model._default_manager.select_for_update(of=("self",)).get(pk=target_id)
    require_settings(member, target)


def trial_of(ports: Ports, trial_id: int, *, member: Member) -> TrialFact | None:
    """One that this member began; None for none. None, too, for who is no administrator any more. One query."""
    if not may(member, "settings"):
        return None
    row = Trial.objects.filter(pk=trial_id, member=member).first()
    return _fact(row, ports.clock.now()) if row is not None else None


def trial_to_run(trial_id: int) -> Trial | None:
    """What is to be done, unless it was called off."""
    return (
        Trial.objects.select_related("member__contact", "member__company", "member__user")
        .filter(pk=trial_id, finished_at=None, cancelled_at=None)
        .first()
    )


def note_steps(trial_id: int, steps: Sequence[WatchedStep]) -> bool:
    """Show these now. Whether it is still wanted."""
    return Trial.objects.filter(pk=trial_id, cancelled_at=None).update(steps=[asdict(one) for one in steps]) > 0


def is_wanted(trial_id: int) -> bool:
    """Whether nobody called it off."""
    return Trial.objects.filter(pk=trial_id, cancelled_at=None).exists()


def finish_trial(ports: Ports, trial_id: int, trouble: str = "") -> None:
    """It is over; ``trouble``: why it has no outcome."""
    Trial.objects.filter(pk=trial_id).update(finished_at=ports.clock.now(), trouble=trouble[:300])


def cancel_trial(ports: Ports, trial_id: int, *, member: Member) -> TrialFact | None:
    """Call it off: what it still finds is thrown away. None when the member began no such one, or may no more."""
    if not may(member, "settings"):
        return None
    now = ports.clock.now()
    Trial.objects.filter(pk=trial_id, member=member, finished_at=None, cancelled_at=None).update(cancelled_at=now)
    return trial_of(ports, trial_id, member=member)


def _fact(row: Trial, now: datetime) -> TrialFact:
    is_lost = row.finished_at is None and now - row.started_at > LONGEST
    return TrialFact(
        id=row.pk,
        kind=row.kind,
        target_id=row.target_id,
        is_over=row.finished_at is not None or row.cancelled_at is not None or is_lost,
        is_cancelled=row.cancelled_at is not None,
        trouble="lost" if is_lost else row.trouble,
        place=str(row.options.get("place", "")),
        steps=tuple(WatchedStep(**one) for one in row.steps),
    )
