"""Where providers hand in mail: ``POST /ingress/<provider>/<secret>/mime``.

Laws: GET changes nothing. The address is a secret, so it is not logged. A body has a largest size, looked at before it is read. 200: durable; 403: not from whom it should be; 400:
unreadable; 413: too large; 429: too many strangers ask; 503 with Retry-After: our trouble, come again. The answers say nothing more.
"""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from postroom.api.hooks import quiet_about_address
from postroom.api.strangers import Strangers, come_again
from postroom.flows.inbound_hooks import is_known_address, path_of, take_inbound
from postroom.flows.record_tracking import HookResult
from postroom.store.lent import ManyWait
from postroom.wiring import ports

_strangers = Strangers()
_STATUS = {
    HookResult.TAKEN: 200,
    HookResult.FORGED: 403,
    HookResult.UNREADABLE: 400,
    HookResult.TOO_LARGE: 413,
    HookResult.LATER: 503,
}


def most_bytes(largest_mail: int) -> int:
    """Of a request that carries a mail of this size in base64 or percent signs."""
    return largest_mail * 3 + 1_000_000


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
    most = most_bytes(settings.POSTROOM.max_message_size)
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > most:
            return HttpResponse(status=413)
        body = request.read(most + 1)
    except (ValueError, UnreadablePostError):
        return HttpResponse(status=400)
    if len(body) > most:
        return HttpResponse(status=413)
    headers = {name.lower(): value for name, value in request.headers.items()}
    address = f"{ports().configuration.public_url}{path_of(provider, token)}"
    try:
        result = take_inbound(ports(), provider=provider, token=token, address=address, headers=headers, body=body)
    except (DatabaseError, InterfaceError, OSError, ManyWait):
        result = HookResult.LATER
    return come_again(503) if result is HookResult.LATER else HttpResponse(status=_STATUS[result])
