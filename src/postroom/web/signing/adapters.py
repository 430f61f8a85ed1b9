"""What django-allauth asks us: who may come in by an identity provider, how secrets are kept, where people are led.

Laws: nobody signs up by a form. An account is never handed to whoever claims its address: only an address that the configured provider calls
verified, and that exactly one active member has, connects the two. New people come in only where the configuration allows it, and only with a
verified address of its domains. Secrets of second factors are sealed like all others (`SealedText`).
"""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.terms.states import Role
from postroom.flows import audit
from postroom.flows.add_member import CannotAdd, add_member
from postroom.flows.keep_secret import keep, kept
from postroom.store.models import Member
from postroom.web.whereabouts import address_of
from postroom.wiring import ports

NOT_VOUCHED = gettext_lazy("The identity provider did not vouch for you, or you stopped there. Nothing was changed.")


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up, nothing is said twice, and no mail leaves past our queue."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's shape
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return address_of(request) or "0.0.0.0"  # noqa: S104 - an address to count by, for a local socket

    def add_message(self, *_args: Any, **_kwargs: Any) -> None:
        """Our pages say what happened."""

    def send_mail(self, *_args: Any, **_kwargs: Any) -> None:
        """Our flows write the mails there are."""


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are sealed with the keys of the house."""

    def encrypt(self, text: str) -> str:
        return keep(ports(), text)

    def decrypt(self, encrypted_text: str) -> str:
        return kept(ports(), encrypted_text)

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return user.get_username()


class Providers(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """The identity provider of the configuration."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002
        return False  # `pre_social_login` has let in whom we let in

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Raises ImmediateHttpResponse with a page that says why somebody is turned away."""
        if sociallogin.is_existing:
            user = sociallogin.user
            if not user.is_active or not Member.objects.filter(user_id=user.pk).exists():
                self._refuse(request, _("This account is switched off, or is no member of Postroom."))
            return
        if request.user.is_authenticated:
            self._refuse(request, _("Accounts are connected by signing in, not from within."))
        address = verified_address(sociallogin)
        if not address:
            self._refuse(request, _("The identity provider does not call your mail address verified."))
        members = list(
            Member.objects.select_related("user").filter(user__email__iexact=address, user__is_active=True)[:2]
        )
        if len(members) == 1 and not members[0].user.is_superuser:
            sociallogin.connect(request, members[0].user)
            audit.note(ports(), "oidc_connected", member=members[0])
            return
        if members or not may_become_member(address):
            self._refuse(
                request, _("There is no account for {address} here. Ask an administrator.").format(address=address)
            )
        sociallogin.connect(request, self._welcome(request, address, sociallogin))

    def on_authentication_error(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> None:
        self._refuse(request, NOT_VOUCHED)

    def _welcome(self, request: HttpRequest, address: str, sociallogin: Any) -> Any:
        name = " ".join(part for part in (sociallogin.user.first_name, sociallogin.user.last_name) if part)
        try:
            member = add_member(
                ports(), login=address, name=name or address.partition("@")[0], address=address,
                role=Role(settings.POSTROOM.oidc_role), company="", password=None,
            )  # fmt: skip
        except CannotAdd as trouble:
            self._refuse(request, str(trouble))
        return member.user

    def _refuse(self, request: HttpRequest, why: str | Promise) -> None:
        audit.note(ports(), "oidc_refused")
        raise ImmediateHttpResponse(turned_away(request, why))


def verified_address(sociallogin: Any) -> str:
    """The first address that the provider itself calls verified; ``""`` for none. Not by allauth's own memory of addresses."""
    found = [one.email for one in sociallogin.email_addresses if one.verified and one.email]
    return found[0].strip().lower() if found else ""


def may_become_member(address: str) -> bool:
    """Whether the configuration lets a person with this verified address in."""
    allowed = {one.lower().lstrip("@") for one in settings.POSTROOM.oidc_domains}
    return bool(settings.POSTROOM.oidc_new_people) and address.rpartition("@")[2] in allowed


def turned_away(request: HttpRequest, why: str | Promise) -> HttpResponse:
    """The page that says why."""
    return render(request, "postroom/signing/refused.html", {"why": why}, status=403)
