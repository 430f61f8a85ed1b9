"""The code of the second step: each counts once, in all processes of the house.

Law: an accepted code and all codes before it are spent (RFC 6238, 5.2). allauth remembers used codes in the memory of one process and for one
step of thirty seconds; ours count a step longer than they are shown (`MFA_TOTP_TOLERANCE`), and a house has several processes.
"""

from __future__ import annotations

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from django.db import transaction

LAST_STEP = "last_step"  # in an authenticator's data: the number of the time step whose code was accepted last


class _EachCodeOnce(forms.BaseAuthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        code: str = super().clean_code()
        if self.authenticator.type == Authenticator.Type.TOTP and not spend(self.authenticator, code):
            self._emit_authentication_failed(self.authenticator)
            raise get_adapter().validation_error("incorrect_code")
        return code


class Authenticate(_EachCodeOnce, forms.AuthenticateForm):  # type: ignore[misc]
    """At sign-in."""


class Reauthenticate(_EachCodeOnce, forms.ReauthenticateForm):  # type: ignore[misc]
    """Before something is changed that protects the account."""


def spend(authenticator: Authenticator, code: str) -> bool:
    """False where this code, or one of a later step, was accepted before."""
    with transaction.atomic():
        kept = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
        step = step_of(kept, code)
        if step is None or step <= kept.data.get(LAST_STEP, -1):
            return False
        kept.data[LAST_STEP] = step
        kept.save(update_fields=["data"])
    authenticator.data = kept.data
    return True


def step_of(authenticator: Authenticator, code: str) -> int | None:
    """The number of the time step that this code belongs to; ``None`` where it just ran out."""
    secret = get_adapter().decrypt(authenticator.data["secret"])
    for step in auth.yield_hotp_counters_from_time():
        if auth.compare_user_code(actual=code, expected=auth.format_hotp_value(auth.hotp_value(secret, step))):
            return int(step)
    return None
