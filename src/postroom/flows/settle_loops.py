"""What a person does with mail that a loop breaker holds: release it, allow its sender for good, or let it be.

Laws: released mail is routed anew, and the breaker is told (a permit for its window): what the person let in is not held again,
while everybody else's is; all at once, in one transaction, however many mails there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from postroom.core.routing.loops import base_of, is_allowed
from postroom.core.terms.addresses import parse_one
from postroom.core.terms.states import InboundState
from postroom.flows import access
from postroom.flows.alarms import clear_alarm
from postroom.flows.note_holds import ALARM
from postroom.flows.ports import Ports
from postroom.flows.settings import parameters, set_parameter
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import InboundMessage, LoopHold, LoopPermit, Member

_ALLOWED = "mail.gateway.allowed"


@transaction.atomic
def release_held(ports: Ports, subject: str, *, member: Member | None, author: str | None = None) -> int:
    """Route again what is held for this target (of this author alone), and let it pass for the breaker's window. How many mails.

    Raises `NotAllowed`."""
    rows = _open(member).filter(subject=subject)
    if author is not None:
        rows = rows.filter(author=author)
    _permit(ports, {(subject, one) for one in rows.order_by().values_list("author", flat=True).distinct()}, member)
    return _route_again(ports, rows)


@transaction.atomic
def allow_sender(ports: Ports, address: str, *, member: Member | None) -> int:
    """Put the address on the allow-list and release what is held of it, everywhere. How many mails.

    Raises `NotAllowed` (the list is the house's), ValueError for what is no address."""
    found = parse_one(address)
    normal = base_of(found.normal) if found else ""
    if not normal:
        raise ValueError(f"{address!r} is no mail address.")
    entries = parameters(ports).words(_ALLOWED)
    if not is_allowed(normal, entries):
        set_parameter(ports, _ALLOWED, ", ".join((*entries, normal)), member=member)
    rows = _open(member).filter(author=normal)
    return _route_again(ports, rows)


@transaction.atomic
def let_be(ports: Ports, subject: str, *, member: Member | None, author: str | None = None) -> int:
    """It was a loop. The mails stay held, each for itself, until retention takes them; the breaker goes on. How many mails."""
    rows = _open(member).filter(subject=subject)
    if author is not None:
        rows = rows.filter(author=author)
    return _end(ports, rows)


def end_holds(ports: Ports, inbound_ids: Sequence[int]) -> None:
    """A person decided on these mails. Inside the transaction."""
    _end(ports, LoopHold.objects.filter(inbound_id__in=inbound_ids, ended_at=None))


def visible_holds(member: Member | None) -> QuerySet[LoopHold]:
    """What breakers hold of the mail that the member sees."""
    return LoopHold.objects.filter(ended_at=None, inbound__in=access.visible_inbound(member))


def _open(member: Member | None) -> QuerySet[LoopHold]:
    access.require(member, "inbound")
    return visible_holds(member)


def _permit(ports: Ports, pairs: set[tuple[str, str]], member: Member | None) -> None:
    window = timedelta(minutes=parameters(ports).number("mail.gateway.loop.minutes"))
    until = ports.clock.now() + window
    LoopPermit.objects.bulk_create(
        [LoopPermit(subject=subject, author=author, until=until, member=member) for subject, author in sorted(pairs)],
        update_conflicts=True,
        unique_fields=["subject", "author"],
        update_fields=["until", "member"],
    )


def _route_again(ports: Ports, rows: QuerySet[LoopHold]) -> int:
    """A mail that another target took meanwhile goes once more, too: what it made is not made again, known by its Message-ID."""
    ids = list(rows.values_list("inbound_id", flat=True))
    mails = InboundMessage.objects.filter(pk__in=ids)
    held = mails.filter(state=InboundState.HELD) | mails.filter(state=InboundState.ROUTED).exclude(message_id="")
    count = held.update(state=InboundState.RECEIVED, attempt_count=0, error="", due_at=ports.clock.now())
    _end(ports, rows)
    tell_pages(arrived=ids, calls=["postroom_inbound"])
    return count


def _end(ports: Ports, rows: QuerySet[LoopHold]) -> int:
    """With the last one its alarm is over."""
    ids = list(rows.values_list("pk", flat=True))
    subjects = set(LoopHold.objects.filter(pk__in=ids).order_by().values_list("subject", flat=True).distinct())
    count = LoopHold.objects.filter(pk__in=ids).update(ended_at=ports.clock.now())
    still = set(
        LoopHold.objects.filter(subject__in=subjects, ended_at=None).values_list("subject", flat=True).distinct()
    )
    for subject in sorted(subjects - still):
        clear_alarm(ports, code=ALARM, subject=subject)
    return count
