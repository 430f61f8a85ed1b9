"""A conversation on paper: black on white, without the house around it, what was written in full.

Laws: what strangers wrote stands in the page itself, because frames do not print; so the whole page is a sandbox in which no script runs,
no form is sent and nothing comes from elsewhere, and each body is cut to its own box. It was sanitised when it came in.
Standards: CSP level 3 (``sandbox``).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from postroom.core.mime.remote_images import without_remote_images
from postroom.flows import audit
from postroom.store.models import Attachment
from postroom.store.queries.pages_chatter import AttachmentFact, BodyFact, MessageFact, bodies, thread
from postroom.web.frames import with_inline
from postroom.web.members import MemberRequest, for_members
from postroom.web.records.places import head_of, shown_of
from postroom.wiring import ports

MOST = 500  # messages on paper: the newest
PRINT_POLICY = (
    "sandbox allow-same-origin allow-modals allow-popups; default-src 'none'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A message as it is printed: ``html``, or where it has none ``text``."""

    fact: MessageFact
    html: SafeString | str
    text: str
    files: list[AttachmentFact]


@for_members("GET")
def printed(request: MemberRequest, record_id: int) -> HttpResponse:
    """Oldest first, as people read on paper. That it was had is noted."""
    head = head_of(request, record_id)
    found = thread(record_id, size=MOST, show=shown_of(request), reader=request.member.pk)
    context = {
        "record": head,
        "messages": _with_bodies(list(reversed(found.rows))),
        "is_cut": bool(found.next),
        "most": MOST,
        "member": request.member,
    }
    audit.note(ports(), "exported", member=request.member, subject=f"record {record_id}", way="print")
    answer = render(request, "postroom/records/print.html", context)
    answer["Content-Security-Policy"] = PRINT_POLICY
    answer["Referrer-Policy"] = "no-referrer"
    answer["Cache-Control"] = "private, no-store"
    return answer


def _with_bodies(rows: list[MessageFact]) -> list[Sheet]:
    said = bodies([one.id for one in rows])
    pictures = _pictures([one.id for one in rows if one.attachments])
    return [_sheet(one, said.get(one.id), pictures.get(one.id, {})) for one in rows]


def _sheet(one: MessageFact, words: BodyFact | None, inline: dict[str, str]) -> Sheet:
    return Sheet(
        fact=one,
        html=_safe(words.html, inline) if words else "",
        text=words.text if words and not words.html else "",
        files=[file for file in one.attachments if not file.is_inline],
    )


def _safe(html: str, inline: dict[str, str]) -> SafeString:
    return mark_safe(without_remote_images(with_inline(html, inline)))  # noqa: S308 (sanitised, in a sandbox)


def _pictures(message_ids: list[int]) -> dict[int, dict[str, str]]:
    """Addresses of inline pictures by message and Content-ID. One query."""
    found: dict[int, dict[str, str]] = {}
    rows = Attachment.objects.filter(message_id__in=message_ids).exclude(content_id="")
    for message, cid, number in rows.values_list("message_id", "content_id", "pk"):
        place = f"{reverse('web:attachment', args=[number])}?inline=1"
        found.setdefault(message, {})[cid.strip("<>")] = place
    return found
