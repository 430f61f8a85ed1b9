"""Remote pictures of a message, fetched by us when a reader asks for them.

Laws: asking is a POST, so that no link and no picture elsewhere can make a reader ask; the leave that it gives is signed, for one reader and
one message, and ends after `LEAVE`. The way to each picture is signed too, for one message and one address: nobody else's fetches are run
from here. What is answered is a picture of a known kind, never sniffed, in a sandbox.
Standards: CSP level 3, RFC 9111 (private caching).
"""

from __future__ import annotations

from django.core import signing
from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from postroom.core.terms.pictures import NoPicture, Picture
from postroom.flows import access
from postroom.flows.show_images import ask_again, fetch_image, show_always, shows_always
from postroom.flows.speak_language import translated
from postroom.store.queries.pages_chatter import message
from postroom.web.members import MemberRequest, for_members, is_fragment
from postroom.web.shell import fragment, go
from postroom.wiring import ports

LEAVE = 3600  # seconds
_LEAVE_SALT, _WAY_SALT = "postroom.pictures.leave", "postroom.pictures.way"
POLICY = "sandbox; default-src 'none'; frame-ancestors 'self'"


def may_fetch(request: MemberRequest, message_id: int) -> bool:
    """Whether this reader asked for the pictures of this message, just now or for good."""
    if (leave := request.GET.get("images", "")) and len(leave) < 300:
        try:
            return bool(signing.loads(leave, salt=_LEAVE_SALT, max_age=LEAVE) == [request.member.pk, message_id])
        except signing.BadSignature:
            return False
    return shows_always(message_id, member=request.member)


def way_to(message_id: int, url: str) -> str:
    """The address of ours under which this picture of this message comes."""
    signed = signing.dumps([message_id, url], salt=_WAY_SALT, compress=True)
    return f"{reverse('web:picture', args=[message_id])}?at={signed}"


@for_members("POST")
def show(request: MemberRequest, message_id: int) -> HttpResponse:
    """Show images: of this message, with ``always`` of its sender from now on, with ``never`` no more. Answers with the frame anew."""
    found = message(access.visible_records(request.member), message_id)
    if found is None:
        raise Http404
    who = ""
    if request.POST.get("always") == "1":
        who = show_always(ports(), message_id=message_id, member=request.member)
    elif request.POST.get("never") == "1":
        ask_again(ports(), message_id=message_id, member=request.member)
        return _framed(request, message_id, found.author, leave="")
    if not is_fragment(request):
        said = _("Pictures of {who} are shown from now on.").format(who=who) if who else ""
        return go(request, reverse("web:message", args=[message_id]), said=said)
    leave = signing.dumps([request.member.pk, message_id], salt=_LEAVE_SALT)
    return _framed(request, message_id, found.author, leave=leave, always=who)


def _framed(request: MemberRequest, message_id: int, author: str, *, leave: str, always: str = "") -> HttpResponse:
    if not is_fragment(request):
        return go(request, reverse("web:message", args=[message_id]))
    context = {"id": message_id, "author": author, "leave": leave, "always": always}
    return fragment(request, "postroom/chatter/_frame.html", context)


@for_members("GET")
def picture(request: MemberRequest, message_id: int) -> HttpResponse:
    """One picture, fetched now. It waits for the network, some seconds at most."""
    try:
        number, url = signing.loads(request.GET.get("at", "")[:6000], salt=_WAY_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise Http404 from None
    if number != message_id:
        raise Http404
    try:
        found = fetch_image(ports(), message_id=message_id, url=str(url), member=request.member)
    except ObjectDoesNotExist:
        raise Http404 from None
    match found:
        case Picture():
            answer = HttpResponse(found.content, content_type=found.content_type)
            answer["Cache-Control"] = "private, max-age=86400"
            answer["Content-Disposition"] = "inline"
        case NoPicture():
            answer = HttpResponse(translated(found.reason), content_type="text/plain; charset=utf-8", status=404)
            answer["Cache-Control"] = "private, max-age=60"
    answer["Content-Security-Policy"] = POLICY
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cross-Origin-Resource-Policy"] = "same-origin"
    return answer
