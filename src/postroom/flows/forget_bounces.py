"""Evidence that is old enough goes, and with the last of it the address: the part of Auto-Vacuum that minds bounces.

Laws: as `flows.forget_old_mail`. Evidence of an address that campaigns leave out is kept as long as they do: whoever asks why gets an
answer. Suppressions that ended are evidence, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import connection, models, transaction

from postroom.store.models import AddressHealth, BounceEvent, Suppression

BATCH = 1000

_IDLE = """
    DELETE FROM postroom_addresshealth h WHERE h.id = ANY(%s)
    AND NOT EXISTS (SELECT FROM postroom_bounceevent e WHERE e.health_id = h.id)
    AND NOT EXISTS (SELECT FROM postroom_suppression s WHERE s.health_id = h.id)
"""


def forget_bounces(before: datetime, is_over: Callable[[], bool]) -> int:
    """Evidence and ended suppressions from before; how many rows."""
    left_out = Suppression.objects.filter(health=models.OuterRef("health"), released_at=None)
    events = BounceEvent.objects.filter(~models.Exists(left_out))
    ended = Suppression.objects.filter(released_at__lt=before)
    return _walk(BounceEvent, "recorded_at", events, before, is_over) + _walk(
        Suppression, "since", ended, before, is_over
    )


def _walk(
    model: type[models.Model],
    age: str,
    may_go: models.QuerySet[models.Model],
    before: datetime,
    is_over: Callable[[], bool],
) -> int:
    """From the oldest row on, to the first batch with one that is too young: rows are as old as their numbers."""
    deleted, last = 0, 0
    while not is_over():
        with transaction.atomic():
            rows = list(
                model._default_manager.filter(pk__gt=last).order_by("pk").values_list("pk", age, "health_id")[:BATCH]
            )
            old = [(pk, health) for pk, at, health in rows if at < before]
            if old:
                deleted += may_go.filter(pk__in=[pk for pk, _ in old]).delete()[0]
                _drop_idle({health for _, health in old})
        if len(rows) < BATCH or len(old) < len(rows):
            break
        last = rows[-1][0]
    return deleted


def _drop_idle(health_ids: Collection[int]) -> None:
    """Addresses of which nothing is known any more. Locked before they are looked at: somebody may be counting one just now."""
    ids = sorted(health_ids)
    list(
        AddressHealth.objects.select_for_update().filter(pk__in=ids).order_by("company_id", "address").values_list("pk")
    )
    with connection.cursor() as cursor:
        cursor.execute(_IDLE, [ids])
