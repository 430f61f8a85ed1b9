"""What a person does with a mail that waits: route again, put it on a record, make one of it, refuse it."""

from __future__ import annotations

from django.db import connection, transaction

from postroom.core.routing.verdicts import AppendToRecord, CreateRecord, Facts, Refuse, Verdict
from postroom.core.terms.reasons import because, catalogue
from postroom.core.terms.states import InboundState
from postroom.flows.access import require, visible_inbound, visible_records
from postroom.flows.apply_verdict import Decided, apply_verdicts
from postroom.flows.ports import Ports
from postroom.flows.route_message import raw_of, read_mail, waiting_of
from postroom.flows.settings import parameters
from postroom.store.models import InboundMessage, Member
from postroom.store.queries.loop_counts import Tally
from postroom.store.queries.routing_facts import look_up

catalogue(
    {
        "person.attached": "{person} put it on this record.",
        "person.created": "{person} made a record of it.",
        "person.refused": "{person} refused it.",
    }
)
_SETTLED = (InboundState.ROUTED,)


class AlreadySettled(Exception):  # noqa: N818 (an answer to a person, not a fault)
    """The mail is on a record already."""


@transaction.atomic
def route_again(ports: Ports, inbound_id: int, *, member: Member | None) -> None:
    """Into the routers' queue once more, after a rule or a fault was mended. A mail that is on a record stays there."""
    row = _row(inbound_id, member)
    row.state, row.attempt_count, row.error, row.due_at = InboundState.RECEIVED, 0, "", ports.clock.now()
    row.save(update_fields=["state", "attempt_count", "error", "due_at"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('postroom_inbound', ''), pg_notify('postroom_live', 'inbound')")


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


def _row(inbound_id: int, member: Member | None) -> InboundMessage:
    row = visible_inbound(member).select_for_update(of=("self",)).select_related("raw_mail").get(pk=inbound_id)
    require(member, "inbound")
    if row.state in _SETTLED:
        raise AlreadySettled("This mail is on a record already.")
    return row


def _apply(ports: Ports, row: InboundMessage, decision: AppendToRecord | CreateRecord | Refuse) -> None:
    waiting = waiting_of(row)
    read = read_mail(ports, waiting, raw_of(ports, row))
    book = look_up([read.case], parameters(ports), ports.clock.now())
    facts: Facts = book.facts_for(read.case, Tally())
    if isinstance(decision, Refuse) and (read.case.evidence.is_automatic or read.case.evidence.has_null_reverse_path):
        decision = Refuse(
            answer=decision.answer, recipient=decision.recipient, may_answer=False, reasons=decision.reasons
        )
    verdict = Verdict(decisions=(decision,))
    apply_verdicts(
        ports, [Decided(row=waiting, mail=read.mail, evidence=read.case.evidence, facts=facts, verdict=verdict)]
    )


def _who(member: Member | None) -> str:
    return member.contact.name if member else "The operator"
