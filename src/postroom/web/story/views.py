"""The story of a mail or of an address: one timeline, the newest above, by whatever name somebody has in hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.core.diagnosis.story import FoundBy, StoryEvent, StoryKind, Tone
from postroom.flows import access
from postroom.flows.tell_story import LONGEST_QUESTION, StoryWish, tell_story
from postroom.web.members import MemberRequest, for_members, is_fragment, text_of
from postroom.web.shell import fragment, page
from postroom.wiring import ports

_SIGNS = {
    StoryKind.RECEIVED: "move_to_inbox",
    StoryKind.ROUTED: "forum",
    StoryKind.POSTED: "edit_square",
    StoryKind.HEARD: "group",
    StoryKind.QUEUED: "outbox",
    StoryKind.WAITED: "hourglass_bottom",
    StoryKind.CONFIRMED: "done_all",
    StoryKind.EVENT: "rss_feed",
    StoryKind.RESOLUTION: "person",
    StoryKind.REPORT: "undo",
    StoryKind.COUNTED: "undo",
    StoryKind.SUPPRESSED: "block",
    StoryKind.RELEASED: "lock_open",
    StoryKind.ANSWER: "reply",
}
_ATTEMPTS = {Tone.GOOD: "check", Tone.BAD: "close", Tone.WAIT: "refresh", Tone.PLAIN: "refresh"}
_TONES = {Tone.GOOD: "pr-ok", Tone.BAD: "pr-bad", Tone.WAIT: "pr-warn", Tone.PLAIN: ""}
_FOUND_BY = {
    FoundBy.MESSAGE_ID: gettext_lazy("found by its Message-ID"),
    FoundBy.NUMBER: gettext_lazy("a message, by its number"),
    FoundBy.DELIVERY: gettext_lazy("one delivery"),
    FoundBy.INBOUND: gettext_lazy("a mail that came in"),
    FoundBy.RELAY: gettext_lazy("found by what a relay calls it"),
    FoundBy.ADDRESS: gettext_lazy("all that happened with this address"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An event as it is drawn."""

    event: StoryEvent
    sign: str
    tone: str


@for_members("GET")
def story(request: MemberRequest) -> HttpResponse:
    """Nothing asked: the question alone. The next piece of an address or of a message to many comes by itself as a fragment."""
    asked = text_of(request.GET, "q", LONGEST_QUESTION)
    wish = StoryWish(asked=asked, cursor=text_of(request.GET, "after", 200))
    told = tell_story(ports(), wish, member=request.member) if asked else None
    context = {
        "asked": asked,
        "cursor": wish.cursor,
        "told": told,
        "lines": _lines(reversed(told.events)) if told else [],
        "found_by": _FOUND_BY.get(told.found_by, "") if told else "",
        "may_queue": access.may(request.member, "queue"),
        "may_inbound": access.may(request.member, "inbound"),
    }
    if is_fragment(request):
        return fragment(request, "postroom/story/_lines.html", context)
    return page(request, "postroom/story/story.html", _("Story"), context)


def _lines(events: Iterable[StoryEvent]) -> list[Line]:
    return [
        Line(event=event, sign=_SIGNS.get(event.kind) or _ATTEMPTS[event.tone], tone=_TONES[event.tone])
        for event in events
    ]
