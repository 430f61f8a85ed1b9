"""How a mailbox stands, for people and programs: its state in a word, what is wrong and what helps, and when it is read next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from postroom.core.terms.mailbox_presets import MAILBOX_PRESETS, MailboxPreset, mailbox_preset, preset_of_mailbox
from postroom.core.terms.reasons import Reason
from postroom.flows.note_health import explain_mailbox_trouble
from postroom.flows.ports import Ports
from postroom.flows.reconcile_mailbox import Reconciliation, last_reconciliation
from postroom.store.models import Mailbox


class MailboxState(StrEnum):
    """How it fares now."""

    OFF = "off"  # switched off by a person
    UNCONFIRMED = "unconfirmed"  # not read before Test & Confirm went well
    TROUBLE = "trouble"  # cannot be read; tried again after a pause
    UNSETTLED = "unsettled"  # is read, but mails there cannot be marked, moved or deleted
    WATCHED = "watched"  # somebody reads it, or waits for news
    WAITING = "waiting"  # for its interval to be over


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxStanding:
    """``next_at``: when it is read at the latest; None: not by itself."""

    state: MailboxState
    next_at: datetime | None
    last_error: str
    cause: Reason | None
    cure: Reason | None
    reconciled_at: datetime | None
    reconciliation: Reconciliation | None


def standing_of(ports: Ports, mailbox: Mailbox) -> MailboxStanding:
    """From its row alone: nobody is asked."""
    now = ports.clock.now()
    explained = explain_mailbox_trouble(mailbox)
    compared = last_reconciliation(mailbox)
    return MailboxStanding(
        state=state_of(mailbox, now),
        next_at=_next_at(mailbox, now),
        last_error=mailbox.last_error,
        cause=explained.cause if explained else None,
        cure=explained.cure if explained else None,
        reconciled_at=compared[0] if compared else None,
        reconciliation=compared[1] if compared else None,
    )


def state_of(mailbox: Mailbox, now: datetime) -> MailboxState:
    """The first that fits."""
    if not mailbox.is_active:
        return MailboxState.OFF
    if not mailbox.is_confirmed:
        return MailboxState.UNCONFIRMED
    if mailbox.last_error:
        return MailboxState.TROUBLE if mailbox.error_count else MailboxState.UNSETTLED
    is_held = mailbox.leased_until is not None and mailbox.leased_until >= now
    return MailboxState.WATCHED if is_held else MailboxState.WAITING


def _next_at(mailbox: Mailbox, now: datetime) -> datetime | None:
    if not (mailbox.is_active and mailbox.is_confirmed):
        return None
    if mailbox.paused_until is not None and mailbox.paused_until > now:
        return mailbox.paused_until
    if mailbox.fetched_at is None:
        return now
    return max(now, mailbox.fetched_at + timedelta(seconds=mailbox.interval_seconds))


def presets() -> tuple[MailboxPreset, ...]:
    """All, in the order in which they are offered."""
    return tuple(MAILBOX_PRESETS.values())


def preset(key: str) -> MailboxPreset:
    """This one; custom when there is none of that key."""
    return mailbox_preset(key)


def preset_of_host(host: str) -> MailboxPreset:
    """Whose host it is."""
    return preset_of_mailbox(host)
