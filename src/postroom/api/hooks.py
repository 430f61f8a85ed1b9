"""Where providers tell what became of mails: ``POST /hooks/<provider>/<secret>``.

Laws: GET changes nothing. A body has a largest size, looked at before it is read. 200: taken, also what we do not know; 403: not from whom
it should be; 400: unreadable; 413: too long; 503: our trouble, told again later. The answers say nothing more.
"""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from postroom.flows.record_tracking import MOST_BYTES, HookResult, take_hook
from postroom.wiring import ports

_STATUS = {
    HookResult.TAKEN: 200,
    HookResult.FORGED: 403,
    HookResult.UNREADABLE: 400,
    HookResult.TOO_LARGE: 413,
    HookResult.LATER: 503,
}


@csrf_exempt  # a secret address and signatures stand for it: no browser comes here
@never_cache
@require_http_methods(["POST", "HEAD"])
def take(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    """HEAD is how some providers look whether anybody is there."""
    if request.method == "HEAD":
        return HttpResponse()
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
    except (DatabaseError, InterfaceError):
        result = HookResult.LATER
    return HttpResponse(status=_STATUS[result])
