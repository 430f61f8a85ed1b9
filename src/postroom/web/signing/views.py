"""The pages around the sign-in: second factor, a new password by mail, and what each person sees of his own security.

allauth's views do the work of the second factor; here they get our shell and our words. A second factor and recovery codes are changed only
after the password (or a code) was given again within ten minutes.
"""

from __future__ import annotations

from typing import Any

from allauth.account.views import ReauthenticateView
from allauth.mfa.base import views as second
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from django import forms
from django.contrib.auth import logout
from django.contrib.auth.views import PasswordResetConfirmView, redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse, reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.edit import FormView

from postroom.flows import audit
from postroom.flows.sign_in import BEGAN, ask_for_new_password, sign_out_everywhere
from postroom.store.models import AuditEvent
from postroom.web.forms import style
from postroom.web.members import MemberRequest, for_members, text_of
from postroom.web.shell import around_page, back, go, page
from postroom.web.signing.adapters import NOT_VOUCHED, turned_away
from postroom.web.site import member_of, site
from postroom.wiring import ports


class _Alone:
    """A page before the sign-in: the shell without navigation."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        shell = site.each_context(self.request)  # type: ignore[attr-defined]
        return {**shell, **super().get_context_data(**more)}  # type: ignore[misc]


class _InShell:
    """A page of a member in our shell."""

    title: str | Promise = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if member_of(request) is None:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        request: Any = self.request  # type: ignore[attr-defined]
        context: dict[str, Any] = super().get_context_data(**more)  # type: ignore[misc]
        if "form" in context:
            style(context["form"])
        return context | around_page(request, self.title)


class _Noted(_InShell):
    """What changes the second factor is written to the audit log with it."""

    noted = ""

    @transaction.atomic
    def form_valid(self, form: Any) -> HttpResponse:
        answer: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        audit.note(ports(), self.noted, user=self.request.user)  # type: ignore[attr-defined]
        return answer


class SecondStep(_Alone, second.AuthenticateView):  # type: ignore[misc]
    template_name = "postroom/signing/second_step.html"


class Again(_InShell, ReauthenticateView):  # type: ignore[misc]
    template_name = "postroom/signing/again.html"
    title = gettext_lazy("Is it you?")


class AgainByCode(_InShell, second.ReauthenticateView):  # type: ignore[misc]
    template_name = "postroom/signing/again.html"
    title = gettext_lazy("Is it you?")


class SwitchOn(_Noted, totp.ActivateTOTPView):  # type: ignore[misc]
    template_name = "postroom/signing/switch_on.html"
    title = gettext_lazy("Two-factor sign-in")
    noted = "totp_on"


class SwitchOff(_Noted, totp.DeactivateTOTPView):  # type: ignore[misc]
    template_name = "postroom/signing/sure.html"
    title = gettext_lazy("Two-factor sign-in")
    noted = "totp_off"
    words = gettext_lazy("Without it, your password alone opens your account.")
    button, tone = gettext_lazy("Switch off"), "bad"


class Codes(_InShell, codes.ViewRecoveryCodesView):  # type: ignore[misc]
    template_name = "postroom/signing/codes.html"
    title = gettext_lazy("Recovery codes")


class NewCodes(_Noted, codes.GenerateRecoveryCodesView):  # type: ignore[misc]
    template_name = "postroom/signing/sure.html"
    title = gettext_lazy("Recovery codes")
    noted = "recovery_codes"
    words = gettext_lazy("The old recovery codes open nothing any more as soon as there are new ones.")
    button, tone = gettext_lazy("Make new codes"), "primary"


@for_members("GET")
def security(request: MemberRequest) -> HttpResponse:
    """What protects my account, and what it did of late."""
    factors = {one.type: one for one in Authenticator.objects.filter(user_id=request.member.user_id)}
    mine = AuditEvent.objects.filter(user_id=request.member.user_id).order_by("-id")[:12]
    context = {
        "totp": factors.get("totp"),
        "codes_left": len(factors["recovery_codes"].wrap().get_unused_codes()) if "recovery_codes" in factors else 0,
        "has_password": request.member.user.has_usable_password(),
        "events": [(one.at, audit.EVENTS.get(one.what, one.what), one.address or "") for one in mine],
    }
    return page(request, "postroom/signing/security.html", _("Security"), context)


def refused(request: HttpRequest) -> HttpResponse:
    """The identity provider said no, or the person changed his mind."""
    return turned_away(request, NOT_VOUCHED)


@for_members("POST")
def everywhere(request: MemberRequest) -> HttpResponse:
    """All my sessions end but this one."""
    at = sign_out_everywhere(ports(), member=request.member)
    request.session.cycle_key()
    request.session[BEGAN] = at.timestamp() + 0.001
    return go(request, back(request, reverse("mfa_index")), said=_("All other sessions are over."))


class ForgottenForm(forms.Form):
    who = forms.CharField(
        label=gettext_lazy("Your name here, or your mail address"),
        max_length=320,
        widget=forms.TextInput({"autocomplete": "username", "autofocus": True}),
    )


class Forgotten(_Alone, FormView):  # type: ignore[type-arg]
    """The answer is the same for everybody, known or not."""

    template_name = "postroom/signing/forgotten.html"
    form_class = ForgottenForm

    def form_valid(self, form: Any) -> HttpResponse:
        place = reverse("new_password", args=["uid", "token"]).replace("uid/token", "{uid}/{token}")
        ask_for_new_password(ports(), text_of(form.cleaned_data, "who", 320), place)
        return self.render_to_response(self.get_context_data(is_sent=True))

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        style(context["form"])
        return {**context, "title": _("A new password")}


class NewPassword(_Alone, PasswordResetConfirmView):
    """Set by the link of the mail; Django's token ends with it. Then one signs in, with the second factor if there is one."""

    template_name = "postroom/signing/new_password.html"
    success_url = reverse_lazy("admin:login")

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        audit.note(ports(), "password_reset", user=form.user)
        if self.request.user.is_authenticated:
            logout(self.request)
        return answer

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        context = super().get_context_data(**more)
        if context.get("form") is not None:
            style(context["form"])
        return {**context, "title": _("A new password")}
