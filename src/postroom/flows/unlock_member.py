"""Lets somebody in again: after too many wrong passwords, when telephone and recovery codes are gone, or where no mail brings a link to a
new password. For the operator alone."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
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


@transaction.atomic
def give_password(ports: Ports, login: str, password: str) -> bool:
    """Sessions elsewhere end. False where nobody signs in by that name. Raises `ValidationError` for a weak one."""
    user = get_user_model().objects.select_for_update().filter(username=login).first()
    if user is None:
        return False
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.note(ports, "password_reset", subject=login)
    return True
