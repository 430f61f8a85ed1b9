"""What a person decides about waiting mail beyond one place for one mail: set aside, allow the sender, many at once; and trying out.

Trying out writes nothing: the rules are asked as if the mail came now, and tell why.
"""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.core.terms.envelopes import Envelope
from postroom.core.terms.states import Door
from postroom.flows import access
from postroom.flows.access import NotAllowed
from postroom.flows.allow_sender import CannotAllow, Permission, allow_sender
from postroom.flows.explain_routing import Explanation, explain, explain_inbound
from postroom.flows.settle_inbound import (
    AlreadySettled,
    Settled,
    discard_held,
    refuse_held,
    route_chosen_again,
    route_matching_again,
    settle_each,
)
from postroom.store.models import InboundMessage, RawMail
from postroom.store.queries.pages import read_id
from postroom.web.inbound.views import DECISIONS, need_inbound, read_wish, settled
from postroom.web.members import MemberRequest, for_members, is_fragment, numbers_of, text_of
from postroom.web.shell import back, fragment, go, page
from postroom.web.templatetags.postroom import door_choices
from postroom.wiring import ports

LARGEST_TRIAL = 10_000_000  # bytes of a mail that is tried out
MOST_RECIPIENTS = 50
ALLOWED = {
    Permission.CONTACT: gettext_lazy("The sender is a known contact now; the mail is routed again."),
    Permission.FOLLOWER: gettext_lazy("The sender follows the record now; the mail is routed again."),
    Permission.LOOP: gettext_lazy("The loop breaker lets the sender pass now; the mail is routed again."),
}


def _need_one(request: MemberRequest, inbound_id: int) -> None:
    need_inbound(request)
    if not access.visible_inbound(request.member).filter(pk=inbound_id).exists():
        raise Http404


@for_members("POST")
def discard(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """A person sets it aside: it stays in the log, with the reason."""
    _need_one(request, inbound_id)
    place = reverse("web:inbound_mail", args=[inbound_id])
    try:
        discard_held(ports(), inbound_id, text_of(request.POST, "why", 300), member=request.member)
    except AlreadySettled:
        return settled(request, inbound_id)
    except ValueError:
        return go(request, place, trouble=_("Say why, for those who ask later."))
    return go(request, reverse("web:held"), said=_("The mail was set aside."))


@for_members("POST")
def allow(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """Always allow this sender."""
    _need_one(request, inbound_id)
    place = reverse("web:inbound_mail", args=[inbound_id])
    try:
        done = allow_sender(ports(), inbound_id, member=request.member)
    except AlreadySettled:
        return settled(request, inbound_id)
    except CannotAllow as words:
        return go(request, place, trouble=str(words))
    return go(request, place, said=str(ALLOWED[done.permission]))


@for_members("POST")
def many(request: MemberRequest) -> HttpResponse:
    """Those that were chosen, or all held and failed that match the filter: routed again, refused, or set aside."""
    need_inbound(request)
    action = request.POST.get("action", "")
    if request.POST.get("every") == "1" and action == "again":
        return _batch(request)
    chosen = numbers_of(request.POST, "id", 200)
    member, sockets = request.member, ports()
    if action == "again":
        done = route_chosen_again(sockets, chosen, member=member)
    elif action == "refuse":
        done = settle_each(chosen, lambda one: refuse_held(sockets, one, member=member), member=member)
    elif action == "discard":
        why = text_of(request.POST, "why", 300) or _("with others")
        done = settle_each(chosen, lambda one: discard_held(sockets, one, why, member=member), member=member)
    else:
        raise Http404
    return _told(request, done)


def _told(request: MemberRequest, done: Settled) -> HttpResponse:
    said = ngettext("{n} mail changed.", "{n} mails changed.", done.done).format(n=done.done) if done.done else ""
    left = ngettext("{n} was left as it is.", "{n} were left as they are.", done.left).format(n=done.left)
    return go(request, back(request, reverse("web:held")), said=said, trouble=left if done.left else "")


@for_members("POST")
def every(request: MemberRequest) -> HttpResponse:
    """All that match, a batch at a time: the page that is answered asks for the next one by itself, and says how far it is."""
    need_inbound(request)
    return _batch(request)


def _batch(request: MemberRequest) -> HttpResponse:
    state = text_of(request.POST, "state", 20)
    wish = read_wish(request.POST, state)
    before = read_id(request.POST.get("done", "")) or 0
    after = read_id(request.POST.get("cursor", "")) or 0
    found = route_matching_again(ports(), wish, member=request.member, after=after)
    context = {
        "done": before + found.done,
        "after": found.after,
        "asked": {
            name: text_of(request.POST, name, 320)
            for name in ("state", "door", "mailbox", "alias", "sender", "age", "q")
        },
        "place": back(request, reverse("web:held")),
    }
    if is_fragment(request) and request.headers.get("HX-Target") == "pr-progress":
        return fragment(request, "postroom/inbound/_progress.html", context)
    return page(request, "postroom/inbound/progress.html", _("Routing again"), context)


@for_members("GET")
def why(request: MemberRequest, inbound_id: int) -> HttpResponse:
    """The whole table walked, as if this mail came now; and what would be otherwise than it was decided."""
    _need_one(request, inbound_id)
    try:
        found: Explanation | None = explain_inbound(ports(), inbound_id, member=request.member)
    except (RawMail.DoesNotExist, InboundMessage.raw_mail.RelatedObjectDoesNotExist, KeyError):
        found = None
    return fragment(request, "postroom/inbound/_why.html", {"found": found, "decisions": _decisions(found)})


@for_members("GET", "POST")
def try_mail(request: MemberRequest) -> HttpResponse:
    """A pasted or chosen mail: where would it go, and why? Nothing is stored."""
    need_inbound(request)
    if not access.sees_whole_house(request.member):
        raise NotAllowed(
            _("A mail is tried against the rules of all companies: that is for those who see all of them.")
        )
    context: dict[str, object] = {
        "doors": door_choices(),
        "typed": {name: text_of(request.POST, name, 2_000) for name in ("rcpt", "mail_from", "door")},
        "pasted": str(request.POST.get("mail", ""))[:LARGEST_TRIAL] if request.method == "POST" else "",
    }
    status = 200
    if request.method == "POST":
        found, trouble = _tried(request)
        status = 422 if trouble else 200
        context |= {"found": found, "trouble": trouble, "decisions": _decisions(found)}
    return page(request, "postroom/inbound/try.html", _("Try a mail"), context, status=status)


def _tried(request: MemberRequest) -> tuple[Explanation | None, str]:
    raw = _bytes(request)
    if not raw.strip():
        return None, _("Paste a mail with its headers, or choose a file.")
    if len(raw) > LARGEST_TRIAL:
        return None, _("That mail is too large to be tried here.")
    recipients = tuple(text_of(request.POST, "rcpt", 2_000).replace(",", " ").split()[:MOST_RECIPIENTS])
    door = _door(text_of(request.POST, "door", 10), has_recipients=bool(recipients))
    if door is None:
        return None, _("At this door the envelope decides: name its recipients.")
    sender = text_of(request.POST, "mail_from", 320).strip("<>")
    envelope = Envelope(mail_from=sender, rcpt_to=recipients) if recipients else None
    return explain(ports(), raw, envelope, door), ""


def _bytes(request: MemberRequest) -> bytes:
    file = request.FILES.get("file")
    if file is not None:
        return bytes(file.read(LARGEST_TRIAL + 1))
    return str(request.POST.get("mail", "")).encode("utf-8", "surrogateescape")


def _door(typed: str, *, has_recipients: bool) -> Door | None:
    """The door that was chosen; None where it needs recipients and there are none."""
    door = Door(typed) if typed in set(Door) else (Door.SMTP if has_recipients else Door.IMAP)
    return None if door.recipient_decides and not has_recipients else door


def _decisions(found: Explanation | None) -> list[tuple[object, object]]:
    return [
        (DECISIONS.get(type(one).__name__, type(one).__name__), one.reasons)
        for one in (found.verdict.decisions if found else ())
    ]
