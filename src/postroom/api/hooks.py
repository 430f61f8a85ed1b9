"""Where providers tell what became of mails: ``POST /hooks/<provider>/<secret>``.

Laws: GET changes nothing. The address is a secret, so it is not logged. A body has a largest size, looked at before it is read. 200: taken, also what we do not know; 403: not from whom
it should be; 400: unreadable; 413: too long; 429: too many strangers ask; 503: our trouble, told again later. The answers say nothing more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from postroom.api.strangers import Strangers, come_again
from postroom.flows.record_tracking import MOST_BYTES, HookResult, is_known_address, take_hook
from postroom.store.lent import ManyWait
from postroom.wiring import ports

View = Callable[[HttpRequest, str, str], HttpResponse]

_log = logging.getLogger(__name__)
_strangers = Strangers()

_STATUS = {
    HookResult.TAKEN: 200,
    HookResult.FORGED: 403,
    HookResult.UNREADABLE: 400,
    HookResult.TOO_LARGE: 413,
    HookResult.LATER: 503,
}


def quiet_about_address(view: View) -> View:
    """Django logs refused requests with their address: this one is a secret."""

    @wraps(view)
    def quiet(request: HttpRequest, provider: str, token: str) -> HttpResponse:
        answer = view(request, provider, token)
        if answer.status_code >= 400:
            _log.info("a request of %s was answered %d", provider[:30], answer.status_code)
            answer._has_been_logged = True  # type: ignore[attr-defined]
        return answer

    return quiet


@quiet_about_address
@csrf_exempt  # a secret address and signatures stand for it: no browser comes here
@never_cache
def take(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    """HEAD is how some providers look whether anybody is there."""
    if request.method == "HEAD":
        return HttpResponse()
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST", "HEAD"])
    refusal = _strangers.refusal_of(f"{provider}/{token}", lambda: is_known_address(provider, token))
    return refusal or _taken(request, provider, token)


def _taken(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if length > MOST_BYTES:
            return HttpResponse(status=413)
        body = request.read(MOST_BYTES + 1)
    except (ValueError, UnreadablePostError):
        return HttpResponse(status=400)
    if len(body) > MOST_BYTES:
        return HttpResponse(status=413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        result = take_hook(ports(), provider=provider, token=token, headers=headers, body=body)
    except (DatabaseError, InterfaceError) as error:
        _log.warning("events of %s are taken later: %s", provider[:30], " ".join(str(error).split())[:200])
        result = HookResult.LATER
    except ManyWait:
        return come_again(503)
    return HttpResponse(status=_STATUS[result])
