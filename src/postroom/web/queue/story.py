"""The whole story of one delivery: everything that is known, in the order in which it happened, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.core.diagnosis.story import StoryKind
from postroom.flows import access
from postroom.store.queries.pages_queue import DeliveryFact, delivery
from postroom.store.queries.pages_story import AnswerFact, PostedFact, answers, posted
from postroom.store.queries.pages_unknown import UnknownFact, unknown_facts
from postroom.web.members import MemberRequest, for_members, is_fragment
from postroom.web.queue.filters import need_queue
from postroom.web.queue.hints import where_to_look
from postroom.web.shell import fragment, page


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that happened. ``kind`` names the piece of the template that tells it from ``fact``."""

    kind: str
    at: datetime
    fact: Any


_ORDER = [kind.value for kind in StoryKind]  # in one moment: that of every story


@for_members("GET")
def one(request: MemberRequest, delivery_id: int) -> HttpResponse:
    """Who wrote, why this recipient, why by mail, why this server, each gate, attempt, report and answer."""
    need_queue(request)
    found = delivery(access.visible_deliveries(request.member), delivery_id, now=timezone.now())
    if found is None:
        raise Http404
    origin = posted(delivery_id)
    replies = answers(origin.message_id, found.row.to_address) if origin is not None else ()
    context = {
        "delivery": found,
        "row": found.row,
        "origin": origin,
        "lines": lines(found, origin, replies),
        "may_act": access.may(request.member, "queue"),
    }
    if found.row.state == "unknown":
        context["known"] = known_of([delivery_id]).get(delivery_id)
    if is_fragment(request):
        return fragment(request, "postroom/queue/_delivery.html", context)
    return page(request, "postroom/queue/delivery.html", _("Delivery"), context)


def lines(found: DeliveryFact, origin: PostedFact | None, replies: Sequence[AnswerFact]) -> list[Line]:
    """The newest first; within one moment what follows from something stands above it."""
    told = list(_told(found, origin, replies))
    return sorted(told, key=lambda line: (line.at, _ORDER.index(line.kind)), reverse=True)


def _told(found: DeliveryFact, origin: PostedFact | None, replies: Sequence[AnswerFact]) -> Iterator[Line]:
    """Within each kind the newest first, as the sort leaves what happened in one moment."""
    if origin is not None:
        yield Line(kind="posted", at=origin.posted_at, fact=origin)
    yield Line(kind="queued", at=found.row.created_at, fact=found.row)
    for gate in reversed(found.waited):
        if gate.reason.code not in _RETRIES:
            yield Line(kind="waited", at=gate.until, fact=gate)
    for attempt in found.attempts:
        yield Line(kind="attempt", at=attempt.tried_at, fact=attempt)
    if found.confirmed_at is not None:
        yield Line(kind="confirmed", at=found.confirmed_at, fact=found)
    for event in found.events:
        yield Line(kind="event", at=event.told_at, fact=event)
    for decision in found.resolutions:
        yield Line(kind="resolution", at=decision.resolved_at, fact=decision)
    for report in found.reports:
        yield Line(kind="report", at=report.received_at, fact=report)
    for answer in replies:
        yield Line(kind="answer", at=answer.answered_at, fact=answer)


_RETRIES = frozenset({"wait.transient", "wait.connection", "wait.resend"})  # their attempts tell it


def known_of(delivery_ids: list[int]) -> dict[int, dict[str, object]]:
    """What is known of unknown outcomes, and where more could be found."""
    return {number: _known(fact) for number, fact in unknown_facts(delivery_ids).items()}


def _known(fact: UnknownFact) -> dict[str, object]:
    return {"fact": fact, "hint": where_to_look(fact.preset, fact.host)}
