"""From what is stored to the events of a story, each with its plain sentence.

Laws: pure; a function a kind of fact; what strangers wrote stands in ``evidence`` or in a field of the sentence, never in its template. Words
of a note are never told, only that there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from postroom.core.diagnosis.relay_ids import relay_ids
from postroom.core.diagnosis.story import Links, Source, StoryEvent, StoryKind, Tone, verbatim
from postroom.core.reports.classifying import classify
from postroom.core.reports.delivery_reports import ReportKind
from postroom.core.reports.taxonomy import UNDETERMINED
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.states import DeliveryState, InboundState, MessageKind

COMPLAINED = "feedback"  # the reason of the taxonomy that a complaint bears
_LONGEST_NAME = 200

catalogue(
    {
        "story.received": "A mail from {sender} came in ({door}).",
        "story.inbound_received": "It is not routed yet.",
        "story.inbound_routed": "It was routed.",
        "story.inbound_held": "It was held: a person decides.",
        "story.inbound_refused": "It was refused.",
        "story.inbound_discarded": "It was kept in the log alone: nothing follows from it.",
        "story.inbound_failed": "Postroom could not route it: a person must look at it.",
        "story.comment": "{who} wrote a message: {title}",
        "story.note": "{who} wrote a note: {title}",
        "story.system": "Postroom wrote: {title}",
        "story.heard": "Who hears of it: {mail} by mail, {inbox} in the app.",
        "story.queued": "The mail to {address} was put into the queue: {subject}",
        "story.waited": "The mail to {address} had to wait for {seconds} seconds.",
        "story.sent": "{server} took the mail to {address}.",
        "story.deferred": "{server} did not take the mail to {address} this time.",
        "story.greylisted": "{server} asked to come back later with the mail to {address} (greylisting).",
        "story.failed": "{server} refused the mail to {address}.",
        "story.unknown": "The answer of {server} was lost: nobody knows whether it took the mail to {address}.",
        "story.confirmed": "The recipient's server took the mail to {address}: the provider says so.",
        "story.event": "The provider told about the mail to {address}: {what}.",
        "story.arrived": "{who} decided: the mail to {address} arrived.",
        "story.again": "{who} decided: the mail to {address} is sent again.",
        "story.given_up": "{who} decided: the mail to {address} is given up.",
        "story.report_failed": "A report came back: the mail to {address} was not delivered.",
        "story.report_delayed": "A report came back: the mail to {address} is delayed.",
        "story.report_delivered": "A report came back: the mail to {address} was delivered.",
        "story.report_relayed": "A report came back: the mail to {address} was handed on to a server that does not report.",
        "story.report_expanded": "A report came back: {address} is a list, the mail went to its members.",
        "story.report_complaint": "A complaint came back: {address} called the mail unwanted.",
        "story.report_mdn": "A read receipt came back about the mail to {address}.",
        "story.report_other": "A report came back about the mail to {address}: {action}.",
        "story.claim": "Somebody says so, and nothing proves it: it changed nothing.",
        "story.counted_bounced": "A bounce was counted against {address}; its mail is not kept any more.",
        "story.counted_complained": "A complaint was counted against {address}; its mail is not kept any more.",
        "story.suppressed": "From now on campaigns leave {address} out.",
        "story.released": "Campaigns may write to {address} again: {who} released it.",
        "story.expired": "Campaigns may write to {address} again: the time was over.",
        "story.answered": "{who} answered: {title}",
        "story.answered_automatically": "An automatic answer of {who} came: {title}",
        "story.wrote": "{who} wrote: {title}",
        # what was not looked at
        "story.recent_replies": "No index knows the ids of relays: the newest {count} answers of servers were looked through for it.",
        "story.recent_inbound": "Mails from {address} that were held, refused, not routed or only logged were looked for among the newest {count} of each kind.",
        "story.most_attempts": "There were more attempts: the newest {count} are told.",
        "story.by_mail": "A page tells some mails from the queue to the end; what came of them later stands with them.",
        "story.nothing": "Nothing that you may see bears this name: no message, no mail that left or came in, no address.",
        "story.too_short": "That is too short to be looked for in the answers of relays.",
    }
)


def received(
    *, at: datetime, inbound_id: int, sender: str, door: str, state: InboundState, routed_at: datetime | None,
    why: Iterable[Reason] = (), error: str = "",
) -> tuple[StoryEvent, ...]:  # fmt: skip
    """A mail came in; and what became of it, as soon as that is known."""
    links = Links(inbound_id=inbound_id)
    source = Source("inbound", inbound_id)
    came = StoryEvent(
        at=at, kind=StoryKind.RECEIVED, source=source, who=sender, links=links,
        said=because("story.received", sender=_named(sender), door=door.upper()),
    )  # fmt: skip
    if state is InboundState.RECEIVED:
        return (came,)
    tones = {InboundState.ROUTED: Tone.PLAIN, InboundState.DISCARDED: Tone.PLAIN, InboundState.FAILED: Tone.BAD}
    became = StoryEvent(
        at=routed_at or at, kind=StoryKind.ROUTED, source=source, links=links, tone=tones.get(state, Tone.WAIT),
        said=because(f"story.inbound_{state.value}"), why=tuple(why), evidence=verbatim(error),
    )  # fmt: skip
    return came, became


def posted(
    *, at: datetime, message_id: int, record_id: int | None, who: str, title: str, kind: str, why: Iterable[Reason] = ()
) -> StoryEvent:
    """A message of ours, or of whoever writes from inside."""
    code = {MessageKind.NOTE: "note", MessageKind.SYSTEM: "system"}.get(MessageKind(kind), "comment")
    return StoryEvent(
        at=at, kind=StoryKind.POSTED, source=Source("message", message_id), who=who, why=tuple(why),
        said=because(f"story.{code}", who=_named(who), title=title), links=Links(message_id=message_id, record_id=record_id),
    )  # fmt: skip


def heard(*, at: datetime, message_id: int, by_mail: int, in_app: int) -> StoryEvent:
    return StoryEvent(
        at=at, kind=StoryKind.HEARD, source=Source("message", message_id), links=Links(message_id=message_id),
        said=because("story.heard", mail=by_mail, inbox=in_app),
    )  # fmt: skip


def queued(*, at: datetime, delivery_id: int, address: str, subject: str, why: Iterable[Reason] = ()) -> StoryEvent:
    return StoryEvent(
        at=at, kind=StoryKind.QUEUED, source=Source("delivery", delivery_id), about=address, why=tuple(why),
        said=because("story.queued", address=address, subject=subject or "–"), links=Links(delivery_id=delivery_id),
    )  # fmt: skip


def waited(*, since: datetime, until: datetime, delivery_id: int, place: int, address: str, gate: Reason) -> StoryEvent:
    """Told when the gate was passed. ``place``: the how-manieth gate of the mail it was."""
    seconds = max(0, round((until - since).total_seconds()))
    return StoryEvent(
        at=until, kind=StoryKind.WAITED, source=Source("delivery", delivery_id, place), about=address, tone=Tone.WAIT,
        said=because("story.waited", address=address, seconds=seconds), why=(gate,), links=Links(delivery_id=delivery_id),
    )  # fmt: skip


_TRIED = {
    DeliveryState.SENT: ("story.sent", Tone.GOOD),
    DeliveryState.FAILED: ("story.failed", Tone.BAD),
    DeliveryState.UNKNOWN: ("story.unknown", Tone.BAD),
}


def attempted(
    *, at: datetime, attempt_id: int, delivery_id: int, address: str, server: str, state: DeliveryState,
    code: int, enhanced: str, text: str,
) -> StoryEvent:  # fmt: skip
    """It was offered to a server. Of a refusal it is said what such words usually mean."""
    said, tone = _TRIED.get(state, ("story.deferred", Tone.WAIT))
    cause = classify(enhanced, text, code) if code >= 400 else ""
    if said == "story.deferred" and cause == "greylisted":
        said = "story.greylisted"
    reply = " ".join(part for part in (str(code or ""), enhanced, text) if part)
    return StoryEvent(
        at=at, kind=StoryKind.ATTEMPT, source=Source("attempt", attempt_id), who=server, about=address, tone=tone,
        said=because(said, server=_named(server), address=address), evidence=verbatim(reply),
        relay_ids=relay_ids(text) if 200 <= code < 300 else (), cause=_known(cause), links=Links(delivery_id=delivery_id),
    )  # fmt: skip


def confirmed(*, at: datetime, delivery_id: int, address: str, provider_id: str) -> StoryEvent:
    return StoryEvent(
        at=at, kind=StoryKind.CONFIRMED, source=Source("delivery", delivery_id), about=address, tone=Tone.GOOD,
        said=because("story.confirmed", address=address), relay_ids=(provider_id,) if provider_id else (),
        links=Links(delivery_id=delivery_id),
    )  # fmt: skip


def provider_told(
    *, at: datetime, event_id: int, delivery_id: int, address: str, what: str, status: str, text: str
) -> StoryEvent:
    tone = Tone.WAIT if what == "deferred" else Tone.BAD
    return StoryEvent(
        at=at, kind=StoryKind.EVENT, source=Source("event", event_id), about=address, tone=tone,
        said=because("story.event", address=address, what=what), links=Links(delivery_id=delivery_id),
        evidence=verbatim(" ".join(part for part in (status, text) if part)),
    )  # fmt: skip


def resolved(
    *, at: datetime, resolution_id: int, delivery_id: int, address: str, decision: str, who: str
) -> StoryEvent:
    return StoryEvent(
        at=at, kind=StoryKind.RESOLUTION, source=Source("resolution", resolution_id), who=who, about=address,
        said=because(f"story.{decision}", who=_named(who), address=address), links=Links(delivery_id=delivery_id),
    )  # fmt: skip


_REPORTED = {
    "failed": Tone.BAD,
    "delayed": Tone.WAIT,
    "delivered": Tone.GOOD,
    "relayed": Tone.GOOD,
    "expanded": Tone.GOOD,
}


def reported(
    *, at: datetime, report_id: int, inbound_id: int, delivery_id: int, address: str, action: str, status: str,
    reply: str, reason: str, is_claim: bool,
) -> StoryEvent:  # fmt: skip
    """A DSN, a complaint or a read receipt. What only claims to be one says so."""
    code, tone = f"report_{action}", _REPORTED.get(action, Tone.PLAIN)
    if reason == COMPLAINED:
        code, tone = "report_complaint", Tone.BAD
    elif action not in (*_REPORTED, ReportKind.MDN):
        code = "report_other"
    is_said = not status or status in reply.split()
    return StoryEvent(
        at=at, kind=StoryKind.REPORT, source=Source("report", report_id), about=address,
        tone=Tone.PLAIN if is_claim else tone, said=because(f"story.{code}", address=address, action=action),
        evidence=verbatim(reply if is_said else f"{status} {reply}".strip()),
        why=(because("story.claim"),) if is_claim else (), cause=_known(reason),
        links=Links(delivery_id=delivery_id, inbound_id=inbound_id),
    )  # fmt: skip


def counted(
    *, at: datetime, evidence_id: int, health_id: int, address: str, kind: str, status: str, reply: str
) -> StoryEvent:
    return StoryEvent(
        at=at, kind=StoryKind.COUNTED, source=Source("evidence", evidence_id), about=address, tone=Tone.BAD,
        said=because(f"story.counted_{kind}", address=address), links=Links(health_id=health_id),
        evidence=verbatim(reply or status),
    )  # fmt: skip


def suppressed(
    *, since: datetime, suppression_id: int, health_id: int, address: str, why: Iterable[Reason], who: str,
    released_at: datetime | None, released_who: str, released_why: str, expires_at: datetime | None,
) -> tuple[StoryEvent, ...]:  # fmt: skip
    """Campaigns leave it out from then; and when they may write again. ``expires_at``: only where that is over."""
    links, source = Links(health_id=health_id), Source("suppression", suppression_id)
    begins = StoryEvent(
        at=since, kind=StoryKind.SUPPRESSED, source=source, who=who, about=address, tone=Tone.BAD, links=links,
        said=because("story.suppressed", address=address), why=tuple(why),
    )  # fmt: skip
    end = released_at or expires_at
    if end is None:
        return (begins,)
    code = "story.released" if released_at is not None else "story.expired"
    ends = StoryEvent(
        at=end, kind=StoryKind.RELEASED, source=source, who=released_who, about=address, tone=Tone.GOOD, links=links,
        said=because(code, address=address, who=_named(released_who)), evidence=verbatim(released_why),
    )  # fmt: skip
    return begins, ends


def answered(
    *, at: datetime, message_id: int, record_id: int | None, inbound_id: int | None, who: str, title: str, words: str,
    is_answer: bool, is_automatic: bool, is_note: bool,
) -> StoryEvent:  # fmt: skip
    """Somebody wrote: an answer, or anew."""
    code = "answered_automatically" if is_automatic else "answered" if is_answer else "wrote"
    return StoryEvent(
        at=at, kind=StoryKind.ANSWER, source=Source("message", message_id), who=who, about=who,
        tone=Tone.PLAIN if is_automatic else Tone.GOOD,
        said=because("story.note" if is_note else f"story.{code}", who=_named(who), title=title),
        evidence="" if is_note else verbatim(words),
        links=Links(message_id=message_id, record_id=record_id, inbound_id=inbound_id),
    )  # fmt: skip


def _known(cause: str) -> str:
    """Where nobody can say why, nothing is said."""
    return "" if cause == UNDETERMINED else cause


def _named(who: str) -> str:
    return who[:_LONGEST_NAME] or "somebody"
