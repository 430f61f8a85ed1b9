"""Lets somebody in again: after too many wrong passwords, or when telephone and recovery codes are gone. For the operator alone."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
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


@transaction.atomic
def remove_second_factor(ports: Ports, login: str) -> int:
    """How many authenticators went (an app and its recovery codes are two)."""
    count, _ = Authenticator.objects.filter(user__username=login).delete()
    if count:
        audit.note(ports, "totp_off", subject=login)
    return int(count)
