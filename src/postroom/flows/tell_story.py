"""Tells the story of a mail or of an address: one timeline across posting, queue, attempts, reports, the blacklist and answers.

    what is asked --> what it names (a message, a delivery, a mail that came in, an address) --> facts --> events --> one order

Asked is a Message-ID, an address, the number of a message (``42``), ``delivery:17``, ``inbound:5``, or what a relay or a provider calls a
mail, even as a whole line of a log. Laws: reads, writes nothing; a fixed number of queries, whatever is stored; what a member may not see is
not there: messages, mails, evidence and times on the blacklist are cut to the own companies, mails that no message caused are for those who
may look into the queue, mails that became no message for those who may look at what came in. Of a note only its being there is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import QuerySet

from postroom.core.diagnosis.relay_ids import asked_id, relay_ids
from postroom.core.diagnosis.story import FoundBy, Story, StoryEvent, merged
from postroom.core.diagnosis.story_events import heard
from postroom.core.terms.addresses import normalize
from postroom.core.terms.reasons import Reason, because
from postroom.flows import access
from postroom.flows.line_up_events import (
    answer_event,
    came_events,
    counted_event,
    head,
    mail_events,
    posted_event,
    posts,
    time_events,
)
from postroom.flows.ports import Ports
from postroom.store.models import Company, Delivery, InboundMessage, Member, Message
from postroom.store.queries import stories
from postroom.store.queries.delivery_histories import MOST_ATTEMPTS_OF_MANY, History, histories_of
from postroom.store.queries.pages import PAGE_ROWS, read_id
from postroom.store.queries.pages_find import LEAST_ID, RECENT, find_deliveries
from postroom.store.queries.story_facts import EvidenceFact, MailFact, TimeFact, ToldFact, WroteFact

LONGEST_QUESTION = 1_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryWish:
    """``since``: nothing that happened before. ``cursor``: the ``next`` of the page before. ``size``: mails that one page tells."""

    asked: str
    since: datetime | None = None
    cursor: str = ""
    size: int = PAGE_ROWS


def tell_story(ports: Ports, wish: StoryWish, *, member: Member | None) -> Story:
    """Found by `FoundBy.NOTHING` where there is nothing that the member may see. Raises `NotAllowed` without the right to view."""
    access.require(member, "view")
    asked = " ".join(wish.asked.replace("\0", "").split())[:LONGEST_QUESTION]
    eyes = _Eyes.of(member)
    told = _Telling(wish=replace(wish, asked=asked), eyes=eyes, now=ports.clock.now())
    looks = list(_ways(asked))
    for look in looks:
        if (found := look(told)) is not None:
            return found
    remarks = [because("story.nothing")] if asked else []
    if eyes.may_queue and _by_relay in looks:
        remarks.append(
            because("story.too_short")
            if len(asked_id(asked)) < LEAST_ID
            else because("story.recent_replies", count=f"{RECENT:,}")
        )
    return Story(asked=asked, found_by=FoundBy.NOTHING, remarks=tuple(remarks))


def tell_together(
    ports: Ports,
    *,
    messages: Sequence[int],
    inbound: Sequence[int],
    deliveries: Sequence[int],
    member: Member | None,
) -> tuple[StoryEvent, ...]:
    """What happened to all of these (some dozens), in one order. As many queries as for one. Raises `NotAllowed` without the right to view."""
    access.require(member, "view")
    told = _Telling(wish=StoryWish(asked=""), eyes=_Eyes.of(member), now=ports.clock.now())
    facts = stories.told_of(told.eyes.messages, messages)
    came = stories.came_of(told.eyes.inbound, inbound, cut=told.eyes.cut)
    mails = stories.mails_among(told.eyes.deliveries, deliveries=deliveries)
    answers = stories.answers_to(told.eyes.messages, [fact.posted.message_id for fact in facts])
    moments = [*(fact.posted.posted_at for fact in facts), *(mail.created_at for mail in mails)]
    more: list[Iterable[StoryEvent]] = [
        *map(came_events, came),
        *map(_origin, facts),
        posts(mails),
        map(answer_event, answers),
        _times(told, mails, since=min(moments, default=told.now)),
    ]
    return _told(told, FoundBy.MESSAGE_ID, "", mails=mails, more=more).events


@dataclass(frozen=True, slots=True, kw_only=True)
class _Eyes:
    """What the reader may see."""

    messages: QuerySet[Message]
    deliveries: QuerySet[Delivery]
    inbound: QuerySet[InboundMessage]
    companies: Sequence[int]
    cut: list[int] | None
    shows_house: bool
    may_queue: bool
    may_inbound: bool

    @classmethod
    def of(cls, member: Member | None) -> _Eyes:
        may_queue, may_inbound = access.may(member, "queue"), access.may(member, "inbound")
        deliveries, inbound = access.visible_deliveries(member), access.visible_inbound(member)
        return cls(
            messages=access.visible_messages(member),
            deliveries=deliveries if may_queue else deliveries.filter(mail__message__isnull=False),
            inbound=inbound if may_inbound else inbound.none(),
            companies=access.company_ids(member) if member else list(Company.objects.values_list("pk", flat=True)),
            cut=access.company_cut(member),
            shows_house=access.is_house_administrator(member),
            may_queue=may_queue,
            may_inbound=may_inbound,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """A question and who asks it."""

    wish: StoryWish
    eyes: _Eyes
    now: datetime
    remarks: list[Reason] = field(default_factory=list)


_Way = Callable[[_Telling], Story | None]


def _ways(asked: str) -> Iterator[_Way]:
    """What it may be, the surest first. Each looks, and tells the story if it is that."""
    if not asked:
        return
    what, _, number = asked.partition(":")
    if read_id(asked) is not None:
        yield _by_number
    if read_id(number.strip()) is not None and what in _PREFIXED:
        yield _PREFIXED[what]
        return
    names_a_mail = bool(relay_ids(asked))
    if names_a_mail:
        yield _by_relay  # a line of a log, which names addresses, too
    if "@" in asked:
        yield _by_message_id
    if "@" in asked and not asked.startswith("<") and normalize(asked):
        yield _of_address
    elif not names_a_mail:
        yield _by_relay


# -- what was asked for


def _by_number(told: _Telling) -> Story | None:
    return _of_message(told, (int(told.wish.asked.rpartition(":")[2]),), FoundBy.NUMBER)


def _by_delivery(told: _Telling) -> Story | None:
    return _of_mails(told, FoundBy.DELIVERY, deliveries=[int(told.wish.asked.rpartition(":")[2])])


def _by_inbound(told: _Telling) -> Story | None:
    return _of_inbound(told, (int(told.wish.asked.rpartition(":")[2]),), FoundBy.INBOUND)


_PREFIXED: Mapping[str, _Way] = {"message": _by_number, "delivery": _by_delivery, "inbound": _by_inbound}


def _by_message_id(told: _Telling) -> Story | None:
    """Of a message; else of a mail that came in; else of mails that no message caused."""
    found = stories.named(told.wish.asked)
    by = FoundBy.MESSAGE_ID
    story = _of_message(told, found.messages, by) if found.messages else None
    story = story or (_of_inbound(told, found.inbound, by) if found.inbound else None)
    return story or (_of_mails(told, by, mails=found.mails) if found.mails else None)


def _by_relay(told: _Telling) -> Story | None:
    """What a relay or a provider calls it: for those who may look into the queue. Where answers name the id exactly, only these count."""
    name = asked_id(told.wish.asked)
    if not told.eyes.may_queue or not name:
        return None
    found = find_deliveries(name, told.eyes.cut, shows_house=told.eyes.shows_house)
    if not found.ids:
        return None
    ids = found.ids
    if found.by == "reply":
        tries = histories_of(ids)
        exact = [number for number in ids if name in _named_in(tries[number])]
        ids = tuple(exact) or ids
        told.remarks.append(because("story.recent_replies", count=f"{RECENT:,}"))
    return _of_mails(told, FoundBy.RELAY, deliveries=ids)


def _named_in(history: History) -> set[str]:
    return {name for attempt in history.attempts for name in relay_ids(attempt.text)}


# -- whose story it is


def _of_message(told: _Telling, numbers: Sequence[int], by: FoundBy) -> Story | None:
    """The message, its mails (a page of them), and what answered it."""
    fact = next(iter(stories.told_of(told.eyes.messages, numbers)), None)
    if fact is None:
        return None
    number, before = fact.posted.message_id, read_id(told.wish.cursor)
    mails = stories.mails_of_message(told.eyes.deliveries, number, before=before, size=told.wish.size + 1)
    shown = mails[: told.wish.size]
    answers = () if before else stories.answers_to(told.eyes.messages, [number])
    story = _told(
        told,
        by,
        fact.subject,
        mails=shown,
        more=[_origin(fact), map(answer_event, answers), _times(told, shown, since=fact.posted.posted_at)],
    )
    return replace(story, next=str(shown[-1].delivery_id) if len(mails) > len(shown) else "")


def _origin(fact: ToldFact) -> Iterator[StoryEvent]:
    """Who wrote it; and who hears of it."""
    if fact.came is not None:
        yield from came_events(fact.came)
    yield posted_event(fact.posted)
    if fact.by_mail or fact.in_app:
        posted = fact.posted
        yield heard(at=posted.posted_at, message_id=posted.message_id, by_mail=fact.by_mail, in_app=fact.in_app)


def _of_mails(
    told: _Telling, by: FoundBy, *, deliveries: Sequence[int] = (), mails: Sequence[int] = ()
) -> Story | None:
    """These mails alone, with the messages that they carry and what answered these."""
    found = stories.mails_among(told.eyes.deliveries, deliveries=deliveries, mails=mails)
    if not found:
        return None
    only = {mail.posted.message_id for mail in found if mail.posted}
    answers = stories.answers_to(told.eyes.messages, only) if len(only) == 1 else []
    since = min(mail.created_at for mail in found)
    more = [posts(found), map(answer_event, answers), _times(told, found, since=since)]
    return _told(told, by, found[0].subject, mails=found, more=more)


def _of_inbound(told: _Telling, numbers: Sequence[int], by: FoundBy) -> Story | None:
    """A mail that came in: the message that it became, else what became of it."""
    fact = next(iter(stories.came_of(told.eyes.inbound, numbers, cut=told.eyes.cut)), None)
    if fact is None:
        return None
    if made := stories.became(told.eyes.messages, fact.inbound_id):
        return _of_message(told, made, by)
    return _told(told, by, fact.subject, mails=[], more=[came_events(fact)])


def _of_address(told: _Telling) -> Story | None:
    """A page of an address: its newest mails, what it wrote, what was counted against it, its times on the blacklist."""
    address, size, eyes = told.wish.asked.strip(), told.wish.size, told.eyes
    place = _Place.read(told.wish.cursor)
    mails = stories.mails_to(eyes.deliveries, address, before=place.mail, size=size + 1)
    carried = sorted({mail.posted.message_id for mail in mails if mail.posted})
    wrote = stories.written_by(eyes.messages, address, before=place.message, size=size + 1, answering=carried)
    evidence = stories.evidence_of(eyes.companies, address, cursor=place.evidence, size=size + 1)
    times = stories.times_of(eyes.companies, [address], before=place.time, size=size + 1)
    came = stories.unmade(eyes.inbound, address, cut=eyes.cut) if eyes.may_inbound and not told.wish.cursor else ()
    if not (mails or wrote or evidence or times or came or told.wish.cursor):
        return None
    page = _page_of(
        place,
        size,
        told.wish.since,
        [(one.created_at, one) for one in mails],
        [(one.posted_at, one) for one in wrote if one.is_asked],
        [(one.happened_at, one) for one in evidence],
        [(one.since, one) for one in times],
    )
    shown = page.mails
    answered = {mail.posted.message_id for mail in shown if mail.posted}
    stray = [one for one in wrote if not one.is_asked and one.parent_id in answered]
    if came:
        told.remarks.append(because("story.recent_inbound", address=address, count=stories.RECENT_INBOUND))
    if page.next or told.wish.cursor:
        told.remarks.append(because("story.by_mail"))
    more = [
        posts(shown),
        map(answer_event, [*page.messages, *stray]),
        (event for one in page.times for event in time_events(one, told.now)),
        (counted_event(one, address) for one in page.evidence),
        (event for one in came for event in came_events(one)),
    ]
    story = _told(told, FoundBy.ADDRESS, address, mails=shown, more=more)
    health = {one.health_id for one in times} | {one.health_id for one in evidence}
    return replace(story, address=address, next=page.next, health_ids=tuple(sorted(health)))


# -- pages of an address


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far each source was told: the cursor of a page is one position in each."""

    mail: int | None = None
    message: int | None = None
    evidence: str = ""
    time: int | None = None

    @classmethod
    def read(cls, cursor: str) -> _Place:
        parts = cursor.split("_") if cursor.count("_") == 3 else ["", "", "", ""]
        return cls(mail=read_id(parts[0]), message=read_id(parts[1]), evidence=parts[2], time=read_id(parts[3]))

    def __str__(self) -> str:
        parts = (self.mail, self.message, self.evidence, self.time)
        return "_".join("" if part is None else str(part) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    mails: list[MailFact]
    messages: list[WroteFact]
    evidence: list[EvidenceFact]
    times: list[TimeFact]
    next: str


_Row = tuple[datetime, MailFact | WroteFact | EvidenceFact | TimeFact]


def _page_of(place: _Place, size: int, since: datetime | None, *sources: list[_Row]) -> _Page:
    """The newest ``size`` of all sources together; each source keeps its order, and goes on behind its last one that was taken."""
    page = _Page(mails=[], messages=[], evidence=[], times=[], next="")
    left = [list(reversed(source)) for source in sources if source]
    for _ in range(size):
        if not left or (since is not None and _newest(left)[-1][0] < since):
            return page
        source = _newest(left)
        match source.pop()[1]:
            case MailFact() as one:
                page.mails.append(one)
                place = replace(place, mail=one.delivery_id)
            case WroteFact() as one:
                page.messages.append(one)
                place = replace(place, message=one.message_id)
            case EvidenceFact() as one:
                page.evidence.append(one)
                place = replace(place, evidence=one.place)
            case TimeFact() as one:
                page.times.append(one)
                place = replace(place, time=one.id)
        left = [one for one in left if one]
    return replace(page, next=str(place) if left else "")


def _newest(sources: list[list[_Row]]) -> list[_Row]:
    return max(sources, key=lambda source: source[-1][0])


# -- from facts to events


def _told(
    told: _Telling, by: FoundBy, title: str, *, mails: Sequence[MailFact], more: Iterable[Iterable[StoryEvent]]
) -> Story:
    histories = histories_of([mail.delivery_id for mail in mails])
    if any(history.is_cut for history in histories.values()):
        told.remarks.append(because("story.most_attempts", count=f"{MOST_ATTEMPTS_OF_MANY:,}"))
    lines = [mail_events(mail, histories[mail.delivery_id]) for mail in mails]
    return Story(
        asked=told.wish.asked,
        found_by=by,
        title=title,
        events=merged(*more, *lines, since=told.wish.since),
        mails=tuple(map(head, mails)),
        remarks=tuple(told.remarks),
    )


def _times(told: _Telling, mails: Sequence[MailFact], *, since: datetime) -> Iterator[StoryEvent]:
    """What befell the recipients on the blacklist from then on."""
    addresses = {mail.address for mail in mails}
    found = stories.times_of(told.eyes.companies, addresses) if addresses else []
    return (event for one in found for event in time_events(one, told.now) if event.at >= since)
