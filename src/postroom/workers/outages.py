"""What is nobody's bug: the database or the disk is away, and will be back."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

OUTAGES = (OperationalError, InterfaceError, OSError)
