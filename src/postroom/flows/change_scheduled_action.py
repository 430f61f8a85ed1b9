"""How often a scheduled action runs, whether at all, and that it has something to do now."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from postroom.flows.access import require_house
from postroom.flows.ports import Ports
from postroom.store.models import Member, ScheduledAction, SettingChange


@transaction.atomic
def change_action(
    ports: Ports, key: str, *, interval_seconds: int, is_active: bool, member: Member | None
) -> ScheduledAction:
    """Raises `NotAllowed`, and DoesNotExist for an action that there is not. A new interval counts from now."""
    require_house(member)
    row = ScheduledAction.objects.select_for_update().get(pk=key)
    before = {"interval_seconds": row.interval_seconds, "is_active": row.is_active}
    after = {"interval_seconds": interval_seconds, "is_active": is_active}
    if after == before:
        return row
    now = ports.clock.now()
    if interval_seconds != row.interval_seconds or (is_active and not row.is_active):
        row.next_run_at = now + timedelta(seconds=interval_seconds)
    row.interval_seconds, row.is_active = interval_seconds, is_active
    row.save(update_fields=["interval_seconds", "is_active", "next_run_at"])
    SettingChange.objects.create(
        changed_at=now,
        user=member.user if member else None,
        company=member.company if member else None,
        subject=f"scheduled action {row.name}"[:200],
        before=before,
        after=after,
    )
    return row


def trigger_early(key: str, now: datetime) -> None:
    """It has something to do: due at once, if it is active. The beat after that is kept from now on."""
    ScheduledAction.objects.filter(pk=key, next_run_at__gt=now).update(next_run_at=now)
