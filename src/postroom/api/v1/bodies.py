"""The body of a request, bounded before and while it is read: a header may lie about its length."""

from __future__ import annotations

from django.http import HttpRequest, UnreadablePostError
from ninja.errors import HttpError


def read_body(request: HttpRequest, *, most: int) -> bytes:
    """At most ``most`` bytes. Raises HttpError: 413 when it is larger, 400 when the connection broke."""
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > most:
            raise HttpError(413, f"A request has up to {most} bytes.")
        body = request.read(most + 1)
    except (ValueError, UnreadablePostError):
        raise HttpError(400, "The request could not be read.") from None
    if len(body) > most:
        raise HttpError(413, f"A request has up to {most} bytes.")
    return body
