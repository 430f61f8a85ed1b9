"""What every request gets before, and every answer after: from where it comes, the policies of the browser, and an answer to those who may not.

Standards: CSP level 3, Trusted Types (reported only), Permissions Policy, COOP and CORP (HTML 7.1.3, Fetch 3.7). Alpine (in unfold) evaluates
expressions, hence 'unsafe-eval' for scripts; it and unfold write style attributes and a style element, hence 'unsafe-inline' for styles alone.
Scripts come from our own static files and nowhere else: there is no nonce, because there is no inline script to be let through. A view that
shows what strangers wrote sets a stricter policy of its own (`web.frames`), which stays.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from postroom.flows.access import NotAllowed
from postroom.flows.audit import from_where
from postroom.store.lent import ManyWait
from postroom.web.whereabouts import settle

log = logging.getLogger("postroom.web")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "manifest-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'{provider}",
        "frame-ancestors 'self'",
    )
)
# `Permissions-Policy`: nothing that our pages do not use; what a page writes to the clipboard is its reader's wish
PERMISSIONS = ", ".join(
    f"{one}=()"
    for one in (
        "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope",
        "hid", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock", "serial", "usb",
        "xr-spatial-tracking",
    )
)  # fmt: skip

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class BothWorlds:
    """A middleware that leaves synchronous and asynchronous answers as they are, so that streams stay asynchronous."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        return self.get_response(request)


class Whereabouts(BothWorlds):
    """Notes from where a request comes, for the audit log and the counting of tries. Headers of proxies that we do not trust are gone after it."""

    def __call__(self, request: HttpRequest) -> Answer:
        address = settle(request)
        if self.is_async:
            return self._later(request, address)
        with from_where(address):
            return self.get_response(request)

    async def _later(self, request: HttpRequest, address: str) -> HttpResponseBase:
        with from_where(address):
            answer = self.get_response(request)
            return await answer if isinstance(answer, Awaitable) else answer


class Policies(BothWorlds):
    """Sets the policies where a view has not set its own."""

    def __call__(self, request: HttpRequest) -> Answer:
        answer = self.get_response(request)
        return self._later(answer) if isinstance(answer, Awaitable) else _with_policy(answer)

    async def _later(self, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return _with_policy(await answer)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A flow said no: the page says so, with 403. What it did not find, or not among what this member sees, is not there: 404.
        Too many wait for the network: 503."""
        match exception:
            case NotAllowed():
                return render(request, "postroom/not_allowed.html", {"why": str(exception)}, status=403)
            case ManyWait():
                answer = render(request, "postroom/busy.html", status=503)
                answer["Retry-After"] = "10"
                return answer
            case ObjectDoesNotExist():
                log.warning("%s %s: %s", request.method, request.path, exception)
                return render(request, "404.html", status=404)
            case _:
                return None


def _with_policy(answer: HttpResponseBase) -> HttpResponseBase:
    """The provider's host may be led to by a form: the button of the sign-in is one (CSP looks at redirects of forms, too)."""
    provider = f" {_origin(settings.POSTROOM.oidc_issuer)}" if settings.POSTROOM.oidc_issuer else ""
    answer.headers.setdefault("Content-Security-Policy", POLICY.format(provider=provider))
    answer.headers.setdefault("Permissions-Policy", PERMISSIONS)
    answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    return answer


def _origin(address: str) -> str:
    return "/".join(address.split("/")[:3])
