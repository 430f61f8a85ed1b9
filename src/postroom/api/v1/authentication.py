"""Who asks: a member by session (as the pages), or a program with a member's key."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer

from postroom.flows.api_keys import member_of_key
from postroom.flows.sign_in import began_at, is_signed_out
from postroom.store.models import Member
from postroom.wiring import ports


class ApiRequest(HttpRequest):
    """A request whose member is known (ninja's name for it is ``auth``)."""

    auth: Member


class BySession(APIKeyCookie):
    """The cookie of the pages; changes need the CSRF token in ``X-CSRFToken``."""

    param_name = settings.SESSION_COOKIE_NAME

    def authenticate(self, request: HttpRequest, _key: str | None) -> Member | None:
        if not request.user.is_authenticated or not request.user.is_active:
            return None
        member = Member.objects.select_related("contact", "company", "user").filter(user_id=request.user.pk).first()
        return None if member is None or is_signed_out(member, began_at(request.session)) else member


class ByKey(HttpBearer):
    """``Authorization: Bearer prk_…``, with a key that has one of these scopes."""

    def __init__(self, scopes: tuple[str, ...] = ("all",)) -> None:
        super().__init__()
        self._scopes = scopes

    def authenticate(self, _request: HttpRequest, token: str) -> Member | None:
        return member_of_key(ports(), token, scopes=self._scopes)
