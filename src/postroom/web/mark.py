"""The sign of the house for documents that name none: a picture in a tab of its own. Public, and asked for from nowhere (such a document
has no origin), so that here alone everybody may load it (Fetch 3.7)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe


@require_safe
@cache_control(public=True, max_age=86_400)
def favicon(_request: HttpRequest) -> HttpResponse:
    """Whoever asks."""
    return HttpResponse(_mark(), content_type="image/svg+xml", headers={"Cross-Origin-Resource-Policy": "cross-origin"})


@cache
def _mark() -> bytes:
    return Path(str(finders.find("postroom/mark.svg"))).read_bytes()
