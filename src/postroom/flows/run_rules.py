"""Automation rules act: what `note_occurrences` wrote down is taken when it is due, one at a time, each in a transaction of its own.

    event (a row) -> the rule and its record, locked -> plan (core) -> done, with a line on the record -> the row is gone

Laws: done exactly once, however many workers look and whenever one dies: the claim is a row lock of the transaction that acts. A rule in
trouble raises an alarm and hinders nobody: what else it can do is done, and the next event is taken. A rule writes in the company's name, its
mails say ``Auto-Submitted: auto-generated`` (RFC 3834 5) and leave behind what people write. What it does is noted as no occurrence, and
is no answer: whoever waits outside still does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape

from django.core.exceptions import ObjectDoesNotExist
from django.db import InterfaceError, OperationalError, transaction

from postroom.core.conversations.automation import Occurrence, Outcome, Standing, Step, judge, plan
from postroom.core.conversations.changes import Change
from postroom.core.conversations.notices import assigned as assigned_words
from postroom.core.routing.placing import may_be_answered
from postroom.core.terms.addresses import normalize
from postroom.core.terms.automation import (
    Action,
    ActionError,
    AddFollowers,
    LogNote,
    PlanActivity,
    RemoveFollowers,
    SendMessage,
    SetResponsible,
    SetStage,
    Side,
    Trigger,
    read_actions,
)
from postroom.core.terms.reasons import Reason, because, reasons_as_json, reasons_from_json
from postroom.core.terms.states import MessageKind
from postroom.core.terms.templates import TemplateError
from postroom.flows.activities import Plan, add_activity
from postroom.flows.alarms import clear_alarm, raise_alarm
from postroom.flows.mail_templates import copies_of_files, fill_by_itself, zone_of
from postroom.flows.new_files import inline_file
from postroom.flows.ports import Ports
from postroom.flows.post_message import follow_customer
from postroom.flows.prepare_html import prepare_html
from postroom.flows.route_message import raw_of, read_mail, waiting_of
from postroom.flows.write_messages import Author, Posting, RecordFact, write_messages
from postroom.store.models import (
    AutomationEvent,
    AutomationMark,
    AutomationRule,
    AutomationTally,
    Contact,
    Follower,
    MailTemplate,
    Member,
    Message,
    Record,
)
from postroom.store.queries.automation import conditions_of, contacts_there, members_there, templates_there
from postroom.store.queries.colleagues import is_colleague

logger = logging.getLogger(__name__)

ALARM = "rule.failed"
MOST_AT_ONCE = 100
OF_A_RECORD = ("kind", "company", "contact", "responsible__contact")


def run_due_rules(ports: Ports) -> int:
    """Do what is due, the longest due first; how many events were settled. Raises database errors only."""
    settled = 0
    while settled < MOST_AT_ONCE and _run_next(ports):
        settled += 1
    return settled


def _run_next(ports: Ports) -> bool:
    """One in a transaction of its own. Others who look at the same moment take the next one."""
    with transaction.atomic():
        due = AutomationEvent.objects.filter(due_at__lte=ports.clock.now())
        event = due.select_for_update(skip_locked=True).order_by("due_at", "id").first()
        if event is None:
            return False
        try:
            with transaction.atomic():
                _settle(ports, event)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            logger.exception("rule %d could not act on record %d", event.rule_id, event.record_id)
            _fail(ports, event.rule_id, because("rule.trouble.bug", what=type(error).__name__))
        AutomationEvent.objects.filter(pk=event.pk).delete()
        return True


def _settle(ports: Ports, event: AutomationEvent) -> None:
    """Nothing happens where the rule is switched off, or the record gone."""
    rule = AutomationRule.objects.select_related("company").filter(pk=event.rule_id, is_active=True).first()
    if rule is None:
        return
    AutomationTally.objects.get_or_create(rule=rule)
    tally = AutomationTally.objects.select_for_update(no_key=True).get(pk=rule.pk)
    record = _locked(event.record_id)
    if record is None or record.company_id != rule.company_id:
        return
    mark = AutomationMark.objects.filter(rule=rule, record=record).first()
    why = reasons_from_json(event.why) or _still_waits(ports, rule, record, mark)
    if not why:
        return
    try:
        actions = read_actions(rule.actions)
    except ActionError as error:
        _fail(ports, rule.pk, because("rule.trouble.actions", what=error))
        return
    may_answer = event.may_answer if event.may_answer is not None else is_answerable(ports, record, actions)
    standing = standing_of(
        ports, rule, record, actions, mark=mark, may_answer=may_answer, last_member_id=tally.last_member_id
    )
    deeds = _Deeds(rule=rule, record=record, why=why)
    for step in plan(actions, standing):
        _take(ports, step, deeds)
    _remember(ports, tally, deeds)


def _locked(record_id: int) -> Record | None:
    """The record, or the one into which it was merged."""
    rows = Record.objects.select_for_update(of=("self",)).select_related(*OF_A_RECORD)
    record = rows.filter(pk=record_id).first()
    if record is not None and record.merged_into_id is not None:
        record = rows.filter(pk=record.merged_into_id, merged_into=None).first()
    return record


def _still_waits(ports: Ports, rule: AutomationRule, record: Record, mark: AutomationMark | None) -> tuple[Reason, ...]:
    """Of a rule that waits: why it fires; empty when somebody answered, or it took care of this waiting already."""
    if record.is_done or (mark is not None and mark.waited_since == record.unanswered_since):
        return ()
    verdict = judge(conditions_of(rule), waiting_now(ports, record))
    return verdict.reasons if verdict.fires else ()


def waiting_now(ports: Ports, record: Record) -> Occurrence:
    """The record, as a rule sees it that waits for an answer."""
    since = record.unanswered_since
    return Occurrence(
        trigger=Trigger.UNANSWERED,
        company_id=record.company_id,
        kind=record.kind_id,
        stage=record.stage,
        alias_id=record.alias_id,
        responsible_id=record.responsible_id,
        side=Side.CUSTOMER,
        subject=record.title,
        waited=ports.clock.now() - since if since is not None else None,
    )


def is_answerable(ports: Ports, record: Record, actions: Sequence[Action]) -> bool:
    """Whether a message may follow what came in last (RFC 3834), where no mail made the rule fire. Only asked when there is one to send: the
    mail is read once more. Where it is not kept any more, only what had a proven author is answered."""
    if not any(isinstance(action, SendMessage) for action in actions):
        return True
    rows = Message.objects.filter(record=record, inbound__isnull=False).select_related("inbound__raw_mail")
    last = rows.order_by("-id").first()
    if last is None or last.inbound is None:
        return True
    try:
        raw = raw_of(ports, last.inbound)
    except (KeyError, ObjectDoesNotExist):
        return not last.is_unverified
    return may_be_answered(read_mail(ports, waiting_of(last.inbound), raw).case.evidence)


def standing_of(
    ports: Ports,
    rule: AutomationRule,
    record: Record,
    actions: Sequence[Action],
    *,
    mark: AutomationMark | None,
    may_answer: bool,
    last_member_id: int | None,
) -> Standing:
    """How the record stands, and who and what of this rule is there. Four queries at most."""
    members, contacts, templates = _named(actions)
    if record.responsible_id is not None:
        members.add(record.responsible_id)
    return Standing(
        now=ports.clock.now(),
        stage=record.stage,
        stages=tuple(map(str, record.kind.stages)),
        responsible_id=record.responsible_id,
        customer=_customer(record),
        followers=frozenset(Follower.objects.filter(record=record).values_list("contact_id", flat=True)),
        members=members_there(rule.company_id, members),
        contacts=contacts_there(rule.company_id, contacts),
        templates=templates_there(rule.company_id, record.kind_id, templates),
        may_answer=may_answer,
        sent_at=mark.sent_at if mark is not None else None,
        last_member_id=last_member_id,
    )


def _named(actions: Sequence[Action]) -> tuple[set[int], set[int], set[int]]:
    """The members, contacts and templates that the actions name."""
    members: set[int] = set()
    contacts: set[int] = set()
    templates: set[int] = set()
    for action in actions:
        match action:
            case SendMessage(template_id=template_id) | LogNote(template_id=template_id):
                templates.add(template_id)
            case AddFollowers(contact_ids=contact_ids) | RemoveFollowers(contact_ids=contact_ids):
                contacts.update(contact_ids)
            case SetResponsible(member_ids=member_ids):
                members.update(member_ids)
            case PlanActivity(member_id=member_id):
                members |= {member_id} if member_id is not None else set()
            case SetStage():
                pass
    return members, contacts, templates


def _customer(record: Record) -> str:
    if record.contact is not None:
        return record.contact.name or record.contact.address if record.contact.normal else ""
    return (record.contact_name or record.contact_address) if normalize(record.contact_address) else ""


# ---- doing


@dataclass(slots=True, kw_only=True)
class _Deeds:
    """What a rule has done on a record so far."""

    rule: AutomationRule
    record: Record
    why: tuple[Reason, ...]
    did: list[Reason] = field(default_factory=list)
    left: list[Reason] = field(default_factory=list)
    troubles: list[Reason] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    assigned: Member | None = None
    has_sent: bool = False

    @property
    def author(self) -> Author:
        """The company: it has no address of its own, so its catchall is written from, and answers find the record."""
        return Author(contact_id=None, name=self.record.company.name, address="")

    @property
    def mark(self) -> dict[str, object]:
        """What the messages of this rule bear; those that are no line of the system have nothing done or left out in them."""
        return {"id": self.rule.pk, "name": self.rule.name, "why": reasons_as_json(self.why)}


def _take(ports: Ports, step: Step, deeds: _Deeds) -> None:
    match step.outcome:
        case Outcome.LEAVE:
            deeds.left.append(step.reason)
        case Outcome.TROUBLE:
            deeds.troubles.append(step.reason)
        case Outcome.DO:
            try:
                _do(ports, step, deeds)
            except TemplateError as error:
                deeds.troubles.append(because("rule.trouble.words", what=error))
            else:
                deeds.did.append(step.reason)


def _do(ports: Ports, step: Step, deeds: _Deeds) -> None:
    match step.action:
        case SendMessage(template_id=template_id):
            _write(ports, template_id, MessageKind.COMMENT, deeds)
            deeds.has_sent = True
        case LogNote(template_id=template_id):
            _write(ports, template_id, MessageKind.NOTE, deeds)
        case AddFollowers():
            _add_followers(deeds.record, step.people)
        case RemoveFollowers():
            Follower.objects.filter(record=deeds.record, contact_id__in=step.people).delete()
        case SetResponsible():
            _assign(ports, deeds, step.people[0])
        case SetStage(stage=stage):
            deeds.changes.append(("Stage", deeds.record.stage, stage))
            deeds.record.stage = stage
            _save(ports, deeds.record, "stage")
        case PlanActivity():
            _plan_activity(ports, step.action, step.people[0], deeds)


def _write(ports: Ports, template_id: int, kind: MessageKind, deeds: _Deeds) -> None:
    """Raises `TemplateError` before anything is done."""
    record = deeds.record
    template = MailTemplate.objects.get(pk=template_id)
    filled = fill_by_itself(ports, template=template, record=record)
    ready = prepare_html(ports, filled.html)
    is_message = kind is MessageKind.COMMENT
    if is_message:
        follow_customer(record)
    posting = Posting(
        record=RecordFact.of(record),
        kind=kind,
        author=deeds.author,
        html=ready.html,
        subject=filled.subject,
        explicit_contact_ids=[record.contact_id] if is_message and record.contact_id is not None else (),
        files=(*copies_of_files(ports, template), *map(inline_file, ready.pictures)),
        from_address=template.from_address if is_message else "",
        reply_to_address=template.reply_to if is_message else "",
        server_id=template.server_id if is_message else None,
        is_automatic=True,
        is_urgent=False,
        particulars={"rule": deeds.mark},
    )
    write_messages(ports, [posting])


def _add_followers(record: Record, contact_ids: Sequence[int]) -> None:
    rows = Contact.objects.filter(pk__in=contact_ids).annotate(inside=is_colleague([record.company_id]))
    Follower.objects.bulk_create(
        [Follower(record=record, contact=row, notes=row.inside) for row in rows.order_by("pk")], ignore_conflicts=True
    )


def _assign(ports: Ports, deeds: _Deeds, member_id: int) -> None:
    record, before = deeds.record, deeds.record.responsible
    member = Member.objects.select_related("contact").get(pk=member_id)
    deeds.changes.append(("Responsible", before.contact.name if before else "", member.contact.name))
    deeds.assigned = record.responsible = member
    _save(ports, record, "responsible")
    Follower.objects.get_or_create(record=record, contact_id=member.contact_id, defaults={"notes": True})


def _save(ports: Ports, record: Record, name: str) -> None:
    record.updated_at = ports.clock.now()
    record.save(update_fields=[name, "updated_at"])


def _plan_activity(ports: Ports, action: PlanActivity, member_id: int, deeds: _Deeds) -> None:
    today = ports.clock.now().astimezone(zone_of(Member.objects.get(pk=member_id))).date()
    wanted = Plan(
        kind=action.kind.value,
        due_on=today + timedelta(days=action.days),
        assignee_id=member_id,
        summary=action.summary,
    )
    add_activity(ports, deeds.record, wanted, author=deeds.author, planned_by=None)


# ---- what is kept of it


def _remember(ports: Ports, tally: AutomationTally, deeds: _Deeds) -> None:
    rule, now = deeds.rule, ports.clock.now()
    marks: dict[str, object] = {"sent_at": now} if deeds.has_sent else {}
    if rule.trigger == Trigger.UNANSWERED:
        marks["waited_since"] = deeds.record.unanswered_since
    if marks:
        AutomationMark.objects.update_or_create(rule=rule, record=deeds.record, defaults=marks)
    if deeds.did:
        _say_on_the_record(ports, deeds)
        tally.count, tally.last_at = tally.count + 1, now
    if deeds.assigned is not None:
        tally.last_member = deeds.assigned
    tally.save(update_fields=["count", "last_at", "last_member"])
    if deeds.troubles:
        _fail(ports, rule.pk, *deeds.troubles)
    elif tally.trouble is not None:
        forget_trouble(ports, rule.pk)


def _say_on_the_record(ports: Ports, deeds: _Deeds) -> None:
    """The line that says which rule did what, and why. Told to those who asked for changes, and to who was made responsible."""
    record, person = deeds.record, deeds.assigned
    told = "; ".join(str(one) for one in (*deeds.did, *deeds.left))
    text = f"{deeds.rule.name}: {told}. {' '.join(map(str, deeds.why))}"
    said = {"did": reasons_as_json(deeds.did), "left": reasons_as_json(deeds.left)}
    posting = Posting(
        record=RecordFact.of(record),
        kind=MessageKind.SYSTEM,
        author=deeds.author,
        html=f"<p>{escape(text)}</p>",
        text=text,
        changes=deeds.changes,
        explicit_contact_ids=[person.contact_id] if person is not None else (),
        for_named=assigned_words(record.company.name, record.kind.label, record.title) if person is not None else None,
        notifies=bool(deeds.changes),
        is_urgent=False,
        particulars={"rule": deeds.mark | said},
    )
    write_messages(ports, [posting])


def _fail(ports: Ports, rule_id: int, *troubles: Reason) -> None:
    """An alarm, and a word beside the rule."""
    rule = AutomationRule.objects.filter(pk=rule_id).first()
    if rule is None:
        return
    AutomationTally.objects.update_or_create(rule=rule, defaults={"trouble": reasons_as_json(troubles)})
    raise_alarm(
        ports,
        code=ALARM,
        subject=f"rule:{rule.pk}",
        reason=because(
            "alarm.rule_failed", rule=rule.name, why=" ".join(str(one) for one in dict.fromkeys(map(str, troubles)))
        ),
        company_id=rule.company_id,
        link=f"/settings/rules/{rule.pk}/",
    )


def forget_trouble(ports: Ports, rule_id: int) -> None:
    """It is well again, was changed, or is gone."""
    AutomationTally.objects.filter(rule_id=rule_id).update(trouble=None)
    clear_alarm(ports, code=ALARM, subject=f"rule:{rule_id}")
