"""What a person does with a mail that waits: route again, put it on a record, make one of it, refuse it, set it aside.

One by one, or many: those that were chosen, or all that wait and match a wish, in batches that a page can follow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import QuerySet

from postroom.core.routing.claims import believed, is_mistrusted
from postroom.core.routing.verdicts import AppendToRecord, CreateRecord, Decision, Discard, Facts, Refuse, Verdict
from postroom.core.routing.vouching import within_reach
from postroom.core.terms.reasons import because
from postroom.core.terms.states import InboundState
from postroom.flows.access import company_cut, require, visible_inbound, visible_records
from postroom.flows.apply_verdict import Decided, apply_verdicts
from postroom.flows.ports import Ports
from postroom.flows.route_message import raw_of, read_mail, waiting_of
from postroom.flows.settings import parameters
from postroom.flows.settle_loops import end_holds
from postroom.flows.tell_pages import tell_pages
from postroom.store.models import InboundMessage, Member, RawMail, Record
from postroom.store.queries.loop_counts import Tally
from postroom.store.queries.pages_inbound import InboundWish, matching
from postroom.store.queries.routing_facts import look_up

_SETTLED = (InboundState.ROUTED,)
WAITING = (InboundState.HELD, InboundState.FAILED)  # what "all that match" may mean
BATCH = 200
LONGEST_WHY = 300  # characters


class AlreadySettled(Exception):  # noqa: N818 (an answer to a person, not a fault)
    """The mail is on a record already."""


@transaction.atomic
def route_again(ports: Ports, inbound_id: int, *, member: Member | None) -> None:
    """Into the routers' queue once more, after a rule or a fault was mended. A mail that is on a record stays there."""
    row = _row(inbound_id, member)
    end_holds(ports, [row.pk])
    row.state, row.attempt_count, row.error, row.due_at = InboundState.RECEIVED, 0, "", ports.clock.now()
    row.authentication = None  # rules about senders may have changed too
    row.save(update_fields=["state", "attempt_count", "error", "due_at", "authentication"])
    _wake_routers([row.pk])


@transaction.atomic
def attach_to_record(ports: Ports, inbound_id: int, record_id: int, *, member: Member | None) -> None:
    """The mail becomes a message on this record; its followers hear of it."""
    row = _row(inbound_id, member)
    record = visible_records(member).get(pk=record_id)
    require(member, "write", record)
    why = (because("person.attached", person=_who(member)),)
    _apply(ports, row, AppendToRecord(record_id=record.pk, parent_message_id=None, reasons=why))


@transaction.atomic
def create_record_from(
    ports: Ports, inbound_id: int, kind: str, *, member: Member | None, company_id: int | None = None
) -> int:
    """The mail becomes a new record of this kind; the number of the record."""
    row = _row(inbound_id, member)
    require(member, "write")
    company_id = row.company_id or company_id or (member.company_id if member else None)
    if company_id is None:
        raise ValueError("Name the company that the record shall belong to.")
    why = (because("person.created", person=_who(member)),)
    _apply(ports, row, CreateRecord(kind=kind, company_id=company_id, reasons=why))
    return int(row.messages.values_list("record_id", flat=True).latest("id"))


@transaction.atomic
def refuse_held(ports: Ports, inbound_id: int, *, member: Member | None) -> None:
    """The sender is told that nobody here takes the mail, where telling is allowed."""
    row = _row(inbound_id, member)
    recipient = row.rcpt_to[0] if row.rcpt_to else ""
    _apply(
        ports,
        row,
        Refuse(answer="unknown", recipient=recipient, reasons=(because("person.refused", person=_who(member)),)),
    )


@transaction.atomic
def discard_held(ports: Ports, inbound_id: int, why: str, *, member: Member | None) -> None:
    """It does nothing, its sender hears nothing, and it stays in the log with the reason. Raises ValueError without one."""
    row = _row(inbound_id, member)
    why = " ".join(why.replace("\0", "").split())[:LONGEST_WHY]
    if not why:
        raise ValueError("Say why, for those who ask later.")
    _apply(ports, row, Discard(reasons=(because("person.discarded", person=_who(member), why=why),)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of many: how many were done, how many were left as they are, and where to go on (``None``: at the end)."""

    done: int
    left: int = 0
    after: int | None = None


def route_chosen_again(ports: Ports, inbound_ids: Sequence[int], *, member: Member | None) -> Settled:
    """Those that are not on a record already, in one statement."""
    require(member, "inbound")
    ids = list(dict.fromkeys(inbound_ids))[:BATCH]
    with transaction.atomic():
        done = _back_to_the_routers(ports, visible_inbound(member).filter(pk__in=ids).exclude(state__in=_SETTLED))
    return Settled(done=done, left=len(ids) - done)


def settle_each(inbound_ids: Sequence[int], settle: Callable[[int], object], *, member: Member | None) -> Settled:
    """Refuse or set aside each of those that were chosen, each in a transaction of its own."""
    require(member, "inbound")
    ids = list(dict.fromkeys(inbound_ids))[:BATCH]
    done = 0
    for inbound_id in ids:
        try:
            settle(inbound_id)
        except (AlreadySettled, InboundMessage.DoesNotExist, RawMail.DoesNotExist):
            continue
        done += 1
    return Settled(done=done, left=len(ids) - done)


def route_matching_again(ports: Ports, wish: InboundWish, *, member: Member | None, after: int = 0) -> Settled:
    """The next batch of all held and failed mails that match, oldest first, from the one after ``after`` on. A mail that is held again
    is not met again: the walk goes by number."""
    require(member, "inbound")
    found = matching(
        visible_inbound(member).filter(state__in=WAITING), wish, cut=company_cut(member), after=after, most=BATCH
    )
    with transaction.atomic():
        rows = visible_inbound(member).filter(pk__in=found.ids, state__in=WAITING)
        done = _back_to_the_routers(ports, rows)
    return Settled(done=done, after=found.after)


def _back_to_the_routers(ports: Ports, rows: QuerySet[InboundMessage]) -> int:
    locked = list(rows.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    end_holds(ports, locked)
    done = InboundMessage.objects.filter(pk__in=locked).update(
        state=InboundState.RECEIVED, attempt_count=0, error="", due_at=ports.clock.now(), authentication=None
    )
    _wake_routers(locked)
    return done


def _wake_routers(inbound_ids: Collection[int]) -> None:
    tell_pages(arrived=inbound_ids, calls=["postroom_inbound"])


def _row(inbound_id: int, member: Member | None) -> InboundMessage:
    row = visible_inbound(member).select_for_update(of=("self",)).select_related("raw_mail").get(pk=inbound_id)
    require(member, "inbound")
    if row.state in _SETTLED:
        raise AlreadySettled("This mail is on a record already.")
    return row


def _apply(ports: Ports, row: InboundMessage, decision: AppendToRecord | CreateRecord | Refuse | Discard) -> None:
    end_holds(ports, [row.pk])
    waiting = waiting_of(row)
    read = read_mail(ports, waiting, raw_of(ports, row))
    book = look_up([read.case], parameters(ports), ports.clock.now())
    facts: Facts = book.facts_for(read.case, Tally())
    evidence = within_reach(read.case.evidence, facts, _companies_of(decision))
    if isinstance(decision, AppendToRecord | CreateRecord) and is_mistrusted(evidence, facts):
        decision = replace(decision, unverified=True)  # a person says where it belongs, not who wrote it
    facts = believed(evidence, facts)
    if isinstance(decision, Refuse) and (
        evidence.is_automatic or evidence.has_null_reverse_path or not evidence.authenticity.may_be_answered
    ):
        decision = Refuse(
            answer=decision.answer, recipient=decision.recipient, may_answer=False, reasons=decision.reasons
        )
    verdict = Verdict(decisions=(decision,))
    apply_verdicts(ports, [Decided(row=waiting, mail=read.mail, evidence=evidence, facts=facts, verdict=verdict)])


def _companies_of(decision: Decision) -> set[int]:
    match decision:
        case CreateRecord(company_id=company_id):
            return {company_id}
        case AppendToRecord(record_id=record_id):
            return set(Record.objects.filter(pk=record_id).values_list("company_id", flat=True))
        case _:
            return set()


def _who(member: Member | None) -> str:
    return member.contact.name if member else "The operator"
