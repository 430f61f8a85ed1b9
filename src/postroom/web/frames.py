"""What strangers wrote, shown behind glass: bodies of messages and mails in sandboxed frames, files as downloads.

Laws: the HTML was sanitised when it came in; here it is distrusted all the same. The answer's own policy allows no script, no form, no
plug-in and nothing from elsewhere: remote images stay unloaded. The sandbox keeps our origin (so that the page around it can measure the
frame) but never scripts, without which that origin can do nothing. Links open in a new window that knows nothing of us.
Standards: CSP level 3 (``sandbox``), RFC 2392 (``cid:``), RFC 6266 (Content-Disposition).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import content_disposition_header

from postroom.flows import access
from postroom.store.queries.pages_chatter import attachment, body
from postroom.web.members import MemberRequest, for_members
from postroom.wiring import ports

SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
FRAME_POLICY = (
    f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: cid:; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
FILE_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_CID = re.compile(r"""(\bsrc\s*=\s*["'])cid:([^"'>\s]{1,300})""", re.IGNORECASE)
_OWN_COLOURS = re.compile(r"(background|bgcolor|\bcolor\s*[:=]|<style|<table)", re.IGNORECASE)


@for_members("GET")
def message_body(request: MemberRequest, message_id: int) -> HttpResponse:
    """What a message says, for its frame."""
    found = body(access.visible_records(request.member), message_id)
    if found is None:
        raise Http404
    pictures = {cid: f"{reverse('web:attachment', args=[number])}?inline=1" for cid, number in found.inline.items()}
    return framed(request, found.html, quoted=found.quoted_html, text=found.text, inline=pictures)


def framed(
    request: HttpRequest,
    html: str,
    *,
    quoted: str = "",
    text: str = "",
    inline: Mapping[str, str] | None = None,
    paper: bool = False,
) -> HttpResponse:
    """Sanitised HTML as a page of its own under its own policy. ``inline``: addresses by Content-ID. ``paper``: on white, whatever the house's colours."""
    cids = inline or {}
    context = {
        "html": _with_images(html, cids),
        "quoted": _with_images(quoted, cids),
        "text": "" if html else text,
        "paper": paper or _OWN_COLOURS.search(html) is not None,
    }
    answer = HttpResponse(render_to_string("postroom/frame.html", context, request))
    answer["Content-Security-Policy"] = FRAME_POLICY
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "private, max-age=300"
    return answer


def _with_images(html: str, inline: Mapping[str, str]) -> str:
    """``cid:`` addresses become those of the parts; those that name no part stay, and show nothing."""

    def address(match: re.Match[str]) -> str:
        found = inline.get(match[2]) or inline.get(unquote(match[2]))
        return f"{match[1]}{found}" if found else match[0]

    return _CID.sub(address, html) if "cid:" in html.lower() else html


@for_members("GET")
def file(request: MemberRequest, attachment_id: int) -> HttpResponse:
    """A file of a conversation: a download, except plain pictures that a frame asks for."""
    found = attachment(access.visible_records(request.member), attachment_id)
    if found is None:
        raise Http404
    shown = request.GET.get("inline") == "1" and found.content_type.lower() in SHOWN_INLINE
    return download(ports().blobs.get(found.sha256), found.name, found.content_type if shown else "", shown=shown)


def download(content: bytes, name: str, content_type: str = "", *, shown: bool = False) -> HttpResponse:
    """Bytes from outside: never sniffed, never run, under the name that the sender gave, cleaned."""
    answer = HttpResponse(content, content_type=content_type or "application/octet-stream")
    answer["Content-Disposition"] = content_disposition_header(not shown, clean_name(name)) or "attachment"
    answer["Content-Security-Policy"] = FILE_POLICY
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, max-age=3600"
    return answer


def clean_name(name: str) -> str:
    """A file name without folders and control characters."""
    flat = re.sub(r"[\x00-\x1f\x7f]", "", name).replace("\\", "/").rsplit("/", 1)[-1].strip(" .")
    return flat[:200] or "file"
