"""How states of the core are written into columns: their text, guarded by a check of the database."""

from __future__ import annotations

from enum import StrEnum

from django.db import models


def check_states(name: str, field: str, states: type[StrEnum]) -> models.CheckConstraint:
    """A constraint that the column holds one of these states."""
    return models.CheckConstraint(name=name, condition=models.Q(**{f"{field}__in": sorted(states)}))
