"""Automation rules on the pages: made, tried out, switched, and what the record shows of them."""

from __future__ import annotations

import pytest
from django.test import Client

from postroom.flows.run_rules import run_due_rules
from postroom.store.models import (
    AliasDomain,
    AutomationRule,
    Company,
    MailTemplate,
    Member,
    Message,
    OutgoingMail,
    Record,
    SettingChange,
)
from postroom.wiring import ports
from tests.web import seeding
from tests.web.conftest import SignedIn

HTMX = {"HX-Request": "true"}


@pytest.fixture
def template(company: Company) -> MailTemplate:
    return MailTemplate.objects.create(
        company=company, name="Welcome", subject="We have {{ record.title }}", html="<p>!</p>"
    )


@pytest.fixture
def record(company: Company) -> Record:
    company.alias_domain = AliasDomain.objects.create(name="postroom.test")
    company.save()
    carla = seeding.a_contact("Carla Conti", "carla@customer.example", company)
    return seeding.a_record(company, "Poster", contact=carla, stage="New")


@pytest.fixture
def window(signed_in: SignedIn, ada: Member) -> Client:
    return signed_in(ada)


def typed(**more: object) -> dict[str, object]:
    return {"name": "Move it", "is_active": "on", "trigger": "stage", "into_stage": "In progress"} | more


def test_a_rule_is_made_with_several_actions_and_shown_again(
    window: Client, company: Company, template: MailTemplate, bob: Member
) -> None:
    more = {
        "kind": "ticket",
        "words": "poster",
        "do_0": "message",
        "template_0": template.pk,
        "do_1": "responsible",
        "people_1": [bob.contact_id],
        "do_2": "activity",
        "kind_2": "call",
        "summary_2": "Call Carla",
        "days_2": "3",
        "member_2": bob.pk,
    }
    answer = window.post("/settings/rules/new/", typed(**more))
    assert answer.status_code == 303, answer.content
    rule = AutomationRule.objects.get()
    assert (rule.company, rule.trigger, rule.stage, rule.kind_id) == (company, "stage", "In progress", "ticket")
    assert rule.actions == [
        {"do": "message", "template": template.pk},
        {"do": "responsible", "members": [bob.pk]},
        {"do": "activity", "kind": "call", "summary": "Call Carla", "days": 3, "member": bob.pk},
    ]
    form = window.get(answer["Location"]).content.decode()
    assert f'value="{bob.contact_id}" checked' in form
    assert "Call Carla" in form
    listed = window.get("/settings/rules/").content.decode()
    assert "the stage is set to In progress" in listed
    assert "send a message from a template" in listed
    assert SettingChange.objects.filter(subject="automation rule Move it").exists()


def test_what_cannot_act_is_told_and_what_was_typed_stays(window: Client, company: Company) -> None:
    answer = window.post("/settings/rules/new/", typed(into_stage="", name="Kept", do_0="message"))
    assert answer.status_code == 422
    words = answer.content.decode()
    assert "Into which stage?" in words
    assert "Choose the template of the message." in words
    assert 'value="Kept"' in words
    assert not AutomationRule.objects.exists()


def test_what_does_not_belong_to_the_trigger_is_not_kept(window: Client, company: Company) -> None:
    more = {"trigger": "unanswered", "hours": "8", "stage": "New", "via": "mail", "do_0": "stage", "stage_0": "Solved"}
    assert window.post("/settings/rules/new/", typed(**more)).status_code == 303
    rule = AutomationRule.objects.get()
    assert (rule.hours, rule.via, rule.stage) == (8, "", "New")


def test_a_rule_is_switched_off_and_on_and_removed(window: Client, company: Company) -> None:
    window.post("/settings/rules/new/", typed(do_0="stage", stage_0="Solved"))
    rule = AutomationRule.objects.get()
    for on, expected in (("0", False), ("1", True)):
        window.post(f"/settings/rules/{rule.pk}/switch/", {"on": on})
        rule.refresh_from_db()
        assert rule.is_active is expected
    window.post(f"/settings/rules/{rule.pk}/remove/")
    assert not AutomationRule.objects.exists()


def test_trying_shows_what_the_form_would_do_before_it_is_saved(
    window: Client, record: Record, template: MailTemplate
) -> None:
    more = {"into_stage": "New", "do_0": "message", "template_0": template.pk, "do_1": "stage", "stage_1": "Solved"}
    answer = window.post("/settings/rules/try/", typed(record=record.pk, **more), headers=HTMX)
    words = answer.content.decode()
    assert "The rule fires." in words
    assert "We have Poster" in words
    assert "sets the stage to Solved" in words
    assert "<html" not in words
    assert not AutomationRule.objects.exists()
    assert not Message.objects.exists()
    whole = window.post("/settings/rules/try/", typed(record=record.pk, **more)).content.decode()
    assert "The rule fires." in whole
    assert 'value="Move it"' in whole, "without htmx the form stays as it was"


@pytest.mark.parametrize("number", ["", "999999", "x"])
def test_trying_on_no_record_is_told(window: Client, record: Record, number: str) -> None:
    more = {"do_0": "stage", "stage_0": "Solved", "record": number}
    answer = window.post("/settings/rules/try/", typed(**more), headers=HTMX)
    assert answer.status_code == 200
    assert "pr-bad" in answer.content.decode()


def test_a_record_of_another_company_cannot_be_tried(window: Client, record: Record, mallory: Member) -> None:
    theirs = seeding.a_record(mallory.company, "Secret plans")
    more = {"do_0": "stage", "stage_0": "Solved", "record": theirs.pk}
    assert "Secret" not in window.post("/settings/rules/try/", typed(**more), headers=HTMX).content.decode()


def test_rules_of_another_company_are_not_there(
    window: Client, signed_in: SignedIn, mallory: Member, company: Company
) -> None:
    window.post("/settings/rules/new/", typed(do_0="stage", stage_0="Solved"))
    rule = AutomationRule.objects.get()
    theirs = signed_in(mallory)
    assert b"Move it" not in theirs.get("/settings/rules/").content
    for place in ("", "switch/", "remove/"):
        assert theirs.post(f"/settings/rules/{rule.pk}/{place}", {"on": "0"}).status_code == 404
    theirs.post("/settings/rules/new/", typed(company=company.pk, name="Sneaked in", do_0="stage", stage_0="Solved"))
    assert AutomationRule.objects.get(name="Sneaked in").company == mallory.company


def test_the_record_says_which_rule_did_what_and_why(
    window: Client, record: Record, template: MailTemplate, ada: Member
) -> None:
    more = {"do_0": "message", "template_0": template.pk, "do_1": "stage", "stage_1": "Solved"}
    window.post("/settings/rules/new/", typed(**more))
    window.post(f"/records/{record.pk}/change/", {"stage": "In progress"})
    assert run_due_rules(ports()) == 1
    shown = " ".join(window.get(f"/records/{record.pk}/").content.decode().split())
    assert 'The rule <b class="pr-strong">Move it</b>' in shown
    assert "sends Welcome to Carla Conti, sets the stage to Solved." in shown
    assert "Its stage was set to In progress." in shown
    assert "by the rule Move it" in shown
    assert OutgoingMail.objects.filter(deliveries__to_address="carla@customer.example").count() == 1


def test_a_rule_that_cannot_be_read_any_more_is_shown_with_its_trouble(window: Client, company: Company) -> None:
    AutomationRule.objects.create(company=company, name="Old", trigger="created", actions=[{"do": "explode"}])
    assert b"explode" in window.get("/settings/rules/").content
    assert window.get(f"/settings/rules/{AutomationRule.objects.get().pk}/").status_code == 200
