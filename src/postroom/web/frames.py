"""What strangers wrote, shown behind glass: bodies of messages and mails in sandboxed frames, files as downloads.

Laws: the HTML was sanitised when it came in; here it is distrusted all the same. The answer's own policy allows no script, no form, no
plug-in and nothing from elsewhere: remote images are left out until a reader asks, then they come over us (`web.pictures`). The sandbox keeps our origin (so that the page around it can measure the
frame) but never scripts, without which that origin can do nothing. Links open in a new window that knows nothing of us.
Standards: CSP level 3 (``sandbox``), RFC 2392 (``cid:``), RFC 6266 (Content-Disposition).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import unquote

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import content_disposition_header

from postroom.core.mime.attachments import clean_name
from postroom.core.mime.remote_images import has_remote_images, with_remote_images, without_remote_images
from postroom.flows import access
from postroom.store.models import DraftFile, ScheduledFile
from postroom.store.queries.pages_chatter import attachment, body
from postroom.web.members import MemberRequest, for_members
from postroom.web.pictures import may_fetch, way_to
from postroom.wiring import ports

SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
FRAME_POLICY = (
    f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: cid:; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
FILE_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
PDF_POLICY = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
SHOWN_INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
PDF = "application/pdf"
PLAIN_TEXTS = frozenset({"text/plain", "text/csv", "text/markdown", "application/json"})
MOST_TEXT = 2_000_000  # bytes of a text that is looked at

_CID = re.compile(r"""(\bsrc\s*=\s*["'])cid:([^"'>\s]{1,300})""", re.IGNORECASE)
_OWN_COLOURS = re.compile(r"(background|bgcolor|\bcolor\s*[:=]|<style|<table)", re.IGNORECASE)


@for_members("GET")
def message_body(request: MemberRequest, message_id: int) -> HttpResponse:
    """What a message says, for its frame. ``images`` is the leave to fetch its remote pictures, from `web.pictures`."""
    found = body(access.visible_records(request.member), message_id)
    if found is None:
        raise Http404
    pictures = {cid: f"{reverse('web:attachment', args=[number])}?inline=1" for cid, number in found.inline.items()}
    way = None
    if (has_remote_images(found.html) or has_remote_images(found.quoted_html)) and may_fetch(request, message_id):
        way = partial(way_to, message_id)
    return framed(request, found.html, quoted=found.quoted_html, text=found.text, inline=pictures, way=way)


def framed(
    request: HttpRequest,
    html: str,
    *,
    quoted: str = "",
    text: str = "",
    inline: Mapping[str, str] | None = None,
    paper: bool = False,
    way: Callable[[str], str] | None = None,
) -> HttpResponse:
    """Sanitised HTML as a page of its own under its own policy. ``inline``: addresses by Content-ID. ``paper``: on white, whatever the house's
    colours. ``way``: over which address of ours a remote picture comes; without it they are left out."""
    cids = inline or {}

    def ready(text: str) -> str:
        led = with_remote_images(text, way) if way is not None else without_remote_images(text)
        return with_inline(led, cids)

    context = {
        "html": ready(html),
        "quoted": ready(quoted),
        "text": "" if html else text,
        "paper": paper or _OWN_COLOURS.search(html) is not None,
    }
    answer = HttpResponse(render_to_string("postroom/frame.html", context, request))
    answer["Content-Security-Policy"] = FRAME_POLICY
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "private, max-age=300"
    return answer


def with_inline(html: str, inline: Mapping[str, str]) -> str:
    """``cid:`` addresses become those of the parts; those that name no part stay, and show nothing."""

    def address(match: re.Match[str]) -> str:
        found = inline.get(match[2]) or inline.get(unquote(match[2]))
        return f"{match[1]}{found}" if found else match[0]

    return _CID.sub(address, html) if "cid:" in html.lower() else html


@for_members("GET")
def file(request: MemberRequest, attachment_id: int) -> HttpResponse:
    """A file of a conversation: a download, except plain pictures that a frame asks for (``inline``), and what a person wants to look at
    (``look``): pictures, PDF and plain text."""
    found = attachment(access.visible_records(request.member), attachment_id)
    if found is None:
        raise Http404
    content = stored(found.sha256)
    kind = found.content_type.lower().partition(";")[0].strip()
    if request.GET.get("look") == "1":
        return _looked_at(content, found.name, kind)
    shown = request.GET.get("inline") == "1" and kind in SHOWN_INLINE
    return download(content, found.name, found.content_type if shown else "", shown=shown)


def stored(sha256: str) -> bytes:
    """The bytes of a file; 404 where the disk has lost them."""
    try:
        return ports().blobs.get(sha256)
    except KeyError:
        raise Http404 from None


def written_file(file: DraftFile | ScheduledFile) -> HttpResponse:
    """A file of what is being written: the pictures of its text are shown, everything else is a download."""
    shown = file.is_inline and file.content_type.lower() in SHOWN_INLINE
    return download(stored(file.sha256), file.name, file.content_type if shown else "", shown=shown)


def _looked_at(content: bytes, name: str, kind: str) -> HttpResponse:
    """In a tab of its own. A PDF gets no sandbox, in which browsers would not show it: their viewers run apart from pages anyway."""
    if kind in SHOWN_INLINE:
        return download(content, name, kind, shown=True)
    if kind == PDF and content.startswith(b"%PDF-"):
        answer = download(content, name, PDF, shown=True)
        answer["Content-Security-Policy"] = PDF_POLICY
        return answer
    if kind in PLAIN_TEXTS:
        return download(_as_utf8(content), name, "text/plain; charset=utf-8", shown=True)
    return download(content, name)


def _as_utf8(content: bytes) -> bytes:
    """The beginning of a text, whatever its charset is. A letter that the cut goes through is no reason to doubt."""
    cut = content[:MOST_TEXT]
    try:
        cut.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(content) <= MOST_TEXT or error.start < len(cut) - 4:
            return cut.decode("latin-1").encode()
    return cut


def download(content: bytes, name: str, content_type: str = "", *, shown: bool = False) -> HttpResponse:
    """Bytes from outside: never sniffed, never run, under the name that the sender gave, cleaned."""
    answer = HttpResponse(content, content_type=content_type or "application/octet-stream")
    answer["Content-Disposition"] = content_disposition_header(not shown, clean_name(name) or "file") or "attachment"
    answer["Content-Security-Policy"] = FILE_POLICY
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, max-age=3600"
    return answer
