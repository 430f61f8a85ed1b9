"""Asks again who is there before secrets change hands: a session that was left open is not enough.

Law: what counts is a sign-in, or a repeated password or code, of the last ten minutes. Who has neither says it again and presses the button
again; the form's contents are not kept for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from postroom.flows.sign_in import began_at
from postroom.web.shell import go
from postroom.wiring import ports


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person has shown of late who it is."""
    began, enough = began_at(request.session), settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    is_new = began is not None and (ports().clock.now() - began).total_seconds() < enough
    return is_new or did_recently_reauthenticate(request)


def when_fresh(back: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A POST (of a member) that needs it; ``back``: the name of the page to which the person returns."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method == "POST" and not is_fresh(request):
                return go(request, f"{reverse('account_reauthenticate')}?{urlencode({'next': reverse(back)})}")
            answer: HttpResponseBase = view(request, *args, **kwargs)
            return answer

        return guarded

    return decorate
