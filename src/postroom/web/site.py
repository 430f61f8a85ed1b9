"""The shell of all pages: unfold's, opened to every member instead of to Django's staff alone.

Duty: sign-in, sign-out, change of password, and the context that unfold's templates need. There is no model admin here:
what a person may do follows from roles (`flows.access`), not from Django's permissions.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.password_validation import password_validators_help_texts
from django.contrib.auth.views import LogoutView, PasswordChangeView, redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView
from unfold.forms import AuthenticationForm
from unfold.sites import UnfoldAdminSite

from postroom.flows import audit
from postroom.flows.sign_in import began_at, is_signed_out
from postroom.store.models import Member
from postroom.store.queries.signed_in import member_of_user
from postroom.web.forms import style
from postroom.web.sign_in import SignIn, must_wait
from postroom.wiring import ports


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """Name and password. Whoever is no member of Postroom is told so instead of meeting an empty house."""

    error_messages = {
        "invalid_login": _("That name and password do not belong together. Both tell capitals from small letters."),
        "inactive": _("This account is switched off."),
        "wait": _(
            "Too many wrong passwords from where you are. Wait {minutes} minutes, then try again; or have an administrator run "
            "“postroom user unlock”. Others, elsewhere, are not kept out by it."
        ),
        "no_member": _("This account is not a member of Postroom yet. An administrator can change that."),
    }

    def get_invalid_login_error(self) -> ValidationError:
        """Whoever has to wait is told so, whether or not there is such an account: the words are the same."""
        if must_wait(self.request):
            minutes = settings.POSTROOM.sign_in_pause
            return ValidationError(str(self.error_messages["wait"]).format(minutes=minutes), code="wait")
        error: ValidationError = super().get_invalid_login_error()
        return error

    def confirm_login_allowed(self, user: Any) -> None:
        if not user.is_active:
            raise ValidationError(self.error_messages["inactive"], code="inactive")
        if not Member.objects.filter(user=user).exists():
            raise ValidationError(self.error_messages["no_member"], code="no_member")


class OwnPasswordForm(PasswordChangeForm):
    """The old password and a new one, in our look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = " ".join(password_validators_help_texts())
        style(self)


class PostroomSite(UnfoldAdminSite):  # type: ignore[misc]
    """Unfold's shell around our own pages."""

    login_form = SignInForm
    site_title = site_header = "Postroom"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the shell is shown: to members."""
        return getattr(request, "member", None) is not None or member_of(request) is not None

    def get_app_list(self, *_: Any) -> list[Any]:
        """No model is administered here, so no permission is asked for (and no query spent on it)."""
        return []

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", RedirectView.as_view(pattern_name="web:home"), name="index"),  # web.urls answers first
            path("login/", self.login, name="login"),
            path("logout/", self.sign_out, name="logout"),
            path("password/", self.closed(self.password_change), name="password_change"),
            path("password/done/", self.closed(self.password_change_done), name="password_change_done"),
            path("search/", self.closed(self.search), name="search"),
            path("jsi18n/", self.i18n_javascript, name="jsi18n"),
        ]

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:  # noqa: ARG002 - Django's shape
        """The form, and what follows it."""
        if request.method == "GET" and self.has_permission(request):
            return HttpResponseRedirect(reverse("web:home"))
        context = {**self.each_context(request), "title": _("Sign in"), "app_path": request.get_full_path()}
        request.current_app = self.name
        return SignIn.as_view(authentication_form=self.login_form, extra_context=context)(request)

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:  # noqa: ARG002 - Django's shape
        """By the old password. Other sessions are over with it."""
        change = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), "title": _("Change password"), "is_fullwidth": "1"},
        )
        answer = change(request)
        if request.method == "POST" and answer.status_code == 302:
            audit.note(ports(), "password_changed", user=request.user)  # type: ignore[arg-type]
        return answer

    def sign_out(self, request: HttpRequest) -> HttpResponseBase:
        """Ends the session (POST) and leads back to the sign-in."""
        return LogoutView.as_view(next_page=reverse("admin:login"))(request)

    def search(self, *_: Any) -> HttpResponse:
        """Unfold's model search has nothing to search; lists have their own."""
        return HttpResponse()

    def closed(self, view: Any) -> Any:
        """A view of the shell for members alone."""

        def guarded(request: HttpRequest) -> HttpResponseBase:
            if not self.has_permission(request):
                return redirect_to_login(request.get_full_path(), reverse("admin:login"))
            answer: HttpResponseBase = view(request)
            return answer

        return guarded


def member_of(request: HttpRequest) -> Member | None:
    """The member who asks, with contact and companies; None for strangers. One query, remembered on the request."""
    if not hasattr(request, "member"):
        user = request.user
        found = None
        if not isinstance(user, AnonymousUser) and user.is_active:
            found = member_of_user(user)
            if found is not None and is_signed_out(found, began_at(request.session)):
                logout(request)
                found = None
        request.member = found  # type: ignore[attr-defined]
    member: Member | None = request.member  # type: ignore[attr-defined]
    return member


site = PostroomSite(name="admin")
