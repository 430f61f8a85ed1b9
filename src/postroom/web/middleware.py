"""What every answer carries: a content security policy, and an answer to those who may not.

Standards: CSP level 3. Alpine (in unfold) evaluates expressions, hence 'unsafe-eval'; unfold writes its colours into a style element,
hence 'unsafe-inline' for styles. Scripts come from our own static files alone. A view that shows what strangers wrote sets a stricter
policy of its own (`web.frames`), which stays.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from postroom.flows.access import NotAllowed

log = logging.getLogger("postroom.web")

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "frame-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)


class ContentSecurityPolicy:
    """Sets the policy where a view has not set its own. Works in both worlds, so that streams stay asynchronous."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        answer = self.get_response(request)
        return self._later(answer) if isinstance(answer, Awaitable) else _with_policy(answer)

    async def _later(self, answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
        return _with_policy(await answer)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A flow said no: the page says so, with 403. What it did not find, or not among what this member sees, is not there: 404."""
        match exception:
            case NotAllowed():
                return render(request, "postroom/not_allowed.html", {"why": str(exception)}, status=403)
            case ObjectDoesNotExist():
                log.warning("%s %s: %s", request.method, request.path, exception)
                return render(request, "404.html", status=404)
            case _:
                return None


def _with_policy(answer: HttpResponseBase) -> HttpResponseBase:
    answer.headers.setdefault("Content-Security-Policy", POLICY)
    return answer
