"""Automation rules: what fires them, what they do, and what they never do."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from postroom.core.conversations.automation import Outcome
from postroom.core.terms.automation import Via
from postroom.core.terms.states import MessageKind, Role
from postroom.flows import run_rules
from postroom.flows.access import NotAllowed
from postroom.flows.automation_rules import manageable_rules, remove_rule, save_rule, try_rule
from postroom.flows.change_records import What, change_records, undo_change
from postroom.flows.merge_records import merge_records
from postroom.flows.ports import Ports
from postroom.flows.post_message import post_message
from postroom.flows.records import change_record, create_record
from postroom.flows.run_rules import run_due_rules
from postroom.flows.run_scheduled_action import ensure_actions, run_action
from postroom.store.models import (
    Activity,
    Alarm,
    AutomationEvent,
    AutomationMark,
    AutomationRule,
    AutomationTally,
    Company,
    Delivery,
    Follower,
    MailTemplate,
    Member,
    Message,
    Notification,
    OutgoingMail,
    RawMail,
    Record,
    SettingChange,
)
from postroom.store.models.outgoing import LANE_RANK
from postroom.wiring import ports
from tests.flows.arriving import CARLA, a_thread, arrive
from tests.people import House, add_contact, add_member, build_house, write_mail

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def house() -> House:
    return build_house()


@pytest.fixture
def clock() -> Clock:
    return Clock(ports().clock.now())


@pytest.fixture
def later(clock: Clock) -> Ports:
    return replace(ports(), clock=clock)


@pytest.fixture
def template(house: House) -> MailTemplate:
    return MailTemplate.objects.create(
        company=house.company,
        name="Welcome",
        subject="We have it: {{ record.title }}",
        html="<p>Dear {{ contact.name }}, it is with us. {{ author.name }}</p>",
    )


def a_rule(house: House, *actions: dict[str, object], **values: Any) -> AutomationRule:
    values = {"name": "A rule", "company_id": house.company.pk, "trigger": "created", "actions": list(actions)} | values
    return save_rule(ports(), values, member=house.alice)


def send(template: MailTemplate) -> dict[str, object]:
    return {"do": "message", "template": template.pk}


def stage(name: str) -> dict[str, object]:
    return {"do": "stage", "stage": name}


def arrive_new(subject: str = "My parcel is late", to: str = "support@in.test", **headers: str) -> Record:
    arrive(write_mail(to=to, subject=subject, **headers), to)
    return Record.objects.latest("id")


def answer(house: House) -> Record:
    """Customer Carla answers what Alice wrote."""
    thread = a_thread(house)
    arrive(write_mail(to=thread.reply_address, In_Reply_To=thread.message_id), thread.reply_address)
    thread.record.refresh_from_db()
    return thread.record


def acted(record: Record) -> Record:
    """All that is due is done."""
    while run_due_rules(ports()):
        pass
    record.refresh_from_db()
    return record


def lines(record: Record) -> list[str]:
    """What the record's timeline says of rules."""
    rows = Message.objects.filter(record=record, kind=MessageKind.SYSTEM, body__particulars__has_key="rule")
    return list(rows.order_by("id").values_list("body__text", flat=True))


# ---- what fires


def test_a_mail_that_makes_a_record_is_answered_in_the_companys_name(house: House, template: MailTemplate) -> None:
    rule = a_rule(house, send(template))
    record = arrive_new()
    assert not OutgoingMail.objects.filter(subject__startswith="Re: We have it").exists(), "not while it is routed"
    acted(record)
    mail = OutgoingMail.objects.get(subject="Re: We have it: My parcel is late", deliveries__to_address=CARLA)
    assert (mail.from_name, mail.from_address) == ("Mail Works", "catchall@in.test")
    assert ["Auto-Submitted", "auto-generated"] in mail.extra_headers
    assert mail.reply_to_address.startswith("catchall+")
    assert {one.lane for one in Delivery.objects.filter(mail__message=mail.message)} == {LANE_RANK["normal"]}
    assert lines(record) == ["A rule: sends Welcome to Customer Carla. A mail made the record."]
    rule.tally.refresh_from_db()
    assert (rule.tally.count, rule.tally.trouble) == (1, None)
    assert not AutomationEvent.objects.exists()


def test_what_a_rule_sends_is_no_answer(house: House, template: MailTemplate) -> None:
    a_rule(house, send(template))
    record = arrive_new()
    waiting = record.unanswered_since
    assert waiting is not None
    assert acted(record).unanswered_since == waiting


def test_a_record_by_a_person_and_one_by_a_program_fire_what_is_for_them(house: House) -> None:
    a_rule(house, stage("Solved"), via="program")
    values: dict[str, Any] = {"company_id": house.company.pk, "kind": "ticket", "author": house.bob}
    by_hand = create_record(ports(), title="By hand", **values)
    by_program = create_record(ports(), title="By program", via=Via.PROGRAM, **values)
    assert acted(by_hand).stage != "Solved"
    assert acted(by_program).stage == "Solved"
    assert "A program made the record." in lines(by_program)[0]


def test_a_stage_that_a_person_sets_fires(house: House) -> None:
    a_rule(house, {"do": "responsible", "members": [house.bob.pk]}, trigger="stage", stage="In progress")
    record, other = arrive_new(), arrive_new("Another")
    change_record(ports(), record_id=record.pk, by=house.alice, stage="In progress")
    change_records(ports(), record_ids=[other.pk], what=What.STAGE, value="In progress", by=house.alice)
    assert acted(record).responsible == house.bob
    assert acted(other).responsible == house.bob


def test_undoing_a_change_fires_nothing(house: House) -> None:
    record = arrive_new()
    before = str(record.stage)
    a_rule(house, {"do": "responsible", "members": [house.bob.pk]}, trigger="stage", stage=before)
    done = change_records(ports(), record_ids=[record.pk], what=What.STAGE, value="Solved", by=house.alice)
    undo_change(ports(), what=What.STAGE, after="Solved", before=done.before, by=house.alice)
    assert acted(record).responsible is None


def test_an_answer_of_the_customer_fires_and_a_colleagues_does_not(house: House) -> None:
    a_rule(house, stage("In progress"), trigger="answer")
    record = answer(house)
    assert record.stage != "In progress"
    assert acted(record).stage == "In progress"
    assert lines(record) == ["A rule: sets the stage to In progress. A mail from outside came in on it."]


def test_somebody_made_responsible_fires(house: House) -> None:
    a_rule(house, {"do": "activity", "kind": "call", "summary": "Say hello", "days": 2}, trigger="responsible")
    record = arrive_new()
    change_record(ports(), record_id=record.pk, by=house.alice, responsible_id=house.charlie.pk)
    acted(record)
    activity = Activity.objects.get(record=record)
    assert (activity.assignee, activity.planned_by, activity.summary) == (house.charlie, None, "Say hello")
    asked = Notification.objects.filter(contact=house.charlie.contact, message__body__particulars__has_key="activity")
    assert asked.count() == 1
    change_record(ports(), record_id=record.pk, by=house.alice, responsible_id=None)
    assert not AutomationEvent.objects.exists(), "nobody is not somebody"


@pytest.mark.parametrize(
    ("conditions", "fires"),
    [
        ({"kind_id": "ticket"}, True),
        ({"kind_id": "lead"}, False),
        ({"words": "order, parcel"}, True),
        ({"words": "order"}, False),
        ({"side": "colleague"}, False),
        ({"side": "customer"}, True),
        ({"responsible": "somebody"}, False),
    ],
)
def test_conditions_say_for_which_records(house: House, conditions: dict[str, Any], fires: bool) -> None:
    a_rule(house, {"do": "follow", "contacts": [house.charlie.contact_id]}, **conditions)
    record = acted(arrive_new())
    assert Follower.objects.filter(record=record, contact=house.charlie.contact).exists() is fires


def test_an_alias_has_its_own_rules(house: House) -> None:
    a_rule(house, {"do": "responsible", "members": [house.bob.pk]}, alias_id=house.sales.pk)
    assert acted(arrive_new()).responsible is None
    assert acted(arrive_new(to="sales@in.test")).responsible == house.bob


# ---- waiting for an answer


def test_who_waits_too_long_is_taken_care_of_once(house: House, clock: Clock, later: Ports) -> None:
    a_rule(house, {"do": "responsible", "members": [house.bob.pk]}, trigger="unanswered", hours=4)
    record = arrive_new()
    clock.at += timedelta(hours=3)
    assert run_due_rules(later) == 0
    clock.at = ports().clock.now() + timedelta(hours=4, seconds=5)
    assert run_due_rules(later) == 1
    record.refresh_from_db()
    assert record.responsible == house.bob
    assert "Somebody outside has waited for an answer for 4 hours." in lines(record)[0]


def test_who_was_answered_in_time_is_left_alone(house: House, clock: Clock, later: Ports) -> None:
    a_rule(house, stage("Solved"), trigger="unanswered", hours=4)
    record = arrive_new()
    post_message(ports(), record_id=record.pk, author=house.alice, html="<p>Tomorrow</p>", to_customer=True)
    clock.at = ports().clock.now() + timedelta(hours=5)
    run_due_rules(later)
    record.refresh_from_db()
    assert record.stage != "Solved"
    assert not AutomationEvent.objects.exists()


def test_a_second_mail_while_one_waits_does_not_begin_the_waiting_anew(house: House) -> None:
    a_rule(house, stage("Solved"), trigger="unanswered", hours=4)
    answer(house)  # the first question, and the one after Alice's answer
    assert AutomationEvent.objects.count() == 2
    record = Record.objects.latest("id")
    thread_mail = OutgoingMail.objects.filter(message__record=record).latest("id")
    arrive(
        write_mail(In_Reply_To=thread_mail.header_message_id, to=thread_mail.reply_to_address, text="And?"),
        thread_mail.reply_to_address,
    )
    assert Message.objects.filter(record=record, inbound__isnull=False).count() == 3
    assert AutomationEvent.objects.count() == 2


def test_a_rule_switched_on_writes_to_nobody_who_has_waited_for_weeks(house: House, clock: Clock, later: Ports) -> None:
    old, fresh = arrive_new("Old"), arrive_new("Fresh")
    Record.objects.filter(pk=old.pk).update(unanswered_since=clock.at - timedelta(days=30))
    a_rule(house, stage("Solved"), trigger="unanswered", hours=4)
    clock.at = ports().clock.now() + timedelta(hours=5)
    while run_due_rules(later):
        pass
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.stage, fresh.stage) == ("New", "Solved")


def test_another_time_counts_for_those_who_wait_already(house: House) -> None:
    rule = a_rule(house, stage("Solved"), trigger="unanswered", hours=4)
    record = arrive_new()
    save_rule(ports(), {"id": rule.pk, "hours": 1}, member=house.alice)
    event = AutomationEvent.objects.get()
    assert record.unanswered_since is not None
    assert event.due_at == record.unanswered_since + timedelta(hours=1)
    save_rule(ports(), {"id": rule.pk, "is_active": False}, member=house.alice)
    assert not AutomationEvent.objects.exists()


def test_one_waiting_is_taken_care_of_once_however_often_it_was_written_down(
    house: House, clock: Clock, later: Ports, template: MailTemplate
) -> None:
    rule = a_rule(house, send(template), trigger="unanswered", hours=1)
    record = arrive_new()
    AutomationEvent.objects.create(rule=rule, record=record, due_at=clock.at)
    AutomationEvent.objects.create(rule=rule, record=record, due_at=clock.at)
    clock.at = ports().clock.now() + timedelta(hours=9)
    while run_due_rules(later):
        pass
    assert OutgoingMail.objects.filter(subject__startswith="Re: We have it", deliveries__to_address=CARLA).count() == 1


# ---- laws


@pytest.mark.parametrize(
    "headers", [{"Auto_Submitted": "auto-generated"}, {"Precedence": "bulk"}, {"List_Id": "<news.shop.example>"}]
)
def test_a_machines_mail_is_filed_and_not_answered(
    house: House, template: MailTemplate, headers: dict[str, str]
) -> None:
    a_rule(house, send(template), stage("In progress"))
    record = acted(arrive_new(**headers))
    assert record.stage == "In progress"
    assert not Delivery.objects.filter(to_address=CARLA).exists()
    assert "sends no message: a machine wrote the mail" in lines(record)[0]


def test_what_a_person_does_to_a_machines_record_makes_no_rule_answer_the_machine(
    house: House, template: MailTemplate
) -> None:
    a_rule(house, send(template), trigger="stage", stage="Solved")
    robots, carlas = arrive_new(Auto_Submitted="auto-generated"), arrive_new("Another")
    for record in (robots, carlas):
        change_record(ports(), record_id=record.pk, by=house.alice, stage="Solved")
        acted(record)
    assert OutgoingMail.objects.filter(deliveries__to_address=CARLA).get().message.record == carlas


def test_a_mail_that_is_not_kept_any_more_is_answered_only_if_its_author_was_proven(
    house: House, template: MailTemplate
) -> None:
    a_rule(house, send(template), trigger="stage", stage="Solved")
    record = arrive_new()
    RawMail.objects.all().delete()
    Message.objects.filter(record=record).update(is_unverified=True)
    change_record(ports(), record_id=record.pk, by=house.alice, stage="Solved")
    acted(record)
    assert not Delivery.objects.filter(to_address=CARLA).exists()


def test_a_mail_with_a_null_return_path_is_not_answered(house: House, template: MailTemplate) -> None:
    a_rule(house, send(template))
    arrive(write_mail(), "support@in.test", sender="")
    for record in Record.objects.all():
        acted(record)
    assert not Delivery.objects.filter(to_address=CARLA).exists()


def test_what_a_rule_does_triggers_no_rule(house: House) -> None:
    a_rule(house, stage("In progress"), {"do": "responsible", "members": [house.bob.pk]}, name="First")
    a_rule(house, stage("Solved"), trigger="stage", stage="In progress", name="Second")
    a_rule(house, stage("Solved"), trigger="responsible", name="Third")
    assert acted(arrive_new()).stage == "In progress"


def test_one_rule_writes_to_one_record_once_an_hour(house: House, template: MailTemplate) -> None:
    a_rule(house, send(template), trigger="stage", stage="Solved")
    record = arrive_new()
    for name in ("Solved", "New", "Solved"):
        change_record(ports(), record_id=record.pk, by=house.alice, stage=name)
    acted(record)
    assert Message.objects.filter(record=record, kind=MessageKind.COMMENT, inbound=None).count() == 1
    AutomationMark.objects.update(sent_at=ports().clock.now() - timedelta(hours=2))
    for name in ("New", "Solved"):
        change_record(ports(), record_id=record.pk, by=house.alice, stage=name)
    acted(record)
    assert Message.objects.filter(record=record, kind=MessageKind.COMMENT, inbound=None).count() == 2


def test_a_note_never_leaves(house: House, template: MailTemplate) -> None:
    a_rule(house, {"do": "note", "template": template.pk})
    record = acted(arrive_new())
    note = Message.objects.get(record=record, kind=MessageKind.NOTE)
    assert note.author_name == "Mail Works"
    reached = set(Delivery.objects.filter(mail__message=note).values_list("to_address", flat=True))
    assert reached == {"alice@box.test", "bob@box.test"}


def test_each_in_turn_is_made_responsible_and_told(house: House) -> None:
    a_rule(house, {"do": "responsible", "members": [house.bob.pk, house.charlie.pk]})
    found = [acted(arrive_new(f"Parcel {number}")).responsible for number in range(3)]
    assert found == [house.bob, house.charlie, house.bob]
    told = Notification.objects.filter(contact=house.charlie.contact)
    assert told.count() == 1
    assert Follower.objects.filter(contact=house.charlie.contact).count() == 1


def test_who_is_switched_off_is_passed_over(house: House) -> None:
    a_rule(house, {"do": "responsible", "members": [house.bob.pk, house.charlie.pk]})
    house.bob.user.is_active = False
    house.bob.user.save()
    assert acted(arrive_new()).responsible == house.charlie
    assert not Alarm.objects.exists()


def test_a_rule_in_trouble_raises_an_alarm_and_does_the_rest(house: House, template: MailTemplate) -> None:
    rule = a_rule(house, send(template), stage("In progress"))
    MailTemplate.objects.update(is_active=False)
    assert acted(arrive_new()).stage == "In progress"
    alarm = Alarm.objects.get(code="rule.failed")
    assert (alarm.company, alarm.link, alarm.ended_at) == (house.company, f"/settings/rules/{rule.pk}/", None)
    MailTemplate.objects.update(is_active=True)
    acted(arrive_new("Another"))
    alarm.refresh_from_db()
    assert alarm.ended_at is not None, "it is well again"


def test_words_that_cannot_be_filled_are_an_alarm_and_no_half_mail(house: House, template: MailTemplate) -> None:
    MailTemplate.objects.update(html="{{ record.values.Number }}")
    a_rule(house, send(template), stage("In progress"))
    record = acted(arrive_new())
    assert record.stage == "In progress"
    assert Message.objects.filter(record=record, kind=MessageKind.COMMENT).count() == 1
    assert "Number" in Alarm.objects.get(code="rule.failed").reason["facts"]["why"]


def test_a_fault_of_ours_in_one_rule_hinders_neither_the_mail_nor_other_rules(
    house: House, template: MailTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_rule(house, send(template), name="Broken")
    a_rule(house, stage("Solved"), name="Whole")

    def fails(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(run_rules, "follow_customer", fails)
    assert acted(arrive_new()).stage == "Solved"
    assert Alarm.objects.get().reason["facts"]["rule"] == "Broken"
    assert not AutomationEvent.objects.exists()


def test_a_merged_record_is_acted_on_where_it_lives(house: House) -> None:
    a_rule(house, stage("Solved"))
    old, new = arrive_new("One"), arrive_new("Two")
    AutomationEvent.objects.filter(record=new).delete()
    merge_records(ports(), record_id=old.pk, into_id=new.pk, by=house.alice)
    assert acted(new).stage == "Solved"


def test_a_rule_that_was_switched_off_meanwhile_does_nothing(house: House) -> None:
    rule = a_rule(house, stage("Solved"))
    record = arrive_new()
    save_rule(ports(), {"id": rule.pk, "is_active": False}, member=house.alice)
    assert acted(record).stage != "Solved"
    assert not AutomationEvent.objects.exists()


def test_a_rule_that_could_not_act_any_more_can_be_switched_off_and_not_on(
    house: House, template: MailTemplate
) -> None:
    rule = a_rule(house, send(template))
    template.delete()
    save_rule(ports(), {"id": rule.pk, "is_active": False}, member=house.alice)
    with pytest.raises(ValidationError):
        save_rule(ports(), {"id": rule.pk, "is_active": True}, member=house.alice)
    assert AutomationRule.objects.get().is_active is False


def test_the_scheduled_action_finds_what_was_missed(house: House) -> None:
    ensure_actions(ports())
    a_rule(house, stage("Solved"))
    record = arrive_new()
    done = run_action(ports(), "automation")
    assert done is not None
    assert done.result == "1 events of automation rules settled"
    record.refresh_from_db()
    assert record.stage == "Solved"


# ---- what it costs


def test_where_no_company_has_rules_what_comes_in_asks_nothing_more(house: House) -> None:
    arrive_new("Warm")
    with CaptureQueriesContext(connection) as without:
        arrive_new("One")
    assert not [one for one in without if '"postroom_automationrule"."words"' in one["sql"]]
    rule = a_rule(house, stage("Solved"))
    with CaptureQueriesContext(connection) as with_rules:
        arrive_new("Two")
    assert len(with_rules) == len(without) + 5, "the records, the rules, the numbers, the rows, the call"
    save_rule(ports(), {"id": rule.pk, "is_active": False}, member=house.alice)
    with CaptureQueriesContext(connection) as switched_off:
        arrive_new("Three")
    assert len(switched_off) == len(without)


# ---- keeping them


@pytest.fixture
def dora() -> Member:
    """The administrator of another company."""
    company = Company.objects.create(name="Other Works")
    return add_member(company, "Dora", "dora@elsewhere.test", role=Role.ADMINISTRATOR)


def test_people_and_templates_of_another_company_are_refused(house: House, dora: Member) -> None:
    theirs = MailTemplate.objects.create(company=dora.company, name="Theirs", subject="x", html="x")
    stranger = add_contact("Dan", "dan@elsewhere.test", dora.company)
    for action in (
        send(theirs),
        {"do": "note", "template": theirs.pk},
        {"do": "follow", "contacts": [stranger.pk]},
        {"do": "unfollow", "contacts": [dora.contact_id]},
        {"do": "responsible", "members": [house.bob.pk, dora.pk]},
        {"do": "activity", "kind": "call", "days": 1, "member": dora.pk},
    ):
        with pytest.raises(ValidationError) as told:
            a_rule(house, action)
        assert list(told.value.message_dict) == ["actions"]


def test_a_person_who_left_for_another_company_is_not_reached_any_more(house: House, dora: Member) -> None:
    a_rule(house, {"do": "responsible", "members": [house.charlie.pk]})
    house.charlie.company = dora.company
    house.charlie.save()
    assert acted(arrive_new()).responsible is None
    assert Alarm.objects.filter(code="rule.failed").exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"trigger": "noon"}, "trigger"),
        ({"trigger": "stage"}, "stage"),
        ({"trigger": "unanswered"}, "hours"),
        ({"kind_id": "ticket", "stage": "Shipped"}, "stage"),
        ({"kind_id": "nothing"}, "kind"),
        ({"name": "  "}, "name"),
        ({"side": "nobody"}, "side"),
        ({"alias_id": 999_999}, "alias"),
        ({"actions": []}, "actions"),
        ({"kind_id": "ticket", "actions": [{"do": "stage", "stage": "Shipped"}]}, "actions"),
    ],
)
def test_nothing_is_kept_that_could_not_act(house: House, values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as told:
        a_rule(house, *values.pop("actions", [stage("Solved")]), **values)
    assert field in told.value.message_dict
    assert not AutomationRule.objects.exists()


def test_only_administrators_of_the_company_keep_its_rules(house: House, dora: Member) -> None:
    rule = a_rule(house, stage("Solved"))
    values = {"id": rule.pk, "name": "Mine"}
    for person in (house.bob, dora):
        with pytest.raises((NotAllowed, AutomationRule.DoesNotExist)):
            save_rule(ports(), values, member=person)
        with pytest.raises((NotAllowed, AutomationRule.DoesNotExist)):
            remove_rule(ports(), rule.pk, member=person)
        with pytest.raises((NotAllowed, Record.DoesNotExist)):
            try_rule(ports(), rule, arrive_new().pk, member=person)
    assert not manageable_rules(dora).exists()
    with pytest.raises(NotAllowed):
        save_rule(ports(), {"id": rule.pk, "company_id": dora.company.pk}, member=house.alice)


def test_changes_are_recorded_and_a_rule_that_is_removed_leaves_nothing_behind(house: House) -> None:
    rule = a_rule(house, stage("Solved"), trigger="unanswered", hours=4)
    record = arrive_new()
    save_rule(ports(), {"id": rule.pk, "name": "Better"}, member=house.alice)
    remove_rule(ports(), rule.pk, member=house.alice)
    kept = SettingChange.objects.filter(subject__startswith="automation rule").order_by("id")
    assert list(kept.values_list("subject", flat=True)) == [
        "automation rule A rule",
        "automation rule Better",
        "automation rule Better",
    ]
    assert not AutomationEvent.objects.exists()
    assert acted(record).stage != "Solved"


# ---- trying


def test_trying_shows_what_would_happen_and_does_nothing(house: House, template: MailTemplate) -> None:
    record = arrive_new()
    rule = a_rule(house, send(template), stage("Solved"), {"do": "responsible", "members": [house.bob.pk]})
    before = (Message.objects.count(), OutgoingMail.objects.count(), Follower.objects.count())
    tried = try_rule(ports(), rule, record.pk, member=house.alice)
    assert tried.verdict.fires
    assert [step.outcome for step in tried.steps] == [Outcome.DO] * 3
    assert tried.steps[0].subject == "We have it: My parcel is late"
    record.refresh_from_db()
    assert (record.stage, record.responsible) == ("New", None)
    assert (Message.objects.count(), OutgoingMail.objects.count(), Follower.objects.count()) == before


def test_trying_says_why_a_rule_would_not_fire(house: House) -> None:
    record = arrive_new()
    rule = a_rule(house, {"do": "responsible", "members": [house.bob.pk]}, words="order", kind_id="lead")
    tried = try_rule(ports(), rule, record.pk, member=house.alice)
    assert not tried.verdict.fires
    assert {reason.code for reason in tried.verdict.reasons} == {"rule.not.kind", "rule.not.words"}


def test_trying_finds_words_that_cannot_be_filled(house: House, template: MailTemplate) -> None:
    record = arrive_new()
    MailTemplate.objects.update(html="{{ record.values.Number }}")
    tried = try_rule(ports(), a_rule(house, send(template)), record.pk, member=house.alice)
    assert [step.outcome for step in tried.steps] == [Outcome.TROUBLE]


# ---- at the same moment


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_three_clerks_at_the_same_moment_do_each_thing_once_and_keep_the_turn(house: House) -> None:
    a_rule(house, {"do": "responsible", "members": [house.bob.pk, house.charlie.pk]})
    values: dict[str, Any] = {"company_id": house.company.pk, "kind": "ticket", "author": None}
    for number in range(12):
        create_record(ports(), title=f"Parcel {number}", **values)
    settled: list[int] = []
    start = threading.Barrier(3)

    def clerk() -> None:
        try:
            start.wait(90)
            while done := run_due_rules(ports()):
                settled.append(done)
        finally:
            connections.close_all()

    clerks = [threading.Thread(target=clerk) for _ in range(3)]
    for one in clerks:
        one.start()
    for one in clerks:
        one.join(60)
    assert sum(settled) == 12
    assert Record.objects.filter(responsible=house.bob).count() == 6
    assert Record.objects.filter(responsible=house.charlie).count() == 6
    assert AutomationTally.objects.get().count == 12
    assert not Alarm.objects.exists()
