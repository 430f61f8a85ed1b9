"""Files that were too large for their mail: whoever has the signed link fetches them, without signing in.

Laws: reading changes nothing, so programs that open links ahead do no harm. A file is a download, never shown in our origin, never sniffed.
A link that is not ours is 404; one that expired, or whose file is gone, is 410 with words for the person who clicked.
Standards: RFC 6266 (Content-Disposition), RFC 9110 15.5.11 (410 Gone).
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from postroom.flows.link_attachments import LinkIsOver, follow_link
from postroom.web.frames import download
from postroom.wiring import ports


@require_safe
def linked_file(request: HttpRequest, token: str, name: str = "") -> HttpResponse:  # noqa: ARG001 (the name is for people)
    """The file behind a signed link."""
    found = follow_link(ports(), token)
    if found is None:
        raise Http404
    if isinstance(found, LinkIsOver):
        answer = render(request, "postroom/link_over.html", {"has_expired": found.has_expired}, status=410)
    else:
        answer = download(found.content, found.name)
    answer["Cache-Control"] = "private, no-store"
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer
