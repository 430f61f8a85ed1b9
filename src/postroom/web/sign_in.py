"""The sign-in: its view, by what tries are counted, and whether somebody has to wait.

Law: what people type as a name may be their password, so a name that nobody has is counted by a digest and written down nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    """The password is right: what else has to be shown (a code) is allauth's business."""

    template_name = "postroom/signing/sign_in.html"

    def form_valid(self, form: Any) -> HttpResponse:
        login = Login(user=form.get_user(), redirect_url=self.get_success_url())
        answer: HttpResponse = perform_password_login(self.request, {"username": form.cleaned_data["username"]}, login)
        return answer

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        provider = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect")
        name = provider["APPS"][0]["name"] if provider else ""
        return {**super().get_context_data(**more), "provider": name}


def counted_name(request: HttpRequest, credentials: Mapping[str, object] | None = None) -> str:
    """The account that is tried, as it is written to the counter."""
    return known_name(str((credentials or request.POST).get("username") or ""))


def known_name(typed: str) -> str:
    """The name when somebody has it, else a digest of it."""
    if get_user_model().objects.filter(username=typed[:150]).exists():
        return typed[:150]
    return f"?{sha256(typed.encode('utf-8', 'replace')).hexdigest()[:24]}"


def must_wait(request: HttpRequest) -> bool:
    """Whether this address has to wait before it tries this account again."""
    return not AxesProxyHandler.is_allowed(request, {"username": str(request.POST.get("username") or "")})
