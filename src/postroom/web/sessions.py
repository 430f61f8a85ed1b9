"""How long a session lives: it ends after idleness, and after its life.

Laws: asked with every request that brings a session; costs no query where nobody is signed in. The time of the last request is written every
few minutes, not with each. That a new password ends other sessions is Django's own doing (the session carries a digest of it);
that of "sign out everywhere" is known where the member is read (`web.site.member_of`, `api`).
"""

from __future__ import annotations

from collections.abc import Awaitable

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import logout
from django.db import connection
from django.http import HttpRequest, HttpResponseBase

from postroom.flows import audit
from postroom.flows.sign_in import BEGAN, began_at
from postroom.web.handler import STREAMS
from postroom.web.middleware import Answer, BothWorlds
from postroom.wiring import ports

SEEN = "postroom_seen"
NOTED_EVERY = 300  # seconds


class SessionLimits(BothWorlds):
    """Ends what is over before anybody asks who is there."""

    def __call__(self, request: HttpRequest) -> Answer:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        if self.is_async:
            return self._later(request)
        end_what_is_over(request)
        return self.get_response(request)

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        await sync_to_async(_look)(request)
        answer = self.get_response(request)
        return await answer if isinstance(answer, Awaitable) else answer


def _look(request: HttpRequest) -> None:
    """As `end_what_is_over`; leaves no connection to a stream, which would keep it for its life."""
    end_what_is_over(request)
    if request.path_info.startswith(STREAMS) and not connection.in_atomic_block:
        connection.close()


def end_what_is_over(request: HttpRequest) -> None:
    """Signs out whose session is over; notes that the others were here."""
    if not request.user.is_authenticated:
        return
    now = ports().clock.now()
    began, seen = began_at(request.session), request.session.get(SEEN)
    if began is None or not isinstance(seen, int | float):
        request.session[BEGAN] = request.session[SEEN] = now.timestamp()
        return
    idle = now.timestamp() - seen
    if why := _over(idle, (now - began).total_seconds()):
        audit.note(ports(), "session_ended", user=request.user, why=why)
        logout(request)
    elif idle > NOTED_EVERY:
        request.session[SEEN] = now.timestamp()  # its saving moves the end of the cookie and the row, too


def _over(idle: float, age: float) -> str:
    """Why it is over (seconds); ``""`` when it is not."""
    if idle > settings.POSTROOM.session_idle * 60:
        return "idle"
    return "age" if age > settings.POSTROOM.session_life * 60 else ""
