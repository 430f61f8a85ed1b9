"""What a delivery waited for before: written where its gate changes, so that its story can tell."""

from __future__ import annotations

from datetime import datetime

from django.db.models import JSONField
from django.db.models.expressions import RawSQL

_WAITED = """CASE WHEN waits_for IS NULL OR jsonb_array_length(coalesce(waited, '[]')) >= 20 THEN waited
    ELSE coalesce(waited, '[]') || jsonb_build_array(waits_for || jsonb_build_object(
        'since', coalesce(held_since, postroom_delivery.created_at), 'until', %s::timestamptz)) END"""


def with_gate(now: datetime) -> RawSQL:
    """For an update that takes the gate away: the history with this gate at its end (as `claims` writes it)."""
    return RawSQL(_WAITED, [now], output_field=JSONField())  # noqa: S611 (our own words; the moment is bound)
