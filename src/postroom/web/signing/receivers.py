"""What Django and allauth tell of signing in, written to the audit log. (Signals are how those two say it; our own flows need none.)"""

from __future__ import annotations

from typing import Any

from allauth.account.signals import authentication_step_completed
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from postroom.flows import audit
from postroom.flows.sign_in import BEGAN
from postroom.web.sessions import SEEN
from postroom.web.sign_in import known_name
from postroom.wiring import ports


def connect() -> None:
    """Called once, when the pages are set up."""
    user_logged_in.connect(_signed_in, dispatch_uid="postroom")
    user_logged_out.connect(_signed_out, dispatch_uid="postroom")
    user_login_failed.connect(_failed, dispatch_uid="postroom")
    authentication_step_completed.connect(_step, dispatch_uid="postroom")
    authentication_failed.connect(_wrong_code, dispatch_uid="postroom")


def _signed_in(request: HttpRequest, user: Any, **_: Any) -> None:
    request.session[BEGAN] = request.session[SEEN] = ports().clock.now().timestamp()
    audit.note(ports(), "sign_in", user=user)


def _signed_out(user: Any, **_: Any) -> None:
    if user is not None:
        audit.note(ports(), "sign_out", user=user)


def _failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    locked = bool(getattr(request, "axes_locked_out", False))
    name = known_name(str(credentials.get("username") or ""))
    audit.note(ports(), "sign_in_locked" if locked else "sign_in_failed", login="" if name.startswith("?") else name)


def _step(user: Any, method: str, **details: Any) -> None:
    if method == "mfa" and details.get("type") == "recovery_codes":
        audit.note(ports(), "recovery_code_used", user=user)


def _wrong_code(user: Any, **_: Any) -> None:
    audit.note(ports(), "sign_in_failed", user=user, step="code")
