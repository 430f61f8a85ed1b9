"""Django's ASGI handler, with fewer ways between threads.

Duty: Django calls each middleware of an asynchronous chain in a thread of its own turn, a dozen hand-overs for a page. A page here is drawn by
plain functions, so its whole chain runs in one thread from the request to the answer. Streams, which live for hours and may not hold
a thread, keep Django's way.
"""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponseBase

from postroom.store.lent import answering

STREAMS = "/live/"  # below it, answers are streams


class Handler(ASGIHandler):
    """Asynchronous for what is asked for below `STREAMS`; all else synchronous, in one thread."""

    def __init__(self) -> None:
        super().__init__()
        self._plain = BaseHandler()
        self._plain.load_middleware()

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(STREAMS):
            return await super().get_response_async(request)
        return await sync_to_async(self._answer, thread_sensitive=True)(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        with answering():
            return self._plain.get_response(request)
