"""Lets somebody try again who typed too many wrong passwords: the counters of tries are set back."""

from __future__ import annotations

from axes.models import AccessAttempt
from django.db import transaction

from postroom.flows import audit
from postroom.flows.ports import Ports


@transaction.atomic
def unlock_member(ports: Ports, login: str = "") -> int:
    """For the operator at the command line. ``login`` empty: everybody. How many counters were set back."""
    rows = AccessAttempt.objects.filter(username=login) if login else AccessAttempt.objects.all()
    count, _ = rows.delete()
    if count:
        audit.note(ports, "sign_in_unlocked", subject=login or "everybody")
    return int(count)
